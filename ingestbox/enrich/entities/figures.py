"""Dates, times of day and spans of time that begin with figures, English and Vietnamese."""

from __future__ import annotations

import re
from typing import Final

from ingestbox.enrich.entities.expressions import (
    AMPM,
    CENTURIES,
    DAY,
    ENDS,
    HOUR,
    LONG,
    LONG_VI,
    LONG_WORDS,
    MONTH,
    MONTH_WORDS,
    NTH,
    PART_VI,
    SHORT,
    SHORT_VI,
    SHORT_WORDS,
    SINCE,
    TO,
    TO_WORDS,
    YEAR,
)
from ingestbox.enrich.entities.gazetteer import word_set
from ingestbox.enrich.entities.numerals import END, RANGE, O, S
from ingestbox.enrich.entities.rule import Rule, not_vietnamese, vietnamese
from ingestbox.enrich.entities.scan import Scan
from ingestbox.enrich.facts import LanguageCode

_YEAR_AFTER: Final = word_set(
    "in since by until till before after during back from of early late mid từ đến tới hồi trước sau - "
    "and circa around to đầu cuối giữa"
)
_ON_VI: Final = word_set(
    "ngày hôm từ đến tới trước sau vào sáng chiều tối lễ dịp hạn ngay tu den truoc sinh kể cho hồi"
)
_ON: Final = word_set(
    "on since from until before after by of between to and till dated due date the booked ordered for"
)


