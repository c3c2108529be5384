"""Exports of the box that come back: how they are known, and which of their columns are the box's own.

Their cells are guarded (`spreadsheet`). Light: child processes import it.
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

_STATUSES = frozenset(get_args(StagingStatus))


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
