"""Files in the child: looking through one, and making records of its next rows. Questions and answers are
msgpack; see `loader.py` for who asks.

Kept light, as `child.py` is.
"""

from __future__ import annotations

import errno
import hashlib
import importlib
import os
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ingestbox import tabular
from ingestbox.errors import Fault
from ingestbox.family import Intake
from ingestbox.model import MAX_RECORDS_PER_JOB, Notice
from ingestbox.sheet import NO_ROWS, FileInfo, Plan, Sheet, Shown
from ingestbox.tabular import Format, Given, NotTabular, Position, Row, Unreadable

BLOCK_BYTES = 262_144
"""Files are checked in blocks of this: the rows of a slice cost the reading of one or two."""

ROWS_BYTES = 1_048_576
"""What a slice's records may have together (one at least): with its rows it keeps the writer under 20 ms."""

FILE_FIELD = "file"

CELL_CHARACTERS = 500
SHOWN_CHARACTERS = 262_144
"""What is shown of a cell, and of the first rows together."""

_READ_BYTES = 1_048_576
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Question(msgspec.Struct, frozen=True, array_like=True):
    """A file to look through: `path`, which has `sha256`; `copy` is where a copy in UTF-8 may be made, `plan`
    the family's function; the rest is what its sender says of it (`sheet.Upload`)."""

    path: str
    name: str
    size: int
    sha256: str
    copy: str
    plan: str
    encoding: str | None = None
    delimiter: str | None = None
    wishes: bytes = b"null"
    shown: int = 0


class Finding(msgspec.Struct, frozen=True, array_like=True):
    """What was found, or why the file is not taken: a fault whose code is one of the catalogue."""

    sheet: Sheet | None = None
    refusal: Fault | None = None


class More(msgspec.Struct, frozen=True, array_like=True):
    """A wish for up to `most` rows from `position` on. With `plain` they are not looked at, but set aside:
    they ended the children that did. Of `staged` ones that are alike none replaces another, nor of those that
    are `apart`."""

    path: str
    size: int
    blocks: bytes
    form: bytes
    position: bytes
    how: bytes
    rows: str
    stem: str
    most: int
    plain: bool = False
    staged: bool = False
    apart: bool = False


class Rows(msgspec.Struct, frozen=True, array_like=True):
    """Records, and where to go on; or `damaged`: why the file cannot be read any more, as a phrase."""

    records: list[Intake] = []
    position: bytes = b""
    done: bool = False
    damaged: str | None = None


_CODES = {"file_empty": "file_empty", "bad_given": "bad_parameter"}
"""What the problems of a table are in the catalogue, other than `file_unreadable`."""

_encode = msgspec.msgpack.Encoder().encode
_questions = msgspec.msgpack.Decoder(Question)
_wishes = msgspec.msgpack.Decoder(More)
_forms = msgspec.json.Decoder(Format)
_positions = msgspec.json.Decoder(Position)
_json = msgspec.json.Encoder().encode


def survey(data: bytes) -> bytes:
    """Looks through a whole file (`Question` → `Finding`)."""
    question = _questions.decode(data)
    path, copy = Path(question.path), Path(question.copy)
    try:
        given = Given(encoding=question.encoding, delimiter=question.delimiter)
        found = tabular.survey(path, name=question.name, given=given, copy=copy)
    except NotTabular as problem:
        code = _CODES.get(problem.code, "file_unreadable")
        told = f"line {problem.line}" in problem.sentence.lower()
        where = f" (line {problem.line})" if problem.line and not told else ""
        return _encode(Finding(refusal=Fault(code, problem.sentence + where, field=FILE_FIELD)))
    except OSError as error:
        if error.errno not in _FULL:
            raise
        return _encode(
            Finding(refusal=Fault("storage_full", "The disk has no room for a copy of this file."))
        )
    first = [each.cells for each in found.preview if isinstance(each, Row)]
    plan: Plan = _function(question.plan)(found.format.header, first, question.wishes)
    # In this order: a file with the wrong header alone is better told of the header.
    if refusal := plan.refusal or _refused(found.total):
        return _encode(Finding(refusal=refusal))
    where_rows = path if found.copy is None else Path(found.copy)
    where_rows.chmod(0o600)
    size, blocks, sha256 = _sealed(where_rows)
    if found.copy is not None:
        sha256 = _sealed(path)[2]
    if sha256 != question.sha256:
        raise OSError("the disk gave back something else than was written")
    return _encode(Finding(_sheet(question, found, plan, where_rows.name, size, blocks)))


def _refused(total: int) -> Fault | None:
    if not total:
        return Fault("file_empty", NO_ROWS, field=FILE_FIELD)
    if total > MAX_RECORDS_PER_JOB:
        sentence = f"The file has {total:,} rows; {MAX_RECORDS_PER_JOB:,} are the most."
        return Fault("too_many_rows", sentence, field=FILE_FIELD)
    return None


def _sheet(
    question: Question, found: tabular.Survey, plan: Plan, rows_file: str, size: int, blocks: bytes
) -> Sheet:
    form = found.format
    info = FileInfo(
        filename=question.name,
        size=question.size,
        sha256=question.sha256,
        rows=found.total,
        refused=found.refused,
        columns=form.header,
        text_columns=plan.text_columns,
        mapping=plan.columns,
        encoding=form.encoding,
        encoding_confidence=form.confidence,
        encoding_evidence=form.evidence,
        alternatives=[each.encoding for each in form.alternatives],
        delimiter=form.delimiter,
        quote=form.quote,
        dialect_confidence=form.dialect_confidence,
        header_line=form.header_line,
        sheet=form.sheet,
    )
    return Sheet(
        info=info,
        notices=[*(_notice(each) for each in found.notices), *plan.notices],
        rows_file=rows_file,
        rows_size=size,
        blocks=blocks,
        form=_json(form),
        position=_json(found.start),
        how=bytes(plan.how),
        shown=_shown(found.preview[: question.shown]),
    )


