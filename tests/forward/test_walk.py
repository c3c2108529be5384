"""Random walks over all that can happen to lanes: whatever it was, the sums are right and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
import zlib
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingestbox import config
from ingestbox.errors import IngestError
from ingestbox.forward import Forwarder
from ingestbox.store import Store, lanes
from ingestbox.store.audit import Act
from ingestbox.store.chain import Hole, Link, cover
from ingestbox.store.enqueued import count_enqueued
from ingestbox.store.lanes import HoldLane, Takes, replay
from ingestbox.store.parked import DecideParked
from ingestbox.store.place import RenewEpoch
from ingestbox.store.retention import Retention
from ingestbox.store.unit import Tx
from tests.forward.support import (
    Answer,
    HeldClock,
    Received,
    Sql,
    balanced,
    lane,
    opened,
    run,
    status,
    ticket_line,
    until_async,
    upstream,
)

JOB = 7
NAMES = ("central", "other")
EVERYTHING: dict[str, Any] = {}
FILTERS: tuple[dict[str, Any], ...] = (
    EVERYTHING,
    EVERYTHING,
    {"families": ["feedback"]},
    {"workspaces": ["north"]},
    {"ops": ["put"]},
    {"relay": False},
)

Made = tuple[str, str, str, str, bool]
"""Workspace, family, kind, op, and whether another box made it."""


@dataclass(frozen=True, slots=True)
class Make:
    """Makes deliveries of records of a job, and of what other boxes made."""

    sorts: Sequence[Made]
    now_ms: int

    @property
    def weight(self) -> int:
        return 4 * len(self.sorts)

    def apply(self, tx: Tx) -> list[tuple[int, bytes]]:
        """Their seqs and lines."""
        tx._connection.execute(
            "INSERT OR IGNORE INTO jobs (id, public_id, family, workspace, created_by, source, name, state,"
            " total, processed, issues, submitted_ms, updated_ms) VALUES (?, 'j7', 'feedback', 'default',"
            " 'local:una', 'json', '', 'completed', 0, 0, 0, 0, 0)",
            (JOB,),
        )
        identity, first = tx.one("box.identity"), tx.one("box.take_seqs", {"n": len(self.sorts)})
        assert identity is not None
        assert first is not None
        rows = []
        for seq, (workspace, family, kind, op, relayed) in enumerate(self.sorts, start=int(first[0])):
            said: dict[str, Any] = {"workspace": workspace, "family": family, "kind": kind, "op": op}
            line = msgspec.json.encode(ticket_line(identity[0], identity[1], seq, **said))
            record = 0 if relayed else (JOB << 24) + seq
            if record:
                tx._connection.execute("INSERT INTO records VALUES (?, '', 'done', '{}', 0)", (record,))
            place = (workspace, family, kind, f"T-{seq}", 1, record, self.now_ms)
            rows.append((seq, identity[1], op, *place, line, zlib.crc32(line)))
        tx.many("deliveries.insert", rows)
        count_enqueued(tx, [(*sort, len(row[10])) for sort, row in zip(self.sorts, rows, strict=True)])
        return [(row[0], row[10]) for row in rows]


@dataclass
class Receiver:
    """A box upstream: its chain, what it took, and the faults that it has now."""

    walk: Walk
    name: str
    fault: str = "none"
    poisoned: set[int] = field(default_factory=set)
    rejected: set[int] = field(default_factory=set)
    most: int = 10_000
    chains: dict[str, tuple[int, list[Hole]]] = field(default_factory=dict)
    taken: set[int] = field(default_factory=set)
    order: list[int] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    in_order: bool = True

    async def answer(self, got: Received) -> Answer:
        """What is answered; what was taken is kept first, so that a lost answer has it sent twice."""
        rng = self.walk.rng
        await asyncio.sleep(rng.choice([0, 0, 0.001, 0.004]))
        fault = self.fault
        if fault == "mixed":
            fault = rng.choice(["none", "none", "none", "500", "503", "cut", "401", "409"])
        if fault in ("500", "401"):
            return Answer(int(fault))
        if fault in ("503", "409"):
            return Answer(int(fault), headers={"retry-after": "7"})
        found = got.lines
        if len(found) > self.most:
            return Answer(413)
        if any(line["op"] != "skip" and line["seq"] in self.poisoned for line in found):
            return Answer(400, b'{"code":"poisoned","message":"no"}')
        rejected = self.take(got, found)
        return Answer(body=rejected, cut=20 if fault == "cut" else None)

    def take(self, got: Received, found: list[dict[str, Any]]) -> bytes:
        epoch, after = got.headers["ingestbox-epoch"], int(got.headers["ingestbox-after"])
        seqs = [line["seq"] for line in found]
        self.walk.claim(seqs == sorted(set(seqs)) and after < seqs[0], f"{after} {seqs}")
        self.walk.claim(got.headers["ingestbox-seq"] == f"{seqs[0]}-{seqs[-1]}", "seqs in the header")
        tip, holes = self.chains.get(epoch, (0, []))
        self.chains[epoch] = cover(tip, holes, Link(self.name, after, seqs[0], seqs[-1]))
        said = []
        for line, text in zip(found, got.text.splitlines(), strict=True):
            seq = line["seq"]
            if line["op"] == "skip":
                continue
            self.walk.claim(self.walk.lines[seq] == text, f"line {seq} says something else")
            self.walk.claim(line["epoch"] == epoch, f"line {seq} is of another epoch")
            if seq in self.rejected:
                said.append({"seq": seq, "code": "rejected", "message": "no"})
            elif seq not in self.taken:
                self.taken.add(seq)
                self.order.append(seq)
        missing = [(hole.after, hole.first) for hole in self.chains[epoch][1]][:100]
        return msgspec.json.encode({"rejected": said, "missing": missing})

    def lose(self) -> None:
        """It was set back: some of what it took is not there any more, and it knows."""
        epoch = self.walk.rng.choice(sorted(self.chains)) if self.chains else ""
        tip, holes = self.chains.get(epoch, (0, []))
        if tip < 4 or holes:
            return
        after = self.walk.rng.randrange(0, tip - 2)
        until = min(tip - 1, after + self.walk.rng.randrange(1, 40))
        self.chains[epoch] = (tip, [Hole(after, until, until + 1)])
        self.lost.add(epoch)
        self.in_order = False

    def heal(self) -> None:
        self.fault, self.most = "none", 10_000
        self.poisoned.clear()
        self.rejected.clear()


class Walk:
    """One walk. Each boot of the box is a store that is opened, and forwarders that start and stop in it."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.rng = random.Random(seed)
        self.folder = folder
        self.clock = HeldClock()
        self.lines: dict[int, bytes] = {}
        self.sorts: dict[int, Made] = {}
        self.damaged: set[int] = set()
        self.epochs: list[str] = []
        self.filters: dict[str, list[dict[str, Any]]] = {name: [] for name in NAMES}
        self.before: dict[str, set[int]] = {name: set() for name in NAMES}  # gone when the lane was made
        self.receivers = {name: Receiver(self, name) for name in NAMES}
        self.urls: dict[str, str] = {}
        self.faults: list[str] = []
        self.told: list[str] = []
        self.store: Store
        self.forwarder: Forwarder | None = None
        self.running: list[str] = []

    def claim(self, right: bool, what: str) -> None:
        if not right:
            self.faults.append(what)

    async def run(self, boots: int, moves: int) -> None:
        async with AsyncExitStack() as stack:
            for name in NAMES:
                central = await stack.enter_async_context(upstream())
                central.default = self.receivers[name].answer
                self.urls[name] = central.url
            for _ in range(boots):
                await self.boot(moves)
            await self.last_boot()

    async def boot(self, moves: int) -> None:
        async with opened(self.folder, self.clock) as self.store:
            renewed = bool(self.epochs) and self.rng.random() < 0.4
            if renewed:
                self.say("epoch")
                await self.store.write(RenewEpoch("test", "local:ann", self.clock.now_ms()))
        async with opened(self.folder, self.clock) as self.store:
            self.epochs.append(self.store.identity.epoch)
            try:
                for _ in range(moves):
                    move: Callable[[], Any] = self.rng.choice(self.moves())
                    self.say(move.__name__)
                    await move()
                    await balanced(self.store)
                    for each in await lanes.overview(self.store):
                        self.claim(each.pending >= 0, f"{each}")
                    assert not self.faults
                    await asyncio.sleep(self.rng.choice([0, 0.001, 0.004, 0.02]))
            finally:
                await self.stop()

    def moves(self) -> list[Callable[[], Any]]:
        often = [self.make, self.make, self.fault, self.poison, self.time, self.time, self.heal]
        rare = [self.start, self.stop, self.cut_off, self.hold, self.release, self.retry, self.retry_all]
        rarer = [self.discard, self.replay, self.replay_date, self.lose, self.purge, self.damage, self.small]
        if self.forwarder is None:
            often += [self.start] * 8
        return often + rare + rarer

    def say(self, what: str) -> None:
        self.told.append(what)

    # Moves.

    async def make(self) -> None:
        sorts: list[Made] = []
        for _ in range(self.rng.choice([1, 3, 20, 80, 240])):
            family, kind = self.rng.choice([("feedback", "ticket"), ("contacts", "contact")])
            workspace, op = self.rng.choice(["default", "north"]), self.rng.choice(["put", "put", "delete"])
            sorts.append((workspace, family, kind, op, self.rng.random() < 0.2))
        made = await self.store.write(Make(sorts, self.clock.now_ms()))
        for sort, (seq, line) in zip(sorts, made, strict=True):
            self.lines[seq], self.sorts[seq] = line, sort
        self.wake()

    def wake(self) -> None:
        if self.forwarder is not None:
            self.forwarder.wake()

    async def start(self) -> None:
        await self.stop()
        names = self.rng.choice([NAMES, NAMES, ("central",), ("other",)])
        settings = []
        for name in names:
            history = self.filters[name]
            if not history or self.rng.random() < 0.25:
                history.append(self.rng.choice(FILTERS))
            settings.append(self.settings(name, history[-1]))
        await self.begin(settings)

    def settings(self, name: str, takes: dict[str, Any]) -> config.Lane:
        share = self.rng.choice([0, 0.25, 0.5])
        if share:
            self.receivers[name].in_order = False
        return lane(
            self.urls[name],
            name,
            batch_lines=self.rng.choice([1, 2, 7, 20]),
            fresh_share=share,
            refusals=self.rng.choice([3, 3, 20]),
            backoff_seconds=0.5,
            **takes,
        )

    async def begin(self, settings: Sequence[config.Lane]) -> None:
        known = {each.name for each in await lanes.overview(self.store)}
        rows = await self.store.read_with(
            lambda tx: tx._connection.execute("SELECT seq FROM deliveries").fetchall()
        )
        for each in settings:
            if each.name not in known:
                self.before[each.name] = self.lines.keys() - {row[0] for row in rows}
        self.running = [each.name for each in settings]
        self.forwarder = Forwarder(self.store, settings, clock=self.clock)
        await self.forwarder.start()

    async def stop(self) -> None:
        forwarder, self.forwarder = self.forwarder, None
        if forwarder is not None:
            await forwarder.stop(self.rng.choice([0, 5]))
        self.running = []

    async def cut_off(self) -> None:
        """As a kill: commits on their way may be lost."""
        if self.forwarder is not None:
            for runner in self.forwarder._runners:
                if (commit := runner._progress._commit) is not None:
                    commit.cancel()
            forwarder, self.forwarder = self.forwarder, None
            await forwarder.stop(0)
            self.running = []

    def any(self) -> str:
        return self.rng.choice(NAMES)

    async def fault(self) -> None:
        self.receivers[self.any()].fault = self.rng.choice(["500", "503", "cut", "401", "mixed", "mixed"])

    async def heal(self) -> None:
        self.receivers[self.any()].heal()
        await self.time()

    async def small(self) -> None:
        self.receivers[self.any()].most = self.rng.choice([1, 3, 10])

    async def poison(self) -> None:
        receiver = self.receivers[self.any()]
        if self.lines:
            some = self.rng.sample(sorted(self.lines), min(len(self.lines), self.rng.choice([1, 5, 30])))
            self.rng.choice([receiver.poisoned, receiver.rejected]).update(some)

    async def time(self) -> None:
        self.clock.advance(self.rng.choice([1, 10, 400]))
        self.wake()

    async def hold(self) -> None:
        name = self.any()
        with contextlib.suppress(IngestError):
            await self.store.write(HoldLane(name, self.act()))
        if name in self.running and self.forwarder is not None:
            self.forwarder.hold(name)

    async def release(self) -> None:
        name = self.any()
        await self.store.write(HoldLane(name, self.act(), release=True))
        if name in self.running and self.forwarder is not None:
            self.forwarder.release(name)

    def act(self) -> Act:
        return Act("local:ann", "default", None, self.clock.now_ms())

    async def parked(self, name: str) -> list[int]:
        rows = await self.store.read_with(
            lambda tx: tx._connection.execute("SELECT seq FROM parked WHERE lane = ?", (name,)).fetchall()
        )
        return [row[0] for row in rows]

    async def decide(self, name: str, seqs: Sequence[int], decision: Any) -> None:
        for start in range(0, len(seqs), 250):
            await self.store.write(DecideParked(name, seqs[start : start + 250], decision, self.act(), None))
        self.receivers[name].in_order = False
        if name in self.running and self.forwarder is not None:
            self.forwarder.again(name)

    async def retry(self) -> None:
        name = self.any()
        if found := await self.parked(name):
            await self.decide(name, [self.rng.choice(found)], "again")

    async def retry_all(self) -> None:
        name = self.any()
        if self.rng.random() < 0.5:
            self.receivers[name].heal()
        await self.decide(name, await self.parked(name), "again")

    async def discard(self) -> None:
        name = self.any()
        if found := await self.parked(name):
            await self.decide(name, [self.rng.choice(found)], "discarded")

    async def replay(self) -> None:
        name = self.any()
        if not self.filters[name]:
            return
        place = await lanes.position(self.store, name)
        seq = self.rng.randint(1, place.cursor + 1)
        with contextlib.suppress(IngestError):
            await replay(self.store, name, self.act(), from_seq=seq)
        self.moved(name)

    async def replay_date(self) -> None:
        name = self.any()
        if self.filters[name]:
            await replay(self.store, name, self.act(), from_ms=self.clock.now_ms() - 300_000)
            self.moved(name)

    def moved(self, name: str) -> None:
        self.receivers[name].in_order = False
        if name in self.running and self.forwarder is not None:
            self.forwarder.moved(name)

    async def lose(self) -> None:
        self.receivers[self.any()].lose()

    async def purge(self) -> None:
        self.clock.advance(3 * 86_400)
        await Retention(self.store, config.Store(delivered_days=self.rng.choice([1, 30]))).remove()
        self.wake()

    async def damage(self) -> None:
        """A line on the disk is another; what was read before may still go as it was."""
        if self.lines:
            seq = self.rng.choice(sorted(self.lines)[-200:])
            self.damaged.add(seq)
            other = "CAST(replace(CAST(line AS TEXT), 'ticket', 'tickot') AS BLOB)"
            await self.store.write(Sql(f"UPDATE deliveries SET line = {other} WHERE seq = {seq}"))

    # The end.

    async def last_boot(self) -> None:
        self.say("the end")
        async with opened(self.folder, self.clock) as self.store:
            for name in NAMES:
                self.receivers[name].heal()
                await self.store.write(HoldLane(name, self.act(), release=True))
            takes = {name: self.filters[name][-1] if self.filters[name] else {} for name in NAMES}
            for name in NAMES:
                self.filters[name] = self.filters[name] or [{}]
            await self.begin([self.settings(name, takes[name]) for name in NAMES])
            try:
                for count in (0, 1, 1, 1):  # an answer tells what is missed, one more that nothing is
                    for _ in range(count):
                        made = await self.store.write(
                            Make([("north", "feedback", "ticket", "put", False)], self.clock.now_ms())
                        )
                        self.lines[made[0][0]] = made[0][1]
                        self.sorts[made[0][0]] = ("north", "feedback", "ticket", "put", False)
                    await until_async(self.idle, "all is delivered")
                await balanced(self.store)
                for name in NAMES:
                    await self.check(name)
            finally:
                await self.stop()
        assert not self.faults, self.faults

    async def idle(self) -> bool:
        self.clock.advance(400)
        self.wake()
        for name in NAMES:
            now = await status(self.store, name)
            waiting = await self.count("SELECT count(*) FROM parked WHERE lane = ? AND state = 'again'", name)
            if now.pending or waiting or now.state != "running":
                return False
        await asyncio.sleep(0.03)  # gaps that the last answer told of
        return True

    async def count(self, text: str, *values: object) -> int:
        rows = await self.store.read_with(lambda tx: tx._connection.execute(text, values).fetchall())
        return int(rows[0][0])

    async def check(self, name: str) -> None:
        receiver, history = self.receivers[name], self.filters[name]
        rows = await self.store.read_with(
            lambda tx: tx._connection.execute(
                "SELECT p.seq, p.state, (SELECT count(*) FROM issues AS i WHERE i.lane = p.lane"
                " AND i.seq = p.seq AND i.resolved_ms IS NULL) FROM parked AS p WHERE p.lane = ?",
                (name,),
            ).fetchall()
        )
        parked = {seq for seq, _, _ in rows}
        for seq, state, issues in rows:
            wanted = int(state != "discarded" and not self.sorts[seq][-1])
            self.claim(issues == wanted, f"{name}: line {seq} is {state} and has {issues} issues")
        seen = await self.count(
            "SELECT count(*) FROM parked AS p JOIN deliveries AS d ON d.seq = p.seq WHERE p.lane = ?", name
        )
        self.claim(seen == len(rows), f"{name}: of {len(rows)} refused lines {seen} are stored")
        open_issues = await self.count(
            "SELECT count(*) FROM issues WHERE lane = ? AND resolved_ms IS NULL", name
        )
        self.claim(open_issues == sum(row[2] for row in rows), f"{name}: issues of no refused line")
        filters = [Takes(**each) for each in history]
        own = {
            seq
            for seq, sort in self.sorts.items()
            if seq not in self.before[name]
            and all(each.admits(*sort[:4], relayed=sort[4]) for each in filters)
        }
        lost = own - receiver.taken - parked
        self.claim(not lost, f"{name}: lost {sorted(lost)}")
        now = await status(self.store, name)
        if len({repr(each) for each in history}) == 1:
            self.claim(now.enqueued == len(own), f"{name}: {now.enqueued} of {len(own)} are counted")
            self.claim(not receiver.taken - own, f"{name}: took {receiver.taken - own}, which are not its")
        self.claim(now.pending_bytes == 0, f"{name}: {now.pending_bytes} bytes are pending")
        asked = self.epochs[-1]  # of what an upstream lost it tells in answers to the same epoch alone
        holes = {
            epoch: holes
            for epoch, (_, holes) in receiver.chains.items()
            if holes and (epoch == asked or epoch not in receiver.lost)
        }
        self.claim(not holes, f"{name}: gaps are left {holes}")
        known = list(dict.fromkeys(self.epochs))
        came = [known.index(epoch) for epoch in receiver.chains]
        self.claim(came == sorted(came), f"{name}: epochs appeared as {came}")
        if receiver.in_order:
            self.claim(receiver.order == sorted(receiver.order), f"{name}: out of order {receiver.order}")


async def walk(seed: int, folder: Path, boots: int, moves: int) -> None:
    made = Walk(seed, folder)
    try:
        await made.run(boots, moves)
    except BaseException:
        print(f"seed {seed}:", " ".join(made.told), made.faults)  # noqa: T201 - to walk it again
        raise


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_nothing_is_lost(tmp_path: Path, seed: int) -> None:
    run(walk(seed, tmp_path, 2, 40))


@pytest.mark.soak
def test_whatever_happens_for_long(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**9)
    for each in range(seed, seed + 300):
        run(walk(each, tmp_path / str(each), 4, 40))
