"""Named SQL: files of statements, each with a name, addressed as `<file>.<name>`.

A file is a list of blocks that start `-- name: insert`; further comment lines say why. Statements use
`:named` parameters, which are numbered here in order of first appearance, so that bulk rows can be tuples.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Params = Mapping[str, object] | Sequence[object]

CONDITION = "condition"
"""The parameter whose place a condition takes; bound to 1 it lets everything pass."""

_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)$", re.MULTILINE)
# A string, a cast's `::`, or a parameter; only the last is replaced.
_PARAMETER = re.compile(r"'(?:[^']|'')*'|::|:([a-z_][a-z0-9_]*)")


class Query:
    """One statement: its SQL with numbered parameters and their names in order."""

    __slots__ = ("_pick", "name", "names", "sql")

    def __init__(self, name: str, text: str) -> None:
        names: list[str] = []

        def number(match: re.Match[str]) -> str:
            word = match.group(1)
            if word is None:
                return match.group(0)
            if word not in names:
                names.append(word)
            return f"?{names.index(word) + 1}"

        lines = [line for line in text.strip().splitlines() if not line.lstrip().startswith("--")]
        self.name = name
        self.sql = _PARAMETER.sub(number, "\n".join(lines)).strip().removesuffix(";")
        self.names = tuple(names)
        self._pick: Callable[[Any], Any] | None = operator.itemgetter(*names) if names else None

    def narrowed(self, fragment: str) -> str:
        """The statement with a fragment in the place of its parameter `:condition` (`store.conditions`)."""
        place = self.names.index(CONDITION) + 1
        return re.sub(rf"\?{place}\b", lambda _: fragment, self.sql)

    def bind(self, params: Params) -> Sequence[object]:
        """The parameters in the statement's order; a sequence is taken to be in order already."""
        if not isinstance(params, Mapping):
            return params
        if self._pick is None:
            return ()
        picked = self._pick(params)
        return picked if len(self.names) > 1 else (picked,)


class Queries:
    """All statements by full name."""

    def __init__(self) -> None:
        self._by_name: dict[str, Query] = {}

    def add_file(self, noun: str, path: Path) -> None:
        """Adds a file's statements as `<noun>.<name>`. Raises ValueError for a name given twice."""
        text = path.read_text("utf-8")
        marks = list(_NAME.finditer(text))
        for mark, following in zip(marks, [*marks[1:], None], strict=True):
            full = f"{noun}.{mark.group(1)}"
            if full in self._by_name:
                raise ValueError(f"{path}: the query {full} is there twice")
            self._by_name[full] = Query(full, text[mark.end() : following.start() if following else None])

    def add_folder(self, folder: Path) -> None:
        """Adds every `*.sql` directly in a folder, the file's stem being the noun."""
        for path in sorted(folder.glob("*.sql")):
            self.add_file(path.stem, path)

    def __getitem__(self, name: str) -> Query:
        return self._by_name[name]

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def all(self) -> list[Query]:
        """Every statement (a test prepares each against the migrated schema)."""
        return list(self._by_name.values())
