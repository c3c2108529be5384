"""`GET /contacts.csv` and `GET /jobs/{id}/errors.csv`: files for spreadsheets, sent while they are read.

UTF-8 with a BOM, safe from formulas (`spreadsheet`), read in pieces by key: however long they are, no read
takes long and no more than a piece is in memory. One that cannot be ended is cut off, so that nobody takes it
for whole.
"""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from ingestbox.clock import iso
from ingestbox.errors import IngestError
from ingestbox.families.contacts.contacts import Row, Whose, cells_of, rows_of, shelf_of
from ingestbox.families.contacts.fields import FIELDS
from ingestbox.families.contacts.guard import OF_CONTACTS, OF_ROWS
from ingestbox.families.contacts.issues import STATUS
from ingestbox.families.contacts.jobs import JOB_ID
from ingestbox.families.contacts.sight import ALL, job_id_of, job_row, no_job, sight_of
from ingestbox.families.contacts.table import How
from ingestbox.family import Ask
from ingestbox.model import Job, RecordState, checksum, index_of, record_id
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.spreadsheet import download, name_of, text_of, unguarded
from ingestbox.store import ReadTx

PIECE_ROWS = 500
PIECE_BYTES = 1_048_576
"""What one read takes at most, one row at least: some 10 ms."""

STRETCH = 20_000
"""Rows of a job that one read looks at, where only few of them are wanted."""

MOST_RAW = 1_000
"""Characters of a row that could not be read which are told beside its error."""

_DISPOSITION, _NAMES = "Content-Disposition", "The file's name (RFC 6266)."
_DELIMITERS = ",;\t|"
_rows = msgspec.json.Decoder(dict[str, Any])
_hows = msgspec.json.Decoder(How)


class _Form(msgspec.Struct):
    """How a file was read, as far as it matters here."""

    header: list[str] = []
    delimiter: str = ","


async def contacts_csv(ask: Ask) -> Reply:
    """GET /contacts.csv: as GET /contacts lists them."""
    sight = sight_of(ask)
    shelf = await ask.box.read_with(lambda tx: shelf_of(tx, sight))
    return download("contacts.csv", _contacts(ask, shelf.sources, everybody=sight.subject is None))


async def _contacts(ask: Ask, sources: list[tuple[int, Whose]], *, everybody: bool) -> AsyncIterator[bytes]:
    """What there was at the start: ids only grow, so going down nothing newer is met."""
    whose = ("owner", "box") if everybody else ()
    yield codecs.BOM_UTF8 + text_of([(*FIELDS, *whose, *OF_CONTACTS)])
    below = max((top for top, _ in sources), default=0) + 1
    met = _Imports()

    def piece(tx: ReadTx) -> tuple[bytes, int | None]:
        rows = rows_of(tx, sources, below, PIECE_ROWS)
        met.check(tx, {row[3] for row in rows})
        return text_of(_contact_line(row, everybody) for row in rows), rows[-1][0] if rows else None

    while True:
        text, last = await ask.box.read_with(piece)
        if last is None:
            return
        yield text
        below = last


class _Imports:
    """The imports that contacts of an export are from: none of them may be taken back meanwhile, of which the
    export would have a part."""

    def __init__(self) -> None:
        self._met: set[int] = set()
        self._before: set[int] = set()  # taken back before they were met, which left what they had updated

    def check(self, tx: ReadTx, imports: set[int]) -> None:
        """Raises IngestError `job_active`."""
        jobs = msgspec.json.encode(list(self._met | imports)).decode()
        gone = {row[0] for row in tx.all("contacts.taken_back", {"jobs": jobs})} - self._before
        if gone & self._met:
            raise IngestError("job_active", "An import is undone: the export would have a part of it.")
        self._before |= gone
        self._met |= imports - self._before


def _contact_line(row: Row, everybody: bool) -> list[str]:
    """A damaged contact has its id alone: whoever uploads the file again is asked for the rest."""
    cells = cells_of(row)
    shown = ["", "", "", ""] if cells is None else [getattr(cells, name) for name in FIELDS]
    whose = [row[4].decode("utf-8", "replace"), row[2]] if everybody else []
    return [*shown, *whose, str(row[0]), iso(row[9]) or ""]


async def errors_csv(ask: Ask) -> Reply:
    """GET /jobs/{id}/errors.csv: the rows that wait on an issue, or all."""
    sight, job_id = sight_of(ask), job_id_of(ask)
    wanted = ask.query.get("rows", "issues")
    if wanted not in ("issues", "all"):
        raise IngestError("bad_parameter", "rows must be issues or all.")

    def look(tx: ReadTx) -> tuple[Row | None, Row | None]:
        return job_row(tx, job_id, sight), tx.one("contacts.export_form", {"job_id": job_id})

    job, form = await ask.box.read_with(look)
    if job is None or form is None:
        raise no_job(job_id)
    return _rows_as_file(ask, job_id, job[7], form, every=wanted == "all")


