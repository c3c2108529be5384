"""Claims of a token: the registered ones with their types and times, and any other by its path (RFC 7519)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ingestbox.errors import IngestError

MAX_NAME_CHARACTERS = 255
"""Longest user id and workspace: both are stored with every row."""

LAST_SECOND = 253_402_300_799
"""31 December 9999. A larger time is a mistake, such as milliseconds."""

ISSUED_AHEAD_SECONDS = 3_600
"""An `iat` further ahead than this is nonsense. It is wide, for `iat` is not what says from when on a token
is good (that is `nbf`), and clocks on site drift."""


class Times(msgspec.Struct, frozen=True):
    """When a token is good, in Unix milliseconds, without leeway; what it does not say is None."""

    expires_ms: int
    not_before_ms: int | None
    issued_ms: int | None


def times(claims: Mapping[str, Any]) -> Times:
    """`exp` is required. Raises IngestError `token_invalid` for what is no number of seconds."""
    expires = _milliseconds(claims, "exp")
    if expires is None:
        raise IngestError("token_invalid")
    return Times(expires, _milliseconds(claims, "nbf"), _milliseconds(claims, "iat"))


def check_times(found: Times, now_ms: int, leeway_ms: int) -> None:
    """Raises IngestError `token_invalid` for a token that is not good yet; whether it has expired is asked
    last, by `check_expiry`: only of a token that is otherwise good."""
    if found.not_before_ms is not None and found.not_before_ms - leeway_ms > now_ms:
        raise IngestError("token_invalid")
    ahead = ISSUED_AHEAD_SECONDS * 1000 + leeway_ms
    if found.issued_ms is not None and found.issued_ms - ahead > now_ms:
        raise IngestError("token_invalid")


def check_expiry(found: Times, now_ms: int, leeway_ms: int) -> int:
    """Until when the token is good, leeway included. Raises IngestError `token_expired`."""
    until_ms = found.expires_ms + leeway_ms
    if until_ms <= now_ms:
        raise IngestError("token_expired")
    return until_ms


def issuer(claims: Mapping[str, Any]) -> str | None:
    """`iss`. Raises IngestError `token_invalid` when it is there and no text."""
    if "iss" not in claims:
        return None
    value = claims["iss"]
    if not isinstance(value, str):
        raise IngestError("token_invalid")
    return value


def audience(claims: Mapping[str, Any]) -> frozenset[str] | None:
    """`aud`, one or several; None when it is not there. Raises IngestError `token_invalid` otherwise."""
    if "aud" not in claims:
        return None
    value = claims["aud"]
    several = [value] if isinstance(value, str) else value
    if not (isinstance(several, list) and several and all(isinstance(each, str) for each in several)):
        raise IngestError("token_invalid")
    return frozenset(several)


def is_name(value: object) -> bool:
    """Whether this can be a user's id or a workspace: 1 to 255 printable characters."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARACTERS and value.isprintable()


def find(claims: Mapping[str, Any], path: str) -> Any:
    """The value of a claim by its path, or None.

    A member whose name is the whole path comes first, so that a namespaced claim with dots in its name is
    found; then the path is cut at each of its dots, the first one first.
    """
    return next(_found(claims, path), None)


def _found(members: Mapping[str, Any], path: str) -> Iterator[Any]:
    if path in members:
        yield members[path]
    cut = path.find(".")
    while cut > 0:
        inner = members.get(path[:cut])
        if isinstance(inner, dict):
            yield from _found(inner, path[cut + 1 :])
        cut = path.find(".", cut + 1)


def groups(claims: Mapping[str, Any], path: str) -> set[str]:
    """The groups that a claim names: a list, words separated by spaces, the names in an object that are
    true, or, when the claim itself is true, its own last name. Anything else names none."""
    value = find(claims, path)
    if isinstance(value, str):
        return {value, *value.split()}  # a group may have a space in its name
    if isinstance(value, list):
        return {each for each in value if isinstance(each, str)}
    if isinstance(value, dict):
        return {name for name, held in value.items() if held is True}
    return {path, path.rpartition(".")[2]} if value is True else set()


def _milliseconds(claims: Mapping[str, Any], name: str) -> int | None:
    if name not in claims:
        return None
    value = claims[name]
    # bool is an int to Python, and null is not "not there".
    if type(value) not in (int, float) or not 0 <= value <= LAST_SECOND:
        raise IngestError("token_invalid")
    return math.floor(float(value) * 1000)
