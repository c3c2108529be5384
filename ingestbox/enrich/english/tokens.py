"""The tokens of feedback: words, boundaries, emoji and ratings, each spelling looked up once.

A blank-separated piece of text becomes one token or several: "slow,but" is three. What a word means is in our
own table first (``words``), then, weaker, in VADER's lexicon.
"""

from __future__ import annotations

import re
from itertools import chain, groupby
from typing import Final

from ingestbox.enrich.english import marks
from ingestbox.enrich.english.classes import (
    FILLERS,
    NEGATION_CARRIERS,
    NOT_WORDS,
    OTHER_NEGATIONS,
    classes_of,
    number_of,
)
from ingestbox.enrich.english.expressions import VOCABULARY, Node, merged, start
from ingestbox.enrich.english.kinds import IRONY, NEUTRAL, NULL, OPINION, RATING, SOFT, Meaning
from ingestbox.enrich.english.words import SPELLINGS, WORDS
from ingestbox.enrich.memory import Memory
from ingestbox.enrich.vader import RATINGS, degree

COMMA: Final = 1
STOP: Final = 2
ASKED: Final = 3
SHOUTED: Final = 4
QUOTE: Final = 5

CACHE_ENTRIES: Final = 32_768
"""Most spellings remembered at a time; the memory is emptied when full."""

CACHE_PIECE_CHARS: Final = 32
"""Longest spelling remembered."""

_LONGEST_WORD: Final = 40
"""A longer word is none that anybody knows."""

_VADER_SHARE: Final = 0.6
"""What a word counts that only VADER's lexicon knows: it was made for other texts."""


class Token:
    """One token's part in the rules; immutable by convention, shared by all texts that hold its spelling."""

    __slots__ = (
        "boost",
        "boundary",
        "carries",
        "fills",
        "keys",
        "meaning",
        "negates",
        "number",
        "start",
        "upper",
        "word",
    )

    def __init__(self, word: str, *, upper: bool = False, boundary: int = 0, meaning: Meaning | None = None):
        """Look `word` (lower case) up; `boundary` and `meaning` make a token that is no word."""
        self.word: Final = word
        self.upper: Final = upper
        self.boundary: Final = boundary
        self.boost: Final = degree(word)
        if meaning is None and not boundary:
            meaning = WORDS.get(word)
            if meaning is None and word in RATINGS:
                meaning = Meaning(SOFT, RATINGS[word] * _VADER_SHARE)
        classes = () if boundary else tuple(classes_of(word))
        if meaning and meaning.strength:
            # "never rushed us" turns a judgement round; "never called us" is one.
            classes = tuple(name for name in classes if name != "PAST")
        known = (word,) if word in VOCABULARY else ()
        self.keys: Final[tuple[str, ...]] = (*known, *(name for name in classes if name in VOCABULARY))
        starts = tuple(node for node in map(start, self.keys) if node is not None)
        self.start: Final[Node | None] = merged(starts) if starts else None
        self.meaning: Final = None if meaning and meaning.kind == NULL else meaning
        self.negates: Final = word in NOT_WORDS or word in OTHER_NEGATIONS or word.endswith("n't")
        self.carries: Final = word in NEGATION_CARRIERS
        self.fills: Final = word in FILLERS
        self.number: Final = number_of(word)

    @property
    def plain(self) -> bool:
        """Whether no rule asks about it."""
        return not (
            self.keys
            or self.meaning
            or self.boundary
            or self.boost
            or self.negates
            or self.fills
            or self.carries
        )


PLAIN: Final = Token("")
"""Any token that no rule asks about; most are this very object."""

_BOUNDARIES: Final = {
    ",": COMMA, ";": COMMA, ":": COMMA, "(": COMMA, ")": COMMA, "-": COMMA, "–": COMMA, "—": COMMA,
    ".": STOP, "!": SHOUTED, "?": ASKED, "…": STOP, "\n": STOP, "。": STOP, "¶": STOP, "•": STOP,
    '"': QUOTE,
}  # fmt: skip
_TOKENS_OF_BOUNDARIES: Final = {
    mark: Token(mark, boundary=boundary) for mark, boundary in _BOUNDARIES.items()
}

