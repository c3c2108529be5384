"""What the console has, in the order of its menu, and who may see it."""

from __future__ import annotations

import msgspec

from ingestbox.model import Caller, Role


class Item(msgspec.Struct, frozen=True):
    """An entry of the menu: its path below `/console`, its text in `nav`, whose it is (no role: everybody's).
    `operators` is for those who operate the box."""

    path: str
    name: str
    roles: frozenset[Role] = frozenset()
    operators: bool = False


READERS = frozenset({Role.UPLOADER, Role.EDITOR, Role.ANALYST})
EDITORS = frozenset({Role.EDITOR})
ADMIN = frozenset({Role.ADMIN})

MENU: tuple[tuple[Item, ...], ...] = ((Item("", "home"),),)
"""In groups."""


def menu(caller: Caller) -> list[list[Item]]:
    """What this caller sees of the menu."""
    seen = [
        [item for item in group if caller.may(item.roles) and (caller.operates or not item.operators)]
        for group in MENU
    ]
    return [group for group in seen if group]
