"""Calls of the API as commands for a shell: what a page shows to who would rather have a program do it.

Whatever is in them, a command is one line of arguments for curl, and looks like what it does: values are
quoted for the shell, and characters that nobody sees are written by their numbers.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlencode

import msgspec

from ingestbox.console.show import UNSEEN

KEY = '-H "X-API-Key: $KEY"'
"""Who asks: the shell puts the key in, so that it stands in no history."""

_HIDDEN = re.compile(UNSEEN.pattern + "|[\ud800-\udfff]")


class Address(Protocol):
    """Where the box is (`pages.Place`)."""

    address: str


def command(
    place: Address,
    method: str,
    path: str,
    /,
    *,
    query: Mapping[str, object] | None = None,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    file: str = "",
    fields: Mapping[str, str] | None = None,
    save: str = "",
) -> str:
    """The command for a call of the box's API, as bash and its kin read it.

    Members of `query` that are None or empty are left out. `body` is sent as JSON. `file` is a path on the
    reader's machine, sent with `fields` as a form. `save` is the file that the answer goes to.
    """
    given = {name: str(value) for name, value in (query or {}).items() if value not in (None, "")}
    parts = ["curl" if method == "GET" or body is not None or file else f"curl -X {method}"]
    if method not in ("GET", "POST") and (body is not None or file):
        parts[0] = f"curl -X {method}"
    if save:
        parts[0] += f" -o {shlex.quote(_plain(save))}"
    parts[0] += " " + shlex.quote(place.address + path + (f"?{urlencode(given)}" if given else ""))
    parts.append(KEY)
    parts += [f"-H {shlex.quote(f'{name}: {_plain(value)}')}" for name, value in (headers or {}).items()]
    if body is not None:
        parts += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(_json(body))}"]
    if file:
        parts.append(f"-F {shlex.quote(f'file=@{_form(file)}')}")
    parts += [
        f"--form-string {shlex.quote(f'{name}={_plain(value)}')}" for name, value in (fields or {}).items()
    ]
    return " \\\n  ".join(parts)


def _json(body: object) -> str:
    """JSON in which every character can be seen. (curl takes a body that begins with @ for a file: no JSON
    does.)"""
    return seen(msgspec.json.encode(body).decode())


def seen(json: str) -> str:
    """The same JSON with characters that nobody sees written as escapes."""
    return _HIDDEN.sub(lambda found: _escaped(found[0]), json)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


def _form(path: str) -> str:
    """A file's name as curl reads it in a form, where `;` and `,` part things."""
    plain = _plain(path)
    return plain if re.fullmatch(r"[\w./ -]+", plain) else '"' + re.sub(r'(["\\])', r"\\\1", plain) + '"'


def _plain(value: str) -> str:
    """Without what cannot stand in a header or a name: line ends, and what nobody sees."""
    return _HIDDEN.sub("", re.sub(r"[\r\n\t]+", " ", value))
