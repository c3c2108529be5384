"""Strict JSON, also inside fields that nothing looks into (contract: common, Requests).

Refused: invalid UTF-8, NaN and infinities (also 1e999), lone surrogates, depth over 64, numbers longer than
a decoder takes. Of duplicate keys the last wins. Numbers stay as they were sent: records are stored as bytes.
"""

from __future__ import annotations

import msgspec

from ingestbox.errors import IngestError

MAX_DEPTH = 64

FAILURES = (UnicodeDecodeError, msgspec.DecodeError, RecursionError)
"""What msgspec raises about JSON; a number out of range is a DecodeError too."""

_any = msgspec.json.Decoder()


def decode(body: bytes | msgspec.Raw, place: str = "The body", depth: int = MAX_DEPTH) -> object:
    """The JSON as plain Python values; `place` says in messages what it is.

    Raises IngestError `malformed_json` that says what is wrong and where.
    """
    try:
        value: object = _any.decode(body)
    except FAILURES as error:
        raise refusal(error, place) from None
    text = bytes(body) if isinstance(body, msgspec.Raw) else body
    if text.count(b"[") + text.count(b"{") > depth and _deeper_than(value, depth):
        raise _too_deep(place)
    return value


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
