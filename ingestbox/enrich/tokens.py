"""What one token of English text means to the sentiment rules, looked up once per spelling.

The words, numbers and phrases are those of VADER 3.3.2 (``vader/README.md``). The tables, 130 kB, are read
when this module is imported, which takes about 10 ms; nothing is read or written afterwards.
"""

from pathlib import Path
from string import punctuation
from typing import Final

_DATA: Final = Path(__file__).parent / "vader"

BOOST: Final = 0.293
"""What an intensifier ("very") adds to a following word's strength, and a dampener ("barely") takes off."""

CACHE_ENTRIES: Final = 32_768
"""Most spellings remembered at a time; the memory is emptied when full, so that junk cannot squat in it."""

CACHE_TOKEN_CHARS: Final = 32
"""Longest spelling remembered; with the limit above, hostile input can take 18 MB and no more."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_INTENSIFIERS: Final = _words("""
    absolutely amazingly awfully completely considerable considerably decidedly deeply effing enormous
    enormously entirely especially exceptional exceptionally extreme extremely fabulously flippin
    flipping frackin fracking frickin fricking friggin frigging fuckin fucking fuggin fugging fully
    greatly hella highly hugely incredible incredibly intensely major majorly more most particularly
    purely quite really remarkably so substantially thoroughly total totally tremendous tremendously
    uber unbelievably unusually utter utterly very
""")

_DAMPENERS: Final = _words("""
    almost barely hardly kind-of kinda kindof less little marginal marginally occasional occasionally
    partly scarce scarcely slight slightly somewhat sort-of sorta sortof
""")

# Contractions with their apostrophe need no entry: whatever holds "n't" negates.
_NEGATIONS: Final = _words("""
    aint arent cannot cant couldnt darent despite didnt doesnt dont hadnt hasnt havent isnt mightnt
    mustnt neednt neither never none nope nor not nothing nowhere oughtnt rarely seldom shant shouldnt
    uh-uh uhuh wasnt werent without wont wouldnt
""")

# Other words that change the rated words after them, and words that a rule only asks for by name.
_ACTING: Final = _words("least no this")
_NAMED: Final = _words("at but or")

PHRASES: Final = {
    "bad ass": 1.5,
    "beating heart": 3.5,
    "bus stop": 0.0,
    "kiss of death": -1.5,
    "the bomb": 3.0,
    "the shit": 3.0,
    "to die for": 3.0,
    "yeah right": -2.0,
}
"""Phrases whose rating replaces that of the rated word in or just after them."""

DAMPENING_PHRASES: Final = frozenset({"just enough", "kind of", "sort of"})
"""Two-word dampeners."""

_ALL_PHRASES: Final = tuple(phrase.split() for phrase in (*PHRASES, *DAMPENING_PHRASES))
_PHRASE_WORDS: Final = frozenset(word for phrase in _ALL_PHRASES for word in phrase)
_NOWHERE: Final = _words("")
_SECOND_OF: Final = {
    first: frozenset(phrase[1] for phrase in _ALL_PHRASES if phrase[0] == first) for first, *_ in _ALL_PHRASES
}
_LAST_BUT_ONE_OF: Final = {
    last: frozenset(phrase[-2] for phrase in _ALL_PHRASES if phrase[-1] == last) for *_, last in _ALL_PHRASES
}


def _load(name: str) -> dict[str, str]:
    """Read a two-column table; only LF ends a line, as an entry may be any other character."""
    lines = (_DATA / name).read_text(encoding="utf-8").rstrip("\n").split("\n")
    return dict(line.split("\t") for line in lines)


_LEXICON: Final = {word: float(rating) for word, rating in _load("vader_lexicon.txt").items()}

# VADER puts a space before a description but none after it; one space too many changes nothing, as only the
# blank-separated tokens and the counts of "!" and "?" are looked at afterwards.
_DESCRIPTIONS: Final = {ord(emoji): " " + name for emoji, name in _load("emoji_utf8_lexicon.txt").items()}
_EMOJI: Final = frozenset(map(chr, _DESCRIPTIONS))


def describe_emoji(text: str) -> str:
    """Return `text` with each emoji that VADER knows replaced by its description in words."""
    if text.isascii() or _EMOJI.isdisjoint(text):
        return text
    return text.translate(_DESCRIPTIONS)


class Token:
    """One token's part in the rules; immutable by convention, shared by all texts that hold its spelling."""

    __slots__ = ("acts", "before", "boost", "inert", "negates", "next", "rating", "upper", "word")

    def __init__(self, word: str, *, upper: bool = False, inert: bool = False) -> None:
        """Look `word` (stripped, lower case) up; `inert` marks a place where there is no token at all."""
        self.word: Final = word
        self.upper: Final = upper
        self.boost: Final = BOOST if word in _INTENSIFIERS else -BOOST if word in _DAMPENERS else 0.0
        # No entry of the lexicon is rated 0, so 0 says "not rated".
        self.rating: Final = _LEXICON.get(word, 0.0)
        self.negates: Final = word in _NEGATIONS or "n't" in word
        self.acts: Final = self.boost != 0.0 or self.negates or word in _ACTING
        # No entry boosts or negates, but it matters otherwise whether the third token before a word is one.
        self.inert: Final = inert or self.rating != 0.0
        # The words that may come second in a phrase that starts here, and last but one in one that ends here.
        self.next: Final = _SECOND_OF.get(word, _NOWHERE)
        self.before: Final = _LAST_BUT_ONE_OF.get(word, _NOWHERE)


