"""What a person asks, as words for the full-text engine and as a text for the vectors.

A question is whole sentences as often as it is words, so no word has to be there, but that what is in quotes
has to, and what has a `-` before it must not. Everything else is text: no question is wrong to the engine.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingestbox.enrich.searched import folded, written
from ingestbox.enrich.wordlists import wordlist
from ingestbox.errors import Fault, IngestError
from ingestbox.store.terms import LAST, MAX_CHARACTERS, MAX_COMPLETIONS, Term, terms_of

MOST_WORDS = 40
"""Words of a question that are looked for, the first ones that say something."""

MOST_STRICT = 20
"""Words in quotes, and words that must not be there: each is looked up everywhere."""

PHRASES = 12
"""Expressions that passages are ranked by, the rarest ones."""

LEADING = 8_000
"""Passages that rare words lead to, and that are ranked by all words. A commoner one leads if none is
rarer."""

COUNTED = 400_000
"""Passages that all ranking words may be in: the engine counts those of each, at 10,000 in a millisecond."""

_BARE = "{title body}"

Frequency = Callable[[str, str], tuple[int, int]]
"""How many words there are from one to before another, at most MAX_COMPLETIONS + 1 being counted, and in how
many passages they are in all."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a question: as it is written, without its diacritics, and whether it may go on."""

    exact: str
    bare: str
    open: bool


@dataclass(frozen=True, slots=True)
class Question:
    """A question taken apart. `text` is what the vectors are asked, `field` where it came from."""

    field: str
    text: str
    words: Sequence[Word]
    strict: Sequence[Term]
    without: Sequence[Term]

    @property
    def terms(self) -> list[Term]:
        """What is marked where it is found."""
        return [*self.strict, *(Term((word.exact,), word.open) for word in self.words)]


@dataclass(frozen=True, slots=True)
class Match:
    """Expressions of the full-text engine: of which words a passage has to have one (`leading`), and that
    with all that it is ranked by (`whole`: what leads counts twice then).

    `common` says that so many have what leads that they have to be looked through piece by piece.
    """

    leading: str
    whole: str
    common: bool


@dataclass(frozen=True, slots=True)
class Strict:
    """What a passage has to have and must not have, as expressions of the engine (None: nothing)."""

    wanted: str | None
    unwanted: str | None

    def __bool__(self) -> bool:
        return self.wanted is not None or self.unwanted is not None


def question(text: object, field: str = "query") -> Question:
    """The question that a text is. Raises IngestError `validation_failed`, naming the field."""
    if not isinstance(text, str):
        raise refused(field, "must be a text")
    if not text.strip() or len(text) > MAX_CHARACTERS:
        raise refused(field, f"must have 1 to {MAX_CHARACTERS:,} characters")
    terms = terms_of(text)
    strict = [term for term in terms if term.quoted and not term.without]
    without = [term for term in terms if term.without]
    for some, told in ((strict, "in quotes"), (without, "with a - before them")):
        if sum(len(term.words) for term in some) > MOST_STRICT:
            raise refused(field, f"may have at most {MOST_STRICT} words {told}")
    wanted = [term for term in terms if not term.without]
    if not wanted:
        told = "a word that is to be there, not only such as are not" if terms else "a letter or a digit"
        raise refused(field, f"must have {told}")
    words = dict.fromkeys(word for term in wanted for word in _words(term))
    telling = [word for word in words if word.exact not in _stop()] or list(words)
    plain = " ".join(" ".join(term.words) for term in wanted)
    return Question(field, plain if without or strict else text, telling[:MOST_WORDS], strict, without)


def refused(field: str, sentence: str) -> IngestError:
    """The error for a member; `sentence` follows its name."""
    told = f"{field} {sentence}"
    return IngestError("validation_failed", f"{told}.", faults=[Fault("invalid", told, field=field)])


def _words(term: Term) -> list[Word]:
    """The words of a term, those of a quoted one too: they are ranked by."""
    last = len(term.words) - 1
    found = []
    for place, exact in enumerate(term.words):
        bare = folded([exact])
        found += [Word(exact, each, term.open and place == last) for each in bare]
    return found


@functools.cache
def _stop() -> frozenset[str]:
    """Words that say nothing about what is asked."""
    lists = (wordlist(f"stop_{name}")["stop"] for name in ("english", "vietnamese"))
    return frozenset(word for words in lists for each in words for word in written(each.replace("_", " ")))


def match(asked: Question, frequency: Frequency) -> Match | None:
    """What to look for; None if no passage has any word of the question. Raises IngestError
    `validation_failed` for a `*` that stands for too much."""
    known: list[tuple[int, str]] = []
    for word in asked.words:
        for form, column in {word.exact: "exact", word.bare: _BARE}.items():
            words, count = frequency(form, form + (LAST if word.open else " "))
            if words > MAX_COMPLETIONS:
                told = f"has `{form}*`, and more than {MAX_COMPLETIONS} words begin so; write more of it"
                raise refused(asked.field, told)
            if count:
                known.append((count, f"{column} : {_phrase([form], word.open)}"))
    if not known:
        return None
    known = sorted(dict.fromkeys(known))[:PHRASES]
    leading: list[str] = []
    ranking: list[str] = []
    led = counted = 0
    for count, expression in known:
        if not leading or led + count <= LEADING:
            leading.append(expression)
            led += count
        if not ranking or counted + count <= COUNTED:
            ranking.append(expression)
            counted += count
    lead = _any(leading)
    return Match(lead, lead if leading == ranking else f"{lead} AND {_any(ranking)}", common=led > LEADING)


def strict_of(asked: Question) -> Strict:
    """What the question insists on."""
    return Strict(
        " AND ".join(map(_term, asked.strict)) or None,
        " OR ".join(map(_term, asked.without)) or None,
    )


def _term(term: Term) -> str:
    return f"{_BARE} : {_phrase(folded(term.words), term.open)}"


def _phrase(words: Sequence[str], is_open: bool) -> str:
    return '"' + " ".join(words) + '"' + (" *" if is_open else "")  # no word holds a quote


def _any(expressions: Sequence[str]) -> str:
    return "(" + " OR ".join(expressions) + ")"
