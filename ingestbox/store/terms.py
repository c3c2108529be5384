"""What a person types into a search, as expressions of the full-text engine.

A query is words, all of which have to be there; `"words in quotes"` stand together, `deliv*` is any word
that begins so, `-word` is not there. Everything else is text, so that no query is wrong to the engine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingestbox.enrich.searched import FACET, FOLDED, folded, written
from ingestbox.errors import IngestError

Read = Callable[[str, Mapping[str, object]], Awaitable[list[tuple[Any, ...]]]]
"""Rows of a named query (`family.Box.read`)."""

MAX_CHARACTERS = 1_000
MAX_TERMS = 20
MAX_COMPLETIONS = 200
"""Words that one `*` stands for, of each form: finding them takes some 60 µs each."""

LAST = "\U0010ffff"
"""After every character of a word."""


@dataclass(frozen=True, slots=True)
class Term:
    """A word, or words that stand together; `open` is one whose last word may go on, `quoted` one that was
    written in quotes."""

    words: tuple[str, ...]
    open: bool = False
    without: bool = False
    quoted: bool = False


Tier = Sequence[Sequence[str]]
"""Expressions that make a tier: all of one of these lists. What is excluded is not among them."""


@dataclass(frozen=True, slots=True)
class Index:
    """Where to search: the ids above `low` and below `high` of one table.

    `match` (match, low, high, limit: ids, highest first), `count` (the same: their number) and `terms` (low,
    high: the first word that there is between two) are the names of its queries.
    """

    match: str
    count: str
    terms: str
    low: int
    high: int


def parse(text: str | None) -> list[Term]:
    """The terms of a query. Raises IngestError `bad_parameter`: none, too many, or only such as exclude."""
    if text is None or not text.strip():
        raise IngestError("bad_parameter", "q must say what to search: words, or a ticket's id.")
    if len(text) > MAX_CHARACTERS:
        raise IngestError("bad_parameter", f"q must have at most {MAX_CHARACTERS:,} characters.")
    terms = terms_of(text)
    if len(terms) > MAX_TERMS:
        raise IngestError(
            "bad_parameter", f"q must have at most {MAX_TERMS} words; quoted ones count as one."
        )
    if not terms:
        raise IngestError("bad_parameter", "q must have a letter or a digit.")
    if all(term.without for term in terms):
        raise IngestError(
            "bad_parameter", "q must have a word that is to be there, not only such as are not."
        )
    return terms


def terms_of(text: str) -> list[Term]:
    """The terms of a text, whatever they are and however many."""
    return [term for term in map(_term, _pieces(text)) if term.words]


def _pieces(text: str) -> list[str]:
    """Cut at blanks outside quotes; a quote that is not closed goes to the end."""
    pieces = [""]
    quoted = False
    for character in text:
        if character == '"':
            begins = not quoted and pieces[-1] not in ("", "-")
            quoted = not quoted
            if begins:
                pieces.append("")
            pieces[-1] += character
            continue
        ended = not quoted and (character.isspace() or (pieces[-1].count('"') == 2 and character != "*"))
        if ended:
            pieces.append("")
        if quoted or not character.isspace():
            pieces[-1] += character
    return pieces


def _term(piece: str) -> Term:
    without = piece.startswith("-")
    words = [word for word in written(piece) if folded([word])]  # a diacritic alone is none
    return Term(tuple(words), piece.endswith("*"), without, quoted='"' in piece)


@dataclass(frozen=True, slots=True)
class Matches:
    """What is in each tier but the last, and the engine's expression for what is in any of them."""

    tiers: tuple[Tier, Tier, Tier]
    any: str

    @classmethod
    async def of(
        cls,
        read: Read,
        index: Index,
        terms: Sequence[Term],
        facets: Sequence[str] = (),
        without: Sequence[str] = (),
    ) -> Matches:
        """The expressions for these terms, and of the objects alone that have all of `facets` and none of
        `without`. Without terms there have to be facets."""
        wanted = [term for term in terms if not term.without]
        as_written = [await _alternatives(read, index, term, "") for term in wanted]
        bare = [Term(tuple(folded(term.words)), term.open) for term in wanted]
        folds = [[await _alternatives(read, index, term, FOLDED) for term in bare]]
        bare_is_written = [term.words for term in bare] == [term.words for term in wanted]
        if not bare_is_written:  # then what has it as written has it folded too (`enrich.searched.entry`)
            folds.append([await _alternatives(read, index, term, "") for term in bare])
        out = []
        for term in terms:
            if term.without:
                other = Term(tuple(folded(term.words)), term.open)
                out.append(await _alternatives(read, index, term, ""))
                out.append(await _alternatives(read, index, other, FOLDED))
                out.append(await _alternatives(read, index, other, ""))

        texts = [as_written, *folds] if bare_is_written else folds
        found = [_either([every(parts) for parts in texts])] if wanted else []
        chosen = every([*found, *map(_facet, facets)])
        out += map(_facet, without)
        return cls(
            ([_in_title(as_written)], [as_written], [_in_title(parts) for parts in folds]),
            f"{chosen} NOT {_either(out)}" if out else chosen,
        )


def _facet(facet: str) -> str:
    return f'{{title}} : "{FACET}{facet}"'


def _in_title(parts: Sequence[str]) -> list[str]:
    return [f"{{title}} : {part}" for part in parts]


async def _alternatives(read: Read, index: Index, term: Term, mark: str) -> str:
    """A term as an expression; one that goes on, as all that it may be."""
    if not term.open:
        return _phrase(term.words, mark)
    *first, last = term.words
    ends = await _completions(read, index, last, mark)
    return _either([_phrase([*first, end], mark) for end in ends])


async def _completions(read: Read, index: Index, word: str, mark: str) -> list[str]:
    """The words that begin with this one, and it itself."""
    found = [word]
    low = mark + word
    rows = await read(index.terms, {"low": low, "high": low + LAST, "limit": MAX_COMPLETIONS + 1})
    if len(rows) > MAX_COMPLETIONS:
        raise IngestError(
            "bad_parameter", f"More than {MAX_COMPLETIONS} words begin with `{word}`; write more of it."
        )
    return [*found, *(term[len(mark) :] for (term,) in rows if term != mark + word)]


def _phrase(words: Sequence[str], mark: str) -> str:
    return '"' + " ".join(mark + word for word in words) + '"'  # no word holds a quote


def every(matches: Sequence[str]) -> str:
    """The expression for what is in all of these."""
    return matches[0] if len(matches) == 1 else "(" + " AND ".join(matches) + ")"


def _either(matches: Sequence[str]) -> str:
    return matches[0] if len(matches) == 1 else "(" + " OR ".join(matches) + ")"
