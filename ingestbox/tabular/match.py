"""Which column holds which field, by names that people use for it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

from ingestbox.tabular.shapes import Match

EXACT = 1.0
WORDS = 0.8
"""All words of an alias stand in the column's name, one after the other."""
WORD_SPAN = 0.2
FUZZY = 0.75
LEAST = 0.5
_PARTS = re.compile(r"[^\W_]+")
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@lru_cache(maxsize=4096)
def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, without case, marks and what stands between them: `Nội-dung` is `noi`, `dung`."""
    text = unicodedata.normalize("NFKD", _HUMPS.sub(" ", name[:400])).replace("đ", "d").replace("Đ", "d")
    text = "".join(char for char in text if not unicodedata.combining(char))
    return tuple(_PARTS.findall(text.casefold()))


def match(header: Sequence[str], aliases: Mapping[str, Sequence[str]]) -> list[Match]:
    """Says for each column which field it holds: one column per field, one field per column, the best first.

    An alias is found exactly (1.0), as words inside the name (0.6 to 0.8, more the more of the name it is),
    or with a misspelling (0.5 to 0.75). Equal scores go to the earlier column, then to the earlier alias
    and field.
    """
    found = []
    for column, name in enumerate(header):
        words = words_of(name)
        for rank, (field, spellings) in enumerate(aliases.items()):
            scores = [(-likeness(words, words_of(alias)), place) for place, alias in enumerate(spellings)]
            if scores and -min(scores)[0] >= LEAST:
                score, place = min(scores)
                found.append((score, column, place, rank, field))
    fields: dict[int, tuple[str, float]] = {}
    taken: set[str] = set()
    for score, column, _, _, field in sorted(found):
        if column not in fields and field not in taken:
            fields[column] = (field, -score)
            taken.add(field)
    return [Match(name, *(fields.get(column) or (None, 0.0))) for column, name in enumerate(header)]


def likeness(name: Sequence[str], alias: Sequence[str]) -> float:
    """How sure it is that a name means an alias (0 to 1)."""
    if not name or not alias:
        return 0.0
    joined, wanted = "".join(name), "".join(alias)
    if joined == wanted:
        return EXACT
    size = len(alias)
    if any(tuple(name[at : at + size]) == tuple(alias) for at in range(len(name) - size + 1)):
        return WORDS - WORD_SPAN * (1 - size / len(name))
    longest = max(len(joined), len(wanted))
    # A short word one letter off is another word: "name" is not "fame".
    allowed = 0 if longest < 5 else 1 if longest < 9 else 2
    if allowed and abs(len(joined) - len(wanted)) <= allowed and joined[:1] == wanted[:1]:
        away = distance(joined, wanted, allowed)
        if away <= allowed:
            return FUZZY - 0.25 * away / allowed * (5 / longest)
    return 0.0


def distance(one: str, other: str, most: int) -> int:
    """Edits from one to the other: insert, drop, replace, swap neighbours. Over `most`, it may be more."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, char in enumerate(one, 1):
        here = [row]
        for column, there in enumerate(other, 1):
            cost = min(last[column] + 1, here[column - 1] + 1, last[column - 1] + (char != there))
            if row > 1 and column > 1 and char == other[column - 2] and one[row - 2] == there:
                cost = min(cost, before[column - 2] + 1)
            here.append(cost)
        if min(here) > most:
            return most + 1
        before, last = last, here
    return last[-1]
