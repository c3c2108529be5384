"""A record with what was found out about it, as one flat thing: the columns of a table.

A record's own member may be called like a column of the box's. It is then called `record.` and its name, and
so is one that has such a name already, so that no two are ever mixed up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

from ingestbox.errors import IngestError
from ingestbox.families.audience.fields import RESULTS
from ingestbox.families.audience.selection import Row
from ingestbox.route import Parameter

PLACE: Final = "_index"
"""The column with a record's place in its upload, which is what `_duplicate_of` ends with."""

DAMAGED: Final = "_damaged"
"""Whether what is stored of it does not match its checksum; what is damaged of it is left out."""

WHOLE: Final = "_record"
"""The record as JSON, of one that has members without a column of their own."""

OWN: Final = "record."

MOST_COLUMNS = 500

_RESERVED: Final = frozenset({*RESULTS, PLACE, DAMAGED, WHOLE})

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_text = msgspec.json.Decoder(str).decode
_names = msgspec.json.Decoder(list[str]).decode

COLUMNS = Parameter(
    "columns",
    f"Only these, in this order: a JSON list of at most {MOST_COLUMNS} names of columns.",
)


def column_of(member: str) -> str:
    """What the column of a record's member is called.

    >>> column_of("email"), column_of("_email"), column_of("record._email"), column_of("record.email")
    ('email', 'record._email', 'record.record._email', 'record.email')
    """
    return OWN + member if _is_taken(member) else member


def member_of(column: str) -> str | None:
    """The member that a column has; None of one of the box's own. The inverse of `column_of`.

    >>> member_of("email"), member_of("_email"), member_of("record._email"), member_of("record.email")
    ('email', None, '_email', 'record.email')
    """
    if column in _RESERVED:
        return None
    return column.removeprefix(OWN) if _is_taken(column) else column


def _is_taken(name: str) -> bool:
    """Whether it is a column of the box's own, after OWN any number of times."""
    before, own, bare = name.rpartition(OWN)
    # Compared at one go: a member's name can have megabytes of them.
    return bare in _RESERVED and before + own == OWN * ((len(name) - len(bare)) // len(OWN))


def chosen(query: Mapping[str, str]) -> list[str] | None:
    """The columns that are asked for, each once; None without any. Raises IngestError `bad_parameter`."""
    given = query.get("columns")
    if given is None:
        return None
    try:
        names = list(dict.fromkeys(_names(given)))
    except msgspec.DecodeError:
        names = []
    if not 1 <= len(names) <= MOST_COLUMNS:
        raise IngestError(
            "bad_parameter", f'columns must be a JSON list of 1 to {MOST_COLUMNS} names, such as ["email"].'
        )
    return names


def own(row: Row) -> dict[str, Raw]:
    """A record's members, each as JSON; none of one that is damaged."""
    return {} if row.record is None else _members(row.record)


def found(row: Row) -> dict[str, Raw]:
    """What was found out, the same way."""
    return {} if row.result is None else _members(row.result)


def cell(value: Raw | None) -> str:
    """A member as the text of a cell: a string as it is, anything else as JSON, exactly as it was sent."""
    if value is None:
        return ""
    text = bytes(value).strip()
    if text == b"null":
        return ""
    return _text(text) if text[:1] == b'"' else text.decode()
