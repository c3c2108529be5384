"""What commands print: JSON for programs, tables on a terminal, aligned columns into a pipe."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

import click


def print_json(value: object) -> None:
    """One document, indented, on stdout."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def print_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table with its column heads; numbers to the right. Prints nothing without rows."""
    if not rows:
        return
    texts = [[cell(value) for value in row] for row in rows]
    right = [all(isinstance(row[column], int) for row in rows) for column in range(len(heads))]
    if sys.stdout.isatty():
        _rich(heads, texts, right)
    else:
        _plain(heads, texts, right)


def print_marked(mark: str, text: str, *, err: bool = False) -> None:
    """A sentence behind a mark, such as `ok`; on a terminal its lines begin below each other."""
    if (sys.stderr if err else sys.stdout).isatty():
        indent = " " * (len(click.unstyle(mark)) + 1)
        width = max(40, shutil.get_terminal_size().columns) - len(indent)
        lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
        text = f"\n{indent}".join(lines)
    click.echo(f"{mark} {text}", err=err)


def cell(value: object) -> str:
    """A value as people read it: `-` for nothing, thousands apart."""
    if value is None or value == "":
        return "-"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _plain(heads: Sequence[str], texts: list[list[str]], right: list[bool]) -> None:
    lines = [list(heads), *texts]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        cells = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def _rich(heads: Sequence[str], texts: list[list[str]], right: list[bool]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head, to_right in zip(heads, right, strict=True):
        table.add_column(head, justify="right" if to_right else "left", overflow="fold")
    for line in texts:
        table.add_row(*(Text(text) for text in line))  # Text: a name in brackets is not markup
    Console().print(table)
