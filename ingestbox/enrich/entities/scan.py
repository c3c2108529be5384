"""A text made ready for the rules: composed, plainly typed, cut into words; and the way back to its own offsets."""  # noqa: E501

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate, chain
from operator import add
from typing import Any, Final
from unicodedata import is_normalized, normalize

from ingestbox.enrich.entities.gazetteer import (
    CAPITALISED,
    FIGURE,
    GIVEN,
    GIVEN_VI,
    HEAD,
    MIXED,
    NAME,
    OPENING,
    PATTERN,
)
from ingestbox.enrich.entities.pattern import Pattern
from ingestbox.enrich.entities.pieces import PIECES, Word, lower

_MARKED: Final = PATTERN | FIGURE | OPENING | NAME | MIXED | HEAD | GIVEN | GIVEN_VI
_PIECE: Final = re.compile(r"\S+|\n")
_words: Final = PIECES.__getitem__
_LINE_FEED: Final = PIECES["\n"][0]._replace(step=1)
_ODD: Final = re.compile(
    "[\uff01-\uff5e\u00a0\u2000-\u200a\u202f\u205f\u3000\u2018\u2019\u02bc\u201c\u201d\u2212\u2010\u2011\u00d0\u00f0\r]"
)
_PLAIN: Final = str.maketrans(
    {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
    | dict.fromkeys((0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), " ")
    | dict.fromkeys("‘’ʼ", "'")
    | dict.fromkeys("“”", '"')
    | dict.fromkeys("−‐‑", "-")
    | {"Ð": "Đ", "ð": "đ", "\r": "\n"}
)
_CLUSTER: Final = Pattern(
    "[\x00-\u02ff\u0370-\u1aff\u1b00-\u1dbf\u1e00-\u20cf\u2100-\ufe1f\ufe30-\U0010ffff][\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{1,64}"
)
"""A character and the marks on it. What other scripts compose stays as it was sent: no rule reads it."""


class Scan:
    """`text` after composition and with plain quotes, blanks and digits; its words as written and in lower case.

    `starts[i]` and `ends[i]` bound word `i` in `text`; `flags[i]` is what the word lists say of it and how it is written.
    `marked` are the words where a rule may begin, `taken[i]` is set where a pattern already claims a word.
    """  # noqa: E501

    __slots__ = ("_origin", "ends", "flags", "low", "lows", "marked", "n", "starts", "taken", "text", "words")

    def __init__(self, text: str) -> None:
        self._origin: list[int] | None = None
        if not text.isascii():
            if not is_normalized("NFC", text):
                text = self._compose(text)
            if _ODD.search(text):
                text = text.translate(_PLAIN)
        elif "\r" in text:
            text = text.replace("\r", "\n")
        self.text, self.low = text, lower(text)
        pieces = text.split()
        words = list(chain.from_iterable(map(_words, pieces))) if " ".join(pieces) == text else _lined(text)
        steps: list[int] = []
        single = words is not None
        if words is None:
            words = _spread(text, steps)
        columns: Iterable[list[Any]] = map(list, zip(*words, strict=True)) if words else ([], [], [], [], [])
        self.words: list[str]
        self.lows: list[str]
        self.flags: list[int]
        lengths: list[int]
        ahead: list[int]
        self.words, self.lows, self.flags, lengths, ahead = columns
        self.starts = list(accumulate(ahead, initial=0) if single else accumulate(steps))
        self.ends: list[int] = list(map(add, self.starts, lengths))
        self.n = len(words)
        self.marked = [i for i, bits in enumerate(self.flags) if bits & _MARKED]
        self.taken = bytearray(self.n)

    def _compose(self, text: str) -> str:
        parts: list[str] = []
        origin: list[int] = []
        last = 0
        for match in _CLUSTER.compiled.finditer(text):
            start, end = match.span()
            whole = normalize("NFC", match.group())
            parts += (text[last:start], whole)
            origin.extend(range(last, start))
            # Whatever of a cluster is named, all of it is: a mark is never cut from its letter.
            origin.append(start)
            origin.extend([start] * (len(whole) - 1))
            last = end
        parts.append(text[last:])
        origin.extend(range(last, len(text)))
        origin.append(len(text))
        self._origin = origin
        return "".join(parts)

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The offsets in the text as it was sent."""
        if self._origin is None:
            return start, end
        return self._origin[start], self._origin[end]

    def capital(self, i: int) -> bool:
        """Whether word `i` exists and is written with a capital."""
        return 0 <= i < self.n and self.flags[i] & CAPITALISED != 0

    def lower(self, i: int) -> str:
        """Word `i` in lower case, or nothing past either end."""
        return self.lows[i] if 0 <= i < self.n else ""

    def gap(self, i: int) -> int:
        """Blanks between word `i - 1` and word `i`."""
        return self.starts[i] - self.ends[i - 1]

    def opens(self, i: int) -> bool:
        """Whether word `i` is the first of its sentence or line."""
        while i > 0 and self.words[i - 1] in _QUOTES:
            i -= 1
        return (
            i == 0
            or (
                self.words[i - 1] in _BREAKS
                and (self.words[i - 1] != "." or self.starts[i] > self.ends[i - 1])
            )
            or (not self.words[i - 1].isascii() and not self.words[i - 1].isalnum())
        )


def _lined(text: str) -> list[Word] | None:
    """The words of a text of lines with single blanks in them; None for any other."""
    words: list[Word] = []
    for line in text.split("\n"):
        pieces = line.split()
        if " ".join(pieces) != line:
            return None
        words += chain.from_iterable(map(_words, pieces))
        if pieces:
            words[-1] = words[-1]._replace(step=words[-1].length)
        words.append(_LINE_FEED)
    words.pop()
    return words


def _spread(text: str, steps: list[int]) -> list[Word]:
    """The words of a text with more than single blanks in it; `steps` gets how far each is from the last."""
    words: list[Word] = []
    at = 0
    for match in _PIECE.finditer(text):
        here = PIECES[match.group()]
        words += here
        steps.append(match.start() - at)
        steps += [word.length for word in here[:-1]]
        at = match.end() - here[-1].length
    return words


_BREAKS: Final = frozenset(".!?:;\n-*•…|>")
_QUOTES: Final = frozenset("\"'([«")
