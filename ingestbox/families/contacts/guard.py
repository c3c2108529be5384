"""Cells that a spreadsheet would take for formulas: made harmless as they go out, put back as they come in.

A cell that begins with `=`, `+`, `-`, `@`, a tab or a newline gets an apostrophe before it, a telephone
number such as `+84 905 123 456` too: a spreadsheet would otherwise calculate with it, and save it without its
plus. One that already begins with apostrophes before such a character gets one more, so that taking one away
gives back every cell exactly. Light: child processes import it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, get_args

from ingestbox.families.contacts.fields import FIELDS
from ingestbox.families.contacts.shapes import StagingStatus

OF_ROWS: Final = ("status", "errors")
"""What an export of rows has after their own columns, by which it is known to be one: what the box
says of a row, and no part of it."""
OF_CONTACTS: Final = ("contact_id", "created_at")
"""What an export of contacts has besides their fields."""

_MARK = "'"
# Blanks before it do not keep every spreadsheet from calculating; so for the wide forms of East Asia.
_RISKY = re.compile(r"'*[ \u00a0\u3000]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_GUARDED = re.compile(r"'" + _RISKY.pattern)
_STATUSES = frozenset(get_args(StagingStatus))


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


def own_columns(header: Sequence[str], preview: Sequence[Sequence[str]]) -> tuple[int, ...]:
    """The places of OF_ROWS in an export of rows; none in any other file.

    A file may have columns of these names of its own: then the box's are the last of them, numbered as a
    second column of a name is; and it is no export unless the first rows have a status of the box's, or none.

    >>> own_columns(["email", "Status", "status_2", "errors"], [["a@b.de", "lead", "ISSUE", ""]])
    (2, 3)
    >>> own_columns(["email", "Status", "Errors"], [["a@b.de", "lead", "2"]])
    ()
    """
    status, errors = (_last(header, name) for name in OF_ROWS)
    if status is None or errors is None:
        return ()
    said = {row[status].strip() for row in preview} - {""}
    return (status, errors) if not said or said & _STATUSES else ()


def _last(header: Sequence[str], name: str) -> int | None:
    called = re.compile(rf"{name}(?:_\d+)?", re.IGNORECASE)
    return max((place for place, each in enumerate(header) if called.fullmatch(each)), default=None)


def is_contacts(header: Sequence[str]) -> bool:
    """Whether a file with this header is an export of contacts."""
    return {each.casefold() for each in header}.issuperset((*FIELDS, *OF_CONTACTS))
