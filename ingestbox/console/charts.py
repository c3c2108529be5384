"""What a chart shows, as data: the macro `chart` (`templates/chart.html`) and `static/chart.js` draw it.

A page says `chart(id, title, points, series, kind)`, where `points` is `Points`, or the address of a page
that answers with `Points.encoded`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from ingestbox.web.v1.series import STEPS, Series

DAY_SECONDS = 86_400

Column = Sequence[int | float | None]


class Row(msgspec.Struct, frozen=True):
    """One line of the table that says the same as the chart: a moment (ISO 8601) or a label, and values."""

    at: str
    values: tuple[int | float | None, ...]
    is_moment: bool


class Points(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The points of a chart: `columns` holds one column for each series, as long as `times` or `labels`.

    `times` are Unix seconds (UTC), the beginnings of intervals of `step` seconds; `labels` are for what is
    not in time. None in a column is a gap.
    """

    columns: Sequence[Column]
    times: Sequence[int] = ()
    labels: Sequence[str] = ()
    step: int = 0

    @property
    def encoded(self) -> str:
        """As `static/chart.js` reads it: JSON."""
        return msgspec.json.encode(self).decode()

    @property
    def rows(self) -> list[Row]:
        """The same as a table, the newest moment first, labels in their order."""
        values = list(zip(*self.columns, strict=True))
        if self.labels:
            return [Row(label, each, False) for label, each in zip(self.labels, values, strict=True)]
        whole_days = self.step >= DAY_SECONDS
        rows = [
            Row(_moment(at, whole_days), each, not whole_days)
            for at, each in zip(self.times, values, strict=True)
        ]
        return rows[::-1]


def flow_points(found: Series, columns: Sequence[Column]) -> Points:
    """Columns of a series as a chart shows them."""
    step = STEPS[found.step]
    first = int(datetime.fromisoformat(found.since).timestamp())
    times = [first + number * step for number in range(len(found.total.received))]
    return Points(columns=columns, times=times, step=step)


def _moment(at: int, whole_days: bool) -> str:
    """A time as a table has it; a day is one of UTC, wherever the reader is."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y-%m-%d}" if whole_days else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