def _shown(found: Sequence[Row | Unreadable]) -> list[Shown]:
    """First rows for a person to look at, as many as fit."""
    made: list[Shown] = []
    left = SHOWN_CHARACTERS
    for each in found:
        cells = [each.raw] if isinstance(each, Unreadable) else each.cells
        cut = [cell if len(cell) <= CELL_CHARACTERS else cell[:CELL_CHARACTERS] + "…" for cell in cells]
        left -= sum(len(cell) + 4 for cell in cut)
        if left < 0 and made:
            break
        made.append(Shown(each.line, cut, each.message if isinstance(each, Unreadable) else None))
    return made


def _notice(notice: tabular.Notice) -> Notice:
    lines = ", ".join(str(line) for line in notice.lines)
    more = ", …" if notice.count > len(notice.lines) else ""
    told = f" ({notice.count:,} times: line {lines}{more})" if lines and notice.count > 1 else ""
    return Notice(notice.code, notice.message + (told or (f" (line {lines})" if lines else "")))


def rows(data: bytes) -> bytes:
    """The next rows of a file, as records (`More` → `Rows`)."""
    wish = _wishes.decode(data)
    path = Path(wish.path)
    form, start = _forms.decode(wish.form), _positions.decode(wish.position)
    try:
        if path.stat().st_size != wish.size:
            return _encode(Rows(damaged="it has another size than when it came"))
        most = wish.most
        while True:
            part = tabular.read(path, form, start, most, ROWS_BYTES)
            if not _sound(path, start.offset, part.position.offset, wish):
                return _encode(Rows(damaged=f"it was changed near line {start.line}"))
            made = _records(part.rows, wish)
            size = sum([len(record.payload) for record in made])
            if size <= ROWS_BYTES or len(made) == 1:
                break
            most = max(1, min(len(made) - 1, len(made) * ROWS_BYTES // size))
    except FileNotFoundError:
        return _encode(Rows(damaged="it is gone"))
    return _encode(Rows(made, _json(part.position), part.done))


def _records(found: Sequence[Row | Unreadable], wish: More) -> list[Intake]:
    """A record for each row, in order; of an id that comes twice here the last one wins."""
    good = [each for each in found if isinstance(each, Row)]
    made: list[Intake] = [] if wish.plain else _function(wish.rows)(wish.how, wish.stem, good)
    whole = iter(made)
    records = [
        _unreadable(each)
        if isinstance(each, Unreadable)
        else _set_aside(each)
        if wish.plain
        else _placed(next(whole), None if wish.staged else each)
        for each in found
    ]
    if wish.staged or wish.apart:
        return records
    last = {record.key: place for place, record in enumerate(records) if record.fault is None}
    return [
        record
        if record.fault is not None or last[record.key] == place
        else msgspec.structs.replace(record, superseded=True)
        for place, record in enumerate(records)
    ]


def _unreadable(row: Unreadable) -> Intake:
    sentence = f"line {row.line}: {row.message}"
    place = {"line": row.line, "row": row.number, "raw": row.raw, "code": row.code, "message": sentence}
    return Intake("", _json({"_row": place}), Fault(row.code, sentence))


def _set_aside(row: Row) -> Intake:
    sentence = f"line {row.line}: this row ended its worker; it was set aside"
    fault = Fault("processing_failed", sentence)
    place = {"line": row.line, "row": row.number, "cells": row.cells, "code": fault.code, "message": sentence}
    return Intake("", _json({"_row": place}), fault)


def _placed(record: Intake, row: Row | None) -> Intake:
    """The record; what is wrong with it says on which line, unless several rows may share it (None)."""
    if record.fault is None or row is None:
        return record
    fault = msgspec.structs.replace(record.fault, message=f"line {row.line}: {record.fault.message}")
    return msgspec.structs.replace(record, fault=fault)


def _sealed(path: Path) -> tuple[int, bytes, str]:
    """Size, the blocks' checksums and the SHA-256 of a file, which is synced."""
    digest, size, blocks = hashlib.sha256(), 0, bytearray()
    with path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            digest.update(data)
            size += len(data)
            view = memoryview(data)
            for at in range(0, len(data), BLOCK_BYTES):
                blocks += zlib.crc32(view[at : at + BLOCK_BYTES]).to_bytes(4, "big")
        os.fsync(file.fileno())
    return size, bytes(blocks), digest.hexdigest()


def _sound(path: Path, start: int, end: int, wish: More) -> bool:
    """Whether the blocks from one offset to another are what they were."""
    first, last = start // BLOCK_BYTES, max(start, end - 1) // BLOCK_BYTES
    with path.open("rb") as file:
        file.seek(first * BLOCK_BYTES)
        for number in range(first, last + 1):
            data = file.read(BLOCK_BYTES)
            if data and zlib.crc32(data).to_bytes(4, "big") != wish.blocks[4 * number : 4 * number + 4]:
                return False
    return True


def _function(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found
