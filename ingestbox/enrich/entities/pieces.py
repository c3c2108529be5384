"""What a piece of text between blanks is to the rules, found out once per spelling."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ingestbox.enrich.entities.gazetteer import CAPITALISED, FIGURE, MIXED, OPENING, WORDS

_WORD: Final = re.compile(r"[^\W\d_]+|[0-9]+|\S|\n")
_MOST: Final = 8_192
_MOST_CHARS: Final = 24
_MOST_WORDS: Final = 4


class Word(NamedTuple):
    """A run of letters, a run of the figures 0 to 9, or one other character (a line feed among them)."""

    text: str
    low: str
    bits: int
    length: int
    step: int
    """From its first character to that of the next word, if one blank stands between two pieces."""


def lower(text: str) -> str:
    """`text` in lower case, as many characters as before ("İ" alone is two in lower case, and stays)."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join([one if len(one := char.lower()) == 1 else char for char in text])


def _bits(word: str, low: str) -> int:
    """What the lists say of a word and how it is written."""
    bits = WORDS.get(low, 0)
    first = word[0]
    if first.isupper():
        return bits | CAPITALISED | MIXED
    if low != word:
        return bits | MIXED
    if "0" <= first <= "9":
        return bits | FIGURE
    return bits | OPENING if first in "+(" else bits


def _words(piece: str) -> tuple[Word, ...]:
    texts = [piece] if piece.isalpha() else _WORD.findall(piece)
    words: list[Word] = []
    last = len(texts) - 1
    for i, text in enumerate(texts):
        low = lower(text)
        words.append(Word(text, low, _bits(text, low), len(text), len(text) + (i == last)))
    return tuple(words)


class _Pieces(dict[str, tuple[Word, ...]]):
    """A piece → its words, filled on demand.

    It forgets all when it is full, and keeps no long piece, so that junk cannot fill the memory (10 MB at
    most). A value depends on its key and the lists alone, so forgetting changes only the time taken.
    """

    def __missing__(self, piece: str) -> tuple[Word, ...]:
        words = _words(piece)
        if len(piece) <= _MOST_CHARS and len(words) <= _MOST_WORDS:
            if len(self) >= _MOST:
                self.clear()
            self[piece] = words
        return words


PIECES: Final = _Pieces()
