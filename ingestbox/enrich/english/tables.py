"""Reading of the tables beside this module.

A line ``= kind strength form`` says what the lines below it are, ``#`` begins a comment. The kinds are those
of ``kinds``; the strength is on VADER's scale, about -4 to 4; the form (of a list of words) is ``word``, or
``verbs``, ``nouns`` or ``adjectives``, whose regular forms are made here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ingestbox.enrich.english.kinds import KINDS, NULL, Meaning

_HERE: Final = Path(__file__).parent


def lines(name: str) -> Iterator[str]:
    """Yield the lines of a table that are neither empty nor comments."""
    for line in (_HERE / name).read_text(encoding="utf-8").splitlines():
        if line and line[0] != "#":
            yield line


def lists(name: str) -> Iterator[tuple[Meaning, str, str]]:
    """Yield the lines of a table, each with the meaning and the form that its list gives it."""
    meaning, form = Meaning(NULL, 0.0), "word"
    for line in lines(name):
        if line[0] == "=":
            kind, strength, *forms = line[1:].split()
            meaning, form = Meaning(KINDS[kind], float(strength)), forms[0] if forms else "word"
        else:
            yield meaning, form, line
