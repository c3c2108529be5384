"""`/v1/jobs/{id}/errors.csv`: a job's records as a file for spreadsheets, with what is wrong with each.

It is sent while it is read, in pieces by key: however long it is, no read takes long, and no more than a
piece is in memory. The columns are found first, in a walk of its own.
"""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal, TypeVar

import msgspec

from ingestbox.errors import IngestError
from ingestbox.model import Job
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.spreadsheet import download, name_of, text_of
from ingestbox.store import ReadTx, records
from ingestbox.store.records import Wanted
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.rows import OWN
from ingestbox.web.v1.sight import ALL, JOB_ID, READERS, job_of, reading_of, staging_of

T = TypeVar("T")

OF_ROWS = ("index", "line", "key", "state", "code", "message", "field")
"""What is said of a record, before its own columns."""

WHOLE = "record"
"""The column with a record as JSON: of one that is no object, and of one with members beyond the columns."""

PIECE_ROWS = 200
PIECE_BYTES = 1_048_576
"""What one read takes at most, one record at least: some 10 ms."""

MOST_COLUMNS = 500
MOST_ISSUES = 20_000
"""Columns of a file, and issues of the records of a piece."""

DAMAGED = "damaged", "What is stored of this record does not match its checksum."

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Exports:
    """Files of the jobs in sight."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/jobs/{id}/errors.csv",
                self.errors,
                "A job's records that wait, as a file for a spreadsheet",
                READERS,
                description="UTF-8 with a BOM. A line a record: its index, the line of its file, key, state, "
                "the codes, messages and fields of its open issues, then what is in it, a column for each "
                f"member ({MOST_COLUMNS} at most; `record` has what has no column, as JSON). Cells that a "
                "spreadsheet would take for formulas begin with an apostrophe. A file that cannot be ended "
                "is cut off. Contacts come in the columns of their own file, with `status` and `errors`, and "
                "can be corrected and uploaded again. Who may only upload gets those of their own jobs.",
                parameters=(
                    JOB_ID,
                    Parameter(
                        "rows", "`all` for every record; `issues` unless given.", Literal["issues", "all"]
                    ),
                    ALL,
                ),
                answers=(
                    Answer(
                        None,
                        description="The file.",
                        media_type="text/csv",
                        headers={"Content-Disposition": "The file's name (RFC 6266)."},
                    ),
                ),
                errors=("bad_parameter", "job_not_found"),
            ),
        )

    async def errors(self, ask: Request) -> Reply:
        """GET /v1/jobs/{id}/errors.csv."""
        job = await job_of(self._parts, ask, reading_of(ask, self._parts.families))
        every = lists.choice(ask.query, "rows", ("issues", "all")) == "all"
        family = self._parts.families.get(job.family)
        if family is not None and family.export is not None:
            own = await family.export(ask, job, every)
            if own is not None:
                return own
        staged = staging_of(self._parts, job) is not None
        wanted = Wanted(None if every else "issue", staged=staged)
        return download(name_of(job.name, "rows" if every else "errors"), self._file(job, wanted))

    async def _file(self, job: Job, wanted: Wanted) -> AsyncIterator[bytes]:
        columns: dict[str, None] = {}
        whole = False
        async for found in self._walk(job, wanted, _members):
            for names in found:
                whole = whole or names is None or len(columns.keys() | names) > MOST_COLUMNS
                columns.update(dict.fromkeys(list(names or ())[: MOST_COLUMNS - len(columns)]))
        header = [name for name in columns if name != WHOLE]
        yield codecs.BOM_UTF8 + text_of([(*OF_ROWS, *header, *((WHOLE,) if whole else ()))])
        async for lines in self._walk(job, wanted, lambda tx, rows: _lines(tx, rows, header, whole)):
            if lines:
                yield text_of(lines)

    async def _walk(
        self, job: Job, wanted: Wanted, take: Callable[[ReadTx, list[_Row]], T]
    ) -> AsyncIterator[T]:
        """What `take` makes of the records, piece by piece."""
        place: int | None = 0
        while place is not None:
            after = place

            def piece(tx: ReadTx, after: int = after) -> tuple[T, int | None]:
                found = records.listed(tx, job.id, wanted, after, PIECE_ROWS)
                rows: list[_Row] = []
                size = 0
                for rid, key, state in found.rows:
                    content = records.payload(tx, rid)
                    rows.append((rid, records.text(key), state, content))
                    size += len(content or b"")
                    if size > PIECE_BYTES:
                        return take(tx, rows), rid
                return take(tx, rows), found.last

            taken, place = await self._store.read_with(piece)
            yield taken


_Row = tuple[int, str, str, bytes | None]


def _members(_tx: ReadTx, rows: list[_Row]) -> list[list[str] | None]:
    """The members of each record; None for one that is no object."""
    found: list[list[str] | None] = []
    for _, _, _, content in rows:
        record = _record(content)
        found.append(None if record is None and content is not None else list(record or ()))
    return found


def _lines(tx: ReadTx, rows: list[_Row], header: list[str], whole: bool) -> list[list[str]]:
    ids = [row[0] for row in rows]
    issues = records.issues_of(tx, ids, MOST_ISSUES)
    lines: list[list[str]] = []
    for rid, key, state, content in rows:
        waits = [each for each in issues[rid] if each[6] is None]
        said = [_joined(each[place] for each in waits) for place in (2, 3, 4)]
        if content is None:
            said = [*DAMAGED, ""]
        record = _record(content)
        line = records.line(tx, rid)
        told = [str(records.place(rid)[1]), "" if line is None else str(line), key, state, *said]
        cells = ["" if record is None or name not in record else _cell(record[name]) for name in header]
        rest = content is not None and (record is None or bool(record.keys() - set(header)))
        if rest and not whole:
            raise IngestError("record_changed", "A record has another shape than when the file was begun.")
        if whole:
            cells.append((content or b"").decode("utf-8", "replace") if rest else "")
        lines.append([*told, *cells])
    return lines


def _record(content: bytes | None) -> dict[str, Any] | None:
    """A record's members, without what the box keeps with them; None of one that is no object."""
    try:
        record = None if content is None else _decode(content)
    except msgspec.DecodeError:
        return None
    if not isinstance(record, dict):
        return None
    return {name: value for name, value in record.items() if not name.startswith(OWN)}


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _encode(value).decode()


def _joined(parts: Any) -> str:
    return "; ".join(str(part) for part in parts if part)
