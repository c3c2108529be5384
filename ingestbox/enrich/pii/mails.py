"""E-mail addresses in a text: what is around each `@`, whether or not it could be written to."""

from __future__ import annotations

import re
from typing import Final

from ingestbox.enrich.addresses import SOLID
from ingestbox.enrich.pii.found import Find

_AT: Final = re.compile("[@＠]|%40")
_LONGEST_LOCAL: Final = 64
_LONGEST_DOMAIN: Final = 255
"""Characters that are looked at before and after an `@` (RFC 5321, 4.5.3.1)."""

_LETTER: Final = rf"[^\W{SOLID}]"
_LOCAL: Final = re.compile(rf"(?:{_LETTER}|[.+\-'&%=!$*^~{{}}|`])+")
_DOMAIN: Final = re.compile(rf"(?:(?!_){_LETTER}|[\-.])+")
_NAMED: Final = re.compile(r"[A-Za-z]\w{0,19}=")
"""`email=anna@…` of an address of the web: not what is before the sign."""

_LAST: Final = re.compile(r"[^\W\d_]{2,63}|xn--[a-z0-9\-]{2,59}", re.IGNORECASE)
_FILES: Final = frozenset({"avif", "css", "gif", "ico", "jpeg", "jpg", "js", "png", "svg", "webp"})
"""Endings of files whose names have an `@` (`logo@2x.png`); none of them is a domain."""


def emails(text: str) -> list[Find]:
    """The addresses of a text, in order."""
    found: list[Find] = []
    done = 0
    for at in _AT.finditer(text):
        if at.start() < done:
            continue
        after = _DOMAIN.match(text, at.end(), at.end() + _LONGEST_DOMAIN)
        if after is None:
            continue
        before = _LOCAL.match(text[max(done, at.start() - _LONGEST_LOCAL) : at.start()][::-1])
        local = before[0][::-1] if before else ""
        named = _NAMED.match(local)
        name = (local[named.end() :] if named else local).lstrip(".+-'&%=!$*^~{}|`")
        domain = _domain(after[0])
        if name and domain:
            start, done = at.start() - len(name), at.end() + len(domain)
            found.append(Find(start, done, "email", f"{name}@{domain}".lower()))
    return found


def _domain(run: str) -> str:
    """The domain that a run of letters, digits, dots and hyphens begins with; empty if there is none."""
    domain = run.partition("..")[0].strip("-").rstrip(".-")
    labels = domain.split(".")
    while labels and not (_LAST.fullmatch(labels[-1]) and labels[-1].lower() not in _FILES):
        if labels.pop().lower() in _FILES:
            return ""
    if len(labels) < 2 or not all(labels) or run[0] in "-.":
        return ""
    return ".".join(labels)
