"""VADER's table of words, and its words of degree (VADER 3.3.2; MIT licence, see README.md and LICENSE.txt).

The table, 100 kB, is read when this module is imported, which takes a few ms.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_TABLE: Final = Path(__file__).parent / "vader_lexicon.txt"


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


def _load() -> dict[str, float]:
    """Read the table; only LF ends a line, as an entry may be any other character."""
    lines = _TABLE.read_text(encoding="utf-8").rstrip("\n").split("\n")
    return {word: float(rating) for word, rating in (line.split("\t") for line in lines)}


RATINGS: Final = _load()
"""Words, and emoticons, in lower case: -4 (very bad) to 4 (very good), never 0."""


def degree(word: str) -> int:
    """1 for a word (lower case) that strengthens what follows ("very"), -1 for one that weakens it, or 0."""
    return (word in _INTENSIFIERS) - (word in _DAMPENERS)
