"""What the console has, in the order of its menu, and who may see it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ingestbox.family import Family
from ingestbox.model import Caller, Role
from ingestbox.view import Grid, View


class Item(msgspec.Struct, frozen=True):
    """An entry of the menu: its path below `/console`, its text in `nav`, whose it is (no role: everybody's).
    `operators` is for those who operate the box; `label` is the text of one that a family brings."""

    path: str
    name: str
    roles: frozenset[Role] = frozenset()
    operators: bool = False
    label: str = ""


READERS = frozenset({Role.UPLOADER, Role.EDITOR, Role.ANALYST})
EDITORS = frozenset({Role.EDITOR})
ADMIN = frozenset({Role.ADMIN})

MENU: tuple[tuple[Item, ...], ...] = (
    (Item("", "home"), Item("/upload", "upload"), Item("/jobs", "jobs")),
    (Item("/issues", "issues", READERS), Item("/rules", "rules", EDITORS)),
    (
        Item("/lanes", "lanes", ADMIN),
        Item("/boxes", "boxes", ADMIN, operators=True),
        Item("/keys", "keys", ADMIN),
        Item("/users", "users", ADMIN),
        Item("/settings", "settings", ADMIN, operators=True),
        Item("/audit", "audit", ADMIN),
        Item("/erasures", "erasures", ADMIN),
    ),
    (Item("/health", "health"),),
)
"""In groups."""


def of(view: View | Grid) -> Item:
    """The entry of what a family shows."""
    place = "grids" if isinstance(view, Grid) else "browse"
    return Item(f"/{place}/{view.name}", view.name, view.roles, label=view.title)


def by_kind(families: Iterable[Family], caller: Caller) -> dict[str, View | Grid]:
    """What shows objects of each kind, as far as this caller may open it."""
    found: dict[str, View | Grid] = {}
    for family in families:
        # What people call one of them is what the ledger calls its kind.
        found |= {view.one: view for view in family.views if caller.may(view.roles)}
        found |= {grid.kind: grid for grid in family.grids if grid.kind and caller.may(grid.roles)}
    return found


def menu(caller: Caller, views: Sequence[Item] = ()) -> list[list[Item]]:
    """What this caller sees of the menu; `views` come after the first group's own entries."""
    groups = ((*MENU[0], *views), *MENU[1:])
    seen = [
        [item for item in group if caller.may(item.roles) and (caller.operates or not item.operators)]
        for group in groups
    ]
    return [group for group in seen if group]
