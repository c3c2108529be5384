"""Strict JSON, also inside fields that nothing looks into (contract: common, Requests).

Refused: invalid UTF-8, NaN and infinities (also 1e999), lone surrogates, depth over 64, values
without measure, numbers longer than a decoder takes. Of duplicate keys the last wins. Numbers stay as they
were sent: records are stored as bytes.
"""

from __future__ import annotations

import msgspec

from ingestbox.errors import IngestError

MAX_DEPTH = 64

MAX_CONTAINERS = 100_000
"""Lists and objects decoded at a stretch: about 20 ms. Two bytes of JSON make one that takes 56 in memory,
and 16 MB of `[],[],…` hold up every other request for seconds."""

COUNTED_BYTES = 1_048_576

MAX_VALUES = 100_000
"""Members and elements decoded at a stretch: about 20 ms. A million names take 0.4 s, and 150 MB."""

FAILURES = (UnicodeDecodeError, msgspec.DecodeError, RecursionError)
"""What msgspec raises about JSON; a number out of range is a DecodeError too."""

_any = msgspec.json.Decoder()


def decode(body: bytes | msgspec.Raw, place: str = "The body", depth: int = MAX_DEPTH) -> object:
    """The JSON as plain Python values; `place` says in messages what it is.

    Raises IngestError `malformed_json` that says what is wrong and where.
    """
    text = bytes(body) if isinstance(body, msgspec.Raw) else body
    large = len(text) > MAX_VALUES  # a shorter one cannot have too much of anything
    if large and (_reaches(text, MAX_VALUES, b",") or _reaches(text, MAX_CONTAINERS + 1, b"[", b"{")):
        _check_amounts(text, place)
    try:
        value: object = _any.decode(text)
    except FAILURES as error:
        raise refusal(error, place) from None
    nested = _reaches(text, depth + 1, b"[", b"{") if large else text.count(b"[") + text.count(b"{") > depth
    if nested and _deeper_than(value, depth):
        raise _too_deep(place)
    return value


def _check_amounts(text: bytes, place: str) -> None:
    """Counts again without the strings: what looks like brackets and commas there is none."""
    # Telling them apart costs time for each. A member has two, and an escaped quote ends none.
    if _reaches(text, 4 * MAX_VALUES, b'"') and text.count(b'"') - text.count(b'\\"') > 4 * MAX_VALUES:
        outside = b"," * MAX_VALUES
    else:
        plain = text.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in text else text
        outside = b"".join(plain.split(b'"')[::2])  # a pattern that finds the strings takes 20 times as long
    if outside.count(b",") >= MAX_VALUES:
        raise IngestError(
            "malformed_json", f"{place} has too many members and elements: {MAX_VALUES} are the most."
        )
    if _reaches(outside, MAX_CONTAINERS + 1, b"[", b"{"):
        raise IngestError(
            "malformed_json", f"{place} has too many lists and objects: {MAX_CONTAINERS} are the most."
        )


def _reaches(text: bytes, most: int, *marks: bytes) -> bool:
    """Whether there are so many of these marks; stops counting there, for each takes time."""
    found = 0
    for start in range(0, len(text), COUNTED_BYTES):
        found += sum(text.count(mark, start, start + COUNTED_BYTES) for mark in marks)
        if found >= most:
            return True
    return False


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
