"""Uploaded files: on disk, in the ledger, and what the sweep does with those that nothing needs."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import secrets
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ingestbox.errors import Fault, IngestError
from ingestbox.family import Batch, Intake
from ingestbox.model import Job, JobState, Notice
from ingestbox.store import Store, files, jobs, tallies, tidy
from ingestbox.store.audit import Act
from ingestbox.store.changes import CancelJob, carry_out
from ingestbox.store.claim import ClaimJob, LostClaimError
from ingestbox.store.files import AcceptFile, GiveUpFile, LoadSlice, NewFile, RetireFiles
from ingestbox.store.intake import Accepted, Draft, Key, Refused
from ingestbox.store.shelf import BUFFER_BYTES, Incoming, Shelf
from tests.store.support import with_store

HOUR = 3_600_000


def with_shelf(folder: Path, body: Callable[[Shelf], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        shelf = Shelf(folder, **options)
        try:
            await body(shelf)
        finally:
            shelf.close()

    asyncio.run(main())


async def put(shelf: Shelf, content: bytes, extension: str = "csv") -> Incoming:
    """A whole file on the shelf, in a request's hands."""
    coming = await shelf.begin(extension, len(content))
    for at in range(0, len(content), 100_000):
        if coming.add(content[at : at + 100_000]):
            await coming.flush()
    assert await coming.keep() == hashlib.sha256(content).hexdigest()
    return coming


def there(folder: Path) -> dict[str, int]:
    """Every file in the two folders, with its size."""
    return {
        f"{part}/{path.name}": path.stat().st_size
        for part in ("incoming", "files")
        for path in (folder / part).iterdir()
    }


def descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("size", [0, 1, BUFFER_BYTES, 3 * BUFFER_BYTES + 17, 20 << 20])
def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path, size: int) -> None:
    content = secrets.token_bytes(size)

    async def body(shelf: Shelf) -> None:
        kept = await put(shelf, content)
        assert shelf.path(kept.name).read_bytes() == content
        assert shelf.path(kept.name).stat().st_mode & 0o777 == 0o600
        dropped = await shelf.begin("csv", None)
        dropped.add(content)
        await dropped.flush()
        assert f"incoming/{dropped.name}" in there(tmp_path)
        await dropped.discard()
        assert list(there(tmp_path)) == [f"files/{kept.name}"]
        await kept.discard()
        assert there(tmp_path) == {}

    with_shelf(tmp_path, body)


def test_a_request_that_is_cut_off_at_any_point_leaves_no_file_and_no_descriptor(tmp_path: Path) -> None:
    open_before = descriptors()

    async def request(shelf: Shelf, coming: list[Incoming]) -> None:
        coming.append(await shelf.begin("csv", None))
        for _ in range(3):
            coming[0].add(b"x" * BUFFER_BYTES)
            await coming[0].flush()
        await coming[0].keep()

    async def body(shelf: Shelf) -> None:
        for pause in range(24):
            coming: list[Incoming] = []
            task = asyncio.create_task(request(shelf, coming))
            for _ in range(pause):
                await asyncio.sleep(0.0002)
            task.cancel()
            await asyncio.wait((task,))
            for each in coming:
                await each.discard()

        async def nothing(_: Sequence[str]) -> list[str]:
            return []

        await shelf.sweep(nothing)
        assert there(tmp_path) == {}

    with_shelf(tmp_path, body)
    assert descriptors() <= open_before


