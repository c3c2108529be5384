"""What the tests of forwarding share: a real store, a clock they hold, and an upstream that misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
import sys
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import uvloop

from ingestbox import config, families
from ingestbox.clock import Clock, SystemClock, iso
from ingestbox.forward import Forwarder, LaneState
from ingestbox.model import delivery_digest
from ingestbox.store import Store, lanes
from ingestbox.store.enqueued import count_enqueued
from ingestbox.store.identity import BoxIdentity
from ingestbox.store.lanes import LaneStatus
from ingestbox.store.unit import Tx

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

T = TypeVar("T")

PATIENCE = 20.0
START_MS = 1_800_000_000_000


def run(test: Coroutine[Any, Any, T]) -> T:
    """Runs a test on the loop that the box uses."""
    return uvloop.run(test)


async def until(condition: Callable[[], Any], what: str) -> Any:
    """Waits for a condition; a busy machine takes longer, not a test that is right."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} s: {what}"
        await asyncio.sleep(0.002)
    return value


async def until_async(condition: Callable[[], Awaitable[Any]], what: str, patience: float = PATIENCE) -> Any:
    """The same for a condition that has to ask."""
    deadline = time.monotonic() + patience
    while not (value := await condition()):
        assert time.monotonic() < deadline, f"not within {patience:g} s: {what}"
        await asyncio.sleep(0.002)
    return value


class HeldClock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.wall_ms = START_MS
        self.ticks = 0.0

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic(self) -> float:
        return self.ticks

    def advance(self, seconds: float) -> None:
        self.wall_ms += round(seconds * 1000)
        self.ticks += seconds


@asynccontextmanager
async def opened(
    folder: Path, clock: Clock | None = None, queries: Mapping[str, Path] | None = None
) -> AsyncIterator[Store]:
    """A store with the families' tables (and their queries, unless others are given), closed at the end."""
    async with AsyncExitStack() as stack:
        yield await Store.open(
            folder,
            stack,
            families=queries or {name: family.queries for name, family in families.load().items()},
            settings=config.Store(),
            limits=config.Limits(),
            clock=clock or SystemClock(),
        )


