"""`{upload_id}.csv` and `{upload_id}.ndjson`: an upload as a table, sent while it is read.

However long it is, no read takes long, and no more than a piece is in memory. One that cannot be ended (the
upload is deleted meanwhile) is cut off, so that nobody takes it for whole.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Raw

from ingestbox.errors import IngestError
from ingestbox.families.audience import filters, members
from ingestbox.families.audience.elsewhere import BOX
from ingestbox.families.audience.fields import RESULTS
from ingestbox.families.audience.members import COLUMNS, DAMAGED, MOST_COLUMNS, PLACE, WHOLE
from ingestbox.families.audience.selection import Chosen, Row, Upload, pieces
from ingestbox.families.audience.shapes import PATH
from ingestbox.families.audience.sight import ALL, UPLOAD_ID, upload_of
from ingestbox.family import Ask
from ingestbox.route import Answer, Reply, Route
from ingestbox.spreadsheet import disposition, download, text_of

NDJSON: Final = "application/x-ndjson"

_ENDING = re.compile(r"\.(csv|tsv|txt|xlsx|json|jsonl|ndjson)$", re.IGNORECASE)
_MOST_STEM = 120

_NULL = Raw(b"null")
_TRUE = Raw(b"true")
_NOTHING = dict.fromkeys((PLACE, *RESULTS), _NULL)

_encode = msgspec.json.Encoder().encode


async def as_csv(ask: Ask) -> Reply:
    """GET /api/audience/batch-upload/{upload_id}.csv."""
    columns, wanted = members.chosen(ask.query), filters.asked(ask.query)
    upload = await upload_of(ask)
    chosen = None if wanted is None else wanted.condition
    return csv_reply(ask, upload, upload.name, columns, chosen)


async def as_ndjson(ask: Ask) -> Reply:
    """GET /api/audience/batch-upload/{upload_id}.ndjson."""
    columns, wanted = members.chosen(ask.query), filters.asked(ask.query)
    upload = await upload_of(ask)
    chosen = None if wanted is None else wanted.condition
    return ndjson_reply(ask, upload, upload.name, columns, chosen)


def csv_reply(ask: Ask, upload: Upload, name: str, columns: list[str] | None, chosen: Chosen) -> Reply:
    """The chosen records of an upload as a file for a spreadsheet, called by a name."""
    return download(name_of(name, "csv"), csv_of(ask, upload, columns, chosen))


def ndjson_reply(ask: Ask, upload: Upload, name: str, columns: list[str] | None, chosen: Chosen) -> Reply:
    """The same as a file with an object a line."""
    headers = (
        ("Content-Type", NDJSON),
        ("Content-Disposition", disposition(name_of(name, "ndjson"))),
    )
    return Reply(ndjson_of(ask, upload, columns, chosen), headers=headers)


def name_of(name: str, ending: str) -> str:
    """What a file of something with this name is called.

    >>> name_of("Leads v1.2", "csv"), name_of("leads.CSV", "ndjson")
    ('Leads v1.2.csv', 'leads.ndjson')
    """
    return f"{_ENDING.sub('', name.strip())[:_MOST_STEM] or 'upload'}.{ending}"


@dataclass(frozen=True, slots=True)
class _Sheet:
    """The columns of a table. `every` says that each record has to have all of its members in it, or lies in
    the column WHOLE, if that is there."""

    columns: tuple[str, ...]
    every: bool

    def lines(self, rows: Sequence[Row]) -> bytes:
        """The lines of some records. Raises IngestError `record_changed`."""
        sources = [(column, members.member_of(column)) for column in self.columns]
        known = {member for _, member in sources if member is not None}
        lines: list[list[str]] = []
        for row in rows:
            own, told = members.own(row), _told(row)
            if not own.keys() <= known:
                if WHOLE in self.columns:
                    told[WHOLE] = Raw(row.record or b"")
                elif self.every:
                    raise IngestError("record_changed", "A record has a member that none had before.")
            lines.append(
                [
                    members.cell(told.get(column) if member is None else own.get(member))
                    for column, member in sources
                ]
            )
        return text_of(lines)


def _told(row: Row) -> dict[str, Raw]:
    """The columns of the box's own."""
    told = {PLACE: Raw(b"%d" % row.index), **members.found(row)}
    if row.damaged:
        told[DAMAGED] = _TRUE
    return told


