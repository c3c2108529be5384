"""How commands reach a box: over loopback when one runs on the data folder, else by opening the folder.

The same requests go to the same handlers either way. Without a running box the door is opened inside this
process, without a socket, over the store that the command holds the lock of.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import httpx2
import msgspec

from ingestbox import families, logs
from ingestbox.cli import reasons
from ingestbox.clock import SystemClock
from ingestbox.config import Settings
from ingestbox.family import MAX_LIMIT
from ingestbox.identity.derived import Derived
from ingestbox.identity.guard import Guard
from ingestbox.identity.keyring import StoredKeys
from ingestbox.identity.passwords import Hasher
from ingestbox.identity.secretfile import load_secret, load_secrets
from ingestbox.identity.tokens import mint
from ingestbox.model import Role
from ingestbox.ops import doctor, status
from ingestbox.ops.offline import open_store
from ingestbox.store import Store
from ingestbox.store.lock import is_held, read_holder
from ingestbox.web import v1
from ingestbox.web.app import build_app
from ingestbox.web.binding import BoundRoute
from ingestbox.web.box import StoreBox
from ingestbox.web.progress import Progress

TOKEN_SECONDS = 60
"""How long a token that a command makes for itself is good; it makes the next one at half time."""

STARTING_SECONDS = 5.0
"""How long a command waits for the address of a box that is just starting."""

CONNECT_SECONDS = 5.0
SUBJECT = "cli"


class MintedToken(httpx2.Auth):
    """Signs each request with a short token made from the data folder's secret.

    The secret is read anew for every token, so that a rotation does not stop a command that runs for long;
    and once more when the box refuses one, for its secret may just have been ended.
    """

    def __init__(self, folder: Path, role: Role, workspace: str = "default") -> None:
        """Raises StartupError when the folder's secret cannot be read."""
        self._folder = folder
        self._secret = load_secret(folder)
        self._role = role
        self._workspace = workspace
        self._clock = SystemClock()
        self._token = ""
        self._renew_at = float("-inf")

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Adds the header. Raises StartupError when the secret cannot be read any more."""
        if self._clock.monotonic() >= self._renew_at:
            self._renew(load_secret(self._folder))
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == httpx2.codes.UNAUTHORIZED:
            secret = load_secret(self._folder)
            if secret != self._secret:
                self._renew(secret)
                request.headers["Authorization"] = f"Bearer {self._token}"
                yield request

    def _renew(self, secret: bytes) -> None:
        self._secret = secret
        self._token = mint(
            secret,
            subject=SUBJECT,
            roles=[self._role],
            workspace=self._workspace,
            ttl_seconds=TOKEN_SECONDS,
            clock=self._clock,
        )
        self._renew_at = self._clock.monotonic() + TOKEN_SECONDS / 2


async def running_box(settings: Settings) -> str | None:
    """The address of the box that runs on the data folder, or None when none does.

    Raises ClickException when something holds the folder that does not listen.
    """
    folder = Path(settings.data)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + STARTING_SECONDS
    while is_held(folder):
        holder = read_holder(folder)
        if holder is not None and holder.url:
            return holder.url
        if loop.time() > deadline:
            who = f"process {holder.pid}" if holder is not None else "another process"
            raise click.ClickException(
                f"The data folder {folder} is in use by {who}, which does not listen. "
                "It may be another command: try again when it has ended."
            )
        await asyncio.sleep(0.05)
    return None


class RefusedError(click.ClickException):
    """An answer that is an error, with the box's own sentence and remedy; its body has been read."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(complaint(response))
        self.status = response.status_code


def trust(folder: Path, url: str) -> ssl.SSLContext | bool:
    """What a client of the box that runs on the folder takes as `verify`: of one with TLS the very
    certificate that it says it shows."""
    holder = read_holder(folder)
    if not url.startswith("https:") or holder is None or not holder.certificate:
        return True
    from ingestbox.web.tls import command_context

    return command_context(holder.certificate, folder)


@asynccontextmanager
async def administration(settings: Settings, workspace: str = "default") -> AsyncIterator[httpx2.AsyncClient]:
    """A client for the box's `/v1`, as an administrator of the workspace. Raises StartupError or
    ClickException when there is no box in the folder."""
    logs.set_up("WARNING", "simple")
    folder = Path(settings.data)
    url = await running_box(settings)
    if url is not None:
        async with _client(folder, workspace, base_url=url, verify=trust(folder, url)) as client:
            yield client
        return
    async with open_store(settings) as store, AsyncExitStack() as stack:
        transport = httpx2.ASGITransport(_door(store, settings, stack))
        async with _client(folder, workspace, base_url="http://box", transport=transport) as client:
            yield client


async def call(client: httpx2.AsyncClient, method: str, path: str, body: object = None) -> Any:
    """The decoded answer. Raises ClickException with the box's own sentence and remedy."""
    content = None if body is None else msgspec.json.encode(body)
    headers = {} if content is None else {"Content-Type": "application/json"}
    try:
        response = await client.request(method, path, content=content, headers=headers)
    except httpx2.TransportError as error:
        raise click.ClickException(
            f"The box at {client.base_url} does not answer: {reason(error)}. See its log."
        ) from None
    if response.is_success:
        return msgspec.json.decode(response.content)
    raise RefusedError(response)


async def pages(client: httpx2.AsyncClient, path: str, member: str) -> list[Any]:
    """Everything that a list of `/v1` holds, page by page; `member` is where its pages have it."""
    found: list[Any] = []
    query = f"?limit={MAX_LIMIT}"
    while True:
        page = await call(client, "GET", path + query)
        found += page[member]
        if page["next_cursor"] is None:
            return found
        query = f"?limit={MAX_LIMIT}&cursor={quote(page['next_cursor'])}"


def complaint(response: httpx2.Response) -> str:
    """What an answer that is an error says: status, detail, and the remedy where it gives one."""
    try:
        told = msgspec.json.decode(response.content, type=dict[str, object])
    except msgspec.DecodeError:
        told = {}
    words = [str(told[name]) for name in ("detail", "remedy") if told.get(name)]
    sentence = " ".join(word if word.endswith((".", "!", "?")) else f"{word}." for word in words)
    return sentence or f"The answer was {response.status_code} {response.reason_phrase}."


def reason(error: httpx2.TransportError) -> str:
    """Why a request got no answer, as a phrase."""
    return reasons.phrase(error)


def _client(folder: Path, workspace: str, **options: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        auth=MintedToken(folder, Role.ADMIN, workspace),
        trust_env=False,  # a proxy has no business between a box and its own command
        timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),  # the doctor may read for minutes
        **options,
    )


def _door(store: Store, settings: Settings, stack: AsyncExitStack) -> Any:
    """The administration's routes over an open store, as an ASGI application; `stack` ends it."""
    folder = store.path.parent
    hasher = Hasher()
    stack.callback(hasher.close)
    guard = Guard(
        secret=load_secrets(folder),
        static=(),
        keys=StoredKeys(store),
        clock=store.clock,
        leeway_seconds=settings.auth.leeway_seconds,
    )
    parts = v1.Parts(
        store=store,
        families=families.load(),
        guard=guard,
        derived=Derived(lambda: load_secrets(folder)),
        hasher=hasher,
        ring=lambda _: None,
        snapshot=lambda workspace: status.snapshot(store, workspace),
        examine=lambda: doctor.examine(store, settings),
        progress=Progress(),
    )
    return build_app(
        routes=[BoundRoute(route) for route in v1.routes(parts)],
        guard=guard,
        box=StoreBox(store, ring=lambda _: None),
        limits=settings.limits,
        clock=store.clock,
    )
