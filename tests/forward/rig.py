"""Boxes that send to each other in one process: each a store, the door for batches, and lanes."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec

from ingestbox import config, families
from ingestbox.clock import Clock, SystemClock
from ingestbox.family import Box
from ingestbox.forward import Forwarder
from ingestbox.identity.guard import Guard
from ingestbox.identity.tokens import mint
from ingestbox.model import Role, delivery_digest
from ingestbox.store import Store, senders
from ingestbox.store.enqueued import count_enqueued
from ingestbox.store.senders import SenderStatus
from ingestbox.store.unit import Tx
from ingestbox.web.app import build_app
from ingestbox.web.binding import BoundRoute
from ingestbox.web.http.server import HttpServer
from ingestbox.web.policy.policies import Policies
from ingestbox.web.policy.ratelimit import Buckets
from ingestbox.web.v1 import sync
from tests.forward.support import PATIENCE, lane, opened, ticket_line, until_async
from tests.web.support import SECRET, Keys

KNOWN = families.load()


def token(workspace: str = "default") -> str:
    """What every one of these boxes takes of a lane."""
    clock = SystemClock()
    roles = (Role.FORWARDER,)
    return mint(SECRET, subject="edge", roles=roles, workspace=workspace, ttl_seconds=10**7, clock=clock)


@dataclass(frozen=True, slots=True)
class Tell:
    """Makes deliveries of these lines, numbered as they come."""

    lines: Sequence[dict[str, Any]]

    @property
    def weight(self) -> int:
        return 4 * len(self.lines)

    def apply(self, tx: Tx) -> list[int]:
        """Their seqs."""
        identity, first = tx.one("box.identity"), tx.one("box.take_seqs", {"n": len(self.lines)})
        assert identity is not None
        assert first is not None
        rows: list[tuple[Any, ...]] = []
        for seq, line in enumerate(self.lines, start=int(first[0])):
            text = msgspec.json.encode({**line, "box": identity[0], "epoch": identity[1], "seq": seq})
            place = (line["workspace"], line["family"], line["kind"], line["id"], line["version"])
            rows.append(
                (seq, identity[1], line["op"], *place, seq, 1_800_000_000_000, text, zlib.crc32(text))
            )
        tx.many("deliveries.insert", rows)
        count_enqueued(tx, [(row[3], row[4], row[5], row[2], False, len(row[10])) for row in rows])
        return [row[0] for row in rows]


def put(object_id: str, version: int = 1, **members: Any) -> dict[str, Any]:
    """A ticket, to be numbered by `Tell`."""
    return ticket_line("", "", 0, object_id=object_id, version=version, **members)


def gone(object_id: str, version: int, **members: Any) -> dict[str, Any]:
    """The end of a ticket."""
    line = put(object_id, version, op="delete", hash=delivery_digest(b"", b""), **members)
    del line["record"], line["result"]
    return line


@dataclass
class Node:
    """One box. `forward` starts its lanes."""

    store: Store
    url: str
    stack: AsyncExitStack
    forwarders: list[Forwarder] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.store.identity.box

    async def forward(self, *upstreams: Node | config.Lane) -> None:
        """Starts lanes: to these boxes, or as given. May be called once."""
        lanes = [
            lane(f"{each.url}/v1/sync/batches", f"lane{number}", token=token(), backoff_seconds=0.01)
            if isinstance(each, Node)
            else each
            for number, each in enumerate(upstreams, start=1)
        ]
        forwarder = Forwarder(self.store, lanes, clock=self.store.clock)
        await forwarder.start()
        self.forwarders.append(forwarder)
        self.stack.push_async_callback(forwarder.stop, PATIENCE)

    def wake(self) -> None:
        for each in self.forwarders:
            each.wake()

    async def tell(self, *lines: dict[str, Any]) -> list[int]:
        """Makes deliveries; their seqs."""
        seqs = await self.store.write(Tell(lines))
        self.wake()
        return seqs

    async def heads(self) -> dict[tuple[str, str], tuple[int, bool]]:
        """What it has of others: (box, ticket's id) → (version, deleted)."""
        rows = await self.store.read("test.test_heads")
        return {(origin, name): (version, bool(deleted)) for origin, name, version, deleted in rows}

    async def tickets(self) -> dict[tuple[str, str], int]:
        """The tickets that stand there: (box, id) → version, as its score tells it."""
        rows = await self.store.read("test.test_tickets")
        return {(origin, name): round(1_000 * score) for origin, name, score in rows}

    async def deliveries(self) -> list[dict[str, Any]]:
        """Its deliveries, as their lines tell them."""
        return [msgspec.json.decode(row[0]) for row in await self.store.read("test.test_lines")]

    async def senders(self) -> list[SenderStatus]:
        return await senders.senders(self.store)

    async def until_sent(self) -> None:
        """Waits until its lanes have nothing pending."""

        async def idle() -> bool:
            self.wake()
            ((newest,),) = await self.store.read("test.test_newest")
            cursors = [row[1] for row in await self.store.read("deliveries.lanes")]
            return all(cursor >= newest for cursor in cursors)

        await until_async(idle, f"{self.name} has sent everything")


QUERIES = """
-- name: test_heads
SELECT origin, object_id, version, deleted FROM objects WHERE origin <> '' ORDER BY origin, object_id;

-- name: test_tickets
SELECT origin, ticket_id, score FROM tickets ORDER BY origin, ticket_id;

-- name: test_lines
SELECT CAST(line AS BLOB) FROM deliveries ORDER BY seq;

-- name: test_origins
SELECT seq, origin, record_id FROM deliveries ORDER BY seq;

-- name: test_sums
SELECT name, enqueued, delivered, (SELECT count(*) FROM parked WHERE lane = name) FROM lanes ORDER BY name;

-- name: test_parked
SELECT seq, code FROM parked ORDER BY seq;

-- name: test_take
UPDATE lanes
SET families = :families, kinds = :kinds, workspaces = :workspaces, ops = :ops,
    relay = :relay, state = :state;

-- name: test_newest
SELECT coalesce(max(seq), 0) FROM deliveries;
"""


@asynccontextmanager
async def node(
    folder: Path, clock: Clock | None = None, settings: config.Sync | None = None
) -> AsyncIterator[Node]:
    """A box that takes batches; its lanes are started by `forward`."""
    queries = {**{name: family.queries for name, family in KNOWN.items()}, "test": _extra(folder)}
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(opened(folder, clock, queries))
        guard = Guard(secret=SECRET, static=[], keys=Keys(), clock=clock, leeway_seconds=5)
        made = Node(store, "", stack)
        routes = sync.routes(store, KNOWN, settings, relayed=made.wake)
        limits = config.Limits()
        door = build_app(
            routes=[BoundRoute(route) for route in routes],
            guard=guard,
            box=cast("Box", None),  # these handlers ask nothing of it
            limits=limits,
            clock=clock,
            policies=Policies(Buckets(clock), config.Server(port=0), config.Rates(), _admit),
        )
        server = HttpServer(door, config.Server(port=0), False, limits)
        await server.start()
        stack.push_async_callback(server.stop)
        stack.callback(door.drain)
        made.url = server.url
        yield made


async def _admit(_: object) -> None:
    """There is room."""


def _extra(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "test.sql"
    path.write_text(QUERIES)
    return path
