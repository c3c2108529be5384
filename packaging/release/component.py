"""A thing that somebody made and licensed, inside the program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Component:
    """A package, a library, a set of assets: its name, version, licence and the licence's texts."""

    name: str
    version: str
    """Empty when nothing in it says which."""
    licence: str
    """An SPDX expression; empty when it is not known, which fails the check."""
    texts: tuple[str, ...]
    purl: str
    kind: Literal["application", "library", "data"] = "library"
    sha256: str = ""
    """Of the file that it is, if it is one."""
    holds: tuple[Component, ...] = ()
    """What is linked into it."""

    @property
    def label(self) -> str:
        """Name and version, for people."""
        return f"{self.name} {self.version}".rstrip()

    def all(self) -> list[Component]:
        """Itself and what it holds."""
        return [self, *(inner for each in self.holds for inner in each.all())]
