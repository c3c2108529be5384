"""Cells that a spreadsheet would take for formulas: made harmless as they go out, put back as they come in.

A cell that begins with `=`, `+`, `-`, `@`, a tab or a newline gets an apostrophe before it, a telephone
number such as `+84 905 123 456` too: a spreadsheet would otherwise calculate with it, and save it without its
plus. One that already begins with apostrophes before such a character gets one more, so that taking one away
gives back every cell exactly. Light: child processes import it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

MARKS: Final = (("status", "errors"), ("contact_id", "created_at"))
"""Columns of this box's own exports, by which a file is known to be one."""

_MARK = "'"
# Blanks before it do not keep every spreadsheet from calculating; so for the wide forms of East Asia.
_RISKY = re.compile(r"'*[ \u00a0\u3000]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_GUARDED = re.compile(r"'" + _RISKY.pattern)


def guarded(cell: str) -> str:
    """The cell as it goes out.

    >>> guarded("+84 905 123 456"), guarded("'=A1"), guarded("O'Neill")
    ("'+84 905 123 456", "''=A1", "O'Neill")
    """
    return _MARK + cell if _RISKY.match(cell) else cell


def unguarded(cell: str) -> str:
    """The cell as it was: the inverse of `guarded`.

    >>> unguarded("'+84 905 123 456"), unguarded("''=A1"), unguarded("'quoted'")
    ('+84 905 123 456', "'=A1", "'quoted'")
    """
    return cell[1:] if _GUARDED.match(cell) else cell


def exported(header: Sequence[str]) -> bool:
    """Whether a file with this header is an export of ours, whose cells are guarded."""
    names = {name.casefold() for name in header}
    return any(names.issuperset(mark) for mark in MARKS)