async def export(ask: Ask, job: Job, every: bool) -> Reply | None:
    """The same of a job in sight (`Family.export`)."""
    form = await ask.box.read_with(lambda tx: tx.one("contacts.export_form", {"job_id": job.id}))
    return None if form is None else _rows_as_file(ask, job.id, job.total, form, every=every)


def _rows_as_file(ask: Ask, job_id: int, total: int, form: Row, *, every: bool) -> Reply:
    name = name_of(form[2], "rows" if every else "errors")
    return download(name, _errors(ask, job_id, total, _layout(*form[:2]), every))


@dataclass(frozen=True, slots=True)
class _Layout:
    """The columns of an export: the header, the member of a row that each has, what stands between them."""

    header: list[str]
    members: list[str]
    delimiter: str


def _layout(form: str, plan: str) -> _Layout:
    """The original columns in their order. Those that an earlier export had added are made anew."""
    read = msgspec.json.decode(form, type=_Form)
    how = _hows.decode(plan)
    header = [unguarded(name) for name in read.header] if how.guarded else read.header
    columns = [each for each in zip(header, how.names, strict=False) if each[1] not in how.own]
    delimiter = read.delimiter if read.delimiter and read.delimiter in _DELIMITERS else ","
    return _Layout([name for name, _ in columns], [member for _, member in columns], delimiter)


async def _errors(ask: Ask, job_id: int, total: int, layout: _Layout, every: bool) -> AsyncIterator[bytes]:
    yield codecs.BOM_UTF8 + text_of([(*layout.header, *OF_ROWS)], layout.delimiter)
    after, end = record_id(job_id, 0) - 1, record_id(job_id, total - 1)
    while after < end:
        place = after

        def piece(tx: ReadTx, place: int = place) -> tuple[bytes, int]:
            upto = min(end, place + STRETCH)
            rows, last = _stretch(tx, {"after": place, "upto": upto, "all": every}, upto)
            faults = _faults(tx, rows)
            return text_of((_row_line(row, layout, faults) for row in rows), layout.delimiter), last

        text, after = await ask.box.read_with(piece)
        if text:
            yield text


def _stretch(tx: ReadTx, params: dict[str, object], upto: int) -> tuple[list[Row], int]:
    """The next rows, and the id up to which there are no more of them."""
    found: list[Row] = []
    size = 0
    each = tx.each("contacts.export_rows", params)
    try:
        for row in each:
            found.append(row)
            size += len(row[3])
            if len(found) == PIECE_ROWS or size >= PIECE_BYTES:
                return found, row[0]
    finally:
        each.close()
    return found, upto


def _faults(tx: ReadTx, rows: list[Row]) -> dict[int, list[str]]:
    """What each row waits on, by its id."""
    found: dict[int, list[str]] = {}
    if rows:
        span = {"first": rows[0][0], "last": rows[-1][0]}
        for rid, code, message in tx.all("contacts.export_faults", span):
            found.setdefault(rid, []).append(f"{code.upper()}: {message}")
    return found


def _row_line(row: Row, layout: _Layout, faults: dict[int, list[str]]) -> list[str]:
    rid, key, state, payload, crc = row
    if checksum(key, payload) != crc:
        told = f"DAMAGED: what is stored of row {index_of(rid) + 1} does not match its checksum"
        return [*("" for _ in layout.members), STATUS[state], told]
    record = _rows.decode(payload)
    cells = [value if isinstance(value := record.get(name), str) else "" for name in layout.members]
    return [*cells, STATUS[state], _told(state, record, faults.get(rid, []))]


def _told(state: str, record: dict[str, Any], faults: list[str]) -> str:
    """What a person reads of a row: what it waits on, or why the box gave it up."""
    if state == RecordState.DISCARDED:
        return str(record.get("_note") or "")
    if state != RecordState.ISSUE:
        return ""
    raw = record.get("_row", {}).get("raw")
    return "; ".join(faults) + (f"; as it stands in the file: {raw[:MOST_RAW]}" if raw else "")


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/contacts.csv",
        contacts_csv,
        "Your contacts as a file",
        description="UTF-8 with a BOM, newest first. Cells that a spreadsheet would take for formulas begin "
        "with an apostrophe, which an upload of the file takes away again.",
        parameters=(ALL,),
        answers=(
            Answer(None, description="The file.", media_type="text/csv", headers={_DISPOSITION: _NAMES}),
        ),
        errors=("bad_parameter", "forbidden"),
    ),
    Route(
        "GET",
        "/jobs/{id}/errors.csv",
        errors_csv,
        "The rows of an import that wait, as a file to correct",
        description="The original columns, with what people changed since, then `status` and `errors`. It "
        "can be corrected and uploaded again, under another name: cancel the first import then, or discard "
        "its rows. Cells that a spreadsheet would take for formulas begin with an apostrophe, which an "
        "upload takes away again, as long as those two columns are there.",
        parameters=(
            JOB_ID,
            Parameter("rows", "`all` for every row; `issues` unless given.", Literal["issues", "all"]),
            ALL,
        ),
        answers=(
            Answer(None, description="The file.", media_type="text/csv", headers={_DISPOSITION: _NAMES}),
        ),
        errors=("bad_parameter", "forbidden", "job_not_found"),
    ),
)