def ticket_line(
    box: str,
    epoch: str,
    seq: int,
    *,
    version: int = 1,
    object_id: str | None = None,
    at_ms: int = START_MS,
    record: dict[str, object] | None = None,
    result: dict[str, object] | None = None,
    **members: object,
) -> dict[str, Any]:
    """A delivery line of a ticket, with a hash that fits; `members` replace what it says otherwise."""
    object_id = object_id or f"T-{seq}"
    raw_record = msgspec.json.encode(
        {"id": object_id, "summary": f"ticket {seq}"} if record is None else record
    )
    raw_result = msgspec.json.encode(
        {"sentiment": "neutral", "score": int(version) / 1_000, "trend": "stable", "fields": []}
        if result is None
        else result
    )
    return {
        "box": box,
        "epoch": epoch,
        "seq": seq,
        "op": "put",
        "version": version,
        "workspace": "default",
        "family": "feedback",
        "kind": "ticket",
        "id": object_id,
        "owner": "local:somebody",
        "job_id": "0190",
        "at": iso(at_ms),
        "hash": delivery_digest(raw_record, raw_result),
        "record": msgspec.Raw(raw_record),
        "result": msgspec.Raw(raw_result),
        **members,
    }


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Makes deliveries as settling does: numbered, stored and counted in one transaction."""

    identity: BoxIdentity
    count: int
    padding: int = 0
    epoch: str | None = None

    @property
    def weight(self) -> int:
        return self.count

    def apply(self, tx: Tx) -> None:
        row = tx.one("box.take_seqs", {"n": self.count})
        assert row is not None
        epoch = self.epoch or self.identity.epoch
        rows = []
        for seq in range(int(row[0]), int(row[0]) + self.count):
            record: dict[str, object] = {"id": f"T-{seq}", "summary": "x" * self.padding or "short"}
            line = msgspec.json.encode(ticket_line(self.identity.box, epoch, seq, record=record))
            rows.append(
                (
                    seq,
                    epoch,
                    "put",
                    "default",
                    "feedback",
                    "ticket",
                    f"T-{seq}",
                    1,
                    seq,
                    START_MS,
                    line,
                    zlib.crc32(line),
                )
            )
        tx.many("deliveries.insert", rows)
        count_enqueued(tx, [(row[3], row[4], row[5], row[2], False, len(row[10])) for row in rows])


async def enqueue(store: Store, count: int, *, padding: int = 0, epoch: str | None = None) -> None:
    """Adds deliveries, in units of the size that the box itself makes."""
    while count > 0:
        await store.write(Enqueue(store.identity, min(count, 250), padding, epoch))
        count -= 250


def lane(url: str, name: str = "central", **fields: Any) -> config.Lane:
    return config.Lane(name=name, url=url, **{"token": "secret-token", **fields})


@asynccontextmanager
async def forwarding(
    store: Store, *lanes: config.Lane, clock: Clock | None = None
) -> AsyncIterator[Forwarder]:
    """A forwarder that runs for the time of a block."""
    forwarder = Forwarder(store, lanes, clock=clock or store.clock)
    await forwarder.start()
    try:
        yield forwarder
    finally:
        await forwarder.stop(PATIENCE)


async def until_state(forwarder: Forwarder, state: str, reason: str | None = None) -> LaneState:
    """Waits until the first lane is in this state (and for this reason)."""

    def reached() -> LaneState | None:
        now = forwarder.states()[0]
        return now if now.state == state and (reason is None or now.reason == reason) else None

    found: LaneState = await until(reached, f"the lane is {state} ({reason}): {forwarder.states()[0]}")
    return found


@dataclass
class Received:
    """A request as the upstream got it."""

    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> bytes:
        """The body with its content coding undone."""
        coding = self.headers.get("content-encoding")
        if coding == "zstd":
            return zstd.decompress(self.body)
        return gzip.decompress(self.body) if coding else self.body

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for line in self.text.splitlines()]

    @property
    def seqs(self) -> list[int]:
        return [line["seq"] for line in self.lines]


@dataclass
class Answer:
    """What the upstream answers. `cut` ends the connection after so many bytes of it, `close` after it."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    close: bool = False
    framed: bool = True
    endless: bool = False

    def encoded(self) -> bytes:
        headers = dict(self.headers)
        if self.framed:
            headers["content-length"] = str(10**9 if self.endless else len(self.body))
        lines = [f"HTTP/1.1 {self.status} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + self.body


Respond = Callable[[Received], Answer | Awaitable[Answer]]


class Upstream:
    """An HTTP server written out by hand, so that it can answer as badly as the world does."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.script: list[Answer | Respond] = []
        self.default: Answer | Respond = Answer()
        self.connections = 0
        self.url = ""
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def seqs(self) -> list[int]:
        """Every seq received, in order of arrival, once for each time."""
        return [seq for request in self.requests for seq in request.seqs]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._one(reader, writer):
                pass
        self._writers.discard(writer)
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {}
        for each in head[1:-2]:
            name, _, value = each.partition(":")
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers["content-length"]))
        request = Received(headers, body)
        self.requests.append(request)
        answer = self.script.pop(0) if self.script else self.default
        if not isinstance(answer, Answer):
            made = answer(request)
            answer = made if isinstance(made, Answer) else await made
        raw = answer.encoded()
        writer.write(raw if answer.cut is None else raw[: answer.cut])
        while answer.endless:
            writer.write(b" " * 4096)
            await writer.drain()
        await writer.drain()
        return answer.cut is None and answer.framed and not answer.close

    def drop(self) -> None:
        """Cuts every connection."""
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def upstream(tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """An upstream on a free port of the loopback."""
    made = Upstream()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    made.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/sync/batches"
    try:
        yield made
    finally:
        server.close()
        made.drop()
        await asyncio.sleep(0)


def rejecting(*seqs: int, code: str = "record_invalid") -> Answer:
    rejected = [{"seq": seq, "code": code, "message": "no good"} for seq in seqs]
    return Answer(body=msgspec.json.encode({"rejected": rejected}))


def missing(*gaps: Sequence[int]) -> Answer:
    return Answer(body=msgspec.json.encode({"missing": gaps}))


async def status(store: Store, name: str = "central") -> LaneStatus:
    (found,) = [each for each in await lanes.overview(store) if each.name == name]
    return found


async def drained(store: Store, name: str = "central") -> LaneStatus:
    """Waits until the lane has nothing pending, and checks that its sums are right."""

    async def done() -> LaneStatus | None:
        now = await status(store, name)
        return now if now.pending == 0 else None

    found: LaneStatus = await until_async(done, f"lane {name} has nothing pending")
    await balanced(store)
    return found


def more_than(central: Upstream, count: int) -> bool:
    return len(central.requests) > count


async def balanced(store: Store) -> None:
    for balance in await lanes.balances(store):
        assert balance.holds, balance


@dataclass(frozen=True, slots=True)
class Sql:
    """A statement of the test's own: damage, mostly."""

    text: str
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        tx._connection.execute(self.text)
