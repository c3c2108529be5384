"""What a piece of text between blanks is to the rules, found out once per spelling."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ingestbox.enrich.entities.gazetteer import CAPITALISED, FIGURE, MIXED, OPENING, WORDS
from ingestbox.enrich.memory import Memory

_WORD: Final = re.compile(r"[^\W\d_]+|[0-9]+|\S|\n")
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
        if low == text:
            low = text  # remembered once
        words.append(Word(text, low, _bits(text, low), len(text), len(text) + (i == last)))
    return tuple(words)


PIECES: Final = Memory(_words, keep=lambda words: len(words) <= _MOST_WORDS)
"""A piece to its words: 20 MB at most, whatever the texts hold."""
