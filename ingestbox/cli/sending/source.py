"""Records in a file: NDJSON, a JSON array, or a document `{"records": […]}` (whose list may be called
otherwise). NDJSON is never held whole."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from ingestbox import strictjson
from ingestbox.errors import IngestError

BATCH_DEPTH = 2
"""A batch nests its records in an object and a list, which the box counts too."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One record as it lies in the file, or why it cannot be sent.

    `place` is where (`line 12` or `record 3`); `key` is its id as text, empty when it has none; `span` is
    how many bytes of the file it took.
    """

    place: str
    raw: bytes
    key: str
    span: int
    fault: str | None = None


class BadFileError(Exception):
    """The file holds no records at all; the message says why."""


def pieces(stream: BinaryIO, member: str = "records", shared: Sequence[str] = ()) -> Iterator[Piece]:
    """The records in order. A line, or an element, that is no record comes with its fault. `member` is what
    a document's list is called; its members that are `shared` are those of each record that has none.

    Raises BadFileError when the whole is not JSON of a known form.
    """
    number, first = _first_line(stream)
    start = first.lstrip()[:1]
    if start == b"{" and _is_one_record(first, member):
        yield _piece(f"line {number}", first)
        for line in stream:
            number += 1
            if line.strip():
                yield _piece(f"line {number}", line)
    elif start in (b"{", b"["):
        yield from _document(first + stream.read(), member, shared)
    elif start:
        raise BadFileError("it is neither JSON nor NDJSON")


def _first_line(stream: BinaryIO) -> tuple[int, bytes]:
    """The first line that is not blank, without a byte order mark, and its number."""
    number, line = 1, stream.readline().removeprefix(codecs.BOM_UTF8)
    while line and not line.strip():
        number, line = number + 1, stream.readline()
    return number, line


def _is_one_record(line: bytes, member: str) -> bool:
    """Whether a line is an object by itself and not a batch `{"records": […]}`."""
    try:
        fields = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return False
    return member not in fields or "id" in fields


def _document(text: bytes, member: str, shared: Sequence[str]) -> Iterator[Piece]:
    given: dict[str, msgspec.Raw] = {}
    try:
        if text.lstrip()[:1] == b"[":
            raws = msgspec.json.decode(text, type=list[msgspec.Raw])
        else:
            fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
            if member not in fields:
                yield _piece("record 1", text)
                return
            given = {name: fields[name] for name in shared if name in fields}
            raws = msgspec.json.decode(fields[member], type=list[msgspec.Raw])
    except (ValueError, RecursionError) as error:
        raise BadFileError(f"it is not valid JSON ({error}); NDJSON has one record a line") from None
    for number, raw in enumerate(raws, start=1):
        yield _piece(f"record {number}", _with(given, bytes(raw)) if given else bytes(raw))


def _with(given: dict[str, msgspec.Raw], raw: bytes) -> bytes:
    """An object with what it has not of its own; what is none stays as it is."""
    try:
        own = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return raw
    return msgspec.json.encode({**given, **own}) if given.keys() - own.keys() else raw


def _piece(place: str, text: bytes) -> Piece:
    """Checked as strictly as the box does, so that one bad line cannot spoil the batch it is in."""
    raw = text.strip()
    try:
        value = strictjson.decode(raw, "It", strictjson.MAX_DEPTH - BATCH_DEPTH)
    except IngestError as error:
        return Piece(place, raw, "", len(text), error.detail)
    if not isinstance(value, dict):
        return Piece(place, raw, "", len(text), "It is not an object.")
    key = value.get("id")
    return Piece(place, raw, "" if key is None else str(key), len(text))