_PIECES: Final = re.compile(r"[^\W_]+(?:['.&-][^\W_]+){0,8}|[.!?…]+|[^\w\s]|_", re.UNICODE)
_ELONGATED: Final = re.compile(r"([^\W\d_])\1{2,}")
_SKELETON: Final = re.compile(r"(?<!^)[aeiouy']|(.)(?=\1)")


def _skeleton(word: str) -> str:
    """Return `word` without doubled letters and, but for the first letter, without vowels."""
    return _SKELETON.sub("", _ELONGATED.sub(r"\1", word))


_OFTEN_MISSPELT: Final = """
    absolutely accommodating amazing appalling apparently appreciate atrocious awesome beautiful brilliant
    comfortable complaint convenient definitely delicious disappointed disappointing disappointment
    disappoint disgusting dissatisfied embarrassing excellent exceptional exceeded expensive experience
    extremely fabulous
    fantastic favourite frustrated frustrating frustration gorgeous horrible horrendous immaculate impressed
    inconvenience incredible incompetent irritating knowledgeable magnificent marvellous miserable misleading
    outstanding overpriced pathetic perfect perfectly phenomenal professional recommend recommended
    recommendation refreshing reliable ridiculous satisfied satisfying sensational spectacular superb terrible
    terrific unacceptable unbelievable unfortunately unprofessional unreliable useless wonderful worthless
    cancelled received waiting
""".split()  # noqa: SIM905 - a list of words reads better as words
_BY_SKELETON: Final = {_skeleton(word): word for word in _OFTEN_MISSPELT}


