"""Sizes and ages as people say them."""

from __future__ import annotations


def size(given: float) -> str:
    """Bytes, in the unit that fits (1,024 each)."""
    for unit in ("B", "KB", "MB", "GB"):
        if given < 1024:
            return f"{given:.0f} {unit}" if unit == "B" or given >= 10 else f"{given:.1f} {unit}"
        given /= 1024
    return f"{given:,.1f} TB"


def age(seconds: float) -> str:
    """A time that went by, in its largest unit: `40 s`, `12 min`, `3 h`, `9 d`."""
    for limit, unit, length in ((120, "s", 1), (7_200, "min", 60), (172_800, "h", 3_600)):
        if seconds < limit:
            return f"{int(max(0.0, seconds) // length)} {unit}"
    return f"{int(seconds // 86_400):,} d"
