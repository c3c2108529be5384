"""A form that could not be taken because the session had ended: kept over signing in again, so that what a
person typed is not lost, and sent again by one press. Passwords are never kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from ingestbox.console.forms import pairs
from ingestbox.errors import IngestError
from ingestbox.web.binding import Failed

PATH = "kept.path"
FIELD = "kept.field."
"""Begins the names of the login form's hidden fields: where the form goes, and each of its own fields."""

MAX_FIELDS = 400
MAX_BYTES = 40_000
"""Larger forms are not kept: signing in sends them along, encoded, which `[limits] control_kb` bounds."""

HOME = "/console"
_TARGET = "/?&=%:;,+@!$'()*~-._"


class Kept(msgspec.Struct, frozen=True):
    """A form: `path` is where it goes, below the box."""

    path: str
    fields: list[tuple[str, str]]


def target_of(failed: Failed) -> str:
    """What was asked for, as it stands in an address."""
    query = f"?{failed.query_string}" if failed.query_string else ""
    return quote(failed.url_path, safe=_TARGET.replace("?", "").replace("%", ""), errors="replace") + query


def of(failed: Failed) -> Kept | None:
    """The form of a request that was refused; None of what is no form, is too large or holds a password."""
    try:
        fields = pairs(failed.body)
    except IngestError:
        return None
    if not fields or len(fields) > MAX_FIELDS or any("password" in name.lower() for name, _ in fields):
        return None
    path = target_of(failed)
    sent = [(PATH, path), *((FIELD + name, value) for name, value in fields)]
    return None if len(urlencode(sent)) > MAX_BYTES else Kept(path, fields)


def read(fields: Iterable[tuple[str, str]]) -> Kept | None:
    """The form that came along with a sign-in, if one did."""
    path, kept = "", []
    for name, value in fields:
        if name == PATH:
            path = value
        elif name.startswith(FIELD):
            kept.append((name.removeprefix(FIELD), value))
    return Kept(path, kept) if is_own(path) else None


def page_before(headers: Mapping[str, str], host: str, prefix: str) -> str:
    """The page that a form stood on, as the browser names it; the first page when it does not."""
    try:
        parts = urlsplit(headers.get("referer", ""))
    except ValueError:
        return HOME
    path = parts.path.removeprefix(prefix) + (f"?{parts.query}" if parts.query else "")
    return path if parts.netloc.lower() == host.lower() and is_own(path) else HOME


def is_own(path: str | None) -> bool:
    """Whether an address is a page of the console, however somebody may have put it together."""
    if not path or not (path.isascii() and path.isprintable()) or "\\" in path or " " in path:
        return False
    before = path.partition("?")[0].partition("#")[0]
    segments = re.sub("%2e", ".", before, flags=re.IGNORECASE).split("/")  # a browser takes it for a dot, too
    return segments[:2] == ["", "console"] and {"", ".", ".."}.isdisjoint(segments[2:])
