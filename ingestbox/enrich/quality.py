"""How good an article is to learn from, and why (contract: knowledge, Processing 4)."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

import msgspec

RULES: Final = "quality/1"
"""Version of the rules, for lineage: it changes whenever an answer can."""

AUTHORITIES: Final = {"government": 1.0, "hospital": 0.9, "news": 0.6}
"""How much the word of a source counts, by its type."""

UNKNOWN: Final = 0.3
"""How much that of any other counts."""

_WEIGHTS: Final = {
    "length": 0.25,
    "structure": 0.25,
    "authority": 0.2,
    "entities": 0.1,
    "title": 0.1,
    "language": 0.1,
}
"""They make 1 together."""

_FULL_LENGTH: Final = 1_500
_SHORTEST: Final = 100
_FULL_SENTENCES: Final = 8
_FULL_PARAGRAPHS: Final = 4
_FULL_ENTITIES: Final = 5
_READ: Final = 20_000
"""Characters of a text whose structure is looked at."""

_SENTENCE: Final = re.compile(r"([^.!?…\n]+)([.!?…]?)")
_SHORTEST_SENTENCE: Final = 20
_ITEM: Final = re.compile(r"^\s*(?:[-*•+–]|\d{1,2}[.)]|[a-zđ][.)])\s", re.MULTILINE)
_WORD: Final = re.compile(r"\w{2,}")
_PUNCTUATION: Final = "!\"'“”‘’«»()[]{}*,-–—./:;<=>?…"


class Part(msgspec.Struct, frozen=True):
    """One of the parts of a score: 0 to 1, how much of the whole it makes (0 to 1), and why, in a
    sentence."""

    score: float
    weight: float
    why: str


class Quality(msgspec.Struct, frozen=True):
    """The weighted mean of the parts: 0 to 1, two decimals."""

    score: float
    parts: dict[str, Part]


def quality(
    text: str,
    title: str,
    *,
    entities: int,
    source_type: str = "",
    authority_score: float | None = None,
    declared: str = "",
    detected: str = "",
    confidence: float = 1.0,
) -> Quality:
    """The quality of an article.

    `text` is the cleaned one; `entities` how many different ones are known; `source_type` of the source,
    and `authority_score` (0 to 100) what the crawler said of the page, which may raise or lower the
    source's word by half of the distance; `declared` and `detected` are codes of languages, and
    `confidence` is in the latter.
    """
    marks = {
        "length": _length(text),
        "structure": _structure(text[:_READ]),
        "authority": _authority(source_type, authority_score),
        "entities": _entities(entities),
        "title": _title(title, text[:_READ]),
        "language": _language(declared, detected, confidence),
    }
    parts = {name: Part(round(score, 2), _WEIGHTS[name], why) for name, (score, why) in marks.items()}
    return Quality(round(sum(part.score * part.weight for part in parts.values()), 2), parts)


def _length(text: str) -> tuple[float, str]:
    score = min(1.0, max(0.0, (len(text) - _SHORTEST) / (_FULL_LENGTH - _SHORTEST)))
    return score, f"{len(text):,} characters; {_FULL_LENGTH:,} or more count fully"


def _structure(text: str) -> tuple[float, str]:
    lines = [line for line in text.split("\n") if line.strip()]
    pieces = _SENTENCE.findall(text)
    sentences = sum(1 for said, stop in pieces if stop and len(said) >= _SHORTEST_SENTENCE)
    paragraphs = sum(1 for line in lines if len(line) >= 80)
    items = len(_ITEM.findall(text))
    headings = sum(
        1
        for line, following in pairwise(lines)
        if len(line) < 80 <= len(following) and line[-1] not in ".,;!?…"
    )
    parts = (
        0.5 * min(1.0, sentences / _FULL_SENTENCES),
        0.3 * min(1.0, paragraphs / _FULL_PARAGRAPHS),
        0.2 * min(1.0, (headings + (items >= 2)) / 2),
    )
    score = sum(parts)
    counts = (
        _count(sentences, "sentence"), _count(paragraphs, "paragraph"), _count(headings, "heading"),
        _count(items, "list item"),
    )  # fmt: skip
    return score, (
        f"{', '.join(counts)}; {_FULL_SENTENCES} sentences in {_FULL_PARAGRAPHS} paragraphs with two "
        "headings, or one and a list, count fully"
    )


def _authority(source_type: str, given: float | None) -> tuple[float, str]:
    kind = source_type.strip().lower()
    score = AUTHORITIES.get(kind, UNKNOWN)
    source = f"A source of type {kind}" if kind in AUTHORITIES else "An unknown source"
    if given is None:
        return score, f"{source} counts {score:g}"
    given = min(100.0, max(0.0, given))
    why = f"{source} counts {score:g}; the crawler's authority score of {given:g} of 100 counts as much"
    return (score + given / 100) / 2, why


def _entities(count: int) -> tuple[float, str]:
    score = min(1.0, count / _FULL_ENTITIES)
    return score, f"{_count(count, 'different entity')}; {_FULL_ENTITIES} or more count fully"


def _title(title: str, text: str) -> tuple[float, str]:
    shared = set(_WORD.findall(title.lower()))
    told = {word.strip(_PUNCTUATION) for word in set(text.lower().split())}
    part = len(shared & told) / len(shared) if shared else 0.0
    score, flaws = 1.0, []
    if not 10 <= len(title.strip()) <= 200:
        score -= 0.4
        flaws.append(f"it has {len(title.strip())} characters, not 10 to 200")
    if title.isupper():
        score -= 0.3
        flaws.append("it is all in capitals")
    if part < 0.5:
        score -= 0.5 * (1 - part)
        flaws.append(f"{part:.0%} of its words are in the text")
    if not flaws:
        return 1.0, "The title fits the text"
    return max(0.0, score), f"The title is not as it should be: {'; '.join(flaws)}"


def _language(declared: str, detected: str, confidence: float) -> tuple[float, str]:
    if not declared or declared == detected:
        return 1.0, f"The text is in the language that was declared, {declared or detected}"
    score = max(0.0, 0.5 - confidence / 2)
    return score, f"Declared as {declared}, but the text looks like {detected} (confidence {confidence:.2f})"


def _count(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"
