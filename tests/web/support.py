"""A real server on a free port, with the door and a few small handlers behind it."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import httpx2
import msgspec
from starlette.responses import PlainTextResponse

from ingestbox.config import Issuer, Limits, Rates, Server
from ingestbox.errors import Fault, IngestError
from ingestbox.family import Box
from ingestbox.identity.apikeys import KeyRecord
from ingestbox.identity.guard import Guard, UserFinder
from ingestbox.identity.tokens import mint
from ingestbox.model import Role
from ingestbox.route import Reply, Route
from ingestbox.web.app import Door, build_app
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.http.server import HttpServer, run
from ingestbox.web.policy.policies import Policies
from ingestbox.web.policy.ratelimit import Buckets
from ingestbox.web.service import Check, service_routes
from ingestbox.web.streams import Streamed

SECRET = b"0123456789abcdef0123456789abcdef0123456789a"
STATIC_KEY = "static-key-of-thirty-two-or-more-characters"


class HeldClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000


class Keys:
    """Stored keys in a dict, by digest."""

    def __init__(self) -> None:
        self.records: dict[str, KeyRecord] = {}
        self.looked_up: list[str] = []
        self.uses: list[int] = []

    async def find(self, digest: str) -> KeyRecord | None:
        self.looked_up.append(digest)
        return self.records.get(digest)

    def used(self, key_id: int) -> None:
        self.uses.append(key_id)


class Condition:
    """The box's health, as the test wants it."""

    def __init__(self) -> None:
        self.found: list[Check] = [Check("store", True)]

    async def checks(self) -> list[Check]:
        return self.found


def family_body(error: IngestError, request_id: str) -> dict[str, object]:
    return {"detail": error.detail, "code": error.code, "request_id": request_id}


