"""Where in a TOML file each key stands, which the parser does not say."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]
"""The way to a value: `("server", "port")`, `("lanes", 0, "url")`."""

# Whatever may hold a bracket or a line end that does not count, then what counts.
_TOKEN = re.compile(
    "|".join(
        (
            r'"""(?:\\.|[^\\])*?"{3,5}',
            r"'''.*?'{3,5}",
            r'"(?:\\.|[^"\\\n])*"',
            r"'[^'\n]*'",
            r"#[^\n]*",
            r"[\[\]{}\n]",
        )
    ),
    re.DOTALL,
)


def lines(text: str) -> dict[Path, int]:
    """The line, from 1, of each section, key and entry of a file that is valid TOML."""
    found: dict[Path, int] = {}
    entries: dict[Path, int] = {}
    section: Path = ()
    for line, statement in _statements(text):
        tree = tomllib.loads(statement)
        if statement.startswith("["):
            section = _header(tree, entries, repeated=statement.startswith("[["))
            for end in range(1, len(section) + 1):
                found.setdefault(section[:end], line)
        else:
            for path in _paths(tree):
                found.setdefault(section + path, line)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header and each `key = value`, whole, without the lines between them."""
    depth, start, line, first = 0, 0, 1, 1
    for token in _TOKEN.finditer(text + "\n"):
        word = token[0]
        if word in "[{":
            depth += 1
        elif word in "]}":
            depth -= 1
        elif word == "\n" and depth == 0:
            statement = text[start : token.start()].strip()
            if statement and not statement.startswith("#"):
                yield first, statement
            start, first = token.end(), line + 1
        line += word.count("\n")


def _header(tree: dict[str, Any], entries: dict[Path, int], *, repeated: bool) -> Path:
    path: Path = ()
    node: Any = tree
    while node:
        key, node = next(iter(node.items()))
        path += (key,)
        if isinstance(node, list):
            node = node[0]
        last = not node
        if last and repeated:
            entries[path] = entries.get(path, -1) + 1
        if path in entries:
            path += (entries[path],)
    return path


def _paths(value: object) -> Iterator[Path]:
    """The way to everything within a value."""
    within: Any = ()
    if isinstance(value, dict):
        within = value.items()
    elif isinstance(value, list):
        within = enumerate(value)
    for key, each in within:
        yield (key,)
        for rest in _paths(each):
            yield (key, *rest)
