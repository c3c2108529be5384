"""What is done about personal data: it is counted in an object's result, or hidden in what is forwarded.

JSON stays byte for byte what it is but for the strings that have some. Numbers in JSON are no strings: they
stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ingestbox.enrich.pii import finds
from ingestbox.enrich.pii.found import Find
from ingestbox.model import Chunk, Outcome, Put, delivery_digest

MOST_SPANS: Final = 100
"""Places of one kind that a result tells."""

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?', re.DOTALL)
_HINT: Final = re.compile(rb'@|%40|\xef\xbc|\\u|[0-9](?:[^0-9"A-Za-z]{0,9}[0-9]){7}')
"""What every JSON has that has personal data; many others have it too."""

_text = msgspec.json.Decoder(str)


class _Worded(msgspec.Struct):
    text: str = ""


_worded = msgspec.json.Decoder(_Worded)


class Counted(msgspec.Struct, frozen=True, omit_defaults=True):
    """How often a record has one kind; and where the result's own `text` has it (code points; the first
    MOST_SPANS), if it has a text."""

    kind: str
    count: int
    spans: list[tuple[int, int]] = []


def hidden(text: str, hint: str = "") -> str:
    """A text with a mark of the same length in the place of each find.

    >>> hidden("Write to anna@example.com")
    'Write to [email•••••••••]'
    """
    found = finds(text, hint)
    return _covered(text, found) if found else text


def hidden_in_json(data: bytes) -> bytes | None:
    """The JSON with marks in every string and name; None if there is nothing to hide."""
    parts: list[bytes] = []
    done = 0
    for start, end, text, found in _strings(data):
        parts += (data[done:start], msgspec.json.encode(_covered(text, found)))
        done = end
    return b"".join((*parts, data[done:])) if parts else None


def told(record: bytes, result: bytes) -> tuple[bytes | None, bytes | None]:
    """`Put.told` of a record and a result."""
    return hidden_in_json(record), hidden_in_json(result)


def counted(record: bytes, result: bytes) -> list[Counted]:
    """What a record has, by kind."""
    counts: dict[str, int] = {}
    for _, _, _, found in _strings(record):
        for each in found:
            counts[each.kind] = counts.get(each.kind, 0) + 1
    if not counts:
        return []
    try:
        places = finds(_worded.decode(result).text)
    except msgspec.DecodeError:  # its text is no string
        places = []
    spans: dict[str, list[tuple[int, int]]] = {kind: [] for kind in counts}
    for each in places:
        if len(spans.setdefault(each.kind, [])) < MOST_SPANS:
            spans[each.kind].append((each.start, each.end))
    return [Counted(kind, counts[kind], spans[kind]) for kind in sorted(counts)]


def marked(chunk: Chunk, outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes of a chunk as its `pii` wants them: with the last member `pii` in the result of each that
    has some, or with what is told of it."""
    if chunk.pii == "off":
        return outcomes
    return [
        outcome if outcome.put is None else _marked(chunk.pii, item.payload, outcome, outcome.put)
        for item, outcome in zip(chunk.items, outcomes, strict=True)
    ]


def _marked(mode: str, record: bytes, outcome: Outcome, put: Put) -> Outcome:
    changed: dict[str, Any] = {}
    if mode == "flag":
        if not (found := counted(record, put.result)):
            return outcome
        comma = b"" if put.result == b"{}" else b","
        result = b'%s%s"pii":%s}' % (put.result[:-1], comma, msgspec.json.encode(found))
        changed = {"result": result, "digest": delivery_digest(record, result)}
    else:
        record_told, result_told = told(record, put.result)
        changed = {"told": (record_told, result_told)}
    return msgspec.structs.replace(outcome, put=msgspec.structs.replace(put, **changed))


def _strings(data: bytes) -> Iterator[tuple[int, int, str, list[Find]]]:
    """The strings and names of a JSON that have finds: where each is, its text, its finds."""
    if _HINT.search(data) is None:
        return
    name = b'""'
    for string in _STRING.finditer(data):
        named = string[1] is not None
        end = string.start(1) if named else string.end()
        token = data[string.start() : end]
        hint, name = name, token if named else name
        if _HINT.search(token) is None:
            continue
        try:
            text = _text.decode(token)
            found = finds(text, "" if named else _text.decode(hint))
        except (msgspec.DecodeError, UnicodeDecodeError):  # half a character
            continue
        if found:
            yield string.start(), end, text, found


def _covered(text: str, found: list[Find]) -> str:
    parts: list[str] = []
    done = 0
    for each in found:
        parts += (text[done : each.start], each.mark)
        done = each.end
    return "".join((*parts, text[done:]))