class Live:
    """What a test sees of a running door."""

    def __init__(
        self,
        limits: Limits,
        settings: Server,
        install_signals: bool,
        rates: Rates | None = None,
        *,
        issuers: Sequence[Issuer] = (),
        users: UserFinder | None = None,
    ) -> None:
        self.clock = HeldClock()
        self.too_many = False
        self.keys = Keys()
        self.condition = Condition()
        self.asked: list[Request] = []
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.guard = Guard(
            secret=SECRET,
            static=[STATIC_KEY],
            keys=self.keys,
            clock=self.clock,
            leeway_seconds=5,
            issuers=issuers,
            users=users,
        )
        routes = [
            BoundRoute(route, family_body)
            for route in (
                Route("POST", "/api/echo", self.echo, "Echo.", frozenset({Role.INGEST}), "feedback_json_mb"),
                Route("GET", "/api/echo", self.who, "Who."),
                Route("GET", "/api/thing/{thing_id}", self.who, "One."),
                Route("GET", "/api/any/{name:path}", self.who, "Any path."),
                Route(
                    "POST",
                    "/api/take",
                    self.echo,
                    "Takes records.",
                    body_limit="feedback_json_mb",
                    rate="intake",
                    takes_records=True,
                ),
            )
        ]
        routes += [
            BoundRoute(route)
            for route in (
                Route("POST", "/v1/echo", self.echo, "Echo.", body_limit="control_kb"),
                Route("POST", "/v1/lines", self.echo, "Lines.", body_limit="control_kb", media_types=NDJSON),
                Route("POST", "/v1/things/{thing_id}/cancel", self.who, "No body."),
                Route("GET", "/v1/fail", self.fail, "Fails."),
                Route("GET", "/v1/unencodable", self.unencodable, "Cannot be encoded."),
                Route("GET", "/v1/invalid", self.invalid, "Raises an error of the catalogue."),
                Route("DELETE", "/v1/things/{thing_id}", self.none, "204."),
                Route("GET", "/v1/lines", self.lines, "Bytes with their own type."),
                Route("GET", "/v1/slow", self.slow, "Waits."),
                Route("GET", "/v1/free", self.who, "Not counted.", rate=""),
                Route("GET", "/v1/origin", self.origin, "Where from."),
                Route("GET", "/v1/stream", self.stream, "Streams."),
                Route("POST", "/v1/made", self.made, "201 with a Location."),
            )
        ]
        routes.append(BoundRoute(Route("POST", "/v1/open", self.who, "Public.", rate="login"), public=True))
        routes += service_routes(self.condition)
        box = cast("Box", None)  # the handlers here ask nothing of it
        self.door: Door = build_app(
            routes=routes,
            guard=self.guard,
            box=box,
            limits=limits,
            clock=self.clock,
            policies=Policies(Buckets(self.clock), settings, rates, self.admit),
        )
        self.server = HttpServer(self.door, settings, install_signals, limits)

    @classmethod
    def quiet(cls, settings: Server | None = None, install_signals: bool = False) -> Live:
        """One that the test starts and stops itself."""
        return cls(Limits(), settings or Server(port=0), install_signals)

    async def echo(self, ask: Request) -> Reply:
        self.asked.append(ask)
        return Reply({"size": len(ask.body), "sha256": hashlib.sha256(ask.body).hexdigest()})

    async def who(self, ask: Request) -> Reply:
        self.asked.append(ask)
        caller = ask.caller
        return Reply(
            {
                "subject": caller.subject,
                "workspace": caller.workspace,
                "roles": sorted(caller.roles),
                "path": ask.path,
                "query": ask.query,
            }
        )

    async def fail(self, ask: Request) -> Reply:
        raise RuntimeError("the secret of /var/lib/ingestbox")

    async def unencodable(self, ask: Request) -> Reply:
        return Reply({"value": object()})

    async def invalid(self, ask: Request) -> Reply:
        raise IngestError(
            "validation_failed",
            faults=[Fault("missing", "id is required", index=3, field="id")],
            retry_after=7,
            extra={"batch": "b1"},
        )

    async def none(self, ask: Request) -> Reply:
        return Reply(None, 204)

    async def lines(self, ask: Request) -> Reply:
        return Reply(b"1\n2\n", headers=(("Content-Type", "application/x-ndjson"), ("ETag", '"3"')))

    async def origin(self, ask: Request) -> Reply:
        return Reply({**msgspec.structs.asdict(ask.origin), "loopback": ask.origin.is_loopback})

    async def made(self, ask: Request) -> Reply:
        return Reply({}, 201, (("Location", "/v1/things/7"),))

    async def stream(self, ask: Request) -> Reply:
        return Streamed(app=PlainTextResponse("streamed", headers={"Vary": "Accept"}))

    async def admit(self, _: object) -> None:
        if self.too_many:
            raise IngestError("overloaded", status=429, retry_after=5)

    async def slow(self, ask: Request) -> Reply:
        self.entered.set()
        await self.release.wait()
        return Reply({"slow": True})

    @property
    def port(self) -> int:
        return int(self.server.url.rpartition(":")[2])

    def token(self, *roles: Role, subject: str = "ann", workspace: str = "default") -> str:
        return mint(
            SECRET,
            subject=subject,
            roles=roles or (Role.INGEST,),
            workspace=workspace,
            ttl_seconds=3600,
            clock=self.clock,
        )

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token()}"}

    def client(self, **options: Any) -> httpx2.AsyncClient:
        # Plain HTTP: an empty context saves loading the machine's certificates for every test.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return httpx2.AsyncClient(base_url=self.server.url, verify=context, trust_env=False, **options)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    def head(self, target: str = "POST /api/echo", *headers: str, token: bool = True) -> bytes:
        """The first lines of a request, by hand."""
        lines = [f"{target} HTTP/1.1", "Host: box", *headers]
        if token:
            lines.append(f"Authorization: Bearer {self.token()}")
        return "\r\n".join([*lines, "", ""]).encode()


NDJSON = ("application/x-ndjson",)


class Answer(msgspec.Struct):
    """A reply read by hand."""

    status: int
    headers: dict[str, str]
    body: Any


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """One reply with a Content-Length; fails when none comes within 10 s."""
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.strip().split("\r\n")
        headers = {n.lower(): v for n, v in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
    return Answer(int(status.split()[1]), headers, msgspec.json.decode(body))


Test = Callable[[Live], Awaitable[None]]


def serve(
    test: Test,
    limits: Limits | None = None,
    stop_seconds: float = 5.0,
    *,
    rates: Rates | None = None,
    issuers: Sequence[Issuer] = (),
    users: UserFinder | None = None,
    **settings: Any,
) -> None:
    """Runs a coroutine function against a running door, on the box's loop, for at most a minute.

    `settings` are further ones of [server]. The guard is not started: keys are fetched when they are needed.
    """

    async def main() -> None:
        server = Server(port=0, stop_seconds=stop_seconds, **settings)
        live = Live(limits or Limits(), server, False, rates, issuers=issuers, users=users)
        await live.server.start()
        try:
            async with asyncio.timeout(60):
                await test(live)
        finally:
            live.release.set()
            live.door.drain()
            await live.guard.stop()
            await live.server.stop()

    run(main())
