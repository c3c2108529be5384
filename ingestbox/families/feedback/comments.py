"""Comments as trackers export them: `15/Mar/25 10:30 AM;author;text` (contract: feedback, Body)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

MAX_AUTHOR: Final = 200
"""Characters; what is longer before the second semicolon is text, not a name."""

_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_NUMBERS: Final = {
    name: number
    for number, month in enumerate(_MONTHS, start=1)
    for name in (month, month[:3], f"thg {number}", f"tháng {number}", f"th{number:02}")
} | {"sept": 9}

_TIME: Final = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?(?:\.\d{1,6})?"
_HALF: Final = r"(?:\s?(?P<half>[AaPp]\.?[Mm]\.?|SA|CH))?"
_ZONE: Final = r"(?P<zone>Z|\s?[+-]\d{2}:?\d{2})?"

_DAY_FIRST: Final = re.compile(
    rf"(?P<day>\d{{1,2}})[/. -](?P<month>[^\W\d_]{{3,9}}\.?(?:\s\d{{1,2}})?|[Tt]h\d\d|\d{{1,2}})"
    rf"[/. -](?P<year>\d{{4}}|\d{{2}}),?\s+{_TIME}{_HALF}{_ZONE}"
)
_YEAR_FIRST: Final = re.compile(
    rf"(?P<year>\d{{4}})[-/.](?P<month>\d{{1,2}})[-/.](?P<day>\d{{1,2}})[T\s]\s?{_TIME}{_HALF}{_ZONE}"
)


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment's text; when it was written (ISO 8601, without a zone unless it says one) and by whom, if it
    says so."""

    text: str
    at: str | None = None
    author: str | None = None


def parse(comment: str) -> Comment:
    """The parts of a comment that begins with a time and a semicolon; any other is text as a whole.

    Taken as a time: day, month and year (the month as a number or by its name in English, or `thg 3`) or ISO
    8601, then hour and minute, of 24 or with AM and PM (`SA` and `CH`). Of a day and a month in numbers the
    day is first, unless they cannot be. The author may be empty or left out together with its semicolon.
    """
    head, semicolon, rest = comment.partition(";")
    if not semicolon or len(head) > 48:
        return Comment(comment)
    at = _time(head.strip())
    if at is None:
        return Comment(comment)
    author, semicolon, text = rest.partition(";")
    if not semicolon or len(author) > MAX_AUTHOR or "\n" in author.strip():
        return Comment(rest.strip(), at)
    return Comment(text.strip(), at, author.strip() or None)


def _time(text: str) -> str | None:
    found = _DAY_FIRST.fullmatch(text) or _YEAR_FIRST.fullmatch(text)
    if found is None:
        return None
    month = found["month"].lower().rstrip(".")
    number = int(month) if month.isdecimal() else _NUMBERS.get(month)
    day, year = int(found["day"]), int(found["year"])
    hour = _hour(int(found["hour"]), found["half"])
    if number is None or hour is None:
        return None
    if month.isdecimal() and number > 12 >= day:  # month first, which the numbers themselves say
        number, day = day, number
    try:
        moment = datetime(  # noqa: DTZ001 - it says no zone, unless one follows
            year if len(found["year"]) > 2 else 2000 + year,
            number,
            day,
            hour,
            int(found["minute"]),
            int(found["second"] or 0),
        )
    except ValueError:
        return None
    return moment.isoformat() + _zone(found["zone"])


def _hour(hour: int, half: str | None) -> int | None:
    """Of 24; None for one that no clock shows."""
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        # Some exports write 14:30 PM.
        return hour if 12 < hour < 24 and half.upper()[0] in "PC" else None
    return hour % 12 + (12 if half.upper()[0] in "PC" else 0)


def _zone(zone: str | None) -> str:
    if zone is None:
        return ""
    zone = zone.strip()
    return zone if zone == "Z" or ":" in zone else f"{zone[:3]}:{zone[3:]}"
