"""Names of columns: from the header as it stands to unique, clean ones; and whether it is a header at all."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Byte order marks and characters without width or colour, which spreadsheets and web pages leave behind.
_INVISIBLE = re.compile("[\ufeff\u200b-\u200f\u2060\u00ad]")
_BLANKS = re.compile(r"\s+")
_DATUM = re.compile(
    r"""[-+(]?[$€£¥₫]?\s?\d[\d.,'\s]*\s?[%$€£¥₫đ]?\)?   # a number, an amount, a share
    | \d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ].*)?         # a date
    | \d{1,2}:\d{2}(?::\d{2})?(?:\s?[AaPp][Mm])?         # a time
    | [^\s@]+@[^\s@]+\.\w+                               # an e-mail address
    | https?://\S+
    | true | false
    """,
    re.VERBOSE | re.IGNORECASE,
)
MAX_NAME_CHARS = 200
LONG_NAME_CHARS = 60


def clean(name: str) -> str:
    """The name without what cannot be seen, blanks as single spaces."""
    return _BLANKS.sub(" ", _INVISIBLE.sub("", name)).strip()[:MAX_NAME_CHARS]


def names(header: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Unique names, as many as columns; those that stand there twice; those made up for empty ones.

    The second `comment` is `comment_2`; an empty fourth is `column_4`. Names count as equal whatever their
    case.
    """
    cleaned = [clean(name) for name in header]
    taken = {name.casefold() for name in cleaned if name}
    seen: set[str] = set()
    counts: dict[str, int] = {}
    unique, twice, made = [], [], []
    for index, name in enumerate(cleaned, 1):
        if not name:
            name = _free(f"column_{index}", taken, counts)
            made.append(name)
        elif name.casefold() in seen:
            twice.append(name)
            name = _free(name, taken, counts)
        seen.add(name.casefold())
        taken.add(name.casefold())
        unique.append(name)
    return unique, twice, made


def _free(name: str, taken: set[str], counts: dict[str, int]) -> str:
    """The name, or with a number that is not taken. `counts` has the last number of each: with sixteen
    thousand columns of one name the search would otherwise take a minute."""
    folded = name.casefold()
    if folded not in taken:
        return name
    count = counts.get(folded, 1) + 1
    while f"{folded}_{count}" in taken:
        count += 1
    counts[folded] = count
    return f"{name}_{count}"


def is_datum(cell: str) -> bool:
    """Whether a cell holds a number, date, time, address or truth value: never the name of a column."""
    return len(cell) <= 200 and _DATUM.fullmatch(cell.strip()) is not None


def likeness(cells: Sequence[str], below: Sequence[Sequence[str]]) -> float:
    """How much a row looks like a header above the rows `below` (0 to 1): short, different names, no data."""
    filled = [clean(cell) for cell in cells]
    filled = [cell for cell in filled if cell]
    if not filled:
        return 0.0
    if any(is_datum(cell) for cell in filled):
        return 0.1
    score = len(filled) / len(cells)
    score *= len({cell.casefold() for cell in filled}) / len(filled)
    score *= 1 - 0.8 * sum(len(cell) > LONG_NAME_CHARS for cell in filled) / len(filled)
    # What stands in the column again below is data; data below a word is a column below its name.
    again = sum(
        any(index < len(row) and row[index].strip() == cell.strip() for row in below)
        for index, cell in enumerate(cells)
        if cell.strip()
    )
    return score * (1 - 0.8 * again / len(filled))
