"""The regular forms of English words, so that the lexicon names each word once."""

from collections.abc import Iterator
from typing import Final

_VOWELS: Final = frozenset("aeiou")
_DOUBLED: Final = frozenset("bdgmnprt")

_IRREGULAR: Final = {
    "break": "broke broken",
    "cost": "cost",
    "cut": "cut",
    "fall": "fell fallen",
    "feel": "felt",
    "forget": "forgot forgotten",
    "freeze": "froze frozen",
    "get": "got gotten",
    "give": "gave given",
    "go": "went gone",
    "hang": "hung",
    "hide": "hid hidden",
    "hurt": "hurt",
    "keep": "kept",
    "leave": "left",
    "lie": "lied",
    "lose": "lost",
    "make": "made",
    "mislead": "misled",
    "overpay": "overpaid",
    "pay": "paid",
    "sell": "sold",
    "send": "sent",
    "shrink": "shrank shrunk",
    "sleep": "slept",
    "spend": "spent",
    "split": "split",
    "steal": "stole stolen",
    "stick": "stuck",
    "stink": "stank stunk",
    "suck": "sucked",
    "take": "took taken",
    "tear": "tore torn",
    "tell": "told",
    "think": "thought",
    "throw": "threw thrown",
    "write": "wrote written",
}
"""Pasts of the irregular verbs that the lexicon holds."""

_STRESSED_LAST: Final = frozenset({"admit", "commit", "omit", "permit", "refer", "regret", "transfer"})
"""Verbs of two syllables that double their last letter; others with a short last syllable do not."""


def _doubles(word: str) -> bool:
    if word in _STRESSED_LAST:
        return True
    short = len(word) <= 4 and sum(letter in _VOWELS for letter in word) == 1
    return short and word[-1] in _DOUBLED and word[-2] in _VOWELS


def _plural(word: str) -> str:
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2] not in _VOWELS:
        return word[:-1] + "ies"
    return word + "s"


def noun(word: str) -> Iterator[str]:
    """Yield the singular and the plural of `word`."""
    yield word
    yield _plural(word)


def present_participle(word: str) -> str:
    """Return the form in -ing of the verb `word`."""
    if word.endswith("ie"):
        return word[:-2] + "ying"
    if word.endswith("e") and not word.endswith(("ee", "oe", "ye")):
        return word[:-1] + "ing"
    return word + word[-1] * _doubles(word) + "ing"


def verb(word: str) -> Iterator[str]:
    """Yield the forms of the verb `word`."""
    yield word
    yield _plural(word)
    yield present_participle(word)
    if word in _IRREGULAR:
        yield from _IRREGULAR[word].split()
    elif word.endswith("e"):
        yield word + "d"
    elif word.endswith("y") and word[-2] not in _VOWELS:
        yield word[:-1] + "ied"
    else:
        yield word + word[-1] * _doubles(word) + "ed"


def adjective(word: str) -> Iterator[str]:
    """Yield the adjective `word` and its adverb, and its comparative forms if it is short."""
    yield word
    if word.endswith("le") and len(word) > 4:
        yield word[:-1] + "y"
    elif word.endswith("y"):
        yield word[:-1] + "ily"
    elif word.endswith("ic"):
        yield word + "ally"
    else:
        yield word + "ly"
    if len(word) <= 6:
        if word.endswith("e"):
            stem = word[:-1]
        elif word.endswith("y"):
            stem = word[:-1] + "i"
        else:
            stem = word + word[-1] * _doubles(word)
        yield stem + "er"
        yield stem + "est"
