"""How far a call of `send` is: a bar on stderr when that is a terminal, else nothing but notes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import click


class Progress(Protocol):
    """What the sender tells while it works."""

    def sent(self, span: int, records: int) -> None:
        """A batch is done with: how much of the file it was, and how many records were taken."""

    def waiting(self, done: int, total: int) -> None:
        """So many jobs have ended."""

    def note(self, sentence: str) -> None:
        """Something the operator should know now."""


class Quiet:
    """For pipes and logs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def sent(self, span: int, records: int) -> None:
        """Nothing."""

    def waiting(self, done: int, total: int) -> None:
        """Nothing."""

    def note(self, sentence: str) -> None:
        """A line on stderr."""
        click.echo(sentence, err=True)


class Bar:
    """For terminals. Without `total` (bytes to read) the bar only moves."""

    def __init__(self, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._records = 0
        self._task = self._progress.add_task("Sending", total=total, count="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def sent(self, span: int, records: int) -> None:
        """Moves the bar."""
        self._records += records
        self._progress.update(self._task, advance=span, count=f"{self._records:,} records")

    def waiting(self, done: int, total: int) -> None:
        """The bar counts jobs from now on."""
        self._progress.update(
            self._task, description="Waiting", completed=done, total=total, count=f"{done:,}/{total:,} jobs"
        )

    def note(self, sentence: str) -> None:
        """A line above the bar."""
        self._progress.console.print(sentence, markup=False, highlight=False)


def progress_of(files: Sequence[str]) -> Bar | Quiet:
    """What shows how far files are sent; of one that is a pipe the size is not known."""
    if not sys.stderr.isatty():
        return Quiet()
    known = all(Path(name).is_file() for name in files)
    return Bar(sum(Path(name).stat().st_size for name in files) if known else None)
