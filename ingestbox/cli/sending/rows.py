"""Rows of a file (CSV, workbook) as records, read here: for calls that take records in batches alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from ingestbox import sheet, tabular
from ingestbox.cli.sending.files import Column, FileInfo, Notice, UploadTaken, assumed
from ingestbox.cli.sending.source import BadFileError, Piece
from ingestbox.errors import IngestError
from ingestbox.families import said as sayings
from ingestbox.families.audience import table
from ingestbox.family import Intake
from ingestbox.tabular import Given, NotTabular, Row, Unreadable

SLICE_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of files: their form, and which column is what, as JSON for the family's plan."""

    form: Given
    wishes: bytes

    @classmethod
    def of(cls, said: Mapping[str, str]) -> Known:
        """As it is said to the box. Raises UsageError."""
        try:
            form = Given(encoding=sayings.encoding(said), delimiter=sayings.delimiter(said))
            mapping = sayings.mapping(said)
        except IngestError as error:
            raise click.UsageError(f"--{error.detail}") from None
        return cls(form, b"null" if mapping is None else msgspec.json.encode({"mapping": mapping}))


def pieces(name: str, note: Callable[[str], None], known: Known) -> Iterator[Piece]:
    """The rows in order; one that cannot be read, or is no record, comes with its fault. `note` hears what is
    assumed of the file. Raises BadFileError, OSError."""
    path = Path(name)
    with tempfile.TemporaryDirectory(prefix="ingestbox-send-") as folder:
        try:
            found = tabular.survey(path, name=path.name, given=known.form, copy=Path(folder, "copy"))
        except NotTabular as problem:
            raise BadFileError(problem.sentence.rstrip(".")) from None
        first = [each.cells for each in found.preview if isinstance(each, Row)]
        plan = table.plan(found.format.header, first, known.wishes)
        if plan.refusal is not None:
            raise BadFileError(plan.refusal.message.rstrip("."))
        note(_assumed(path.name, found, plan.columns))
        where = path if found.copy is None else Path(found.copy)
        position, done = found.start, False
        while not done:
            part = tabular.read(where, found.format, position, SLICE_ROWS)
            span = part.position.offset - position.offset
            yield from _made(bytes(plan.how), part.rows, span // max(1, len(part.rows)))
            position, done = part.position, part.done


def _made(how: bytes, found: Sequence[Row | Unreadable], span: int) -> Iterator[Piece]:
    records = iter(table.rows(how, "", [each for each in found if isinstance(each, Row)]))
    for each in found:
        place = f"line {each.line}"
        if isinstance(each, Unreadable):
            yield Piece(place, b"", "", span, each.message)
        else:
            yield _piece(place, next(records), span)


def _piece(place: str, record: Intake, span: int) -> Piece:
    return Piece(place, record.payload, "", span, None if record.fault is None else record.fault.message)


def _assumed(name: str, found: tabular.Survey, columns: Sequence[sheet.Column]) -> str:
    """What is assumed of a file, in sentences."""
    form = found.format
    info = FileInfo(
        filename=name,
        rows=found.total,
        refused=0,  # each is named
        encoding=form.encoding,
        encoding_confidence=form.confidence,
        delimiter=form.delimiter,
        mapping=[Column(each.column, each.field) for each in columns],
        sheet=form.sheet,
    )
    return assumed(UploadTaken("", info, [Notice(each.message) for each in found.notices]))
