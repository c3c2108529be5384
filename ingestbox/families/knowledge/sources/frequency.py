"""How often a source is crawled."""

from __future__ import annotations

import re

UNKNOWN = "unknown"
"""Of a source of which nobody has said it; its silence is no alarm."""

_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
_WORDS = {"hourly": _HOUR, "daily": _DAY, "weekly": 7 * _DAY, "monthly": 31 * _DAY}
_SHORT = re.compile(r"([1-9][0-9]{0,5})\s*(m|min|h|d|w)", re.ASCII)
_UNITS = {"m": _MINUTE, "min": _MINUTE, "h": _HOUR, "d": _DAY, "w": 7 * _DAY}
_ISO = re.compile(
    r"P(?:([0-9]{1,4})W|(?:([0-9]{1,4})D)?(?:T(?=[0-9])(?:([0-9]{1,5})H)?(?:([0-9]{1,6})M)?)?)", re.ASCII
)

LEAST_MS, MOST_MS = 5 * _MINUTE, 366 * _DAY

SAYS = (
    "hourly, daily, weekly, monthly, a length of time such as 6h or PT6H (5 minutes to 366 days), or unknown"
)
"""What a frequency may be, for people."""


class FrequencyError(ValueError):
    """This is no frequency."""


def every_ms(text: str) -> int | None:
    """What a frequency comes to, in milliseconds; None for `unknown`. Raises FrequencyError."""
    if text == UNKNOWN:
        return None
    found = _WORDS.get(text) or _short(text) or _iso(text)
    if not LEAST_MS <= found <= MOST_MS:
        raise FrequencyError
    return found


def _short(text: str) -> int:
    found = _SHORT.fullmatch(text)
    return int(found[1]) * _UNITS[found[2]] if found else 0


def _iso(text: str) -> int:
    """ISO 8601, section 5.5.2, without seconds, months and years, which have no one length."""
    found = _ISO.fullmatch(text)
    if found is None:
        return 0
    weeks, days, hours, minutes = (int(each or 0) for each in found.groups())
    return (7 * weeks + days) * _DAY + hours * _HOUR + minutes * _MINUTE
