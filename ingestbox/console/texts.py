"""Every sentence of the console: `texts/<place>.toml`, read once. Templates say `t.<place>.<name>`.

A text may have places to fill, `{name}`: `t.jobs.title(name=…)`; numbers get their thousands separated. A
text with the members `one` and `other` is chosen by its `n`: `t.jobs.rows(n=3)`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "texts"


class Text(str):
    """A text, and what it becomes with its places filled."""

    __slots__ = ()

    def __call__(self, **values: object) -> str:
        """The text with these values in their places. Raises KeyError for a place without a value."""
        return self.format_map({name: _said(value) for name, value in values.items()})


class Plural:
    """A text that depends on a number, `n`."""

    __slots__ = ("_one", "_other")

    def __init__(self, one: str, other: str) -> None:
        self._one = Text(one)
        self._other = Text(other)

    def __call__(self, n: int, **values: object) -> str:
        """The text for so many."""
        return (self._one if n == 1 else self._other)(n=n, **values)


class Texts:
    """The texts of one place by name; `of` gives one whose name is only known at run time."""

    def __init__(self, place: str, members: Mapping[str, Any]) -> None:
        self._place = place
        self._members = {name: _made(f"{place}.{name}", value) for name, value in members.items()}

    def __getattr__(self, name: str) -> Any:
        try:
            return self._members[name]
        except KeyError:
            raise AttributeError(f"there is no text {self._place}.{name}") from None

    def of(self, name: str, otherwise: str | None = None) -> Any:
        """The text of this name; without one, `otherwise`, or the name itself as words."""
        found = self._members.get(name)
        return found if found is not None else otherwise or name.replace("_", " ").capitalize()

    def __iter__(self) -> Any:
        return iter(self._members)


def load() -> dict[str, Texts]:
    """All places."""
    return {
        path.stem: Texts(path.stem, tomllib.loads(path.read_text("utf-8")))
        for path in sorted(FOLDER.glob("*.toml"))
    }


def _made(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return Text(value)
    if isinstance(value, dict):
        return Plural(**value) if value.keys() == {"one", "other"} else Texts(name, value)
    raise TypeError(f"{name} is no text")


def _said(value: object) -> object:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
