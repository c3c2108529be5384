"""Dates, times of day and spans of time, English and Vietnamese.

What is shorter than a day or names a part of one is a TIME, all else a DATE. The words around that only place it
("on", "the", "since", "lúc", "từ") are left out; those that belong to it ("last", "ago", "ngày") are not.
"""  # noqa: E501

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ingestbox.enrich.entities.amounts import ENGLISH_NUMBER, ENGLISH_ONES, VIETNAMESE_NUMBER
from ingestbox.enrich.entities.found import Found
from ingestbox.enrich.entities.gazetteer import PATTERN, mark
from ingestbox.enrich.entities.pattern import Pattern
from ingestbox.enrich.entities.scan import Scan
from ingestbox.enrich.facts import EntityLabel, LanguageCode

_O = r"[ \t]{0,2}"
_S = r"[ \t]{1,3}"
_END = r"(?![^\W_])"
_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_MONTH = rf"(?:{_MONTHS}|(?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)(?![^\W\d_])\.?)"
_DAYS = "monday|tuesday|wednesday|thursday|friday|saturday|sunday"
_WEEKDAY = rf"(?:(?:{_DAYS})s?|(?:mon|tues?|wed|thurs?|thu|fri|sat|sun)(?![^\W\d_])\.?)"
_YEAR = r"(?:1[89]|20)[0-9]{2}(?![0-9]|[-/.][0-9])"
_CENTURIES = r"(?:1[89]|20)[0-9]{2}"
_DAY = r"(?:3[01]|[12][0-9]|0?[1-9])(?![0-9])"
_NTH = r"(?:3[01]|[12][0-9]|0?[1-9])(?:st|nd|rd|th)?(?![^\W_])"
_TO = rf"(?:{_O}[-–~]{_O}|{_S}(?:to|through|until|till|đến|tới){_S})"
_SEASON = "(?:spring|summer|autumn|fall|winter)"
_LONG = "(?:days?|weeks?|months?|years?|decades?|centuries|century|weekends?|fortnights?|nights?|quarters?|semesters?|seasons?|yrs?|wks?|mos)"  # noqa: E501
_SHORT = "(?:minutes?|mins?|hours?|hrs?|hr|min|seconds?|secs?)"
_SINCE = r"(?:ago|later|earlier|from[ ]now|old|prior)"
_HOUR = r"(?:2[0-4]|1[0-9]|0?[0-9])"
_AMPM = r"(?:a\.m\.?|p\.m\.?|am|pm|a\.m|p\.m)(?![^\W_])"
_PART_VI = r"(?:sáng|trưa|chiều|tối|đêm|khuya|sang|trua|chieu|toi|dem)"
_REL_VI = r"(?:này|nay|trước|sau|tới|rồi|qua|vừa[ ]rồi|vừa[ ]qua|ngoái|truoc|roi|nãy)"
_WEEKDAY_VI = r"(?:thứ[ ](?:hai|ba|tư|năm|sáu|bảy|bẩy|[2-7](?![0-9]))|chủ[ ]nhật|chu[ ]nhat|thu[ ][2-7](?![0-9])|t[2-7](?![0-9])|cn(?![^\W_]))"  # noqa: E501
_HOLIDAYS = (
    r"(?:christmas(?:[ ](?:eve|day))?|xmas|easter(?:[ ](?:sunday|monday|weekend))?|thanksgiving(?:[ ]day)?|halloween|hanukkah|ramadan|diwali"  # noqa: E501
    r"|(?:lunar|chinese)[ ]new[ ]year|new[ ]year(?:'?s)?[ ](?:eve|day)|valentine'?s?[ ]day|labou?r[ ]day|memorial[ ]day|independence[ ]day"  # noqa: E501
    r"|veterans[ ]day|mother'?s[ ]day|father'?s[ ]day|black[ ]friday|cyber[ ]monday|boxing[ ]day|good[ ]friday|prime[ ]day|fourth[ ]of[ ]july"  # noqa: E501
    r"|4th[ ]of[ ]july|singles'?[ ]day|women'?s[ ]day|st\.?[ ]patrick'?s[ ]day|tet(?:[ ]holiday)?|eid|national[ ]day|bank[ ]holiday)"  # noqa: E501
)
_HOLIDAYS_VI = (
    r"(?:tết(?:[ ](?:nguyên[ ]đán|âm[ ]lịch|dương[ ]lịch|tây|ta|trung[ ]thu|đoan[ ]ngọ))?|noel|nô[ ]en|giáng[ ]sinh|(?:rằm[ ])?trung[ ]thu|quốc[ ]khánh"  # noqa: E501
    r"|giao[ ]thừa|giỗ[ ]tổ(?:[ ]hùng[ ]vương)?|vu[ ]lan|lễ[ ]tình[ ]nhân|valentine|halloween|black[ ]friday|quốc[ ]tế[ ](?:phụ[ ]nữ|lao[ ]động|thiếu[ ]nhi))"  # noqa: E501
)


