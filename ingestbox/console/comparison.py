"""Rows side by side, and where they differ; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ingestbox.console.repairing import same
from ingestbox.web.v1.mergepatch import members_of

COLUMNS = 12
"""Fields that they are compared in."""


class Cell(msgspec.Struct, frozen=True):
    """A value in a comparison; `differs`: not all have it."""

    text: str
    differs: bool


class Compared(msgspec.Struct, frozen=True):
    """A row of a comparison."""

    id: str
    number: int
    state: str
    cells: list[Cell]
    damaged: bool


class Comparison(msgspec.Struct, frozen=True):
    """Rows side by side: `names` are the fields, `differing` those in which not all are alike; `more` goes
    on to further rows, and `hidden` counts fields that are not shown."""

    names: list[str]
    differing: frozenset[str]
    rows: list[Compared]
    hidden: int
    more: str | None


def comparison(
    rows: Sequence[tuple[str, int, str, Mapping[str, str] | None]], first: Sequence[str], more: str | None
) -> Comparison:
    """Rows (id, number, state, members; None: damaged) side by side, `first` being the fields to begin
    with; after them those in which they differ."""
    sound = [members for *_, members in rows if members is not None]
    known = list(dict.fromkeys([*first, *(name for members in sound for name in members)]))
    differing = frozenset(
        name for name in known if len({same(members.get(name, "")) for members in sound}) > 1
    )
    rest = [name for name in known if name not in first]
    rest.sort(key=lambda name: name not in differing)
    names = [*first, *rest][: max(COLUMNS, len(first))]
    return Comparison(
        names,
        differing,
        [
            Compared(
                rid,
                number,
                state,
                [Cell((members or {}).get(name, ""), name in differing) for name in names],
                members is None,
            )
            for rid, number, state, members in rows
        ],
        len(known) - len(names),
        more,
    )


def members_as_text(payload: bytes) -> dict[str, str]:
    """What a record has, as text; without the box's own."""
    return {
        name: _said(bytes(value)) for name, value in members_of(payload).items() if not name.startswith("_")
    }


def row_as_text(payload: msgspec.Raw | None) -> dict[str, str] | None:
    """The same of a row in a list, which has none that is damaged."""
    return None if payload is None else members_as_text(bytes(payload))


def _said(raw: bytes) -> str:
    if raw == b"null":
        return ""
    return msgspec.json.decode(raw, type=str) if raw[:1] == b'"' else raw.decode("utf-8", "replace")