def test_what_is_to_come_counts_as_taken(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize

    async def body(shelf: Shelf) -> None:
        first = await shelf.begin("csv", free // 2)
        with pytest.raises(IngestError) as refused:
            await shelf.begin("csv", free)
        assert (refused.value.code, refused.value.status) == ("storage_full", 507)
        await first.discard()
        assert there(tmp_path) == {}
        await (await shelf.begin("csv", free // 2)).discard()

    with_shelf(tmp_path, body)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_fails_in_the_middle_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    async def body(shelf: Shelf) -> None:
        coming = await shelf.begin("csv", None)

        def failing(*_: object) -> int:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", failing)
            coming.add(b"x" * BUFFER_BYTES)
            await coming.flush()
            with pytest.raises(IngestError) as told:
                await coming.keep()
        assert told.value.code == ("store_unavailable" if number == errno.EIO else "storage_full")
        await coming.discard()
        assert there(tmp_path) == {}

    with_shelf(tmp_path, body)


def test_the_sweep_takes_our_own_files_alone_and_none_that_is_in_use(tmp_path: Path) -> None:
    async def body(shelf: Shelf) -> None:
        in_hand, named, left = [await put(shelf, b"x") for _ in range(3)]
        shelf.release(named.name)
        shelf.release(left.name)
        copy = left.name.partition(".")[0] + ".rows"
        shelf.path(copy).touch()
        half = f"{secrets.token_hex(16)}.rows.part"  # whoever was writing it was killed
        (tmp_path / "files" / half).touch()
        ours = f"{secrets.token_hex(16)}.csv"
        (tmp_path / "incoming" / ours).touch()
        not_ours = [
            "incoming/note.txt",
            "files/feedback.csv",
            f"files/{'a' * 32}.pdf",
            f"files/{'a' * 31}.csv",
        ]
        for each in not_ours:
            (tmp_path / each).touch()
        (tmp_path / "files" / f"{'b' * 32}.csv").mkdir()
        asked: list[str] = []

        async def rows(names: Sequence[str]) -> list[str]:
            asked.extend(names)
            return [named.name]

        assert await shelf.sweep(rows) == 4
        assert sorted(asked) == sorted([named.name, left.name, copy, half, ours])
        kept = {f"files/{in_hand.name}", f"files/{named.name}", f"files/{'b' * 32}.csv", *not_ours}
        assert set(there(tmp_path)) == kept

    with_shelf(tmp_path, body)


def test_a_file_takes_what_was_made_of_it_along(tmp_path: Path) -> None:
    async def body(shelf: Shelf) -> None:
        coming = await put(shelf, b"x")
        stem = coming.name.partition(".")[0]
        for ending in ("rows", "rows.part"):
            (tmp_path / "files" / f"{stem}.{ending}").touch()
        await shelf.remove(coming.name)
        assert there(tmp_path) == {}

    with_shelf(tmp_path, body)


@pytest.mark.parametrize("folder", ["incoming", "files"])
def test_folders_that_somebody_removed_are_made_again(tmp_path: Path, folder: str) -> None:
    async def body(shelf: Shelf) -> None:
        (tmp_path / folder).rmdir()
        assert await shelf.sweep(_none) == 0
        coming = await put(shelf, b"x")
        assert list(there(tmp_path)) == [f"files/{coming.name}"]
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o700

    with_shelf(tmp_path, body)


async def _none(_: Sequence[str]) -> list[str]:
    return []


def test_a_name_that_is_none_of_ours_leads_nowhere(tmp_path: Path) -> None:
    async def body(shelf: Shelf) -> None:
        for name in ("../ingestbox.db", f"../files/{'a' * 32}.csv", f"{'a' * 32}.csv/..", "x.csv", ""):
            with pytest.raises(ValueError, match="stored file"):
                shelf.path(name)

    with_shelf(tmp_path, body)


def new_file(name: str | None = None, total: int = 3) -> NewFile:
    stored = name or f"{secrets.token_hex(16)}.csv"
    about = json.dumps({"filename": "a.csv"}).encode()
    return NewFile(stored, stored, 10, b"\0\0\0\0", "00" * 32, b"{}", b"{}", b'{"offset":0}', about, total)


async def accept(
    store: Store, file: NewFile, key: Key | None = None, public_id: str = "j"
) -> Accepted | Refused:
    batch = Batch("feedback", "csv_upload", "a.csv", (), [Notice("encoding", "It is a guess.")])
    draft = Draft(public_id, "default", "t", store.clock.now_ms())
    return await store.write(AcceptFile(draft, batch, file, key, lambda public_id, _: public_id.encode()))


async def claimed(store: Store, public_id: str = "j") -> Job:
    """The job, held by `me`."""
    (row,) = await store.read("jobs.find", {"public_id": public_id})
    job = await store.write(ClaimJob(row[0], "me", store.clock.monotonic() + 60, store.clock.now_ms()))
    assert job is not None
    return job


async def job_of(store: Store, public_id: str = "j") -> Job:
    found = await store.read_with(lambda tx: jobs.find(tx, public_id, None))
    assert found is not None
    return found


def load(store: Store, job: Job, first: int, records: Sequence[Intake], **options: Any) -> LoadSlice:
    given: dict[str, Any] = {"owner": "me", "position": b"{}", "done": False, "repeated": 0, "warnings": None}
    return LoadSlice(
        job=job,
        first=first,
        records=records,
        lease_at=store.clock.monotonic() + 60,
        now_ms=store.clock.now_ms(),
        **{**given, **options},
    )


GOOD = Intake("T-1", b'{"id":"T-1","summary":"good"}')
BAD = Intake("", b'{"_row":{"line":3}}', Fault("ragged_row", "line 3: it is cut short"))
EARLIER = Intake("T-1", b'{"id":"T-1","summary":"bad"}', superseded=True)


def test_a_job_is_there_with_its_file_before_any_record_is(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        file = new_file()
        accepted = await accept(store, file)
        assert isinstance(accepted, Accepted)
        job = await job_of(store)
        assert (job.state, job.total, job.processed, job.name) == (JobState.QUEUED, 3, 0, "a.csv")
        assert [notice.code for notice in job.warnings] == ["encoding"]
        state = await store.read_with(lambda tx: files.state_of(tx, job.id))
        assert state is not None
        assert (state.loaded, state.done, state.rows_file) == (0, False, file.stored)
        assert await store.read("backlog.waiting") == [(3,)]

    with_store(tmp_path, body)


def test_rows_and_the_place_to_go_on_from_move_together(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await accept(store, new_file())
        job = await claimed(store)
        told = [Notice("duplicate_id", "1 row", 0)]
        first = load(store, job, 0, [EARLIER, BAD], position=b'{"offset":40}', repeated=1, warnings=told)
        await store.write(first)
        with pytest.raises(LostClaimError):
            await store.write(first)  # it was loaded
        for other in (
            load(store, job, 2, [GOOD], owner="you"),
            load(store, job, 1, [GOOD]),
            load(store, job, 3, [GOOD]),
        ):
            with pytest.raises(LostClaimError):
                await store.write(other)
        state = await store.read_with(lambda tx: files.state_of(tx, job.id))
        assert state is not None
        assert (state.loaded, state.repeated, state.position, state.done) == (2, 1, b'{"offset":40}', False)
        await store.write(load(store, job, 2, [GOOD], done=True))
        with pytest.raises(LostClaimError):
            await store.write(load(store, job, 3, [GOOD]))  # no more are to come
        now = await job_of(store)
        assert (now.total, now.processed, now.issues) == (3, 2, 1)
        assert now.warnings == told
        rows = await store.read("records.of_job", {"first": 0, "beyond": 2**62})
        assert [(key, state) for _, key, state in rows] == [
            (b"T-1", "superseded"),
            (b"", "issue"),
            (b"T-1", "pending"),
        ]
        assert await tallies.differences(store) == []

    with_store(tmp_path, body)


def test_a_cancelled_job_gives_up_the_rows_that_are_not_loaded(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await accept(store, new_file(total=10))
        job = await claimed(store)
        await store.write(load(store, job, 0, [GOOD, BAD]))
        act = Act("ann", "default", "req", store.clock.now_ms())
        assert await store.write(CancelJob(job.id, job.public_id, act)) is None
        with pytest.raises(LostClaimError):
            await store.write(load(store, job, 2, [GOOD]))
        await carry_out(store, {}, job.id)
        now = await job_of(store)
        assert (now.state, now.total, now.processed) == (JobState.CANCELLED, 10, 10)
        assert (now.issues, now.discarded) == (0, 10)
        state = await store.read_with(lambda tx: files.state_of(tx, job.id))
        assert state is not None
        assert state.done
        assert await tallies.differences(store) == []

    with_store(tmp_path, body)


def test_a_file_that_cannot_be_read_on_is_given_up_once(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await accept(store, new_file(total=10))
        job = await claimed(store)
        await store.write(load(store, job, 0, [GOOD]))
        lease, now = store.clock.monotonic() + 60, store.clock.now_ms()
        with pytest.raises(LostClaimError):
            await store.write(GiveUpFile(job, "you", "it is gone", lease, now))
        assert await store.write(GiveUpFile(job, "me", "it is gone", lease, now)) == 9
        assert await store.write(GiveUpFile(job, "me", "once more", lease, now)) == 0
        after = await job_of(store)
        assert (after.processed, after.discarded) == (9, 9)
        facts = await store.read_with(lambda tx: files.facts_of(tx, job.id))
        assert facts is not None
        assert facts.error == "it is gone"

    with_store(tmp_path, body)


def test_a_key_is_answered_once_more_without_another_job(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        key = Key("scope", "key", b"content")
        first = await accept(store, new_file(), key)
        assert isinstance(first, Accepted)
        again = await accept(store, new_file(), key, "k")
        assert isinstance(again, Accepted)
        assert (again.replayed, again.body) == (True, first.body)
        other = await accept(store, new_file(), Key("scope", "key", b"other"), "l")
        assert other == Refused("idempotency_mismatch")
        assert await store.read("tallies.jobs", {"workspace": None}) == [("feedback", "queued", 1, 3, 0)]

    with_store(tmp_path, body)


def test_files_go_when_their_rows_were_loaded_long_ago_and_not_before(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        shelf = Shelf(tmp_path)
        kept = [await put(shelf, b"x") for _ in range(2)]
        for number, each in enumerate(kept):
            await accept(store, new_file(each.name, total=1), public_id=f"j{number}")
            shelf.release(each.name)
        job = await claimed(store, "j0")
        await store.write(load(store, job, 0, [GOOD], done=True))
        now = store.clock.now_ms()
        assert await tidy.retire_files(store, 1) == 0
        assert await store.write(RetireFiles(now - HOUR, now)) == 0
        assert await tidy.sweep_files(store, shelf) == 0
        assert await tidy.retire_files(store, 0) == 1  # what is not loaded stays for as long as it takes
        assert await tidy.sweep_files(store, shelf) == 1
        assert [path.name for path in (tmp_path / "files").iterdir()] == [kept[1].name]
        facts = await store.read_with(lambda tx: files.facts_of(tx, job.id))
        assert facts is not None
        assert not facts.kept
        shelf.close()

    with_store(tmp_path, body)
