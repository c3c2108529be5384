"""How a table is written: delimiter, quotes, escapes, header; scored on the header and the first rows.

Every candidate reads the same sample, and the one under which it looks most like a table is taken. The
standard library's Sniffer takes time quadratic in the sample and looks at less.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice

import msgspec

from ingestbox.tabular import header, repair

SAMPLE_BYTES = 64 << 10
"""Of whole lines; a longer header is read all the same."""
MAX_SAMPLE_ROWS = 1_000
DELIMITERS = (";", ",", "\t", "|")
QUOTES = ('"', "'")
ONE_COLUMN = 0.35
"""A table of several columns has to look better than this."""
NO_DELIMITER = "\0"
"""For the standard library's reader, which wants one; no table has it."""
MAX_PREAMBLE = 40
"""Rows above a header: titles, dates, filters of a report."""
_SEP = re.compile(r'"?sep=(.)"?[;,\t|]*', re.IGNORECASE)


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """How a table is written. `header` and `first` are indexes of lines: the header's, the first row's."""

    delimiter: str
    quote: str
    escape: str = ""
    skip_space: bool = False
    confidence: float = 0.0
    header: int = 0
    first: int = 1
    names: list[str] = []
    preamble: int = 0
    """Rows before the header."""
    named: bool = False
    """Whether a line `sep=` says the delimiter."""
    width: int = 0
    """The most cells that a row of the sample has."""
    number: int = 0
    """The header's own number, in a numbered table."""
    likeness: float = 1.0
    """How much the header looks like one."""


class _Candidate(msgspec.Struct, frozen=True):
    delimiter: str
    quote: str
    escape: str
    skip_space: bool


class _Parsed(msgspec.Struct):
    begins: list[int]
    rows: list[list[str]]
    ends: list[int]
    strays: int


def find(
    lines: Sequence[str], *, delimiter: str | None = None, quote: str | None = None, numbered: bool = False
) -> Dialect:
    """The dialect of a table that begins with these lines (with their ends); what is given is taken as given.

    `numbered`: the first cell of each row is its number, and no column.
    """
    skip = 0
    sep = None
    while skip < len(lines) and not lines[skip].strip():
        skip += 1
    if skip < len(lines) and (sep := _SEP.fullmatch(lines[skip].strip("\r\n "))):
        delimiter = sep[1] if delimiter is None else delimiter
        skip += 1
    scored: list[tuple[float, int, int, _Candidate, _Parsed]] = []
    numbers: list[str] = []
    plain: dict[tuple[str, str, str], float] = {}
    for order, candidate in enumerate(_candidates(lines, delimiter, quote)):
        parsed = _parse(lines, skip, candidate)
        if numbered:
            numbers = [row[0] for row in parsed.rows]
            parsed.rows = [row[1:] for row in parsed.rows]
        score, at = _score(parsed, candidate)
        # What reads well as it stands has its blanks on purpose.
        key = (candidate.delimiter, candidate.quote, candidate.escape)
        if candidate.skip_space and score <= plain[key]:
            continue
        plain.setdefault(key, score)
        if parsed.rows and _prose(parsed.rows[at:], candidate):
            score *= 0.5
        scored.append((score, at, -order, candidate, parsed))
    best = max(scored, key=lambda each: (each[0], each[2]))
    score, at, _, candidate, parsed = best
    # In a table of one column, a comma in some later line is text.
    if delimiter is None and (score < ONE_COLUMN * 0.9 or all(len(row) == 1 for row in parsed.rows)):
        candidate = msgspec.structs.replace(candidate, delimiter="", skip_space=False)
        score, at, parsed = ONE_COLUMN, 0, _parse(lines, skip, candidate)
    rivals = [each[0] for each in scored if each[3].delimiter != candidate.delimiter]
    rows = parsed.rows
    cells = rows[at] if rows else []
    return Dialect(
        delimiter=candidate.delimiter,
        quote=candidate.quote,
        escape=candidate.escape,
        skip_space=candidate.skip_space,
        confidence=1.0 if delimiter is not None else _confidence(score, max(rivals, default=0.0)),
        header=parsed.begins[at] if rows else 0,
        first=parsed.ends[at] if rows else len(lines),
        names=_padded(cells, rows[at + 1 :]),
        width=max(map(len, rows), default=0),
        number=int(numbers[at]) if numbers else 0,
        preamble=at,
        named=sep is not None,
        likeness=header.likeness(cells, rows[at + 1 : at + 50]) if cells else 0.0,
    )


