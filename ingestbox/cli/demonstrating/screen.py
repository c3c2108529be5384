"""What the demo shows: bars and tables on a terminal, plain lines into a pipe."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import click
from rich import box
from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

STEPS = ("received", "analysed", "forwarded", "on central")
"""The stations of a record: taken in and analysed at the edge, delivered, and stored on the central box."""

COLOURS = {"positive": "green", "negative": "red"}
LONG = frozenset({"summary", "description"})
"""Columns that are wrapped when a terminal is narrow."""

Counts = tuple[int, int, int, int]
"""How many records have come to each of the stations."""


class Screen:
    """Writes to stdout; `live` is whether that is a terminal that can move its cursor."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self.live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._bars: Progress | None = None
        self._tasks: list[TaskID] = []
        self._line: Live | None = None
        self._last: object = None

    def say(self, text: str = "", *, strong: bool = False) -> None:
        """A line, or several, that a terminal wraps but never breaks: what is copied is whole."""
        if self.live:
            self._console.print(Text(text, style="bold" if strong else ""), soft_wrap=True)
        else:
            click.echo(text)

    @contextlib.contextmanager
    def bars(self, total: int) -> Iterator[None]:
        """While it is open, `progress` moves a bar for each station."""
        if self.live:
            self._bars = Progress(
                TextColumn("  {task.description:<11}"),
                BarColumn(40),
                MofNCompleteColumn(),
                console=self._console,
            )
            self._tasks = [self._bars.add_task(step, total=total) for step in STEPS]
        with self._bars or contextlib.nullcontext():
            yield
        self._bars = None

    def progress(self, counts: Counts) -> None:
        """How far the records are."""
        if self._bars is not None:
            for task, count in zip(self._tasks, counts, strict=True):
                self._bars.update(task, completed=count)
        elif counts != self._last:
            self._last = counts
            click.echo(
                "  " + "  ".join(f"{step} {count:>5,}" for step, count in zip(STEPS, counts, strict=True))
            )

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A few objects, the first column their key."""
        texts = [[_cell(value) for value in row] for row in rows]
        if not self.live:
            last = next((at for at, head in enumerate(heads) if head in LONG), len(heads) - 1)
            order = [*(at for at in range(len(heads)) if at != last), last]  # what is long, last
            widths = [max(len(row[at]) for row in texts) for at in range(len(heads))]
            for row in texts:
                click.echo("  " + "  ".join(row[at].ljust(widths[at]) for at in order).rstrip())
            return
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1))
        for at, head in enumerate(heads):
            number = all(isinstance(row[at], float) for row in rows)
            table.add_column(head, justify="right" if number else "left", no_wrap=head not in LONG)
        for row in texts:
            table.add_row(*(Text(text, style=COLOURS.get(text, "")) for text in row))
        self._console.print(Padding(table, (0, 0, 0, 2)))

    @contextlib.contextmanager
    def status(self) -> Iterator[None]:
        """While it is open, `now` keeps what it says true."""
        if self.live:
            self._line = Live(Text(""), console=self._console, refresh_per_second=4)
        with self._line or contextlib.nullcontext():
            yield
        self._line = None

    def now(self, counts: Counts, lane: str) -> None:
        """How it is: replaced on a terminal; into a pipe goes a line when the lane has become another."""
        facts = "  ".join(f"{step} {count:,}" for step, count in zip(STEPS, counts, strict=True))
        if self._line is not None:
            style = "green" if lane == "running" else "yellow"
            parts = (f"  {facts}\n  lane ", (lane, style))
            self._line.update(Text.assemble(*parts, no_wrap=True, overflow="ellipsis"))
        elif lane != self._last:
            self._last = lane
            click.echo(f"  {facts}  lane {lane}")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:+.2f}"
    return "-" if value is None else str(value)
