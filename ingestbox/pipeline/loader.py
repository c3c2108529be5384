"""Files in the parent: asking a child to look through one, and for its next rows; deciding what to make of
the answers. The work itself is in `tables.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from ingestbox.config import MIB, Work
from ingestbox.errors import IngestError
from ingestbox.family import Intake
from ingestbox.model import Notice
from ingestbox.pipeline import tables
from ingestbox.pipeline.pool import ChildDied, ChildTimeout, FunctionFailed, Pool, PoolStopped
from ingestbox.pipeline.retry import after_death
from ingestbox.pipeline.tables import Finding, More, Question, Rows
from ingestbox.sheet import Sheet, Table, Upload
from ingestbox.store.files import FileState
from ingestbox.store.shelf import ROWS, Shelf

SLICE_ROWS = 1_000
"""Rows that become records at once, at most."""

SECONDS_PER_MB = 2.0
"""Added to `[work] chunk_seconds` for each MB of a file that is looked through: ten times what it takes."""

REPEATED = "duplicate_id"
"""The code of the warning about ids that come again in a file."""

_SURVEY, _ROWS = f"{tables.__name__}:survey", f"{tables.__name__}:rows"

_encode = msgspec.msgpack.Encoder().encode
_findings = msgspec.msgpack.Decoder(Finding)
_rows = msgspec.msgpack.Decoder(Rows)


@dataclass(slots=True)
class Pace:
    """How many rows to ask for next, and what has happened to those at the place that is reached: `deaths` of
    children with the first of them alone. `plain`: it is set aside unread."""

    most: int = SLICE_ROWS
    deaths: int = 0
    plain: bool = False

    def went_well(self, rows: int) -> None:
        """So many came, and are on disk."""
        self.most = min(2 * max(rows, 1), SLICE_ROWS)
        self.deaths, self.plain = 0, False

    def died(self) -> bool:
        """A child ended over them; whether nothing is left to try."""
        decision = after_death(self.most, self.deaths)
        self.most, self.deaths = decision.chunk_limit, decision.deaths
        if not decision.give_up:
            return False
        if self.plain:
            return True
        self.plain, self.deaths = True, 0
        return False


class Loader:
    """Reads uploaded files, in the pool's children."""

    def __init__(self, pool: Pool, shelf: Shelf, settings: Work) -> None:
        self._pool = pool
        self._shelf = shelf
        self._settings = settings

    async def look(self, table: Table, upload: Upload) -> Sheet:
        """Looks through a file that came with a request; a copy for reading may lie beside it afterwards.

        Raises IngestError: file_empty, file_unreadable, too_many_rows, storage_full, shutting_down,
        bad_parameter for what is said of the file and cannot be, and what the family's plan refuses.
        """
        stem = upload.stored.partition(".")[0]
        question = Question(
            path=str(self._shelf.path(upload.stored)),
            name=upload.name,
            size=upload.size,
            sha256=upload.sha256,
            copy=str(self._shelf.path(f"{stem}.{ROWS}")),
            plan=table.plan,
            encoding=upload.encoding,
            delimiter=upload.delimiter,
            wishes=upload.wishes,
            shown=upload.shown,
        )
        seconds = self._settings.chunk_seconds + SECONDS_PER_MB * upload.size / MIB
        finding = _findings.decode(await self._ask_twice(_encode(question), seconds))
        if finding.refusal is not None:
            fault = finding.refusal
            raise IngestError(fault.code, fault.message, faults=[fault])
        if finding.sheet is None:
            raise IngestError("internal")
        await self._shelf.settle()
        return finding.sheet

    async def _ask_twice(self, question: bytes, seconds: float) -> bytes:
        """Once more after a child died: that can be bad luck."""
        try:
            try:
                return await self._pool.ask(_SURVEY, question, seconds)
            except ChildTimeout:
                raise
            except ChildDied:
                return await self._pool.ask(_SURVEY, question, seconds)
        except ChildTimeout:
            raise IngestError("file_unreadable", "Looking through the file takes too long.") from None
        except ChildDied:
            raise IngestError(
                "file_unreadable", "The file ended the process that looked through it."
            ) from None
        except PoolStopped:
            raise IngestError("shutting_down", retry_after=5) from None
        except FunctionFailed:
            raise IngestError("internal") from None

    async def rows(self, table: Table, file: FileState, pace: Pace, *, staged: bool = False) -> Rows:
        """The next rows of a job's file as records; `damaged` when it is not what was looked through.
        Of `staged` ones that are alike none replaces another.

        Raises ChildDied, PoolStopped, FunctionFailed.
        """
        wish = More(
            path=str(self._shelf.path(file.rows_file)),
            size=file.rows_size,
            blocks=file.blocks,
            form=file.form,
            position=file.position,
            how=file.plan,
            rows=table.rows,
            stem=file.sha256[:16],
            most=pace.most,
            plain=pace.plain,
            staged=staged,
            apart=table.apart,
        )
        made = _rows.decode(await self._pool.ask(_ROWS, _encode(wish), self._settings.chunk_seconds))
        if made.damaged is not None:
            return made
        there = file.loaded + len(made.records)
        if there > file.total or (there < file.total and (made.done or not made.records)):
            return Rows(damaged=f"it has other rows than the {file.total:,} that were counted")
        return msgspec.structs.replace(made, done=there == file.total)


def warnings_of(before: Sequence[Notice], total: int, first: int) -> list[Notice]:
    """A job's warnings, once `total` rows of its file have an id that a later one has too, the one at index
    `first` being among the first of them."""
    others = [each for each in before if each.code != REPEATED]
    known = [each.index for each in before if each.code == REPEATED and each.index is not None]
    told = (
        "1 row has an id that a later row of the file has too; the later one wins"
        if total == 1
        else f"{total:,} rows have an id that a later row of the file has too; the later one wins"
    )
    return [*others, Notice(REPEATED, told, min([first, *known]))]


def superseded_in(records: Sequence[Intake], first: int) -> list[int]:
    """The indices of records that a later one of the same slice replaces."""
    return [first + place for place, record in enumerate(records) if record.superseded]
