"""Strict JSON, also inside fields that nothing looks into (contract: common, Requests).

Refused: invalid UTF-8, NaN and infinities (also 1e999), lone surrogates, depth over 64, lists and objects
without measure, numbers longer than a decoder takes. Of duplicate keys the last wins. Numbers stay as they
were sent: records are stored as bytes.
"""

from __future__ import annotations

import re

import msgspec

from ingestbox.errors import IngestError

MAX_DEPTH = 64

MAX_CONTAINERS = 100_000
"""Lists and objects decoded at a stretch: about 0.1 s. Two bytes of JSON make one that takes 56 in memory,
and 16 MB of `[],[],…` hold up every other request for seven seconds."""

FAILURES = (UnicodeDecodeError, msgspec.DecodeError, RecursionError)
"""What msgspec raises about JSON; a number out of range is a DecodeError too."""

_any = msgspec.json.Decoder()
_string = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def decode(body: bytes | msgspec.Raw, place: str = "The body", depth: int = MAX_DEPTH) -> object:
    """The JSON as plain Python values; `place` says in messages what it is.

    Raises IngestError `malformed_json` that says what is wrong and where.
    """
    text = bytes(body) if isinstance(body, msgspec.Raw) else body
    containers = _containers(text)
    # Brackets inside strings are no containers; those are only told apart when it matters.
    if containers > MAX_CONTAINERS and _containers(_string.sub(b"", text)) > MAX_CONTAINERS:
        raise IngestError(
            "malformed_json", f"{place} has too many lists and objects: {MAX_CONTAINERS} are the most."
        )
    try:
        value: object = _any.decode(text)
    except FAILURES as error:
        raise refusal(error, place) from None
    if containers > depth and _deeper_than(value, depth):
        raise _too_deep(place)
    return value


def _containers(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def refusal(error: Exception, place: str = "The body") -> IngestError:
    """IngestError `malformed_json` for one of FAILURES, as msgspec raises them about JSON."""
    if isinstance(error, UnicodeDecodeError):
        return IngestError("malformed_json", f"{place} is not valid UTF-8: {error.reason}.")
    if isinstance(error, RecursionError):
        return _too_deep(place)
    return IngestError("malformed_json", f"{place} is not valid JSON: {_reason(error)}.")


def _too_deep(place: str) -> IngestError:
    return IngestError("malformed_json", f"{place} is nested too deep: {MAX_DEPTH} levels are the most.")


def _reason(error: Exception) -> str:
    return str(error).removeprefix("JSON is malformed: ").rstrip(".")


def _deeper_than(value: object, limit: int) -> bool:
    """Whether containers are nested deeper than `limit`; level by level, so that depth costs no stack."""
    level = [value]
    for _ in range(limit):
        inner: list[object] = []
        for each in level:
            if type(each) is dict:
                inner += [v for v in each.values() if type(v) is dict or type(v) is list]
            elif type(each) is list:
                inner += [v for v in each if type(v) is dict or type(v) is list]
        if not inner:
            return False
        level = inner
    return True
