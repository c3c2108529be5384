"""A body of CSV in a child: its rows as records. The body stays in memory, so that nothing of it is left
behind by a child that ends. Kept light, as the child is."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ingestbox import amounts, tabular
from ingestbox.errors import Fault
from ingestbox.families.audience.about import NO_RECORD, too_many
from ingestbox.families.audience.table import Wishes, names_of, plan, rows
from ingestbox.family import Intake
from ingestbox.model import Notice
from ingestbox.tabular import Given, NotTabular, Row, Unreadable, copies, encoding, workbook

SLICE_ROWS, SLICE_BYTES = 500, 1_048_576
"""Records that the asking process decodes at a stretch, about 1 ms; and so much of columns' names in them."""

FUNCTION = f"{__name__}:read"


class Question(msgspec.Struct, frozen=True, array_like=True):
    """A body, and what its sender says of it (`sheet.Upload`); `records` and `size` (of the records' JSON, in
    bytes) are the most."""

    data: bytes
    encoding: str | None
    delimiter: str | None
    mapping: bytes
    records: int
    size: int


class Found(msgspec.Struct, frozen=True, array_like=True):
    """The records, in slices as msgpack of lists of Intake; or why the body is refused, as a fault whose code
    is one of the catalogue, or of a validation error."""

    refusal: Fault | None = None
    fields: list[str] = []
    slices: list[bytes] = []
    notices: list[Notice] = []


_encode = msgspec.msgpack.Encoder().encode
_questions = msgspec.msgpack.Decoder(Question)
_json = msgspec.json.Encoder().encode
_any = msgspec.json.Decoder().decode


def read(data: bytes) -> bytes:
    """The rows of a body (`Question` → `Found`), in order; one that cannot be read has its line and why."""
    question = _questions.decode(data)
    try:
        return _encode(_found(question))
    except NotTabular as problem:
        if problem.code in ("file_empty", "no_header"):
            return _encode(Found(Fault("empty_batch", NO_RECORD, field="records")))
        code = "bad_parameter" if problem.code == "bad_given" else problem.code
        return _encode(Found(Fault(code, f"The body cannot be read as a table. {problem.sentence}")))


def _found(question: Question) -> Found:
    with _file(question.data) as path:
        if workbook.is_workbook(path):
            raise NotTabular("workbook_kind", "It is a workbook; send it as a file.")
        kind = encoding.find(path, question.encoding)
        if kind.name in encoding.WIDE:
            source, out = io.BytesIO(question.data[kind.bom :]), io.BytesIO()
            copies.pour(source, out, kind.name)
            with _file(out.getvalue()) as copy:
                return _rows(copy, question, Given(encoding="utf-8", delimiter=question.delimiter))
        return _rows(path, question, Given(encoding=question.encoding, delimiter=question.delimiter))


def _rows(path: Path, question: Question, given: Given) -> Found:
    survey = tabular.survey(path, given=given)
    if survey.total > question.records:
        return Found(too_many(question.records))
    wishes = _json(Wishes(_any(question.mapping), shown=True))
    planned = plan(survey.format.header, [], wishes)
    if planned.refusal is not None:
        return Found(planned.refusal)
    how = bytes(planned.how)
    names = names_of(how)
    most = max(1, min(SLICE_ROWS, SLICE_BYTES // sum(len(name.encode()) + 6 for name in names)))
    slices: list[bytes] = []
    position, size, done = survey.start, 0, False
    while not done:
        part = tabular.read(path, survey.format, position, most)
        made = _records(part.rows, how)
        size += sum(len(record.payload) for record in made)
        if size > question.size:
            return Found(Fault("payload_too_large", _LARGE.format(amounts.size(question.size))))
        slices.append(_encode(made))
        position, done = part.position, part.done
    notices = [Notice(each.code, each.message) for each in survey.notices]
    return Found(fields=names, slices=slices, notices=notices)


_LARGE = (
    "The rows take more than {} as records, each of which repeats the columns' names. "
    "Send fewer rows, or leave columns out."
)


def _records(found: list[Row | Unreadable], how: bytes) -> list[Intake]:
    whole = iter(rows(how, "", [each for each in found if isinstance(each, Row)]))
    return [
        _unreadable(each) if isinstance(each, Unreadable) else _placed(next(whole), each) for each in found
    ]


def _placed(record: Intake, row: Row) -> Intake:
    if record.fault is None:
        return record
    fault = msgspec.structs.replace(record.fault, message=f"line {row.line}: {record.fault.message}")
    return msgspec.structs.replace(record, fault=fault)


def _unreadable(row: Unreadable) -> Intake:
    sentence = f"line {row.line}: {row.message}"
    told = {"line": row.line, "row": row.number, "raw": row.raw, "code": row.code, "message": sentence}
    return Intake("", _json({"_row": told}), Fault(row.code, sentence))


@contextmanager
def _file(data: bytes) -> Iterator[Path]:
    """A file of these bytes that is in memory alone."""
    number = os.memfd_create("body")
    try:
        with os.fdopen(os.dup(number), "wb") as file:
            file.write(data)
        yield Path(f"/proc/self/fd/{number}")
    finally:
        os.close(number)
