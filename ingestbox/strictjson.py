"""Strict JSON, also inside fields that nothing looks into (contract: common, Requests).

Refused: invalid UTF-8, NaN and infinities (also 1e999), lone surrogates, depth over 64, values
without measure, numbers longer than a decoder takes. Of duplicate keys the last wins. Numbers stay as they
were sent: records are stored as bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ingestbox.errors import IngestError

MAX_DEPTH = 64

MAX_CONTAINERS = 100_000
"""Lists and objects decoded at a stretch: about 20 ms. Two bytes of JSON make one that takes 56 in memory,
and 16 MB of `[],[],…` hold up every other request for seconds."""

COUNTED_BYTES = 1_048_576
MEASURED_BYTES = 262_144
"""Looked at in one step: for marks anywhere, and for those outside of strings."""

MAX_VALUES = 100_000
"""Members and elements decoded at a stretch: about 20 ms. A million names take 0.4 s, and 150 MB."""

FAILURES = (UnicodeDecodeError, msgspec.DecodeError, RecursionError)
"""What msgspec raises about JSON; a number out of range is a DecodeError too."""

_any = msgspec.json.Decoder()


def decode(body: bytes | msgspec.Raw, place: str = "The body", depth: int = MAX_DEPTH) -> object:
    """The JSON as plain Python values; `place` says in messages what it is.

    Raises IngestError `malformed_json` that says what is wrong and where.
    """
    text = _text(body)
    for _ in _measure(text, place):
        pass
    return _decode(text, place, depth)


async def decode_in_turns(
    body: bytes | msgspec.Raw, place: str = "The body", depth: int = MAX_DEPTH
) -> object:
    """As `decode`; others get their turn while a large text is measured, which takes longer than decoding."""
    import asyncio  # here, for children import this module too

    text = _text(body)
    for _ in _measure(text, place):
        await asyncio.sleep(0)
    return _decode(text, place, depth)


def _text(body: bytes | msgspec.Raw) -> bytes:
    return bytes(body) if isinstance(body, msgspec.Raw) else body


def _decode(text: bytes, place: str, depth: int) -> object:
    try:
        value: object = _any.decode(text)
    except FAILURES as error:
        raise refusal(error, place) from None
    if reaches(text, depth + 1, b"[", b"{") and _deeper_than(value, depth):
        raise _too_deep(place)
    return value


def _measure(text: bytes, place: str) -> Iterator[None]:
    """Refuses too many values and containers before they are made, in steps of about 5 ms."""
    if len(text) <= MAX_VALUES:  # it cannot have too much of anything
        return
    if not (reaches(text, MAX_VALUES, b",") or reaches(text, MAX_CONTAINERS + 1, b"[", b"{")):
        return
    # Once more without the strings: what looks like brackets and commas there is none.
    commas = containers = quotes = 0
    for outside, here in without_strings(text):
        quotes += here
        commas += outside.count(b",")
        containers += outside.count(b"[") + outside.count(b"{")
        if quotes > 4 * MAX_VALUES or commas >= MAX_VALUES:  # a member has four at most
            raise IngestError(
                "malformed_json", f"{place} has too many members and elements: {MAX_VALUES} are the most."
            )
        if containers > MAX_CONTAINERS:
            raise too_many_containers(place)
        yield


def without_strings(text: bytes) -> Iterator[tuple[bytes, int]]:
    """What stands outside of strings, in steps of about 5 ms, each with the number of quotes in it."""
    escaped = within = False
    for start in range(0, len(text), MEASURED_BYTES):
        piece = text[start + escaped : start + MEASURED_BYTES]
        if b"\\" in piece:
            escaped = (len(piece) - len(piece.rstrip(b"\\"))) % 2 == 1
            piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
        else:
            escaped = False
        quotes = piece.count(b'"')
        # A pattern that finds the strings takes 20 times as long.
        yield b"".join(piece.split(b'"')[within::2]), quotes
        within ^= quotes % 2 == 1


def reaches(text: bytes, most: int, *marks: bytes) -> bool:
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


def too_many_containers(place: str) -> IngestError:
    """IngestError `malformed_json` for more than MAX_CONTAINERS in one thing."""
    return IngestError(
        "malformed_json", f"{place} has too many lists and objects: {MAX_CONTAINERS} are the most."
    )


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
