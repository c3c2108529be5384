"""Rows of a file becoming records: in slices, whatever a row does to the child that looks at it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingestbox import families
from ingestbox.config import Work
from ingestbox.errors import IngestError
from ingestbox.family import Batch, Family
from ingestbox.model import Job, JobState, index_of
from ingestbox.pipeline import loader as module
from ingestbox.pipeline.loader import SLICE_ROWS, Loader, Pace, warnings_of
from ingestbox.pipeline.pool import ChildDied, ChildTimeout, FunctionFailed, Pool
from ingestbox.pipeline.retry import DEATHS_ALONE
from ingestbox.pipeline.runner import Runner
from ingestbox.sheet import Sheet, Table, Upload
from ingestbox.store import Store, files, jobs
from ingestbox.store.files import AcceptFile, NewFile
from ingestbox.store.intake import Accepted, Draft
from ingestbox.store.shelf import Shelf
from tests.store.support import with_store


@pytest.fixture(autouse=True)
def _helpers_for_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}:{Path(__file__).parents[2]}")


def family() -> Family:
    own = families.load()["feedback"]
    assert own.table is not None
    return msgspec.structs.replace(own, table=Table(own.table.plan, "table_functions:rows"))


class Hands:
    """A pool, a shelf and what is made over them."""

    def __init__(self, store: Store, pool: Pool, shelf: Shelf, ahead: int = 1) -> None:
        self.store, self.pool, self.shelf = store, pool, shelf
        self.loader = Loader(pool, shelf, Work())
        work = msgspec.convert({"chunk_records": 500}, Work)
        self.runner = Runner(
            store, pool, {"feedback": family()}, work, lambda _: None, loader=self.loader, ahead=ahead
        )

    async def put(self, content: bytes, name: str = "f.csv") -> Upload:
        """A file on the shelf."""
        coming = await self.shelf.begin("csv", len(content))
        coming.add(content)
        sha256 = await coming.keep()
        return Upload(coming.name, name, len(content), sha256, b"")

    async def look(self, upload: Upload) -> Sheet:
        table = family().table
        assert table is not None
        return await self.loader.look(table, upload)

    async def accept(self, content: bytes) -> tuple[int, Path]:
        """A job for a file of this content, not worked on; and where its rows are read."""
        upload = await self.put(content)
        sheet = await self.look(upload)
        new = NewFile(
            stored=upload.stored,
            rows_file=sheet.rows_file,
            rows_size=sheet.rows_size,
            blocks=sheet.blocks,
            sha256=upload.sha256,
            form=sheet.form,
            plan=sheet.how,
            position=sheet.position,
            about=msgspec.json.encode(sheet.info),
            total=sheet.info.rows,
        )
        batch = Batch("feedback", "csv_upload", upload.name, ())
        unit = AcceptFile(Draft("j", "default", "t", 1), batch, new, None, lambda *_: b"")
        accepted = await self.store.write(unit)
        assert isinstance(accepted, Accepted)
        return accepted.job_id, self.shelf.path(sheet.rows_file)

    async def work(self, job_id: int) -> tuple[Job, list[tuple[int, str]]]:
        """The job after all work on it, and its issues as (index, code)."""
        await self.runner.work(job_id)
        job = await self.store.read_with(lambda tx: jobs.by_id(tx, job_id, None))
        assert job is not None
        issues = await self.store.read("issues.of_job", {"first": 0, "beyond": 2**62, "limit": 5_000})
        return job, [(index_of(rid), code) for rid, code, *_ in issues]


def with_hands(folder: Path, body: Any, ahead: int = 1) -> None:
    async def inside(store: Store) -> None:
        async with hands_of(store, folder, ahead) as hands:
            await body(hands)

    with_store(folder, inside)


@asynccontextmanager
async def hands_of(store: Store, folder: Path, ahead: int) -> AsyncIterator[Hands]:
    pool, shelf = Pool(min(ahead, 2)), Shelf(folder)
    await pool.start()
    try:
        yield Hands(store, pool, shelf, ahead)
    finally:
        await pool.stop(0)
        shelf.close()


def content(rows: int, **cells: str) -> bytes:
    """A file of so many rows; `r3="…"` is the text of the one with index 3."""
    lines = [f"T-{n},{cells.get(f'r{n}', 'It came late.')}\n" for n in range(rows)]
    return ("id,text\n" + "".join(lines)).encode()


def test_a_child_can_be_asked_about_bytes(tmp_path: Path) -> None:
    async def body(hands: Hands) -> None:
        pool = hands.pool
        assert await pool.ask("table_functions:reverse", b"abc", 30) == b"cba"
        assert await pool.ask("table_functions:reverse", b"", 30) == b""
        with pytest.raises(FunctionFailed, match="ValueError"):
            await pool.ask("table_functions:angry", b"a secret", 30)
        with pytest.raises(ChildDied):
            await pool.ask("table_functions:deadly", b"", 30)
        with pytest.raises(ChildTimeout):
            await pool.ask("time:sleep", b"", 0.0)
        assert await pool.ask("table_functions:reverse", b"ok", 30) == b"ko"

    with_hands(tmp_path, body)


def test_all_rows_of_several_slices_become_records(tmp_path: Path) -> None:
    async def body(hands: Hands) -> None:
        rows = 2 * SLICE_ROWS + 17
        job_id, _ = await hands.accept(content(rows))
        job, issues = await hands.work(job_id)
        assert (job.state, job.processed, issues) == (JobState.COMPLETED, rows, [])
        state = await hands.store.read_with(lambda tx: files.state_of(tx, job_id))
        assert state is not None
        assert (state.loaded, state.done, state.error) == (rows, True, None)

    with_hands(tmp_path, body)


@pytest.mark.parametrize("ahead", [1, 3])
def test_ids_that_come_again_in_any_later_slice_are_counted_once_each(tmp_path: Path, ahead: int) -> None:
    """Also while the rows before are still being processed."""
    lines = [f"T-{n % 900 if n < 2_500 else n},It came late.\n" for n in range(3_100)]
    lines[2_600] = "T-3,\n"  # no text: it replaces nothing

    async def body(hands: Hands) -> None:
        job_id, _ = await hands.accept(("id,text\n" + "".join(lines)).encode())
        job, issues = await hands.work(job_id)
        assert (job.state, job.processed, issues) == (
            JobState.COMPLETED,
            3_100,
            [(2_600, "text_required")],
        )
        (warning,) = job.warnings
        assert warning.message.startswith(f"{2_500 - 900:,} rows")
        assert warning.index == 0

    with_hands(tmp_path, body, ahead)


def test_a_slice_is_bounded_by_bytes_too(tmp_path: Path) -> None:
    """Names of columns are said once in a file, and in each record."""

    async def body(hands: Hands) -> None:
        header = ",".join(
            ["id", "text", *(f"a long name of a column, number {n}".replace(",", "") for n in range(400))]
        )
        lines = [header, *(f"T-{n},good" + "," * 400 for n in range(300))]
        job_id, _ = await hands.accept(("\n".join(lines) + "\n").encode())
        largest: list[int] = []
        write = hands.store.write

        async def watching(unit: Any, **options: Any) -> Any:
            if hasattr(unit, "records"):
                largest.append(sum(len(record.payload) for record in unit.records))
            return await write(unit, **options)

        hands.store.write = watching  # type: ignore[method-assign]
        job, _ = await hands.work(job_id)
        assert (job.state, job.processed) == (JobState.COMPLETED, 300)
        assert max(largest) <= 1_048_576 < sum(largest)

    with_hands(tmp_path, body)


@pytest.mark.parametrize(
    "poison", [[0], [4], [2, 3], [0, 1_200], pytest.param([1_999], marks=pytest.mark.soak)]
)
def test_rows_that_end_their_child_are_set_aside_and_the_others_done(
    tmp_path: Path, poison: list[int]
) -> None:
    async def body(hands: Hands) -> None:
        rows = 2_000 if max(poison) > 10 else 5
        job_id, _ = await hands.accept(content(rows, **{f"r{n}": "die" for n in poison}))
        job, issues = await hands.work(job_id)
        assert issues == [(number, "processing_failed") for number in poison]
        assert (job.state, job.processed, job.issues) == (JobState.COMPLETED, rows, len(poison))
        shown = await hands.store.read("records.payload", {"id": (job_id << 24) + poison[0]})
        row = json.loads(shown[0][1])["_row"]
        where = {"line": poison[0] + 2, "row": poison[0] + 1, "cells": [f"T-{poison[0]}", "die"]}
        assert row == where | {"code": "processing_failed", "message": row["message"]}

    with_hands(tmp_path, body)


def test_a_row_that_raises_is_set_aside_too(tmp_path: Path) -> None:
    async def body(hands: Hands) -> None:
        job_id, _ = await hands.accept(content(20, r7="raise"))
        job, issues = await hands.work(job_id)
        assert (job.state, issues) == (JobState.COMPLETED, [(7, "processing_failed")])

    with_hands(tmp_path, body)


def test_a_death_that_was_bad_luck_costs_nothing(tmp_path: Path) -> None:
    async def body(hands: Hands) -> None:
        count = tmp_path / "count"
        job_id, _ = await hands.accept(content(20, r7=f"die 1 {count}"))
        job, issues = await hands.work(job_id)
        assert (job.state, job.processed, issues) == (JobState.COMPLETED, 20, [])

    with_hands(tmp_path, body)


def test_a_file_of_rows_that_all_end_their_child_fails(tmp_path: Path) -> None:
    async def body(hands: Hands) -> None:
        job_id, _ = await hands.accept(content(2, r0="die", r1="die"))
        job, issues = await hands.work(job_id)
        assert (job.state, len(issues)) == (JobState.FAILED, 2)

    with_hands(tmp_path, body)


def test_a_file_that_nothing_can_read_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(hands: Hands) -> None:
        job_id, _ = await hands.accept(content(20))
        monkeypatch.setattr(module, "_ROWS", "table_functions:deadly")
        job, issues = await hands.work(job_id)
        assert (job.state, job.processed, job.discarded, issues) == (JobState.FAILED, 20, 20, [])
        assert job.error is not None
        assert "a row ends the process that reads it. 20 of 20 rows were not read" in job.error

    with_hands(tmp_path, body)


@pytest.mark.parametrize("harm", ["more", "other size", "other bytes"])
def test_a_file_that_is_not_what_it_was_is_not_read(tmp_path: Path, harm: str) -> None:
    async def body(hands: Hands) -> None:
        job_id, path = await hands.accept(content(20))
        before = path.read_bytes()
        path.write_bytes(
            {
                "more": before + b"T-20,good\n",
                "other size": before[:-1],
                "other bytes": before.replace(b"T-7,It", b"T-7,At"),
            }[harm]
        )
        job, issues = await hands.work(job_id)
        assert (job.state, job.discarded, issues) == (JobState.FAILED, 20, [])
        assert await hands.store.read("records.of_job", {"first": 0, "beyond": 2**62}) == []

    with_hands(tmp_path, body)


def test_a_file_that_the_disk_gives_back_otherwise_is_not_taken(tmp_path: Path) -> None:
    async def body(hands: Hands) -> None:
        upload = await hands.put(content(3))
        path = hands.shelf.path(upload.stored)
        path.write_bytes(path.read_bytes().replace(b"T-1", b"T-2"))
        with pytest.raises(IngestError) as told:
            await hands.look(upload)
        assert told.value.code == "internal"

    with_hands(tmp_path, body)


def test_what_is_found_is_told_exactly(tmp_path: Path) -> None:
    async def body(hands: Hands) -> None:
        made = content(3)
        sheet = await hands.look(await hands.put(made, "góp ý.csv"))
        info = sheet.info
        assert (info.filename, info.size, info.rows, info.refused) == ("góp ý.csv", len(made), 3, 0)
        assert info.sha256 == hashlib.sha256(made).hexdigest()
        assert (info.columns, info.text_columns) == (["id", "text"], ["text"])
        assert sheet.rows_size == len(made)

    with_hands(tmp_path, body)


def test_a_pace_shrinks_to_one_row_and_grows_again() -> None:
    pace = Pace()
    tried = []
    while pace.most > 1:
        tried.append(pace.most)
        assert not pace.died()
    assert tried[0] == SLICE_ROWS
    deaths = 0
    while not pace.plain:
        deaths += 1
        assert not pace.died()
    assert deaths == DEATHS_ALONE
    pace.went_well(1)
    assert (pace.most, pace.plain, pace.deaths) == (2, False, 0)
    for _ in range(20):
        pace.went_well(pace.most)
    assert pace.most == SLICE_ROWS


def test_the_warning_about_repeated_ids_is_one() -> None:
    (one,) = warnings_of([], 1, 7)
    assert (one.index, one.message.split(";")[0]) == (
        7,
        "1 row has an id that a later row of the file has too",
    )
    (both,) = warnings_of([one], 1_200, 3_000)
    assert (both.index, both.message.split()[0]) == (7, "1,200")
