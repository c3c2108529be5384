"""What commands print: JSON for programs, tables for people."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

import click

GAP = "  "
NOTHING = "-"


def print_json(value: object) -> None:
    """One document, indented, on stdout."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def print_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table with its column heads; numbers to the right. Prints nothing without rows.

    On a terminal too narrow for it, each row is a paragraph, so that what is copied from it is whole.
    """
    if not rows:
        return
    texts = [[cell(value) for value in row] for row in rows]
    right = [all(isinstance(row[column], int) for row in rows) for column in range(len(heads))]
    widths = [max(map(len, column)) for column in zip(heads, *texts, strict=True)]
    columns = shutil.get_terminal_size().columns
    if sys.stdout.isatty() and sum(widths) + len(GAP) * (len(widths) - 1) > columns:
        for line in texts:
            _paragraph(heads, line, columns)
        return
    for number, line in enumerate([list(heads), *texts]):
        cells = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ]
        text = GAP.join(cells).rstrip()
        click.echo(click.style(text, bold=True) if number == 0 and sys.stdout.isatty() else text)


def print_marked(mark: str, text: str, *, err: bool = False) -> None:
    """A sentence behind a mark, such as `ok`; on a terminal its lines begin below each other."""
    if (sys.stderr if err else sys.stdout).isatty():
        indent = " " * (len(click.unstyle(mark)) + 1)
        width = max(40, shutil.get_terminal_size().columns) - len(indent)
        lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
        text = f"\n{indent}".join(lines)
    click.echo(f"{mark} {text}", err=err)


def cell(value: object) -> str:
    """A value as people read it: `-` for nothing, thousands apart.

    What a terminal would obey is escaped: names come from whoever sends records.
    """
    if value is None or value == "":
        return NOTHING
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in str(value))


def _paragraph(heads: Sequence[str], texts: Sequence[str], columns: int) -> None:
    """A row over several lines: its key, and below it what it has, without what is empty."""
    (key, *facts) = (f"{head} {text}" for head, text in zip(heads, texts, strict=True) if text != NOTHING)
    click.echo(click.style(key, bold=True))
    line = ""
    for fact in facts:
        if line and len(GAP + line + GAP + fact) > columns:
            click.echo(GAP + line)
            line = ""
        line += (GAP if line else "") + fact
    click.echo(GAP + line)
