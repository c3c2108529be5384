"""Dates, times of day and spans of time, English and Vietnamese.

What is shorter than a day or names a part of one is a TIME, all else a DATE. The words around that only place
it ("on", "the", "since", "lúc", "từ") are left out; those that belong to it ("last", "ago", "ngày") are not.
"""

from __future__ import annotations

from ingestbox.enrich.entities import dates_en, dates_vi
from ingestbox.enrich.entities.figures import FIGURES
from ingestbox.enrich.entities.found import Found
from ingestbox.enrich.entities.rule import RULES, first
from ingestbox.enrich.entities.scan import Scan
from ingestbox.enrich.facts import LanguageCode

__all__ = ["dates_en", "dates_vi", "figures", "words"]


def figures(scan: Scan, i: int, language: LanguageCode) -> Found | None:
    """A date or time that begins with the figures of word `i`."""
    return first(FIGURES, scan, i, language)


def words(scan: Scan, i: int, language: LanguageCode) -> Found | None:
    """A date or time that begins with the word `i`."""
    rules = RULES.get(scan.lows[i])
    return first(rules, scan, i, language) if rules else None
