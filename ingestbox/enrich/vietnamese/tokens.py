"""What one piece of a Vietnamese text means to the rules, looked up once per spelling."""

from __future__ import annotations

import re
from itertools import chain
from typing import Final

from ingestbox.enrich.folding import fold, nfc
from ingestbox.enrich.memory import Memory
from ingestbox.enrich.tones import place_tones
from ingestbox.enrich.vietnamese.lexicon import SIGNS, SPELLINGS, Lexicon, Node, bare, marked

CACHE_ENTRIES: Final = 32_768
"""Most spellings remembered at a time; the memory is emptied when full."""

CACHE_CHARS: Final = 24
"""Longest piece remembered; with the limit above, hostile input can take some 20 MB and no more."""

NO_WORD: Final = "\0"
"""The word of a token that no phrase holds."""

SOFT: Final = 1
"""A comma or what is like one: a clause ends."""

HARD: Final = 2
"""The end of a sentence."""

ASKED: Final = 3
"""The end of a question."""


class Token:
    """A syllable, a sign or a mark; immutable by convention, shared by all texts that hold it."""

    __slots__ = ("ends", "node", "number", "quote", "rating", "sign", "timed", "word")

    def __init__(self, word: str = NO_WORD, node: Node | None = None) -> None:
        """Make a token of `word`, at which the phrases below `node` begin."""
        self.word = word
        self.node = node
        self.ends = 0
        self.sign = 0.0
        self.number = -1.0
        self.rating = -1.0
        self.quote = False
        self.timed = False


PLAIN: Final = Token()
"""Any syllable that no rule asks about."""


def _mark(ends: int) -> Token:
    token = Token()
    token.ends = ends
    return token


_MARKS: Final = {
    **dict.fromkeys(",;:–—()[]|•→\\{}", _mark(SOFT)),
    **dict.fromkeys(".!…\n。", _mark(HARD)),
    "?": _mark(ASKED),
}
_QUOTE: Final = Token()
_QUOTE.quote = True
END: Final = _mark(HARD)
"""Stands after the last token of a text, and at the end of a line."""

_LETTERS: Final = "a-z\u00c0-\u024f\u0300-\u0323\u1e00-\u1eff"
_PIECE: Final = re.compile(
    rf"""(?P<score>\d{{1,3}}(?:[.,]\d)?/(?:100|10|5)(?![\d/.]))
    |(?P<stars>\d(?:[.,]\d)?(?:\*{{1,3}}(?!\d)|[⭐★]️?|sao\b|star\b|stars\b))
    |(?P<row>[★⭐☆]️?(?:[★⭐☆]️?){{0,9}})
    |(?P<number>\d{{1,9}}(?:[.,:/]\d{{1,9}})*(?:[a-zđ]{{1,3}}(?![{_LETTERS}])|%)?)
    |(?P<face>[:;=][-'"]?[()DPp3|/v*]{{1,9}}(?![{_LETTERS}])|<3|T[_.]?T(?![a-z])|\^[_-]?\^|-_+-|=[.=_]=|>[_.]?<|\._\.|\(:|xD\b)
    |(?P<word>[{_LETTERS}]+)
    |(?P<sign>[\u2190-\u2bff\u3200-\u32ff\U0001f000-\U0001faff])
    |(?P<mark>[^\w\s])""",
    re.VERBOSE | re.IGNORECASE,
)
_DECIMAL: Final = re.compile(r"\d+(?:\.\d)?")
_RUN: Final = re.compile(r"([^\W\d_])\1{2,}")
_TAIL: Final = re.compile(r"([^\W\d_])\1$")
_JOINED: Final = str.maketrans({"_": " ", "\u200b": None, "\u200c": None, "\ufeff": None, "ð": "đ", "Ð": "đ"})


_BARE_WORDS: Final = frozenset({"hong"})
"""Chat spellings that more often are another word without its diacritics (hỏng)."""