async def csv_of(ask: Ask, upload: Upload, columns: list[str] | None, chosen: Chosen) -> AsyncIterator[bytes]:
    """An upload's records as CSV, in all columns that they have unless some are chosen."""
    sheet = await _sheet(ask, upload, chosen) if columns is None else _Sheet(tuple(columns), every=False)
    yield codecs.BOM_UTF8 + text_of([sheet.columns])
    async for text in pieces(ask.box, upload, sheet.lines, chosen):
        if text:
            yield text


async def _sheet(ask: Ask, upload: Upload, chosen: Chosen) -> _Sheet:
    """Every column that there is, found in a walk of its own: the upload's fields, other members of records,
    then what was found out."""
    names = dict.fromkeys(upload.fields[:MOST_COLUMNS])
    beyond = damaged = False
    async for found, any_damaged in pieces(ask.box, upload, _members, chosen):
        damaged = damaged or any_damaged
        for name in found:
            if len(names) < MOST_COLUMNS:
                names[name] = None
            elif name not in names:
                beyond = True
    whole = (WHOLE,) if beyond else ()
    said = (DAMAGED,) if damaged else ()
    return _Sheet((*map(members.column_of, names), *whole, PLACE, *RESULTS, *said), every=True)


def _members(rows: list[Row]) -> tuple[list[str], bool]:
    """The members that records have, each once, and whether one of these is damaged."""
    names: dict[str, Raw] = {}
    for row in rows:
        names.update(members.own(row))
    return list(names), any(row.damaged for row in rows)


async def ndjson_of(
    ask: Ask, upload: Upload, columns: list[str] | None, chosen: Chosen
) -> AsyncIterator[bytes]:
    """An upload's records as NDJSON, with all of their members unless some are chosen."""
    async for text in pieces(ask.box, upload, lambda rows: _objects(rows, columns), chosen):
        if text:
            yield text


def _objects(rows: list[Row], columns: list[str] | None) -> bytes:
    lines: list[bytes] = []
    for row in rows:
        flat = {members.column_of(name): value for name, value in members.own(row).items()}
        flat.update(_NOTHING | _told(row))
        if columns is not None:
            flat = {column: flat[column] for column in columns if column in flat}
        lines.append(_encode(flat))
    lines.append(b"")
    return b"\n".join(lines)


HEADERS = {"Content-Disposition": "The file's name (RFC 6266), which is the upload's."}

_TOLD = (
    f"`{PLACE}` is the record's place in the upload, from 0, and `{DAMAGED}` is there for one that does not "
    "match its checksum. A member of a record that is called like one of the box's is called `record.` and "
    "its name."
)

ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        PATH + "/{upload_id}.csv",
        as_csv,
        "An upload as a file for a spreadsheet",
        description="UTF-8 with a BOM: the upload's `fields`, then other members that records have "
        f"({MOST_COLUMNS} at most; `{WHOLE}` has a record as JSON that has more), then what was found out. "
        f"Values that are no text are JSON. {_TOLD} Cells that a spreadsheet would take for formulas begin "
        "with an apostrophe. A file that cannot be ended is cut off.",
        parameters=(UPLOAD_ID, COLUMNS, filters.FILTER, ALL, BOX),
        answers=(Answer(None, description="The file.", media_type="text/csv", headers=HEADERS),),
        errors=("bad_parameter", "not_found", "forbidden"),
    ),
    Route(
        "GET",
        PATH + "/{upload_id}.ndjson",
        as_ndjson,
        "An upload as a file with an object a line",
        description="A record with its members as they were sent, and beside them what was found out (null "
        f"as long as it is not known). {_TOLD} A file that cannot be ended is cut off.",
        parameters=(UPLOAD_ID, COLUMNS, filters.FILTER, ALL, BOX),
        answers=(Answer(None, description="The file.", media_type=NDJSON, headers=HEADERS),),
        errors=("bad_parameter", "not_found", "forbidden"),
    ),
)
