"""Cells of a line whose quotes do not follow the rules: `"He said "hello" to me",7`."""

from __future__ import annotations

import re
from functools import lru_cache


def cells_of(line: str, delimiter: str, quote: str, escape: str = "") -> list[str] | None:
    """The cells of one line, without its newline; None when a quote stays open.

    A quote closes a cell only where a delimiter or the line's end follows, blanks aside; any other one inside
    is text. A doubled one is one. Linear in the length of the line.
    """
    closing, escaped = _patterns(delimiter, quote, escape)
    cells: list[str] = []
    at = 0
    while True:
        begin = at
        while line[at : at + 1] == " ":
            at += 1
        if line.startswith(quote, at):
            end = _close(line, at + 1, closing, quote, escape)
            if end is None:
                return None
            cell, at = line[at + 1 : end[0]].replace(quote * 2, quote), end[1]
        else:
            stop = _delimiter(line, begin, delimiter, escape)
            cell, at = line[begin:stop], stop
        cells.append(escaped.sub(r"\1", cell) if escaped and escape in cell else cell)
        if at >= len(line):
            return cells
        at += len(delimiter)


@lru_cache(maxsize=64)
def _patterns(delimiter: str, quote: str, escape: str) -> tuple[re.Pattern[str], re.Pattern[str] | None]:
    after = f"(?={re.escape(delimiter)}|$)" if delimiter else "$"
    closing = re.compile(f"{re.escape(quote)}[ \t]*{after}")
    return closing, re.compile(f"{re.escape(escape)}(.)", re.DOTALL) if escape else None


def _close(line: str, at: int, closing: re.Pattern[str], quote: str, escape: str) -> tuple[int, int] | None:
    """Where the quoted cell ends, and where the delimiter after it stands."""
    while True:
        at = line.find(quote, at)
        if at < 0:
            return None
        run = at
        while line.startswith(quote, run):
            run += 1
        if escape and _odd(line, at, escape):
            at += 1
            continue
        # Of a run of quotes the last closes, if their number is odd or nothing else can.
        found = closing.match(line, run - 1)
        if found and ((run - at) % 2 or found.end() == len(line)):
            return run - 1, found.end()
        at = run


def _delimiter(line: str, at: int, delimiter: str, escape: str) -> int:
    """Where the next delimiter stands, or the line ends."""
    while delimiter:
        at = line.find(delimiter, at)
        if at < 0:
            break
        if not (escape and _odd(line, at, escape)):
            return at
        at += 1
    return len(line)


def _odd(line: str, at: int, escape: str) -> bool:
    """Whether an odd number of escapes stands before `at`."""
    back = at
    while back and line[back - 1] == escape:
        back -= 1
    return (at - back) % 2 == 1