class Speller(Memory[tuple[Token, ...]]):
    """Raw piece to its tokens."""

    def __init__(self, lexicon: Lexicon, *, folds: bool) -> None:
        """Read pieces by `lexicon`; `folds` if its phrases are without diacritics."""
        super().__init__(lambda raw: tuple(self._read(raw)), most=CACHE_ENTRIES, longest=CACHE_CHARS)
        self._lexicon: Final = lexicon
        self._folds: Final = folds
        self._tokens: Final[dict[str, Token]] = {}

    def _token(self, word: str) -> Token:
        """The one token of `word`, which is `PLAIN` unless a phrase holds it."""
        token = self._tokens.get(word)
        if token is None:
            if word not in self._lexicon.syllables:
                return PLAIN
            token = self._tokens[word] = Token(word, self._lexicon.node(word))
        return token

    def _read(self, raw: str) -> list[Token]:
        if raw == "\n":
            return [END]
        if "://" in raw or "@" in raw or raw.startswith("www."):
            return [PLAIN]
        tokens: list[Token] = []
        for found in _PIECE.finditer(nfc(raw).translate(_JOINED)):
            match found.lastgroup:
                case "word":
                    tokens += self._word(found[0])
                case "mark":
                    self._add_mark(tokens, found[0])
                case "number":
                    tokens.append(self._number(found[0]))
                case "sign" | "face":
                    tokens += _sign(found[0])
                case _:
                    tokens.append(_rating(found[0]))
        return tokens

    def _add_mark(self, tokens: list[Token], mark: str) -> None:
        if mark in '"“”':
            tokens.append(_QUOTE)
        elif mark in _MARKS:
            token = _MARKS[mark]
            if not tokens or tokens[-1] is not token:
                tokens.append(token)

    def _number(self, text: str) -> Token:
        token = Token(text, self._lexicon.node(text))
        plain = _DECIMAL.match(text.replace(",", "."))
        token.number = float(plain[0]) if plain else 0.0
        token.timed = text[-1] in "hp" or text.endswith("ph")
        return token

    def _word(self, text: str) -> list[Token]:
        word = text.lower()
        if word in SIGNS:
            return _sign(word)
        for spelling in _spellings(word):
            meant = SPELLINGS.get(spelling)
            if meant is not None and not (self._folds and spelling in _BARE_WORDS):
                words = (fold(meant) if self._folds else meant).split(" ")
                return [self._token(each) for each in words]
            token = self._token(fold(spelling) if self._folds else spelling)
            if token is not PLAIN:
                return [token]
        return [PLAIN]


def _spellings(word: str) -> list[str]:
    """The ways to read `word`: as it stands, then with its drawn-out letters taken back."""
    word = place_tones(word)
    found = [word]
    short = _RUN.sub(r"\1", word)
    if short != word:
        found.append(place_tones(short))
        # "quáaa" is "quá" with its letter, but not its tone, drawn out.
        if len(short) > 1 and fold(short[-1]) == fold(short[-2]):
            found.append(place_tones(short[:-1]))
    short = _TAIL.sub(r"\1", word)
    if short != word:
        found.append(place_tones(short))
    return found


def _sign(text: str) -> list[Token]:
    value = SIGNS.get(text, SIGNS.get(text.lower(), 0.0))
    if not value and text[0] in ":=;":
        # Longer rows of the same mouth.
        value = SIGNS.get(text[:3], SIGNS.get(text[:2], 0.0))
    if not value:
        return []
    token = Token()
    token.sign = value
    return [token]


def _rating(text: str) -> Token:
    """A token with a share from 0 to 1: "8/10", "4*", "★★★☆☆"."""
    token = Token()
    if text[0] in "★⭐☆":
        full = text.count("★") + text.count("⭐")
        empty = text.count("☆")
        if empty or full >= 3:
            token.rating = min(1.0, full / max(5, full + empty))
        return token
    value, slash, scale = text.partition("/")
    digits = re.match(r"[\d.,]+", value)
    number = float((digits[0] if digits else "0").replace(",", ".").rstrip("."))
    share = number / float(scale if slash else 5)
    if share <= 1:
        token.rating = share
    else:
        # A date or a fraction.
        token.number = number
    return token


_MARKED: Final = re.compile("[\u00c0-\u0323\u1ea0-\u1ef9]")
_SENTENCE_ENDS: Final = frozenset(".!?\n;,")

_spellers: Final[dict[bool, Speller]] = {}


def _speller(*, folds: bool) -> Speller:
    """The speller of texts without diacritics, if `folds`, or with them; made for the first such text."""
    speller = _spellers.get(folds)
    if speller is None:
        speller = _spellers[folds] = Speller(bare() if folds else marked(), folds=folds)
    return speller


def forget() -> None:
    """Empty the memory of spellings; only the time of what follows differs."""
    for speller in _spellers.values():
        speller.clear()


def remembered() -> int:
    """Return how many spellings are in memory, at most twice `CACHE_ENTRIES`."""
    return sum(map(len, _spellers.values()))


def tokenize(text: str) -> list[Token]:
    """Return the tokens of `text`, with `END` at every end of a line and at the end."""
    if "\n" in text:
        text = text.replace("\n", " \n ")
    pieces = text.split(" ") if "\n" in text else text.split()
    if text.isascii() or not _MARKED.search(text):
        spell = _speller(folds=True).__getitem__
    elif 9 * (len(text.encode("utf-8", "surrogatepass")) - len(text)) < len(text):
        # So few marks that some sentences may have none at all.
        return _mixed(pieces)
    else:
        spell = _speller(folds=False).__getitem__
    tokens = list(chain.from_iterable(map(spell, pieces)))
    tokens.append(END)
    return tokens


def _mixed(pieces: list[str]) -> list[Token]:
    """The tokens of a text whose clauses are judged one by one as to whether they have diacritics."""
    with_marks, without = _speller(folds=False), _speller(folds=True)
    tokens: list[Token] = []
    clause: list[str] = []
    for piece in (*pieces, "\n"):
        clause.append(piece)
        if piece and piece[-1] in _SENTENCE_ENDS:
            speller = with_marks if len(clause) < 3 or _MARKED.search(" ".join(clause)) else without
            tokens += chain.from_iterable(map(speller.__getitem__, clause))
            clause.clear()
    return tokens