EDGE: Final = Token("", inert=True)
"""Stands before the first token of a text."""

PLAIN: Final = Token("")
"""Any token that no rule asks about; most are this very object."""

_PLAIN_UPPER: Final = Token("", upper=True)

_SPECIAL_WORDS: Final = (
    _INTENSIFIERS | _DAMPENERS | _NEGATIONS | _ACTING | _NAMED | _PHRASE_WORDS | _LEXICON.keys()
)


def _classify(raw: str) -> Token:
    """Return the meaning of one blank-separated piece of text, in time linear in its length."""
    stripped = raw.strip(punctuation)
    if len(stripped) <= 2:
        # Likely an emoticon, which is its punctuation. So "no," is not the word "no".
        stripped = raw
    word = stripped.lower()
    upper = stripped.isupper()
    if word in _SPECIAL_WORDS or "n't" in word:
        return Token(word, upper=upper)
    return _PLAIN_UPPER if upper else PLAIN


class _TokenCache(dict[str, Token]):
    """Raw spelling to token, filled on demand within `CACHE_ENTRIES` and `CACHE_TOKEN_CHARS`.

    A value depends on its key alone, so threads may race on it and forgetting changes only the time taken.
    """

    def __missing__(self, raw: str) -> Token:
        token = _classify(raw)
        if len(raw) <= CACHE_TOKEN_CHARS:
            if len(self) >= CACHE_ENTRIES:
                self.clear()
            self[raw] = token
        return token


# A long text is cut at blanks this far apart, so that its pieces need not all be in memory at a time.
_CHUNK_CHARS: Final = 65_536

_cache: Final = _TokenCache()
_look_up: Final = _cache.__getitem__


def forget() -> None:
    """Empty the memory of spellings; only the time of what follows differs."""
    _cache.clear()


def remembered() -> int:
    """Return how many spellings are in memory, at most `CACHE_ENTRIES`."""
    return len(_cache)


def tokenize(text: str) -> list[Token]:
    """Return the tokens of `text`, in which emoji are described already, in order."""
    if len(text) <= _CHUNK_CHARS:
        return list(map(_look_up, text.split()))
    tokens: list[Token] = []
    start = 0
    while start < len(text):
        end = text.find(" ", start + _CHUNK_CHARS)
        if end < 0:
            end = len(text)
        tokens += map(_look_up, text[start:end].split())
        start = end
    return tokens
