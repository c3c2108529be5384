"""Removing objects, and taking whole imports back, in the store."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

from ingestbox import families
from ingestbox.model import record_id
from ingestbox.store import undoing
from ingestbox.store.removal import OBJECTS, RemoveObjects, Scope
from ingestbox.store.review import Blocked
from ingestbox.store.undoing import SLICE, BeginUndo, Undone, UndoSlice
from ingestbox.store.writer import GROUP_WEIGHT
from tests.pipeline.staged import ACT, Desk, at_desk, line

CONTACTS = Scope("default", "contacts", "contact", "anna", "j1")


async def begin(desk: Desk, job_id: int) -> None:
    assert await desk.store.write(BeginUndo(job_id, "j1", ACT)) is None


async def removed(desk: Desk, *object_ids: str) -> int:
    return await desk.store.write(RemoveObjects(CONTACTS, object_ids, 7, ACT))


def test_what_is_removed_leaves_a_tombstone_and_a_line(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([line(1), line(2)])
        first = str(record_id(job_id, 0))
        assert await removed(desk, first, "unknown") == 1
        assert await desk.contacts() == ["p2@example.com"]
        heads = await desk.rows("SELECT object_id, version, deleted FROM objects ORDER BY object_id")
        assert heads == [(first, 2, 1), (str(record_id(job_id, 1)), 1, 0)]
        ((seq, op, version, rid, text, crc),) = await desk.rows(
            "SELECT seq, op, version, record_id, line, crc FROM deliveries WHERE op = 'delete'"
        )
        assert (seq, op, version, rid) == (3, "delete", 2, record_id(job_id, 0))
        assert zlib.crc32(text) == crc
        told = json.loads(text)
        assert (told["seq"], told["op"], told["id"], told["owner"]) == (3, "delete", first, "anna")
        assert (told["job_id"], told["at"]) == ("j1", "1970-01-01T00:00:00.007Z")
        assert await desk.rows("SELECT action, object, object_id FROM audit") == [
            ("contact.remove", "contact", first)
        ]
        tallies = await desk.rows("SELECT objects FROM object_tallies WHERE family = 'contacts'")
        assert tallies == [(1,)]

    at_desk(tmp_path, body)


def test_what_is_gone_is_not_removed_again(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([line(1)])
        name = str(record_id(job_id, 0))
        assert [await removed(desk, name, name), await removed(desk, name)] == [1, 0]
        assert await desk.rows("SELECT COUNT(*) FROM deliveries WHERE op = 'delete'") == [(1,)]
        assert await desk.rows("SELECT next_seq FROM box") == [(3,)]
        assert len(await desk.rows("SELECT 1 FROM audit")) == 1

    at_desk(tmp_path, body)


def test_full_units_fit_into_a_transaction() -> None:
    assert RemoveObjects(CONTACTS, ["x"] * OBJECTS, 1, ACT).weight <= GROUP_WEIGHT
    assert UndoSlice(1, "contact", 1).weight <= GROUP_WEIGHT


def test_an_undo_goes_on_where_it_was(tmp_path: Path) -> None:
    """Two who are at it at once, and one who comes later, remove each object once."""

    async def body(desk: Desk) -> None:
        rows = 2 * SLICE + 7
        job_id, _ = await desk.imported([line(n) for n in range(rows)])
        await begin(desk, job_id)
        outcomes = [await desk.store.write(UndoSlice(job_id, "contact", 5)) for _ in range(5)]
        end = Undone(rows, 0)
        assert outcomes == [None, None, end, end, end]
        assert await desk.rows(
            "SELECT COUNT(*), COUNT(DISTINCT object_id) FROM deliveries WHERE op = 'delete'"
        ) == [(rows, rows)]
        staged = await desk.staged(job_id)
        assert (staged.phase, staged.removed, staged.kept, staged.undone_ms) == ("undone", rows, 0, 5)

    at_desk(tmp_path, body)


def test_a_job_of_whole_slices_ends_too(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([line(n) for n in range(SLICE)])
        await begin(desk, job_id)
        outcomes = [await desk.store.write(UndoSlice(job_id, "contact", 5)) for _ in range(2)]
        assert outcomes == [None, Undone(SLICE, 0)]

    at_desk(tmp_path, body)


def test_what_was_removed_by_others_is_counted_neither_way(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([line(1), line(2)])
        await removed(desk, str(record_id(job_id, 0)))
        await begin(desk, job_id)
        assert await desk.store.write(UndoSlice(job_id, "contact", 5)) == Undone(1, 0)

    at_desk(tmp_path, body)


def test_a_slice_of_a_job_that_is_not_undone_does_nothing(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([line(1)])
        assert await desk.store.write(UndoSlice(job_id, "contact", 5)) == Undone(0, 0)
        assert await desk.contacts() == ["p1@example.com"]
        assert await desk.store.write(UndoSlice(job_id + 9, "contact", 5)) == Undone(0, 0)
        assert await desk.store.write(BeginUndo(job_id + 9, "x", ACT)) == Blocked("job_not_found")

    at_desk(tmp_path, body)


def test_undo_and_making_objects_exclude_each_other(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        first, _ = await desk.imported([line(1)])
        other, _ = await desk.imported([line(2)])
        await begin(desk, first)
        assert await desk.store.write(BeginUndo(other, "j2", ACT)) == Blocked("turn_taken")
        waiting, job = await desk.imported([line(3)])
        assert job.state == "queued"
        assert (await desk.staged(waiting)).phase == "turn"
        rung: list[int] = []
        await undoing.go_on(desk.store, families.load(), rung.append)
        assert rung == [first, waiting]
        assert (await desk.staged(first)).phase == "undone"
        assert (await desk.work(waiting)).state == "completed"
        assert await desk.contacts() == ["p2@example.com", "p3@example.com"]
        await begin(desk, other)

    at_desk(tmp_path, body)


def test_housekeeping_has_nothing_to_do_without_an_undo(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        await desk.imported([line(1)])
        rung: list[int] = []
        await undoing.go_on(desk.store, families.load(), rung.append)
        assert rung == []
        assert await desk.contacts() == ["p1@example.com"]

    at_desk(tmp_path, body)