def _padded(cells: Sequence[str], below: Sequence[Sequence[str]]) -> list[str]:
    """The header, with an empty name for the cell that most rows have more."""
    longer = sum(len(row) == len(cells) + 1 and bool(row[-1].strip()) for row in below)
    return [*cells, ""] if len(cells) > 1 and longer > 0.8 * len(below) > 0 else list(cells)


def _confidence(score: float, rival: float) -> float:
    """How far the best is from the best with another delimiter."""
    if not score:
        return 0.1
    return round(min(0.99, 0.35 + 0.65 * min(1.0, score / 0.8)) * (1 - 0.6 * (rival / score) ** 3), 2)


def _candidates(lines: Sequence[str], delimiter: str | None, quote: str | None) -> list[_Candidate]:
    text = "".join(lines)
    quotes = [mark for mark in QUOTES if mark in text] if quote is None else [quote]
    if quote is None and (not quotes or quotes == ["'"]):
        quotes.insert(0, '"')
    delimiters = [mark for mark in DELIMITERS if mark in text] if delimiter is None else [delimiter]
    found = []
    for mark in delimiters or [","]:
        for sign in quotes:
            # A backslash before a quote may also be the last character of a cell.
            for escape in ("", "\\") if sign and "\\" + sign in text else ("",):
                found.append(_Candidate(mark, sign, escape, skip_space=False))
                if sign and f"{mark} {sign}" in text:
                    found.append(_Candidate(mark, sign, escape, skip_space=True))
        if quote is None and (quotes != ['"'] or '"' in text):
            found.append(_Candidate(mark, "", "", skip_space=False))
    return found


def _parse(lines: Sequence[str], skip: int, candidate: _Candidate) -> _Parsed:
    """Rows of the sample; a line whose quotes are wrong is read as what was likely meant, or not at all."""
    parsed = _Parsed([], [], [], 0)
    source = iter(lines)
    for _ in islice(source, skip):
        pass
    base = begin = skip
    options = {
        "delimiter": candidate.delimiter or NO_DELIMITER,
        "quotechar": candidate.quote or None,
        "quoting": csv.QUOTE_MINIMAL if candidate.quote else csv.QUOTE_NONE,
        "escapechar": candidate.escape or None,
        "skipinitialspace": candidate.skip_space,
        "strict": True,
    }
    reader = csv.reader(source, **options)  # type: ignore[arg-type]
    retried = 0
    while len(parsed.rows) < MAX_SAMPLE_ROWS:
        try:
            cells = next(reader)
            end = base + reader.line_num
        except StopIteration:
            break
        except csv.Error:
            parsed.strays += 1
            end = begin + 1
            mended = repair.cells_of(
                lines[begin].rstrip("\r\n"), candidate.delimiter, candidate.quote, candidate.escape
            )
            cells = mended or []
            retried += 1
            if retried > MAX_SAMPLE_ROWS // 10:
                break
            base, source = end, iter(lines)
            source.__setstate__(end)  # type: ignore[attr-defined]
            reader = csv.reader(source, **options)  # type: ignore[arg-type]
        if cells and not (len(cells) == 1 and not cells[0].strip()):
            parsed.begins.append(begin)
            parsed.rows.append(cells)
            parsed.ends.append(end)
        begin = end
    return parsed


