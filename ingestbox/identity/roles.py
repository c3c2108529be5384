"""Roles as settings name them."""

from __future__ import annotations

from collections.abc import Sequence

from ingestbox.config.words import suggestion
from ingestbox.errors import StartupError
from ingestbox.model import Role


def named(where: str, names: Sequence[str]) -> frozenset[str]:
    """The roles of these names. Raises StartupError, beginning with `where`, for one that there is not."""
    known = [role.value for role in Role]
    for name in names:
        if name not in known:
            hint = suggestion(name, known) or f" Roles: {', '.join(known)}."
            raise StartupError(f"{where}: `{name}` is not a role.{hint}")
    return frozenset(names)
