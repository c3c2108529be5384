"""Refused lines and their issues in the store: opened, reworded and closed with them, and in small units."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingestbox.store import DATABASE, Store, issues, migrations, parked
from ingestbox.store.audit import Act
from ingestbox.store.engine import connect_writer
from ingestbox.store.identity import BoxIdentity
from ingestbox.store.lanes import Advance, ParkAgain, Parked, remove_lane
from ingestbox.store.parked import DecideParked, ParkAhead, SentAgain
from ingestbox.store.refusals import ResolveRefused
from ingestbox.store.review import Blocked, Decided, EditRecord
from ingestbox.store.superseded import Superseded
from ingestbox.store.tallies import differences
from ingestbox.store.unit import Tx
from tests.forward.support import (
    START_MS,
    Answer,
    Received,
    Sql,
    balanced,
    drained,
    enqueue,
    forwarding,
    lane,
    opened,
    rejecting,
    run,
    status,
    ticket_line,
    until_async,
    upstream,
)
from tests.forward.test_hold import hold

JOB = 7


@dataclass(frozen=True, slots=True)
class EnqueueOwn:
    """Deliveries of records of a finished job: one each, of tickets that are as the records made them."""

    identity: BoxIdentity
    first: int
    count: int
    weight: int = 1_000

    def apply(self, tx: Tx) -> None:
        write = tx._connection.execute
        write(
            "INSERT OR IGNORE INTO jobs (id, public_id, family, workspace, created_by, source, name, state,"
            " total, processed, issues, submitted_ms, updated_ms) VALUES (?, 'j7', 'feedback', 'default',"
            " 'local:una', 'json', '', 'completed', 0, 0, 0, ?, ?)",
            (JOB, START_MS, START_MS),
        )
        row = tx.one("box.take_seqs", {"n": self.count})
        assert row is not None
        for number in range(self.count):
            seq, rid = int(row[0]) + number, (JOB << 24) + self.first + number
            name = f"T-{self.first + number}"
            epoch = self.identity.epoch
            line = msgspec.json.encode(ticket_line(self.identity.box, epoch, seq, object_id=name))
            write("INSERT INTO records VALUES (?, ?, 'done', '{}', 0)", (rid, name))
            write(
                "INSERT INTO objects VALUES ('', 'default', 'feedback', 'ticket', ?, 1, ?, 0)",
                (name, rid),
            )
            write(
                "INSERT INTO deliveries (seq, epoch, op, workspace, family, kind, object_id, version,"
                " record_id, at_ms, line, crc) VALUES (?, ?, 'put', 'default', 'feedback', 'ticket', ?, 1, ?,"
                " ?, ?, ?)",
                (seq, epoch, name, rid, START_MS, line, zlib.crc32(line)),
            )
            write(
                "UPDATE lanes SET enqueued = enqueued + 1, enqueued_bytes = enqueued_bytes + ?", (len(line),)
            )


@dataclass(frozen=True, slots=True)
class EnqueueNewer:
    """Another record of the job that gave an object a newer version."""

    identity: BoxIdentity
    name: str
    weight: int = 10

    def apply(self, tx: Tx) -> None:
        write = tx._connection.execute
        row = tx.one("box.take_seqs", {"n": 1})
        assert row is not None
        seq, epoch = int(row[0]), self.identity.epoch
        rid = (JOB << 24) + 10_000 + seq
        line = msgspec.json.encode(ticket_line(self.identity.box, epoch, seq, object_id=self.name, version=2))
        write("INSERT INTO records VALUES (?, ?, 'done', '{}', 0)", (rid, self.name))
        write("UPDATE objects SET version = 2, intake = ? WHERE object_id = ?", (rid, self.name))
        write(
            "INSERT INTO deliveries (seq, epoch, op, workspace, family, kind, object_id, version, record_id,"
            " at_ms, line, crc) VALUES (?, ?, 'put', 'default', 'feedback', 'ticket', ?, 2, ?, ?, ?, ?)",
            (seq, epoch, self.name, rid, START_MS, line, zlib.crc32(line)),
        )
        write("UPDATE lanes SET enqueued = enqueued + 1, enqueued_bytes = enqueued_bytes + ?", (len(line),))


async def own(store: Store, count: int, first: int = 0) -> None:
    for start in range(0, count, 250):
        await store.write(EnqueueOwn(store.identity, first + start, min(250, count - start)))


ACT = Act("local:ann", "default", None, START_MS)


async def rows(store: Store, sql: str) -> list[tuple[Any, ...]]:
    return await store.read_with(lambda tx: tx._connection.execute(sql).fetchall())


async def told(store: Store) -> list[tuple[Any, ...]]:
    """Every issue: the line, whether it is open, how it was resolved and by whom, and what was said."""
    return await rows(
        store,
        "SELECT lane, seq, resolved_ms IS NULL, resolution, resolved_by, message FROM issues ORDER BY id",
    )


async def in_step(store: Store) -> None:
    """An issue is open as long as its line is parked, and what is counted of both is right."""
    await balanced(store)
    open_ones = await rows(store, "SELECT lane, seq FROM issues WHERE resolved_ms IS NULL ORDER BY 1, 2")
    waiting = await rows(store, "SELECT lane, seq FROM parked WHERE state <> 'discarded' ORDER BY 1, 2")
    assert open_ones == waiting
    assert await differences(store) == []


def test_two_lanes_that_refuse_a_line_make_two_issues_and_a_relayed_line_none(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central, upstream() as archive:
            for each in (central, archive):
                each.script = [rejecting(1, 3)]
            await own(store, 2)
            await enqueue(store, 1)
            await store.write(Sql("UPDATE deliveries SET record_id = 0 WHERE seq = 3"))
            lanes = (lane(central.url), lane(archive.url, "archive"))
            async with forwarding(store, *lanes):
                await drained(store)
                await until_async(lambda: _parked(store, 4), "both have refused")
            found = await told(store)
            assert sorted(found) == [
                ("archive", 1, 1, None, None, "record_invalid: no good"),
                ("central", 1, 1, None, None, "record_invalid: no good"),
            ]
            assert await rows(store, "SELECT state FROM records") == [("done",), ("done",)]
            assert await rows(store, "SELECT state, issues, refused FROM jobs") == [("completed", 0, 2)]
            assert await differences(store) == []

    run(test())


def test_a_correction_that_a_cancelled_job_does_not_take_leaves_what_it_counted(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            await own(store, 1)
            await store.write(ParkAhead("central", [Parked(1, "record_invalid", "no good")], START_MS))
            rid = JOB << 24
            edit = EditRecord(rid, "00000000-done-0", "T-0", b"{}", {}, {}, ACT, counted={"records": 1})
            for state, code in (("cancelled", "job_cancelled"), ("running", "job_active")):
                await store.write(Sql(f"UPDATE jobs SET state = '{state}', tallies = '{{\"records\":4}}'"))
                assert await store.write(edit) == Blocked(code)
                assert await rows(store, "SELECT tallies FROM jobs") == [('{"records":4}',)]
            await store.write(Sql("UPDATE jobs SET state = 'completed'"))
            assert await store.write(edit) == Decided(JOB)
            assert await rows(store, "SELECT tallies FROM jobs") == [('{"records":3}',)]

    run(test())


async def _parked(store: Store, count: int) -> bool:
    return await rows(store, "SELECT COUNT(*) FROM parked") == [(count,)]


def test_a_damaged_line_is_an_issue_too(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await own(store, 2)
            await store.write(Sql("UPDATE deliveries SET line = 'broken' WHERE seq = 1"))
            async with forwarding(store, lane(central.url)):
                await drained(store)
            ((_, seq, is_open, *_, message),) = await told(store)
            assert (seq, is_open) == (1, 1)
            assert message.startswith("damaged: ")
            await in_step(store)

    run(test())


def test_a_decision_and_the_upstreams_answer_meet(tmp_path: Path) -> None:
    """Whoever is first, line and issue say the same: what is taken is taken, what is refused waits unless it
    was given up."""

    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.script = [rejecting(1, 2, 3)]
            await own(store, 3)
            async with forwarding(store, lane(central.url)) as forwarder:
                await drained(store)
                await in_step(store)
                ids = [row[0] for row in await rows(store, "SELECT id FROM issues ORDER BY seq")]
                for _ in range(2):
                    done = await store.write(ResolveRefused(ids, "retry", ACT))
                    assert done == [Decided(JOB)] * 3
                await in_step(store)

                async def late(_: Received) -> Answer:
                    given_up = ResolveRefused(ids[:2], "discard", ACT, "too late")
                    assert await store.write(given_up) == [Decided(JOB)] * 2
                    await in_step(store)
                    return rejecting(2, 3, code="never")

                central.script = [late]
                forwarder.again("central")
                await until_async(lambda: _parked(store, 2), "the first was taken")
                await until_async(lambda: _settled(store), "the others were decided")
            first, second, third = await told(store)
            assert first == ("central", 1, 0, "retry", "local:ann", "record_invalid: no good")
            assert second == ("central", 2, 0, "discard", "local:ann", "record_invalid: no good")
            assert third == ("central", 3, 1, None, None, "never: no good")
            await in_step(store)
            assert (await status(store)).delivered == 1
            again = await store.write(ResolveRefused(ids, "retry", ACT))
            assert again == [Blocked("issue_resolved")] * 2 + [Decided(JOB)]

    run(test())


async def _settled(store: Store) -> bool:
    return await rows(store, "SELECT state FROM parked ORDER BY seq") == [("discarded",), ("parked",)]


class _StopError(Exception):
    """Raised in the midst of a unit."""


@dataclass(frozen=True, slots=True)
class CutShort:
    """A unit that is stopped after it has done everything: nothing of it may stay."""

    unit: Any
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        self.unit.apply(tx)
        raise _StopError


def test_whatever_is_cut_short_leaves_line_and_issue_as_they_were(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.script = [rejecting(1, 2)]
            await own(store, 3)
            async with forwarding(store, lane(central.url)):
                await drained(store)
            await store.write(ResolveRefused([1], "retry", ACT))
            before = (await told(store), await rows(store, "SELECT * FROM parked"))
            units = (
                ResolveRefused([1, 2], "discard", ACT, "why"),
                DecideParked("central", [1, 2], "discarded", ACT, "why"),
                SentAgain("central", [1], [], START_MS),
                SentAgain("central", [], [Parked(1, "x", "y")], START_MS),
                ParkAgain("central", [Parked(3, "x", "y")], START_MS),
                ParkAhead("central", [Parked(3, "x", "y")], START_MS),
            )
            for unit in units:
                with pytest.raises(_StopError):
                    await store.write(CutShort(unit))
                assert (await told(store), await rows(store, "SELECT * FROM parked")) == before
            for unit in (*units[4:5], *units[4:5]):
                await store.write(unit)  # twice: the second finds it done
                assert len(await told(store)) == 3
                await in_step(store)

    run(test())


def test_a_lane_that_is_removed_takes_its_refusals_along(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.script = [rejecting(1, 2)]
            await own(store, 2)
            async with forwarding(store, lane(central.url)):
                await drained(store)
            async with forwarding(store):
                pass
            assert await store.write(ResolveRefused([1], "retry", ACT)) == [Blocked("lane_off")]
            assert await store.write(ResolveRefused([2], "discard", ACT, "no")) == [Decided(JOB)]
            await in_step(store)
            await remove_lane(store, "central", ACT)
            assert [row[3:5] for row in await told(store)] == [
                ("lane_removed", "system"),
                ("discard", "local:ann"),
            ]
            assert await differences(store) == []

    run(test())


def test_a_batch_that_is_refused_whole_is_parked_in_units_that_hold_nobody_up(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            async with upstream() as central, forwarding(store, lane(central.url)):
                pass
            await own(store, 2_000)
            refused = [Parked(seq, "record_invalid", "Not known here.") for seq in range(1, 2_001)]
            rest, lines, size = await parked.park_ahead(store, "central", refused, START_MS)
            assert lines == 2_000 - len(rest) == 2_000 - parked.MOST_PARKED
            await in_step(store)  # also if it is cut short here
            assert await rows(store, "SELECT decided_bytes FROM lanes") == [(size,)]
            assert await parked.park_ahead(store, "central", refused, START_MS) == (rest, 0, 0)
            advance = Advance("central", store.identity.epoch, 0, 2_000, 2_000, len(rest), 0, rest, START_MS)
            assert await store.write(advance) is True
            await in_step(store)
            now = await status(store)
            assert (now.parked, now.pending, now.delivered) == (2_000, 0, 0)
            assert size > 0

            wanted = issues.Wanted(None, code=parked.REFUSED)
            found, last = await store.read_with(
                partial(issues.listed, wanted=wanted, below=1 << 60, limit=50)
            )
            assert (len(found), last) == (50, found[-1].id)
            await own(store, 150, first=2_000)
            more = [Parked(seq, "x", "y") for seq in range(2_001, 2_151)]
            await store.write(ParkAhead("central", more, START_MS))
            await store.write(DecideParked("central", range(2_001, 2_151), "again", ACT))
            await parked.sent_again(store, "central", range(2_001, 2_101), more[100:], START_MS)
            now = await status(store)
            assert now.parked == 2_050
            taken = [row for row in await told(store) if row[3] == "retry"]
            assert len(taken) == 100

    run(test())


def test_a_lane_goes_past_a_batch_of_which_nearly_all_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.script = [rejecting(*range(2, 601))]
            await own(store, 601)
            async with forwarding(store, lane(central.url, batch_lines=600)):
                await drained(store)
            now = await status(store)
            assert (now.parked, now.delivered, now.pending) == (599, 2, 0)
            assert central.seqs == list(range(1, 602))
            await in_step(store)

    run(test())


def test_a_refused_line_is_given_up_by_the_box_once_a_newer_version_was_delivered(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.script = [rejecting(1, 2, 3)]
            await own(store, 3)
            async with forwarding(store, lane(central.url)) as forwarder:
                await drained(store)
                superseded = Superseded(store)
                assert await superseded.close() == 0
                await store.write(ResolveRefused([2], "retry", ACT))  # a person wants this one all the same
                await hold(store)
                forwarder.hold("central")
                for name in ("T-0", "T-1", "T-2"):
                    await store.write(EnqueueNewer(store.identity, name))
                assert await superseded.close() == 0  # they are not delivered yet
                central.default = lambda request: rejecting(*{2, 6}.intersection(request.seqs))
                await hold(store, release=True)
                forwarder.release("central")
                forwarder.again("central")
                await drained(store)
                await until_async(lambda: _again(store, 0), "the one was answered")
                assert await superseded.close() == 2
                assert await superseded.close() == 0
            assert [row[1:5] for row in await told(store)] == [
                (1, 0, "superseded", "system"),
                (2, 0, "superseded", "system"),
                (3, 1, None, None),
                (6, 1, None, None),
            ]
            marks = await rows(store, "SELECT decided_by, reason FROM parked WHERE state = 'discarded'")
            assert marks == [("system", "A newer version was delivered")] * 2
            audit = await rows(store, "SELECT actor, action FROM audit WHERE actor = 'system'")
            assert audit == [("system", "delivery.discard")] * 2
            await in_step(store)

    run(test())


def test_what_was_refused_before_becomes_issues_with_the_migration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect_writer(tmp_path / DATABASE)
    everything = migrations.known()
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "known", lambda: everything[:17])
        migrations.migrate(connection, 1)
    rid = (JOB << 24) + 1
    connection.execute("BEGIN")
    connection.execute(
        "INSERT INTO jobs (id, public_id, family, workspace, created_by, source, name, state, total,"
        " processed, issues, submitted_ms, updated_ms) VALUES (7, 'j', 'feedback', 'acme', 'u', 'json', '',"
        " 'completed', 1, 1, 0, 1, 1)"
    )
    for seq, record in ((1, rid), (2, rid), (3, 0), (4, 5)):  # the last two have no record here
        connection.execute(
            "INSERT INTO deliveries VALUES"
            " (?, 'e', 'put', 'acme', 'feedback', 'ticket', 'T', 1, ?, 1, '', 0)",
            (seq, record),
        )
        state = "discarded" if seq == 2 else "parked"
        connection.execute(
            "INSERT INTO parked VALUES ('central', ?, 'no', ?, 9, ?, 'ann', 10, 'why')",
            (seq, "x" * 5_000, state),
        )
    connection.execute("COMMIT")
    migrations.migrate(connection, 2)
    wanted = "seq, workspace, record_id, code, refusal, LENGTH(message), resolution, resolved_by, comment"
    found = connection.execute(f"SELECT {wanted} FROM issues ORDER BY seq").fetchall()
    assert found == [
        (1, "acme", rid, "delivery_refused", "no", 600, None, None, None),
        (2, "acme", rid, "delivery_refused", "no", 600, "discard", "ann", "why"),
    ]
    assert connection.execute("SELECT refused FROM jobs").fetchall() == [(1,)]
    assert connection.execute("SELECT open FROM issue_tallies WHERE workspace = 'acme'").fetchall() == [(1,)]
    assert connection.execute("SELECT COUNT(*) FROM issue_records").fetchall() == [(0,)]
    connection.close()


async def _again(store: Store, count: int) -> bool:
    return await rows(store, "SELECT COUNT(*) FROM parked WHERE state = 'again'") == [(count,)]
