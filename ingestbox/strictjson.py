"""Strict JSON, also inside fields that nothing looks into (contract: common, Requests).

Refused: invalid UTF-8, NaN and infinities (also 1e999), lone surrogates, depth over 64, numbers longer than
a decoder takes. Of duplicate keys the last wins. Numbers stay as they were sent: records are stored as bytes.
"""

from __future__ import annotations

import msgspec

from ingestbox.errors import IngestError

MAX_DEPTH = 64

_any = msgspec.json.Decoder()


def decode(body: bytes) -> object:
    """The body as plain Python values. Raises IngestError `malformed_json` that says what and where."""
    try:
        value: object = _any.decode(body)
    except UnicodeDecodeError as error:
        raise IngestError("malformed_json", f"The body is not valid UTF-8: {error.reason}.") from None
    except msgspec.DecodeError as error:  # includes ValidationError: a number out of range
        raise IngestError("malformed_json", f"The body is not valid JSON: {_reason(body, error)}.") from None
    except RecursionError:
        raise IngestError("malformed_json", f"The JSON is nested more than {MAX_DEPTH} deep.") from None
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise IngestError("malformed_json", f"The JSON is nested more than {MAX_DEPTH} deep.")
    return value


def _reason(body: bytes, error: Exception) -> str:
    if not body.strip():
        return "it is empty"
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
