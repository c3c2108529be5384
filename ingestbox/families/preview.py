"""How a file would be read, as people are shown it before it is taken: the same for every family that takes
files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from ingestbox.families.mapped import Other
from ingestbox.model import Notice
from ingestbox.sheet import Column, Sheet

PREVIEW_ROWS = 20


class UnreadableRow(msgspec.Struct, frozen=True):
    """A row that cannot be read, and why."""

    line: Annotated[int, Meta(ge=1)]
    reason: str
    raw: Annotated[str, Meta(description="Its text, cut.")]


class PreviewAnswer(msgspec.Struct, frozen=True):
    """How the file would be read. Nothing of it is stored."""

    encoding: str
    delimiter: Annotated[str, Meta(description="Empty in a file of one column.")]
    confidence: Annotated[
        float,
        Meta(ge=0, le=1, description="How sure it is that the file is read rightly: the lesser of two."),
    ]
    mapping: Annotated[list[Column], Meta(description="Which field each column is taken for.")]
    rows: Annotated[
        list[dict[str, str]],
        Meta(max_length=PREVIEW_ROWS, description="The first rows, by column; long cells are cut."),
    ]
    total_rows: Annotated[int, Meta(ge=0, description="All rows, exactly; blank lines are none.")]
    filename: str
    size: Annotated[int, Meta(ge=0, description="Bytes.")]
    missing: Annotated[list[str], Meta(description="Fields without a column; an upload needs all.")]
    remembered: Annotated[bool, Meta(description="Whether the mapping is yours, of an earlier file.")]
    others: Annotated[list[Other], Meta(description="Other columns that may hold a field.")]
    encodings: Annotated[list[str], Meta(description="Other encodings that the file may have.")]
    encoding_confidence: Annotated[float, Meta(ge=0, le=1)]
    delimiter_confidence: Annotated[float, Meta(ge=0, le=1)]
    refused: Annotated[int, Meta(ge=0, description="Rows that cannot be read; each would be an issue.")]
    unreadable: Annotated[list[UnreadableRow], Meta(description="Those of the first rows.")]
    warnings: list[Notice]
    sheet: Annotated[str | None, Meta(description="Of a workbook: which one is read.")] = None


def preview_of(
    sheet: Sheet,
    *,
    missing: Sequence[str],
    remembered: bool = False,
    others: Sequence[Other] = (),
    read: Callable[[str], str] = str,
) -> PreviewAnswer:
    """What is told of a file that was looked through with `Upload.shown`; `read` makes of a cell what its row
    would have."""
    info = sheet.info
    return PreviewAnswer(
        encoding=info.encoding,
        delimiter=info.delimiter,
        confidence=min(info.encoding_confidence, info.dialect_confidence),
        mapping=info.mapping,
        rows=[
            dict(zip(info.columns, map(read, row.cells), strict=True))
            for row in sheet.shown
            if row.refused is None
        ],
        total_rows=info.rows,
        filename=info.filename,
        size=info.size,
        missing=list(missing),
        remembered=remembered,
        others=list(others),
        encodings=info.alternatives,
        encoding_confidence=info.encoding_confidence,
        delimiter_confidence=info.dialect_confidence,
        refused=info.refused,
        unreadable=[
            UnreadableRow(row.line, row.refused, row.cells[0])
            for row in sheet.shown
            if row.refused is not None
        ],
        warnings=sheet.notices,
        sheet=info.sheet,
    )
