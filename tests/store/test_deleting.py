"""Deleting a job with all that it brought in, in the store: slice by slice, whoever is at it, whatever is
under way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ingestbox import families
from ingestbox.model import Job, checksum, record_id
from ingestbox.store import Store, deleting
from ingestbox.store.audit import Act
from ingestbox.store.changes import CancelJob, ChangeSlice, Looked, ReprocessJob
from ingestbox.store.claim import LostClaimError
from ingestbox.store.deleting import BLANK, OBJECTS, SLICE_BYTES, SLICE_ROWS, BeginDelete, DeleteSlice
from ingestbox.store.engine import connect_writer
from ingestbox.store.review import Blocked
from ingestbox.store.unit import Tx
from ingestbox.store.writer import GROUP_WEIGHT
from tests.store.support import with_store
from tests.store.test_distinct import ANNA, Desk, record

ACT = Act("anna", "default", "r-1", 7)
REASON = "The upload was deleted."
KINDS = ("record",)


def at_desk(folder: Path, body: Callable[[Desk], Awaitable[None]]) -> None:
    async def main(store: Store) -> None:
        await body(Desk(store))

    with_store(folder, main)


async def begin(desk: Desk, job: Job) -> bool:
    return await desk.store.write(BeginDelete(job.id, job.public_id, "audience", REASON, ACT))


async def to_the_end(desk: Desk, job: Job, most: int = 100) -> int:
    """How many slices it took."""
    for count in range(1, most):
        if await desk.store.write(DeleteSlice(job.id, KINDS, 8)):
            return count
    raise AssertionError("it does not end")


async def uploaded(desk: Desk, count: int, **members: object) -> Job:
    return await desk.upload(ANNA, *(record(f"r{n}", **members) for n in range(count)))


def over(desk: Desk, job: Job, count: int) -> None:
    """Nothing of it is left."""
    first, beyond = record_id(job.id, 0), record_id(job.id + 1, 0)
    span = f"id >= {first} AND id < {beyond}"
    blank = ("", "discarded", BLANK, checksum(b"", BLANK))
    found = desk.rows(f"SELECT key, state, CAST(payload AS BLOB), crc FROM records WHERE {span}")
    assert found == [blank] * count
    assert not desk.rows(f"SELECT 1 FROM audience_records WHERE {span}")
    assert not desk.rows("SELECT 1 FROM job_deletions")
    counts = desk.rows(f"SELECT state, error, processed, issues, discarded FROM jobs WHERE id = {job.id}")
    assert counts == [("cancelled", REASON, count, 0, count)]
    said = desk.rows(
        f"SELECT object_id, op FROM deliveries WHERE record_id >= {first} AND record_id < {beyond}"
    )
    assert Counter(said) == Counter(
        (f"{job.public_id}/{n}", op) for n in range(count) for op in ("put", "delete")
    )


def test_full_units_fit_into_a_transaction() -> None:
    assert max(DeleteSlice(1, KINDS, 1).weight, BeginDelete(1, "j", "f", "r", ACT).weight) <= GROUP_WEIGHT
    assert SLICE_ROWS <= GROUP_WEIGHT


def test_whoever_is_at_it_each_object_goes_once(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        count = OBJECTS + SLICE_ROWS + 7
        job, other = await uploaded(desk, count), await uploaded(desk, 2)
        assert await begin(desk, job)
        slices = await to_the_end(desk, job)
        assert slices == -(-count // OBJECTS) + 2  # one of them finds that no object is left
        assert [await desk.store.write(DeleteSlice(job.id, KINDS, 9)) for _ in range(2)] == [True, True]
        assert not await begin(desk, job)
        over(desk, job, count)
        assert len(desk.rows("SELECT 1 FROM audience_records")) == 2
        assert desk.rows("SELECT action, object, object_id, actor FROM audit") == [
            ("job.delete", "job", job.public_id, "anna")
        ]
        while await desk.tell():
            pass
        assert desk.firsts() == {f"{other.public_id}/0": None, f"{other.public_id}/1": None}

    at_desk(tmp_path, body)


def test_large_records_are_blanked_few_at_a_time(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job = await uploaded(desk, 7, pad="x" * (SLICE_BYTES * 2 // 5))
        assert await begin(desk, job)
        blanks: list[int] = []
        while not await desk.store.write(DeleteSlice(job.id, KINDS, 8)):
            blanks += desk.rows("SELECT COUNT(*) FROM records WHERE state = 'discarded'")[0]
        assert blanks == [0, 2, 4, 6]
        over(desk, job, 7)

    at_desk(tmp_path, body)


def test_a_worker_that_has_it_in_hand_loses_it(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job = await desk.take(ANNA, [record("a"), record("b")])
        await desk.store.write(desk.chunk(job, [0], last=False))
        assert await begin(desk, job)
        with pytest.raises(LostClaimError):
            await desk.store.write(desk.chunk(job, [1], old=1))
        await to_the_end(desk, job)
        assert desk.rows("SELECT op FROM deliveries ORDER BY seq") == [("put",), ("delete",)]
        assert desk.rows("SELECT object_id, version, deleted FROM objects") == [("upl_0/0", 2, 1)]

    at_desk(tmp_path, body)


@pytest.mark.parametrize("action", ["redo", "discard"])
def test_a_change_of_the_job_that_is_under_way_is_over(tmp_path: Path, action: str) -> None:
    async def body(desk: Desk) -> None:
        job = await uploaded(desk, 3)
        if action == "redo":
            assert await desk.store.write(ReprocessJob(job.id, job.public_id, "redo", ACT)) is None
        else:
            await desk.store.write(Begun(job.id))
        assert await begin(desk, job)
        assert not desk.rows("SELECT 1 FROM job_changes")
        assert await desk.store.write(ChangeSlice(job.id, Looked(action, 0), 8))
        assert desk.rows("SELECT DISTINCT state FROM records") == [("done",)]
        await to_the_end(desk, job)
        over(desk, job, 3)
        again = await desk.store.write(ReprocessJob(job.id, job.public_id, "redo", ACT))
        assert again == Blocked("job_cancelled")
        assert await desk.store.write(CancelJob(job.id, job.public_id, ACT)) is None
        over(desk, job, 3)

    at_desk(tmp_path, body)


class Begun:
    """A cancelled job whose records are being discarded."""

    weight = 2

    def __init__(self, job_id: int) -> None:
        self._job_id = job_id

    def apply(self, tx: Tx) -> None:
        tx.run("deleting.cancel", {"id": self._job_id, "error": "x", "now": 1})
        tx.run("jobs.begin_change", {"id": self._job_id, "action": "discard", "actor": "anna"})


class Run:
    """Statements of the store's own, by hand."""

    weight = 2

    def __init__(self, query: str, **params: Any) -> None:
        self._query, self._params = query, params

    def apply(self, tx: Tx) -> int:
        return tx.run(self._query, self._params)


