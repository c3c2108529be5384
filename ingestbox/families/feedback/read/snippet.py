"""A piece of a ticket's text around what was searched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ingestbox.enrich.folding import fold, nfc
from ingestbox.enrich.searched import SEARCHED, folded
from ingestbox.store.terms import Term

LENGTH = 200
BEFORE = 60
"""Characters that stand before the match, at most."""

_BLANKS = re.compile(r"\s+")


class Cutter:
    """Cuts snippets for one query."""

    def __init__(self, terms: Sequence[Term]) -> None:
        wanted = [term for term in terms if not term.without]
        self._written = _pattern([(term.words, term.open) for term in wanted])
        self._folded = _pattern([(folded(term.words), term.open) for term in wanted])

    def cut(self, texts: Iterable[str | None]) -> str:
        """Up to LENGTH characters around the first match, as written before folded; else the beginning of the
        first text. Whole words, and blanks run together. Linear in the length of the texts."""
        given = [nfc(_BLANKS.sub(" ", text[:SEARCHED])).strip() for text in texts if text]
        for text in given:
            lower = text.lower()
            if len(lower) == len(text) and (match := self._written.search(lower)):
                return _around(text, match.start())
        for text in given:
            if match := self._folded.search(fold(text)):
                return _around(text, _origin(text, match.start()))
        return _around(given[0], 0) if given else ""


def _pattern(terms: Sequence[tuple[Sequence[str], bool]]) -> re.Pattern[str]:
    """Any of the terms, as they stand in a text: up to five characters may separate the words of one."""
    found = [
        r"[\W_]{0,5}".join(map(re.escape, words)) + ("" if is_open or not _is_word(words[-1]) else r"(?!\w)")
        for words, is_open in terms
    ]
    return re.compile("|".join(rf"(?<![^\W_]){each}" for each in found))


def _is_word(word: str) -> bool:
    return word[-1].isalnum()


def _origin(text: str, position: int) -> int:
    """Where in the text that begins which is at this position once folded."""
    if len(fold(text)) == len(text):
        return position
    done = 0
    for number, character in enumerate(text):
        if done >= position:
            return number
        done += len(fold(character))
    return len(text)


def _around(text: str, position: int) -> str:
    start = 0
    if position > BEFORE and len(text) > LENGTH:
        start = min(position - BEFORE, len(text) - LENGTH + 2)
        blank = text.find(" ", start, position)
        start = blank + 1 if blank >= 0 else position
    room = LENGTH - (start > 0) * 2
    if len(text) - start <= room:
        piece = text[start:]
    else:
        piece = text[start : start + room - 2]
        cut = piece.rpartition(" ")[0]
        piece = (cut or piece) + " …"
    return ("… " if start else "") + piece
