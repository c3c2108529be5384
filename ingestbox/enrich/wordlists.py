"""The word lists of `tongues/`: text files of sections, each a heading in brackets and its words below it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_DATA: Final = Path(__file__).parent / "tongues"


def wordlist(name: str) -> dict[str, frozenset[str]]:
    """The words of each section of `tongues/<name>.txt`; lines that begin with `#` are for people.

    Raises KeyError for words before the first heading.
    """
    return {
        section: frozenset(word for line in lines for word in line.split())
        for section, lines in _sections(name).items()
    }


def phraselist(name: str) -> dict[str, frozenset[str]]:
    """The same of a file with a phrase on each line."""
    return {section: frozenset(lines) for section, lines in _sections(name).items()}


def _sections(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    section = ""
    for line in (_DATA / f"{name}.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[] ")
            found[section] = []
        elif line.strip() and not line.startswith("#"):
            found[section].append(line)
    return found


def words(text: str) -> list[str]:
    """The words of a short list, with blanks between them."""
    return text.split()