def _dated(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    """Whether "12/5" is a day of a month, not a mark, a fraction or a share."""
    day, month = map(int, re.findall("[0-9]+", found)[:2])
    if not ((0 < day <= 31 and 0 < month <= 12) or (language != "vi" and 0 < month <= 31 and 0 < day <= 12)):
        return False
    if language == "vi":
        before = (scan.lower(i - 1), scan.lower(i - 2))
        return before[0] in _ON_VI or before[1] in ("thứ", "sáng", "chiều", "tối") or before[0] == "-"
    return scan.lower(i - 1) in _ON and not (
        month in (5, 10) and day <= month and scan.lower(i - 1) not in ("on", "since")
    )


def _year(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    before = scan.lower(i - 1)
    if before in _YEAR_AFTER:
        following = scan.lower(i + 1)
        return following not in ("dollars", "usd", "đồng", "people", "người", "items", "km", "m") and (
            i < 2 or scan.lower(i - 2) != "$"
        )
    return False


def _at_hour(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    if int(found) > 12 or language == "vi":
        return False
    before, after = scan.lower(i - 1), scan.lower(i + 1)
    if before == "at":
        return after in ENDS and (
            scan.lower(i - 2) not in ("number", "level", "page", "step", "stands", "rated", "is", "capped")
        )
    if before == "from":
        return after == "to" and scan.lower(i + 3) in (":", "am", "pm", "p", "a")
    return False


def _real_day(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    parts = [int(number) for number in re.findall("[0-9]+", found)[:3]]
    if len(parts) < 3:
        return True
    if parts[0] > 999:
        _, a, b = parts
        return 0 < a <= 12 and 0 < b <= 31
    a, b, _ = parts
    return 0 < a <= 31 and 0 < b <= 31 and min(a, b) <= 12


_CLOCK: Final = rf"{HOUR}(?::[0-5][0-9](?::[0-5][0-9])?(?![0-9:]))(?:{O}{AMPM})?"
_CLOCK_12: Final = rf"(?:1[0-2]|0?[0-9])(?:[:.][0-5][0-9])?{O}{AMPM}"
_MINUTES_VI: Final = (
    rf"{O}[0-5][0-9]?(?![0-9])(?:{O}(?:phút|phut|p)(?![^\W_]))?|{S}(?:rưỡi|kém{S}[0-9]{{1,2}})"
)
_DAY_VI: Final = rf"nay|mai|qua|hôm{S}(?:qua|nay|sau|trước)"
_CLOCK_VI: Final = (
    rf"{HOUR}{O}(?:h|g|giờ|gio)(?![^\W\d_])(?:{_MINUTES_VI})?"
    rf"(?:{S}(?:sáng|trưa|chiều|tối|đêm|khuya|sang|chieu)(?:{S}(?:{_DAY_VI}))?{END})?"
)
_PARTS: Final = rf"in{S}the{S}(?:morning|afternoon|evening)"
_LATER_VI: Final = rf"(?:{S}(?:trước|sau(?=[ ]{{0,2}}(?:[.,!?;]|$|thì|mới))|truoc){END})?"
_COUNT: Final = r"[0-9]{1,4}(?:[.,][0-9]{1,2})?" + rf"(?:{TO}[0-9]{{1,4}})?"
_MONTH_NUMBER: Final = r"(?:1[0-2]|0?[1-9])"
_LONG_KIND: Final = rf"(?:(?:business|working|calendar|full|whole|consecutive|long|more){S})?"
_SHORT_KIND: Final = rf"(?:(?:full|whole|more|long){S})?"

_ORDINAL: Final = frozenset({"st", "nd", "rd", "th"})
_CLOCK_NEXT: Final = frozenset({":", ".", "am", "pm", "a", "p"})


def _decade(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    return len(found) > 4 or scan.lower(i - 1) in ("the", "'", "early", "late", "mid")


def _dotted_hour(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    units = ("%", "stars", "euros", "dollars")
    return language == "en" and scan.lower(i - 1) == "at" and scan.lower(i + 3) not in units


def _hour_vi(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    return language != "en" or "h" in found


def _dashed_day(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    return language == "vi" and scan.lower(i - 1) == "ngày"


def _ordinal_day(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    """ "on the 15th" and not "the 15th floor"."""
    return (
        language != "vi"
        and scan.lower(i - 1) == "the"
        and scan.lower(i - 2) in _ON
        and scan.lower(i + 2) in ENDS
    )


FIGURES: Final = (
    Rule("TIME", rf"{_CLOCK_12}(?:{TO}{_CLOCK_12})?", rank=8, after=_CLOCK_NEXT),
    Rule("TIME", rf"{HOUR}(?::[0-5][0-9])?{TO}{_CLOCK_12}", rank=8, after=TO_WORDS | {":"}),
    Rule("DATE", rf"{CENTURIES}-{_MONTH_NUMBER}-{DAY}(?!-?[0-9])", _real_day, 8, after={"-"}),
    Rule("DATE", rf"{CENTURIES}[/.]{_MONTH_NUMBER}[/.]{DAY}(?![/.]?[0-9])", _real_day, 8, after={"/", "."}),
    Rule(
        "DATE",
        rf"[0-3]?[0-9](?P<s>[/.-])[0-3]?[0-9](?P=s)(?:{CENTURIES}|[0-9]{{2}})(?![/.-]?[0-9])",
        _real_day,
        8,
        after=frozenset("/.-"),
    ),
    Rule(
        "DATE",
        rf"{NTH}{TO}{NTH}{S}{MONTH}(?:,?{S}{YEAR})?",
        not_vietnamese,
        8,
        after=_ORDINAL | TO_WORDS,
    ),
    Rule(
        "DATE",
        rf"{NTH}(?:{S}of)?[ \t-]{{1,2}}{MONTH}(?:(?:,?{S}|-){YEAR})?",
        not_vietnamese,
        8,
        after=_ORDINAL | {"of", "-"} | set(MONTH_WORDS),
    ),
    Rule("DATE", rf"(?:1[89]|20)?[0-9]0'?s{END}", _decade, after={"s", "'"}),
    Rule("TIME", rf"{_CLOCK}(?:{TO}{_CLOCK})?(?:{S}{PART_VI}{END})?", rank=8, after={":"}),
    Rule("TIME", rf"{HOUR}[.][0-5][0-9]", _dotted_hour, after={"."}),
    Rule("TIME", rf"{HOUR}{S}(?:o'?clock)(?:{S}{_PARTS})?", after={"o", "oclock"}),
    Rule("TIME", rf"{HOUR}(?::[0-5][0-9])?{S}(?:{_PARTS}|at{S}night)", after={":", "in", "at"}),
    Rule("DATE", rf"[0-9]{{1,2}}{S}ngày{S}[0-9]{{1,2}}{S}đêm", rank=8, after={"ngày"}),
    Rule("DATE", r"[0-9]{1,4}[- ]years?[- ]old", rank=8, after={"-", "year", "years"}),
    Rule(
        "DATE",
        rf"[0-9]{{1,4}}(?:[.,][0-9])?(?:{TO}[0-9]{{1,4}})?{S}(?:and{S}a{S}half{S})?{_LONG_KIND}{LONG}(?:{S}{SINCE}{END})?",
        after=RANGE
        | set(LONG_WORDS)
        | word_set("business working calendar full whole consecutive long more"),
    ),
    Rule("DATE", r"[0-9]{1,4}-(?:day|week|month|year)", after={"-"}),
    Rule(
        "TIME",
        rf"{_COUNT}(?:-|{O}){_SHORT_KIND}{SHORT}(?:{S}(?:and{S})?[0-9]{{1,2}}{O}{SHORT})?"
        rf"(?:{S}(?:ago|later|earlier){END})?",
        after=RANGE | set(SHORT_WORDS) | {"full", "whole", "more", "long"},
    ),
    Rule("TIME", _CLOCK_VI, _hour_vi, after={"h", "g", "giờ", "gio"}),
    Rule(
        "TIME",
        rf"{_COUNT}{O}{SHORT_VI}{END}(?:{S}(?:rưỡi|ruoi|đồng{S}hồ|[0-9]{{1,2}}{S}phút))?(?:{S}(?:trước|truoc){END})?",
        vietnamese,
        after=RANGE | word_set("phút phut giây giay tiếng tieng giờ gio p"),
    ),
    Rule("TIME", r"[0-9]{1,3}h", after={"h"}),
    Rule(
        "DATE",
        rf"[0-9]{{1,4}}(?:[.,][0-9])?(?:{TO}[0-9]{{1,4}})?{O}(?:ngày{S}làm{S}việc|{LONG_VI})(?:{S}rưỡi{END})?{_LATER_VI}",
        vietnamese,
        after=RANGE | word_set("ngày tuần tháng năm đêm quý thập thế ngay tuan thang nam tuổi tuoi"),
    ),
    Rule("DATE", r"[0-3]?[0-9]/[0-3]?[0-9](?![/0-9])", _dated, after={"/"}),
    Rule("DATE", r"[0-3]?[0-9]-[01]?[0-9](?![-/0-9])", _dashed_day, after={"-"}),
    Rule("DATE", rf"{_MONTH_NUMBER}/(?:19|20)[0-9]{{2}}(?![/0-9])", after={"/"}),
    Rule("DATE", rf"{CENTURIES}{O}-{O}{YEAR}|{YEAR}", _year),
    Rule("DATE", r"(?:3[01]|[12][0-9]|0?[1-9])(?:st|nd|rd|th)", _ordinal_day, 6, after=_ORDINAL),
    Rule("TIME", r"(?:1[0-2]|[1-9])", _at_hour, 6),
)
"""In the order in which they are tried."""