class _Rule:
    """An expression, the label of what it matches, and what else has to be so."""

    __slots__ = ("guard", "label", "pattern", "rank")

    def __init__(
        self,
        label: EntityLabel,
        source: str,
        guard: Callable[[Scan, int, str, LanguageCode], bool] | None = None,
        rank: int = 7,
    ) -> None:
        self.label: EntityLabel = label
        self.pattern = Pattern(source + _END)
        self.guard = guard
        self.rank = rank


_FROM: Final = frozenset(
    [
        "in",
        "since",
        "until",
        "till",
        "from",
        "by",
        "of",
        "between",
        "and",
        "to",
        "last",
        "next",
        "this",
        "early",
        "late",
        "mid",
        "end",
        "during",
        "before",
        "after",
        "through",
        "around",
        "every",
        "for",
        "ending",
        "summer",
    ]
)
_ON_VI: Final = frozenset(
    [
        "ngày",
        "hôm",
        "từ",
        "đến",
        "tới",
        "trước",
        "sau",
        "vào",
        "sáng",
        "chiều",
        "tối",
        "lễ",
        "dịp",
        "hạn",
        "ngay",
        "tu",
        "den",
        "truoc",
        "sinh",
        "kể",
        "cho",
        "hồi",
    ]
)
_ON: Final = frozenset(
    [
        "on",
        "since",
        "from",
        "until",
        "before",
        "after",
        "by",
        "of",
        "between",
        "to",
        "and",
        "till",
        "dated",
        "due",
        "date",
        "the",
        "booked",
        "ordered",
        "for",
    ]
)
_COUNT_VI: Final = frozenset(
    [
        "lần",
        "người",
        "cái",
        "chiếc",
        "điều",
        "đơn",
        "loại",
        "tầng",
        "món",
        "vị",
        "hàng",
        "bậc",
        "máy",
        "lớp",
        "cấp",
        "đứa",
        "con",
        "thằng",
        "đời",
        "thế",
        "ngôi",
        "bước",
        "phần",
        "căn",
        "bản",
        "cửa",
        "ngày",
        "câu",
        "tiếng",
    ]
)


