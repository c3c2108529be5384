"""A request's path: decoded once, and otherwise left as it is.

A slash that was sent as `%2F` parts nothing (RFC 3986, 2.2): it is a character of its segment. Double slashes
and dot segments are not resolved either, so that what a proxy in front has allowed is what is answered.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote

_SLASH = "\udc2f"
"""Stands for an encoded slash in a path that is being matched; no decoded text can hold it."""

_ENCODED_SLASH = re.compile("%2[Ff]")


def path_of(scope: MutableMapping[str, Any]) -> str:
    """The path of an ASGI scope, for `Table`: decoded, with encoded slashes apart from those that part.

    Without a percent sign it is the scope's own `path`.
    """
    parts = _ENCODED_SLASH.split(scope["raw_path"].decode("latin-1"))
    return _SLASH.join(unquote(part) for part in parts)


def plain(path: str) -> str:
    """The path, or a part of it, with nothing but the characters that were meant."""
    return path.replace(_SLASH, "/")


def without_prefix(path: str, prefix: str) -> str | None:
    """What is left of a path below a prefix; None for a path that is not."""
    if path == prefix:
        return "/"
    return path[len(prefix) :] if path.startswith(prefix + "/") else None
