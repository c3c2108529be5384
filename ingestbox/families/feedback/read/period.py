"""Periods of whole days (UTC), as the parameters `start_date` and `end_date` give them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from ingestbox.errors import IngestError
from ingestbox.route import Parameter

USUAL_DAYS = 30
"""A period of which nothing, or only one end, is given."""

MOST_DAYS = 3_660
"""Ten years, each with a row in the answer."""

DAY_MS = 86_400_000

_EPOCH = datetime.date(1970, 1, 1)
_DATE = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:[Zz]|[+\- ]\d{2}:?\d{2})?)?", re.ASCII
)

Date = Annotated[str, Meta(extra_json_schema={"format": "date"})]
"""The type of a day, as the documentation says it."""

DATES = (
    Parameter("start_date", f"The first day (UTC); {USUAL_DAYS} days up to `end_date` unless given.", Date),
    Parameter("end_date", "The last day (UTC), itself included; today unless given.", Date),
)


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both included, counted from 1970-01-01."""

    first: int
    last: int

    @property
    def days(self) -> int:
        """How many they are."""
        return self.last - self.first + 1

    @property
    def before(self) -> Period:
        """As many days, right before these."""
        return Period(self.first - self.days, self.first - 1)


def period_of(query: Mapping[str, str], now_ms: int) -> Period:
    """The period that is asked for. Raises IngestError `bad_parameter`."""
    first, last = day_of(query, "start_date"), day_of(query, "end_date")
    if last is None:
        last = max(now_ms // DAY_MS, first or 0)
    if first is None:
        first = max(last - USUAL_DAYS + 1, _number(datetime.date.min))
    found = ordered(first, last)
    if found.days > MOST_DAYS:
        raise IngestError(
            "bad_parameter", f"start_date to end_date are {found.days:,} days; {MOST_DAYS:,} is the most."
        )
    return found


def ordered(first: int, last: int) -> Period:
    """The period. Raises IngestError `bad_parameter` for one that ends before it begins."""
    if first > last:
        raise IngestError("bad_parameter", "start_date lies after end_date.")
    return Period(first, last)


def day_of(query: Mapping[str, str], name: str) -> int | None:
    """A parameter's day, or None without it; of a time with its date, the date as it is written.

    Raises IngestError `bad_parameter`.
    """
    given = query.get(name)
    if given is None:
        return None
    match = _DATE.fullmatch(given)
    try:
        if match is None:
            raise ValueError(given)
        return _number(datetime.date.fromisoformat(match.group(1)))
    except ValueError:
        raise IngestError("bad_parameter", f"{name} must be a date such as 2026-01-31.") from None


def date_of(day: int) -> str:
    """A day as ISO 8601; one before the year 1 as its first day."""
    return datetime.date.fromordinal(max(1, day + _EPOCH.toordinal())).isoformat()


def _number(date: datetime.date) -> int:
    return date.toordinal() - _EPOCH.toordinal()