def _capital(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    return scan.words[i][0].isupper()


def _month_alone(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    """ "May", "March" and short forms only by their company."""
    if language == "vi" or (
        not scan.words[i][0].isupper()
        and scan.lower(i) in ("may", "march", "mar", "dec", "sept", "sep", "jan", "jun")
    ):
        return False
    before = scan.lower(i - 1)
    if scan.lower(i) in ("may", "march", "mar", "august", "april", "june"):
        return before in _FROM or before in ("-", "–", "/")
    return True


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
    if before in (
        "in",
        "since",
        "by",
        "until",
        "till",
        "before",
        "after",
        "during",
        "back",
        "from",
        "of",
        "early",
        "late",
        "mid",
        "từ",
        "đến",
        "tới",
        "hồi",
        "trước",
        "sau",
        "-",
        "and",
        "circa",
        "around",
        "to",
        "đầu",
        "cuối",
        "giữa",
    ):
        following = scan.lower(i + 1)
        return following not in ("dollars", "usd", "đồng", "people", "người", "items", "km", "m") and (
            i < 2 or scan.lower(i - 2) != "$"
        )
    return False


def _weekday_vi(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    if language == "en":
        return False
    if (found[0] == "t" and found[1:2].isdigit()) or found == "cn":
        return scan.lower(i - 1) in ("sáng", "chiều", "tối", "từ", "đến", "tới", "hôm", "ngày", "-", "và")
    if found.startswith("thứ") and (
        scan.lower(i - 1) in _COUNT_VI or scan.lower(i + 2) in ("là", "nhất", "hạng")
    ):
        return False
    return not (
        found.startswith("thu")
        and scan.lower(i - 1) not in ("tu", "den", "hom", "sang", "chieu", "toi", "ngay")
    )


def _vietnamese(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    return language != "en"


def _not_vietnamese(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    return language != "vi" or scan.low.isascii()


def _at_hour(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    if int(found) > 12 or language == "vi":
        return False
    before, after = scan.lower(i - 1), scan.lower(i + 1)
    if before == "at":
        return after in (
            "",
            ".",
            ",",
            "!",
            "?",
            "\n",
            ";",
            "sharp",
            "on",
            "and",
            "but",
            "every",
            "in",
            "today",
            "tomorrow",
            "yesterday",
            "tonight",
            "because",
            "when",
            "so",
            "the",
            "for",
        ) and (
            scan.lower(i - 2) not in ("number", "level", "page", "step", "stands", "rated", "is", "capped")
        )
    if before == "from":
        return after == "to" and scan.lower(i + 3) in (":", "am", "pm", "p", "a")
    return False


def _season(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    if scan.lower(i + 1) == "-":
        return False
    if found[-1].isdigit() or " " in found:
        return scan.lower(i + 1) != "-"
    return scan.lower(i - 1) in (
        "in",
        "during",
        "since",
        "this",
        "last",
        "every",
        "until",
        "next",
    ) and scan.lower(i + 1) not in ("season", "collection", "jacket", "clothes", "sale", "menu")


def _plural(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    return scan.lower(i - 1) in ("for", "in", "took", "takes", "of", "lasted", "waited", "waiting", "after")


def _short_day(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    if language == "vi" and not scan.low.isascii():
        return False
    word = scan.lows[i]
    if len(word) > 5:
        return True
    return scan.words[i][0].isupper() and not (
        word in ("sun", "sat", "wed", "mon", "fri", "thu", "tue") and scan.opens(i) and " " not in found
    )


def _tomorrow(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    """ "mai" alone."""
    return (
        language == "vi"
        and scan.lower(i + 1) in ("mình", "tôi", "em", "sẽ", "giao", "nhận", "có", "shop", "đi", "mới", "tới")
        and scan.lower(i - 1) not in ("chị", "cô", "em", "bạn", "bà", "hoa", "thị", "tên", "hoàng")
        and (not scan.words[i][0].isupper() or scan.opens(i))
    )


def _from_zero(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    """The months of "tháng" that can be: 1 to 12."""
    return language != "en" and all(
        0 < int(number) <= 12 or len(number) == 4 for number in re.findall("[0-9]+", found)[:1]
    )


def _real_day(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    parts = [int(number) for number in re.findall("[0-9]+", found)[:3]]
    if len(parts) < 3:
        return True
    if parts[0] > 999:
        _, a, b = parts
        return 0 < a <= 12 and 0 < b <= 31
    a, b, _ = parts
    return 0 < a <= 31 and 0 < b <= 31 and min(a, b) <= 12


_CLOCK = rf"{_HOUR}(?::[0-5][0-9](?::[0-5][0-9])?(?![0-9:]))(?:{_O}{_AMPM})?"
_CLOCK_12 = rf"(?:1[0-2]|0?[0-9])(?:[:.][0-5][0-9])?{_O}{_AMPM}"
_CLOCK_VI = (
    rf"{_HOUR}{_O}(?:h|g|giờ|gio)(?![^\W\d_])(?:{_O}[0-5][0-9]?(?![0-9])(?:{_O}(?:phút|phut|p)(?![^\W_]))?|{_S}(?:rưỡi|kém{_S}[0-9]{{1,2}}))?"
    rf"(?:{_S}(?:sáng|trưa|chiều|tối|đêm|khuya|sang|chieu)(?:{_S}(?:nay|mai|qua|hôm{_S}(?:qua|nay|sau|trước)))?{_END})?"
)
_AGO_VI = rf"(?:{_S}(?:trước|sau(?=[ ]*(?:[.,!?;]|$|thì|mới))|truoc){_END})?"
_LONG_VI = r"(?:ngày|tuần|tháng|năm|đêm|quý|thập[ ]kỷ|thế[ ]kỷ|ngay|tuan|thang|nam|tuổi|tuoi)"
_SHORT_VI = r"(?:phút|phut|giây|giay|tiếng|tieng|giờ|gio|p(?=[ ]|$))"

_DIGITS: Final = (
    _Rule("TIME", rf"{_CLOCK_12}(?:{_TO}{_CLOCK_12})?", rank=8),
    _Rule("TIME", rf"{_HOUR}(?::[0-5][0-9])?{_TO}{_CLOCK_12}", rank=8),
    _Rule("DATE", rf"{_CENTURIES}-(?:1[0-2]|0?[1-9])-{_DAY}(?!-?[0-9])|{_CENTURIES}[/.](?:1[0-2]|0?[1-9])[/.]{_DAY}(?![/.]?[0-9])", _real_day, 8),  # noqa: E501
    _Rule("DATE", r"[0-3]?[0-9](?P<s>[/.-])[0-3]?[0-9](?P=s)(?:(?:1[89]|20)[0-9]{2}|[0-9]{2})(?![/.-]?[0-9])", _real_day, 8),  # noqa: E501
    _Rule("DATE", rf"{_NTH}{_TO}{_NTH}{_S}{_MONTH}(?:,?{_S}{_YEAR})?", _not_vietnamese, 8),
    _Rule("DATE", rf"{_NTH}(?:{_S}of)?[ \t-]{{1,2}}{_MONTH}(?:(?:,?{_S}|-){_YEAR})?", _not_vietnamese, 8),
    _Rule("DATE", rf"(?:1[89]|20)?[0-9]0'?s{_END}", lambda scan, i, found, _: len(found) > 4 or scan.lower(i - 1) in ("the", "'", "early", "late", "mid")),  # noqa: E501
    _Rule("TIME", _CLOCK + rf"(?:{_TO}{_CLOCK})?(?:{_S}{_PART_VI}{_END})?", rank=8),
    _Rule("TIME", rf"{_HOUR}[.][0-5][0-9]", lambda scan, i, found, language: language == "en" and scan.lower(i - 1) == "at" and scan.lower(i + 3) not in ("%", "stars", "euros", "dollars")),  # noqa: E501
    _Rule("TIME", rf"{_HOUR}{_S}(?:o'?clock)(?:{_S}in{_S}the{_S}(?:morning|afternoon|evening))?"),
    _Rule("TIME", rf"{_HOUR}(?::[0-5][0-9])?{_S}(?:in{_S}the{_S}(?:morning|afternoon|evening)|at{_S}night)"),
    _Rule("DATE", rf"[0-9]{{1,2}}{_S}ngày{_S}[0-9]{{1,2}}{_S}đêm", rank=8),
    _Rule("DATE", r"[0-9]{1,4}[- ]years?[- ]old", rank=8),
    _Rule("DATE", rf"[0-9]{{1,4}}(?:[.,][0-9])?(?:{_TO}[0-9]{{1,4}})?{_S}(?:and{_S}a{_S}half{_S})?(?:(?:business|working|calendar|full|whole|consecutive|long|more){_S})?{_LONG}(?:{_S}{_SINCE}{_END})?"),  # noqa: E501
    _Rule("DATE", r"[0-9]{1,4}-(?:day|week|month|year)"),
    _Rule("TIME", rf"[0-9]{{1,4}}(?:[.,][0-9]{{1,2}})?(?:{_TO}[0-9]{{1,4}})?(?:-|{_O})(?:(?:full|whole|more|long){_S})?{_SHORT}(?:{_S}(?:and{_S})?[0-9]{{1,2}}{_O}{_SHORT})?(?:{_S}(?:ago|later|earlier){_END})?"),  # noqa: E501
    _Rule("TIME", rf"{_CLOCK_VI}{_TO}{_CLOCK_VI}", lambda scan, i, found, language: language != "en" and ("-" in found or "–" in found) and False),  # noqa: E501
    _Rule("TIME", _CLOCK_VI, lambda scan, i, found, language: language != "en" or "h" in found),
    _Rule("TIME", rf"[0-9]{{1,4}}(?:[.,][0-9]{{1,2}})?(?:{_TO}[0-9]{{1,4}})?{_O}{_SHORT_VI}{_END}(?:{_S}(?:rưỡi|ruoi|đồng{_S}hồ|[0-9]{{1,2}}{_S}phút))?(?:{_S}(?:trước|truoc){_END})?", _vietnamese),  # noqa: E501
    _Rule("TIME", r"[0-9]{1,3}h", None),
    _Rule("DATE", rf"[0-9]{{1,4}}(?:[.,][0-9])?(?:{_TO}[0-9]{{1,4}})?{_O}(?:ngày{_S}làm{_S}việc|{_LONG_VI})(?:{_S}rưỡi{_END})?{_AGO_VI}", _vietnamese),  # noqa: E501
    _Rule("DATE", r"[0-3]?[0-9]/[0-3]?[0-9](?![/0-9])", _dated),
    _Rule("DATE", r"[0-3]?[0-9]-[01]?[0-9](?![-/0-9])", lambda scan, i, found, language: language == "vi" and scan.lower(i - 1) == "ngày"),  # noqa: E501
    _Rule("DATE", r"(?:1[0-2]|0?[1-9])/(?:19|20)[0-9]{2}(?![/0-9])", None),
    _Rule("DATE", rf"{_CENTURIES}{_O}-{_O}{_YEAR}|{_YEAR}", _year),
    _Rule("TIME", r"(?:1[0-2]|[1-9])", _at_hour, 6),
)  # fmt: skip

_RULES: Final[dict[str, list[_Rule]]] = {}


def _on(words: str, *rules: _Rule) -> None:
    mark(words, PATTERN)
    for word in words.split():
        _RULES.setdefault(word, []).extend(rules)


_on(
    _MONTHS.replace("|", " ") + " jan feb mar apr jun jul aug sep sept oct nov dec",
    _Rule(
        "DATE", rf"{_MONTH}{_S}{_NTH}(?:{_TO}(?:{_MONTH}{_S})?{_NTH})?(?:,?{_S}{_YEAR})?", _not_vietnamese, 8
    ),
    _Rule("DATE", rf"{_MONTH}(?:{_S}of)?,?{_S}{_YEAR}", _not_vietnamese, 8),
    _Rule("DATE", rf"{_MONTH}-[0-9]{{2,4}}", _capital),
    _Rule("DATE", _MONTH, _month_alone, 6),
)
_on(
    _DAYS.replace("|", " ")
    + " "
    + " ".join(day + "s" for day in _DAYS.split("|"))
    + " mon tue tues wed thu thur thurs fri sat sun",
    _Rule("TIME", rf"{_WEEKDAY}{_S}(?:morning|afternoon|evening|night)s?", _short_day, 8),
    _Rule(
        "DATE",
        rf"{_WEEKDAY},?{_S}(?:the{_S})?(?:{_MONTH}{_S}{_NTH}|{_NTH}{_S}(?:of{_S})?{_MONTH})(?:,?{_S}{_YEAR})?",
        None,
        8,
    ),
    _Rule("DATE", rf"{_WEEKDAY}(?:{_TO}{_WEEKDAY})", _short_day),
    _Rule("DATE", _WEEKDAY, _short_day),
)
_on(
    "last next this past previous coming every following each",
    _Rule(
        "TIME",
        rf"(?:last|this|next|every|each){_S}(?:night|morning|afternoon|evening)",
        lambda scan, i, found, _: (
            found
            not in (
                "each night",
                "every night",
                "every morning",
                "every evening",
                "every afternoon",
                "each morning",
                "each evening",
            )
        ),
        8,
    ),
    _Rule(
        "TIME",
        rf"(?:last|past|next|previous){_S}(?:few{_S}|couple{_S}of{_S}|(?:[0-9]{{1,3}}|{ENGLISH_NUMBER})(?:{_O}(?:-|to){_O}[0-9]{{1,3}})?{_S})?{_SHORT}",
    ),
    _Rule(
        "TIME",
        rf"(?:last|next|this|every|each){_S}{_WEEKDAY}{_S}(?:morning|afternoon|evening|night)",
        None,
        8,
    ),
    _Rule(
        "DATE",
        rf"(?:last|next|this|past|previous|coming|every|each|following){_S}(?:other{_S})?(?:{_WEEKDAY}|{_SEASON}|(?:{_MONTHS})(?:{_S}{_NTH})?|{_HOLIDAYS})(?:{_S}{_YEAR})?",
        lambda scan, i, found, _: found[-5:] not in ("s sun", "s sat"),
    ),
    _Rule(
        "DATE",
        rf"(?:last|past|next|previous|coming){_S}(?:few{_S}|several{_S}|couple{_S}(?:of{_S})?|(?:[0-9]{{1,3}}|{ENGLISH_NUMBER}){_S}){_LONG}",
    ),
    _Rule(
        "DATE",
        rf"(?:last|next|this|past|previous|coming|following){_S}(?:week|month|year|weekend|quarter|decade|century|semester|day)(?:{_S}end)?",
        lambda scan, i, found, _: found != "this day",
    ),
)
_on(
    "today yesterday tomorrow tonight noon midnight midday weekend weekends",
    _Rule("TIME", rf"(?:yesterday|tomorrow){_S}(?:morning|afternoon|evening|night)", None, 8),
    _Rule("TIME", r"(?:tonight|noon|midnight|midday)"),
    _Rule("DATE", r"(?:today|yesterday|tomorrow|weekends?)"),
)
_on(
    "morning afternoon evening",
    _Rule(
        "TIME", r"(?:morning|afternoon|evening)", lambda scan, i, found, _: scan.lower(i - 1) == "yesterday"
    ),
)
_on(
    "early mid late end beginning start middle",
    _Rule(
        "DATE",
        rf"(?:early|mid|late)[ -]{{1,2}}(?:(?:{_MONTHS})(?:,?{_S}{_YEAR})?|{_YEAR}|{_SEASON}(?:{_S}{_YEAR})?|next{_S}(?:week|month|year)|last{_S}(?:week|month|year)|this{_S}(?:week|month|year)|(?:1[89]|20)?[0-9]0'?s)",  # noqa: E501
        None,
        8,
    ),
    _Rule(
        "DATE",
        rf"(?:end|beginning|start|middle){_S}of{_S}(?:(?:this|last|next|the){_S}(?:week|month|year|quarter)|(?:{_MONTHS})(?:,?{_S}{_YEAR})?|{_YEAR})",
        None,
        8,
    ),
)
_on(
    "spring summer autumn fall winter",
    _Rule(
        "DATE",
        rf"{_SEASON}(?:{_S}of)?(?:{_S}{_YEAR})?",
        lambda scan, i, found, language: not found.endswith("of") and _season(scan, i, found, language),
    ),
)
_on(
    "half quarter ten twenty five",
    _Rule(
        "TIME",
        rf"(?:half|(?:a{_S})?quarter|(?:ten|twenty|five|twenty-five)(?:{_S}minutes)?){_S}(?:past|to|after|before){_S}(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|noon|midnight|[1-9]|1[0-2])(?:{_O}{_AMPM}|{_S}in{_S}the{_S}(?:morning|afternoon|evening))?",
        lambda scan, i, found, _: not (" to " in found and found.startswith(("five", "ten", "twenty"))),
        8,
    ),
    _Rule("TIME", rf"half{_S}an?{_S}hour(?:{_S}(?:ago|later))?", None, 8),
)
_on(
    ENGLISH_ONES.replace("|", " ") + " several many few couple a an",
    _Rule(
        "TIME",
        rf"(?:(?:a|an){_S})?(?:(?:few|several|couple(?:{_S}of)?|half{_S}an?|{ENGLISH_NUMBER}(?:{_TO}{ENGLISH_NUMBER})?)(?:{_S}|-))?(?:(?:full|whole|more|good|long|solid){_S})?{_SHORT}(?:{_S}and{_S}a{_S}half)?(?:{_S}(?:ago|later|earlier){_END})?",
        lambda scan, i, found, language: (
            _counted(found)
            and found.split()[-1] not in ("second", "min", "sec")
            and not (found[:2] == "a " and "-" in found)
        ),
        8,
    ),
    _Rule(
        "DATE",
        rf"(?:(?:a|an){_S})?(?:(?:few|several|many|couple(?:{_S}of)?|half{_S}an?|{ENGLISH_NUMBER}(?:{_TO}{ENGLISH_NUMBER})?)(?:{_S}|-))?(?:(?:full|whole|more|good|long|solid|business|working){_S})?{_LONG}(?:{_S}and{_S}a{_S}half)?(?:[ -]{{1,2}}{_SINCE}{_END})?",  # noqa: E501
        lambda scan, i, found, language: (
            (
                _counted(found)
                and not (found[:2] == "a " and "-" in found)
                and not found.startswith(("a night", "half night", "a quarter", "a season", "an"))
                and found not in ("a day", "a night")
            )
            or found in ("a day ago", "a day later", "a day earlier")
        ),
        7,
    ),
    _Rule("TIME", rf"(?:{ENGLISH_ONES}){_S}(?:o'?clock|a\.m\.?|p\.m\.?|am|pm)", None, 8),
)
_on(
    "weeks months years days hours",
    _Rule("DATE", r"(?:weeks|months|years|days)", _plural, 5),
    _Rule("TIME", "hours", _plural, 5),
)
_on(
    "christmas xmas easter thanksgiving halloween hanukkah ramadan diwali lunar chinese new valentine labor labour memorial independence veterans mother "  # noqa: E501
    "father black cyber boxing good prime fourth singles women st tet eid national bank",
    _Rule(
        "DATE", _HOLIDAYS, lambda scan, i, found, language: scan.words[i][0].isupper() or len(found) > 8, 8
    ),
)
# Vietnamese
_on(
    "ngày ngay",
    _Rule(
        "DATE",
        rf"ng[àa]y{_S}{_DAY}{_S}(?:tháng|thang){_S}[01]?[0-9](?:(?:,?{_S}năm{_S}|{_O}[/,]?{_O}){_YEAR})?",
        None,
        9,
    ),
    _Rule(
        "DATE",
        rf"ng[àa]y{_S}(?:mùng{_S}|mồng{_S})?[0-3]?[0-9][/.-][01]?[0-9](?:[/.-](?:20|19)?[0-9]{{2}})?",
        _vietnamese,
        9,
    ),
    _Rule("DATE", rf"ngày{_S}(?:hôm{_S}(?:qua|nay|kia|sau|trước)|mai|mốt|kia|kìa)", None, 8),
    _Rule(
        "DATE", rf"ngay{_S}(?:hom{_S}(?:qua|nay)|mai)", lambda scan, i, found, language: scan.low.isascii(), 8
    ),
    _Rule(
        "DATE", rf"ngày{_S}(?:{VIETNAMESE_NUMBER}){_S}tháng{_S}(?:{VIETNAMESE_NUMBER}|giêng|chạp)", None, 8
    ),
    _Rule(
        "DATE", rf"ngày{_S}(?:mùng{_S}|mồng{_S})?{_DAY}", lambda scan, i, found, language: language != "en", 6
    ),
)
_on(
    "mùng mồng",
    _Rule(
        "DATE", rf"m[ùồ]ng{_S}(?:[0-9]{{1,2}}|một|hai|ba|bốn|năm)(?:{_S}[Tt]ết|{_S}tháng{_S}[0-9]{{1,2}})?"
    ),
)
_on(
    "tháng thang",
    _Rule(
        "DATE",
        rf"th[áa]ng{_S}[01]?[0-9](?:{_O}[/-]{_O}{_YEAR}|{_S}năm{_S}(?:{_YEAR}|nay|ngoái|trước|sau)|{_S}{_YEAR}|{_S}(?:này|rồi|vừa{_S}rồi))?",
        _from_zero,
        8,
    ),
    _Rule("DATE", rf"tháng{_S}{_REL_VI}|thang{_S}(?:nay|truoc|sau|roi)", _vietnamese, 8),
    _Rule(
        "DATE",
        rf"tháng{_S}(?:giêng|chạp|một|hai|ba|tư|năm|sáu|bảy|tám|chín|mười(?:{_S}(?:một|hai))?)(?:{_S}năm{_S}(?:{_YEAR}|nay|ngoái))?",
        _vietnamese,
        7,
    ),
)
_on(
    "tuần tuan quý",
    _Rule(
        "DATE",
        rf"(?:tuần|tuan|quý){_S}(?:{_REL_VI}|[1-4]/{_YEAR})",
        lambda scan, i, found, language: (
            (language != "en" and not found.endswith("qua")) or found == "tuần qua"
        ),
        8,
    ),
)
_on(
    "năm nam",
    _Rule("DATE", rf"năm{_S}(?:{_YEAR}|nay|ngoái|trước|sau|tới|kia|qua)", _vietnamese, 9),
    _Rule(
        "DATE",
        rf"nam{_S}(?:{_YEAR}|nay|ngoai|truoc|sau|toi)",
        lambda scan, i, found, language: language != "en" and scan.low.isascii(),
        8,
    ),
)
_on(
    "thứ chủ thu chu t cn",
    _Rule(
        "DATE",
        rf"{_WEEKDAY_VI}(?:{_S}(?:tuần|tuan){_S}(?:trước|sau|này|tới|rồi))?(?:,?{_S}(?:ngày{_S})?[0-3]?[0-9]/[01]?[0-9](?:/[0-9]{{2,4}})?)?",
        _weekday_vi,
        8,
    ),
)
_on(
    "hôm hom",
    _Rule(
        "DATE",
        rf"hôm{_S}(?:nay|qua|kia|trước|sau|nọ|kìa|{_WEEKDAY_VI})|hom{_S}(?:nay|qua|kia|truoc|sau)",
        _vietnamese,
        8,
    ),
)
_on(
    "sáng trưa chiều tối đêm khuya sang chieu toi",
    _Rule(
        "TIME",
        rf"(?:sáng|trưa|chiều|tối|đêm|khuya){_S}(?:sớm{_S})?(?:nay|qua|mai|kia|(?:ngày{_S})?hôm{_S}(?:qua|nay|sau|trước|kia|đó)|ngày{_S}mai|{_WEEKDAY_VI})(?:{_S}tuần{_S}(?:trước|sau|này|tới|rồi))?",
        lambda scan, i, found, language: (
            (language != "en" and not re.search(r"t[2-7]$|qua$", found)) or found.endswith((" qua",))
        ),
        8,
    ),
    _Rule(
        "TIME",
        rf"(?:sang|chieu|toi|trua){_S}(?:nay|hom{_S}(?:qua|nay)|qua|mai)",
        lambda scan, i, found, language: scan.low.isascii() and found not in ("sang mai", "toi mai"),
        7,
    ),
)
_on(
    "nửa",
    _Rule("TIME", r"nửa[ ]đêm|nửa[ ](?:tiếng|giờ)(?:[ ]đồng[ ]hồ)?", None, 8),
    _Rule("DATE", r"nửa[ ](?:ngày|tuần|tháng|năm)", None, 8),
)
_on(
    "đầu cuối giữa cuoi dau",
    _Rule(
        "DATE",
        rf"(?:đầu|cuối|giữa){_S}(?:tuần|tháng|năm|quý)(?:{_S}(?:này|nay|trước|sau|tới|rồi|ngoái|{_YEAR}|[01]?[0-9](?:{_O}/{_O}{_YEAR}|{_S}năm{_S}{_YEAR})?{_END}))?",
        lambda scan, i, found, _: not (found.endswith("năm") and scan.lower(i + 2) == "học"),
        9,
    ),
    _Rule("DATE", rf"cuoi{_S}tuan(?:{_S}(?:nay|truoc|sau))?", None, 8),
)
_on(
    "mùa mua",
    _Rule(
        "DATE",
        rf"mùa{_S}(?:xuân|hè|hạ|thu|đông|tết|mưa|khô)(?:{_S}(?:năm{_S}(?:nay|ngoái|trước|sau|{_YEAR})|này|trước|rồi|{_YEAR}))?",
        None,
        9,
    ),
    _Rule(
        "DATE",
        rf"mua{_S}(?:he|dong|xuan)",
        lambda scan, i, found, language: scan.low.isascii() and language == "vi",
        7,
    ),
)
_on("hè", _Rule("DATE", rf"hè{_S}(?:này|năm{_S}(?:nay|ngoái)|vừa{_S}rồi|trước|{_YEAR})"))
_on(
    "tết noel nô giáng rằm trung quốc giao giỗ vu lễ valentine halloween black",
    _Rule(
        "DATE",
        rf"{_HOLIDAYS_VI}(?:{_S}(?:năm{_S}(?:nay|ngoái|trước)|này|vừa{_S}rồi|{_YEAR}){_END})?",
        lambda scan, i, found, language: (
            language != "en"
            and (
                scan.words[i][0].isupper()
                or found.startswith(
                    (
                        "tết",
                        "noel",
                        "giáng sinh",
                        "trung thu",
                        "giao thừa",
                        "valentine",
                        "halloween",
                        "lễ tình",
                    )
                )
            )
        ),
        8,
    ),
)
_on(
    VIETNAMESE_NUMBER.split(")")[0].split("(?:")[1].replace("|", " "),
    _Rule(
        "TIME",
        rf"{VIETNAMESE_NUMBER}{_S}(?:phút|giây|tiếng|giờ)(?:{_S}(?:rưỡi|đồng{_S}hồ))*(?:{_S}(?:sáng|chiều|tối|đêm|trưa)(?:{_S}(?:nay|qua|mai))?{_END})?(?:{_S}trước{_END})?".replace(
            ")*", "){0,2}"
        ),
        lambda scan, i, found, language: (
            not found.startswith(("một giờ đây",))
            and not (
                found.endswith("tiếng")
                and scan.lower(i + 2) in ("anh", "việt", "trung", "nhật", "hàn", "nói", "pháp")
            )
        ),
        8,
    ),
    _Rule(
        "DATE",
        rf"{VIETNAMESE_NUMBER}{_S}(?:ngày|tuần|tháng|năm|đêm|tuổi)(?:{_S}rưỡi{_END})?(?:{_S}(?:trước|nữa|sau(?=[ ]*(?:[.,!?;]|$|mới))){_END})?",  # noqa: E501
        lambda scan, i, found, language: not found.startswith(("tư ",)),
        8,
    ),
)
_on("mai", _Rule("DATE", "mai", _tomorrow, 6))
_on(
    "mot hai nua vai may",
    _Rule(
        "DATE",
        rf"(?:mot|hai|ba|nua|vai){_S}(?:ngay|tuan|thang|nam)(?:{_S}truoc)?",
        lambda scan, i, found, language: language != "en" and scan.low.isascii(),
    ),
    _Rule(
        "TIME",
        rf"(?:mot|hai|ba|nua|vai){_S}(?:tieng|phut|gio)(?:{_S}truoc)?",
        lambda scan, i, found, language: language != "en" and scan.low.isascii(),
    ),
)


def _counted(found: str) -> bool:
    return " " in found or "-" in found


def figures(scan: Scan, i: int, language: LanguageCode) -> Found | None:
    """A date or time that begins with the figures of word `i`."""
    return _first(_DIGITS, scan, i, language)


def words(scan: Scan, i: int, language: LanguageCode) -> Found | None:
    """A date or time that begins with the word `i`."""
    rules = _RULES.get(scan.lows[i])
    return _first(rules, scan, i, language) if rules else None


def _first(
    rules: tuple[_Rule, ...] | list[_Rule], scan: Scan, i: int, language: LanguageCode
) -> Found | None:
    low, start = scan.low, scan.starts[i]
    for rule in rules:
        match = rule.pattern.match(low, start)
        if match and (rule.guard is None or rule.guard(scan, i, match.group(), language)):
            return Found(rule.rank, start, match.end(), rule.label)
    return None