def _distance(one: str, other: str) -> int:
    """Return the number of letters to insert, delete or replace to turn `one` into `other`."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(before + (a != b), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def _known(word: str) -> bool:
    return word in WORDS or word in VOCABULARY or word in RATINGS


def spelling(word: str) -> str:
    """Return how `word` (lower case) is spelt, if it is short, drawn out or misspelt in a known way."""
    if word in SPELLINGS:
        return SPELLINGS[word]
    if _known(word) or not word.isalpha():
        return word
    if _ELONGATED.search(word):
        for shorter in (_ELONGATED.sub(r"\1\1", word), _ELONGATED.sub(r"\1", word)):
            if shorter in SPELLINGS:
                return SPELLINGS[shorter]
            if _known(shorter):
                return shorter
    if 6 <= len(word) <= 16:
        meant = _BY_SKELETON.get(_skeleton(word))
        if meant and _distance(word, meant) <= 2:
            return meant
    return word


def _word_tokens(piece: str) -> list[Token]:
    """Return the tokens of a word, which may hold apostrophes, dots and hyphens."""
    word = piece.lower()
    if len(word) > _LONGEST_WORD:
        return [PLAIN]
    upper = len(piece) > 1 and piece.isupper()
    if word in WORDS or word in VOCABULARY:
        return [Token(word, upper=upper)]
    if "." in word and number_of(word) is None:
        # "good.But" lacks a blank; "www.example.org" and "e.g" are no words anyway.
        parts = re.split(r"(\.)", piece)
        return list(chain.from_iterable(
            [_TOKENS_OF_BOUNDARIES["."]] if part == "." else _word_tokens(part) for part in parts if part
        ))  # fmt: skip
    if "-" in word or "&" in word:
        return list(chain.from_iterable(_word_tokens(part) for part in re.split("[-&]", piece) if part))
    token = Token(spelling(word), upper=upper)
    return [PLAIN if token.plain else token]


_EMOTICONS_WITH_LETTERS: Final = frozenset(
    {":d", ":-d", "xd", "=d", ";d", ":p", ":-p", "<3", "</3", ":'d", ":o", ":s"}
)


def _sign_tokens(piece: str) -> list[Token]:
    """Return the tokens of one sign that is no word."""
    if piece in _TOKENS_OF_BOUNDARIES:
        return [_TOKENS_OF_BOUNDARIES[piece]]
    if piece[0] in ".!?…":
        return [_TOKENS_OF_BOUNDARIES["?" if "?" in piece else "!" if "!" in piece else "."]]
    if piece in marks.EMOJI:
        return [Token(piece, meaning=Meaning(OPINION, marks.EMOJI[piece]))]
    if piece in marks.IRONIC:
        return [Token(piece, meaning=Meaning(IRONY, -2.0))]
    if piece in marks.UNDECIDED:
        return [Token(piece, meaning=Meaning(NEUTRAL, 1.0))]
    return [_TOKENS_OF_BOUNDARIES["-"]] if piece in "/|" else []


def _classify(piece: str) -> list[Token]:
    """Return the tokens of one blank-separated piece of text, in time linear in its length."""
    if piece.isalpha():
        return _word_tokens(piece)
    if piece[0] == "@":
        # Whom it is said to stands apart from what is said.
        return [_TOKENS_OF_BOUNDARIES[","]]
    if "://" in piece or "@" in piece[1:-1] or piece.startswith("www."):
        return [PLAIN]
    bare = piece.strip(",;:()\"'!?.*")
    if bare in ("A+", "A++", "A+++", "a+", "a++", "a+++"):
        return [Token(bare, meaning=Meaning(OPINION, 3.0)), *_ending(piece)]
    share = marks.share_of_points(bare)
    if share is not None and len(bare) >= 3:
        return [Token(bare, meaning=Meaning(RATING, share)), *_ending(piece)]
    if len(bare) + 2 <= len(piece) and piece[0] == "'" == piece[len(bare) + 1] and bare.isalpha():
        # 'fresh' is what others call it.
        quote = _TOKENS_OF_BOUNDARIES['"']
        return [quote, *_word_tokens(bare), quote, *_ending(piece)]
    if len(piece) <= 5 and (piece.lower() in _EMOTICONS_WITH_LETTERS or not any(map(str.isalnum, piece))):
        rating = RATINGS.get(piece.lower())
        if rating:
            return [Token(piece, meaning=Meaning(OPINION, rating))]
    if set(piece) & {"★", "☆", "⭐", "🌟"}:
        rows = ("".join(row) for _, row in groupby(piece, key=lambda sign: sign in "★☆⭐🌟\ufe0f"))
        tokens: list[Token] = []
        for row in rows:
            share = marks.share_of_stars(row)
            if share is not None:
                tokens.append(Token(row[:8], meaning=Meaning(RATING, share)))
            elif row[0] not in "★☆⭐🌟":
                tokens += _pieces(row)
        return tokens
    return _pieces(piece)


def _ending(piece: str) -> list[Token]:
    return _sign_tokens(piece[-1]) if piece[-1] in ",.!?;:" else []


def _pieces(piece: str) -> list[Token]:
    tokens: list[Token] = []
    for part in _PIECES.findall(piece):
        if len(part) < len(piece):
            # Remembered too: a long text without blanks holds few different parts.
            tokens += _look_up(part)
        else:
            tokens += _word_tokens(part) if part[0].isalnum() else _sign_tokens(part)
    return tokens


_cache: Final = Memory(lambda piece: tuple(_classify(piece)), most=CACHE_ENTRIES, longest=CACHE_PIECE_CHARS)
_look_up: Final = _cache.__getitem__

_CURLY: Final = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "´": "'", "`": "'", "\ufe0f": ""}
)


def forget() -> None:
    """Empty the memory of spellings; only the time of what follows differs."""
    _cache.clear()


def remembered() -> int:
    """Return how many spellings are in memory, at most `CACHE_ENTRIES`."""
    return len(_cache)


def tokenize(text: str) -> list[Token]:
    """Return the tokens of `text` in order."""
    if not text.isascii():
        text = text.translate(_CURLY)
    if "\n" in text:
        text = text.replace("\n", " ¶ ")
    return list(chain.from_iterable(map(_look_up, text.split())))
