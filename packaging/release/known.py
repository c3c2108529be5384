"""What no metadata says: licences of libraries, what is linked into wheels, whose some of our assets are."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from release.component import Component

HERE = Path(__file__).parent


class Linked(msgspec.Struct, forbid_unknown_fields=True):
    """A library: one that lies in the program as a file, or is linked into another."""

    name: str
    licence: str
    texts: list[str]
    """Files of `texts/`; or `own`, the texts of what it is linked into."""
    version: str = ""
    """A pattern whose group is the version that the file's content says it has; empty where none does."""


class Assets(msgspec.Struct, forbid_unknown_fields=True):
    """Files of somebody else's among those of ingestbox."""

    name: str
    version: str
    licence: str
    files: list[str]
    """Patterns of their names, below `ingestbox/`."""
    texts: list[str]
    """Files below `ingestbox/`."""
    purl: str = ""


@dataclass(frozen=True)
class Known:
    """`known.toml`, read."""

    licences: dict[str, str]
    """By the name of a distribution or crate, over what its metadata says."""
    also: dict[str, list[str]]
    """Further texts, by the name of a distribution."""
    libraries: dict[str, Linked]
    """By the name of a shared library, up to `.so`."""
    inside: dict[str, list[Linked]]
    """By the name of the distribution, or of a library, that they are linked into."""
    assets: list[Assets] = field(default_factory=list)

    @staticmethod
    def read() -> Known:
        """From the file beside this one."""
        found = tomllib.loads((HERE / "known.toml").read_text("utf-8"))
        return msgspec.convert(found, Known)

    def texts_of(self, name: str) -> list[str]:
        """What the wheel of a distribution leaves out."""
        return [text(each) for each in self.also.get(name, [])]

    def linked_into(self, name: str) -> list[Linked]:
        """What is linked into a distribution or library."""
        return self.inside.get(name, [])

    def linked(self, library: Linked, content: bytes, own: list[str] | None = None) -> Component:
        """A library that was found within `content`."""
        texts = [each for name in library.texts for each in ((own or []) if name == "own" else [text(name)])]
        version = self.version(library, content)
        purl = f"pkg:generic/{library.name}@{version}" if version else f"pkg:generic/{library.name}"
        return Component(library.name, version, library.licence, tuple(texts), purl)

    def version(self, library: Linked, content: bytes) -> str:
        """Which one it is by what it says itself; empty when it does not."""
        said = re.search(library.version.encode(), content) if library.version else None
        return said[1].decode() if said else ""

    def common_texts(self, licence: str) -> tuple[str, ...]:
        """The usual texts of an expression's licences, for what comes without its own."""
        names = sorted(set(re.findall(r"[\w.-]+", licence)) - {"AND", "OR", "WITH"})
        return tuple(text(f"{name}.txt") for name in names if (HERE / "texts" / f"{name}.txt").exists())


def text(name: str) -> str:
    """A file of `texts/`."""
    return (HERE / "texts" / name).read_text("utf-8")
