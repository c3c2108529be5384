"""Classes of English words that the rules and the expressions name: numbers, negations, times and so on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ingestbox.enrich.english import inflect


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NUMBER_WORDS: Final = "zero one two three four five six seven eight nine ten eleven twelve"
_NUMBERS: Final = {word: number for number, word in enumerate(_NUMBER_WORDS.split())}

NOT_WORDS: Final = _words("""
    not never no cannot aint arent cant couldnt didnt doesnt dont hadnt hasnt havent isnt shouldnt
    wasnt werent wont wouldnt mustnt neednt hardly barely scarcely rarely seldom
""")

OTHER_NEGATIONS: Final = _words("nor neither none nothing nobody noone nowhere without lack lacks lacking")

_WENT_WRONG: Final = _words("""
    lose waste ruin break wait ignore delay cancel charge crash miss kill destroy damage forget refuse
    fail lie steal mess scratch smash queue stand sit hang pay keep leave overcharge disconnect freeze
    delete
""")

_IRREGULAR_PASTS: Final = _words("""
    rang told gave given sent came brought taken took made found kept wrote written spoke spoken picked
    paid bought put done shown knew known caught met understood taught
""")

CLASSES: Final = {
    "NUM": _words("""
        two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty several
        multiple many few couple dozen dozens half countless hundred
    """),
    "UNITS": _words("""
        second seconds sec secs minute minutes min mins hour hours hr hrs day days week weeks month
        months year years yr yrs times working business
    """),
    "DET": _words("my your our their his her its the a an this that these those any some"),
    "BE": _words("is are was were be been being am it's its that's they're there's he's she's"),
    "DIM": _words("""
        big small large tiny long short tight loose loud quiet hot cold heavy light thick thin high
        low wide narrow early late many much few little old soft hard sweet spicy salty dry wet
        strong weak dark bright slow fast expensive pricey complicated difficult busy crowded noisy
        rushed basic simple greasy oily hectic
    """),
    "NEGING": frozenset(map(inflect.present_participle, _WENT_WRONG)),
}
"""Classes of words that an expression can name; `classes_of` adds GERUND, PAST, NOT and numbers in digits."""

REFUSALS: Final = _words("""
    won't doesn't can't cannot couldn't isn't aren't wont doesnt cant couldnt isnt arent
""")
"""Negations of what something or somebody does; "don't" and "haven't" are mostly the writer's own doing."""

INVERTED: Final = _words("""
    is are was were do does did has have had can could will would how what where when which who
""")
"""Words that ask when they begin a clause, and only then."""

FILLERS: Final = _words("""
    really very so just even still ever always actually also simply absolutely quite totally
    completely again all already yet now too only literally honestly definitely truly certainly
    exactly properly quickly fully extremely highly super constantly continually simply suddenly
    also finally eventually basically once fucking bloody damn
""")
"""Words that may stand inside an expression without being part of it."""

NEGATION_CARRIERS: Final = _words("think believe feel find expect consider say call")
"""After "not", these pass the negation on: "I don't think this is good"."""


def number_of(word: str) -> float | None:
    """Return the number that `word` writes, in digits or in letters, if it is one."""
    if word in _NUMBERS:
        return float(_NUMBERS[word])
    if len(word) <= 8 and word.isascii() and word.replace(".", "", 1).isdigit():
        return float(word)
    return None


def classes_of(word: str) -> Iterator[str]:
    """Yield the classes that `word` is in."""
    for name, members in CLASSES.items():
        if word in members:
            yield name
    if word in NOT_WORDS or word.endswith("n't"):
        yield "NOT"
    if word[:1].isdigit() and word.isascii():
        yield "NUM"
    if len(word) > 5 and word.endswith("ing"):
        yield "GERUND"
    if word in _IRREGULAR_PASTS or (len(word) > 4 and word.endswith("ed") and not word.endswith("eed")):
        yield "PAST"