def _score(parsed: _Parsed, candidate: _Candidate) -> tuple[float, int]:
    """How much the sample looks like a table, and which row is its header."""
    rows = parsed.rows
    if not rows:
        return 0.0, 0
    quotes = 1 / (1 + 2 * parsed.strays / (len(rows) + parsed.strays))
    if not candidate.quote:
        quotes = 0.9 * (1 - 0.7 * _quoted_share(rows))
    elif candidate.quote == "'":
        quotes *= 0.95
    if all(len(row) == 1 for row in rows) or not candidate.delimiter:
        return ONE_COLUMN * quotes, 0
    width = _width(rows)
    at = _header_at(rows, width)
    below = rows[at:]
    alike = _alike(rows, at)
    # Under a header that is one without doubt, even a row of one cell is likely cut short.
    lone = 0.6 if at == 0 and alike > 0.9 else 0.0
    steady = sum(_fits(row, len(rows[at]), lone) for row in below) / len(below)
    score = steady**1.5 * quotes * (1 - 0.3 / width) * (0.7 + 0.3 * alike)
    if len(below) == 1 and at:
        score *= 0.3
    if at:
        score *= 0.85
        # A lone word above lines of prose is the name of their only column, and no title.
        title = rows[0][0].strip()
        if at == 1 and len(title.split()) < 3 and parsed.ends[0] == parsed.begins[1]:
            score *= 0.5
    return score, at


def _width(rows: Sequence[Sequence[str]]) -> int:
    """How many cells a row has, most often; of equals the more."""
    widths = Counter(len(row) for row in rows if len(row) > 1)
    return max(widths, key=lambda each: (widths[each], each))


def _header_at(rows: Sequence[Sequence[str]], width: int) -> int:
    """The first row with all columns; or an earlier one, where rows differ too much to call it a preamble."""
    above = rows[:MAX_PREAMBLE]
    full = next((index for index, row in enumerate(above) if len(row) >= width), 0)
    first = next((index for index, row in enumerate(above) if len(row) > 1), 0)
    # A spreadsheet writes the lines of a title with as many delimiters as the rows.
    most = max(map(_filled, above))
    filled = next(index for index, row in enumerate(above) if _filled(row) * 2 > most)
    if filled > full and _alike(rows, filled) > _alike(rows, full):
        return filled
    if first == full:
        return full
    # Rows one cell longer than their header: each ends with a delimiter, or begins with a name of its own.
    if len(rows[full - 1]) == width - 1 > 1 and _alike(rows, full - 1) > _alike(rows, full):
        return full - 1
    below = rows[full:]
    steady = sum(len(row) == width for row in below) / len(below)
    return full if steady > 0.8 and len(below) > 2 else first


def _filled(row: Sequence[str]) -> int:
    return sum(1 for cell in row if cell.strip())


def _alike(rows: Sequence[Sequence[str]], at: int) -> float:
    return header.likeness(rows[at], rows[at + 1 : at + 50])


def _fits(row: Sequence[str], width: int, lone: float) -> float:
    if len(row) == width or (len(row) > width and not any(row[width:])):
        return 1.0
    return max(lone, 0.4) if 1 < len(row) < width else 0.4 if len(row) > 1 else lone


def _quoted_share(rows: Sequence[Sequence[str]]) -> float:
    """Read without quotes: how much of what they open they also close (a quarter is enough for 1)."""
    opened = closed = 0
    for row in rows[:200]:
        for cell in row:
            if cell.lstrip()[:1] == '"':
                opened += 1
                closed += len(cell) > 1 and cell.rstrip()[-1] == '"'
    return min(1.0, 4 * closed / opened) if opened else 0.0


def _prose(rows: Sequence[Sequence[str]], candidate: _Candidate) -> bool:
    """Whether what follows a delimiter mostly begins with a blank, as after a comma in a sentence."""
    if candidate.skip_space or candidate.delimiter == "\t":
        return False
    cells = [cell for row in rows[:200] for cell in row[1:] if cell]
    return bool(cells) and sum(cell[0] == " " for cell in cells) > 0.6 * len(cells)