def test_what_is_counted_meanwhile_does_not_count_twice(tmp_path: Path) -> None:
    """An erasure gives up records that wait, also of a job that is being deleted."""

    async def body(desk: Desk) -> None:
        job = await uploaded(desk, 3)
        assert await begin(desk, job)
        await desk.store.write(Run("erasures.count_given_up", id=job.id, pending=1, issues=1, done=1, now=9))
        await to_the_end(desk, job)
        over(desk, job, 3)

    at_desk(tmp_path, body)


def test_how_rows_were_before_a_decision_is_forgotten(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job, other = await uploaded(desk, 2), await uploaded(desk, 2)
        for each in (job, other):
            image = {
                "operation": 1,
                "record_id": record_id(each.id, 1),
                "issue_id": 1,
                "key": "",
                "left_crc": 1,
            }
            more = {"payload": b"secret", "state": "issue", "discarded": 0}
            await desk.store.write(Run("bulk.keep", **image, **more))
        assert await begin(desk, job)
        await to_the_end(desk, job)
        assert desk.rows("SELECT record_id FROM bulk_changes") == [(record_id(other.id, 1),)]

    at_desk(tmp_path, body)


def test_it_ends_whatever_is_damaged(tmp_path: Path) -> None:
    """An object without its head goes too; a row that cannot be removed keeps nothing from going on."""

    async def body(desk: Desk) -> None:
        job, other = await uploaded(desk, 2), await uploaded(desk, 1)
        connection = connect_writer(desk.store.path)
        connection.execute("DELETE FROM objects WHERE object_id = 'upl_0/0'")
        connection.execute(
            "CREATE TRIGGER stays BEFORE DELETE ON audience_records WHEN OLD.object_id = 'upl_1/0' "
            "BEGIN SELECT RAISE(IGNORE); END"
        )
        connection.close()
        for each in (job, other):
            assert await begin(desk, each)
            await to_the_end(desk, each)
        assert desk.rows("SELECT object_id FROM audience_records") == [("upl_1/0",)]
        assert desk.rows("SELECT COUNT(*) FROM records WHERE state = 'discarded'") == [(3,)]

    at_desk(tmp_path, body)


def test_housekeeping_takes_all_to_their_end(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        deleted = [await uploaded(desk, 2) for _ in range(3)]
        for job in deleted:
            assert await begin(desk, job)
        await desk.store.write(DeleteSlice(deleted[0].id, KINDS, 8))
        done: list[int] = []
        await deleting.go_on(desk.store, {}, done.append)  # of a family that is not there any more
        assert not done
        await deleting.go_on(desk.store, families.load(), done.append)
        assert done == [job.id for job in deleted]
        assert not desk.rows("SELECT 1 FROM job_deletions")
        assert not desk.rows("SELECT 1 FROM audience_records")

    at_desk(tmp_path, body)
