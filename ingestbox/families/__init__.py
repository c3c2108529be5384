"""The families. A new one is a folder here, its name in `FAMILIES`, and its tests.

Nothing heavy is imported here: a child process imports a family's `process` module through this package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a child needs none of it, and it takes 15 ms
    from ingestbox.family import Family

FAMILIES = ("feedback", "contacts", "audience", "knowledge")


def load() -> dict[str, Family]:
    """Every family by name; each folder's `family.py` defines `FAMILY`."""
    return {name: importlib.import_module(f"{__name__}.{name}.family").FAMILY for name in FAMILIES}
