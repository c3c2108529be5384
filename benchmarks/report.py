"""What a benchmark says: rows of box, floor and ratio, each beside its target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Literal

import msgspec
from rich.console import Console
from rich.table import Table

ROUNDS = 5
"""Rounds of which medians are taken. Floor and box take turns, so that a noisy minute meets both."""


class Unavailable(Exception):  # noqa: N818 - says what is wrong
    """The benchmark cannot run here; the text says what is missing and how to get it."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. `bound` is the target: of the ratio to the floor, or, without a floor, of the box's figure.

    `rounds` and `floor_rounds` are the single measurements behind the medians.
    """

    name: str
    unit: str
    rounds: list[float]
    on: str
    floor_name: str = ""
    floor_rounds: list[float] = []
    bound: float | None = None
    bound_is: Literal["least", "most"] = "least"

    @property
    def box(self) -> float:
        """The box's median."""
        return median(self.rounds)

    @property
    def floor(self) -> float | None:
        """The floor's median."""
        return median(self.floor_rounds) if self.floor_rounds else None

    @property
    def ratio(self) -> float | None:
        """Box to floor."""
        return self.box / self.floor if self.floor else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.bound is None:
            return None
        figure = self.box if self.ratio is None else self.ratio
        return figure >= self.bound if self.bound_is == "least" else figure <= self.bound


class Options(msgspec.Struct, frozen=True):
    """`full`: the full sizes of the targets instead of those for every day."""

    full: bool = False
    rounds: int = ROUNDS


def alternate(
    rounds: int, floor: Callable[[int], float], box: Callable[[int], float]
) -> tuple[list[float], list[float]]:
    """Measures floor and box in turn; both are given the number of the round, from 0."""
    floors, boxes = [], []
    for number in range(rounds):
        floors.append(floor(number))
        boxes.append(box(number))
    return floors, boxes


def as_json(rows: Iterable[Row], failures: Sequence[tuple[str, str]]) -> bytes:
    """All rows with their single rounds, for machines."""
    lines = [
        {
            **msgspec.structs.asdict(row),
            "box": row.box,
            "floor": row.floor,
            "ratio": row.ratio,
            "met": row.met,
        }
        for row in rows
    ]
    failed = [{"benchmark": name, "reason": reason} for name, reason in failures]
    return msgspec.json.format(msgspec.json.encode({"rows": lines, "failed": failed}))


def as_table(rows: Sequence[Row], failures: Sequence[tuple[str, str]]) -> None:
    """All rows for people, what was on under each, and what could not run."""
    table = Table(show_lines=True)
    for title in ("what", "box", "floor", "ratio", "target", ""):
        table.add_column(title, justify="left" if title in ("what", "floor", "") else "right")
    for row in rows:
        floor = "–" if row.floor is None else f"{_number(row.floor)}  {row.floor_name}"
        table.add_row(
            f"[bold]{row.name}[/bold]\n{row.on}",
            f"{_number(row.box)} {row.unit}",
            floor,
            "–" if row.ratio is None else f"{row.ratio:.2f}",
            _target(row),
            {True: "[green]met[/green]", False: "[red]missed[/red]", None: ""}[row.met],
        )
    console = Console(width=None if Console().is_terminal else 150)
    console.print(table)
    for name, reason in failures:
        console.print(f"[red]{name} could not run:[/red] {reason}")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _target(row: Row) -> str:
    if row.bound is None:
        return ""
    sign = "≥" if row.bound_is == "least" else "≤"
    return f"{sign} {row.bound:g}" + ("" if row.floor_rounds else f" {row.unit}")
