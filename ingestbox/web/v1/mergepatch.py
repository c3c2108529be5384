"""JSON Merge Patch (RFC 7396) on a record's bytes: what a patch does not name stays as it was sent.

Members are moved as the bytes they are, so that a number keeps its digits.
"""

from __future__ import annotations

import msgspec

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode

EMPTY = b"{}"


def merge(target: bytes, patch: bytes) -> bytes:
    """The target with the patch applied, on one line. Both have to be valid JSON (`strictjson.decode`)."""
    return msgspec.json.format(_merged(target, patch), indent=-1)


def _merged(target: bytes, patch: bytes) -> bytes:
    if not _is_object(patch):
        return patch
    members = members_of(target)
    for name, value in members_of(patch).items():
        given = bytes(value).strip()
        if given == b"null":
            members.pop(name, None)
        elif _is_object(given):
            members[name] = msgspec.Raw(_merged(bytes(members.get(name, EMPTY)), given))
        else:
            members[name] = value
    return _encode(members)


def members_of(text: bytes) -> dict[str, msgspec.Raw]:
    """The members of an object; none for anything else."""
    return _object.decode(text) if _is_object(text) else {}


def _is_object(text: bytes) -> bool:
    return text.lstrip()[:1] == b"{"
