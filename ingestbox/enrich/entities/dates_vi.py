"""Dates, times of day and spans of time in Vietnamese words."""

from __future__ import annotations

import re
from typing import Final

from ingestbox.enrich.entities.expressions import (
    DAY,
    HOLIDAYS_VI,
    REL_VI,
    WEEKDAY_VI,
    YEAR,
)
from ingestbox.enrich.entities.gazetteer import word_set
from ingestbox.enrich.entities.numerals import END, VIETNAMESE_NUMBER, VIETNAMESE_ONES, O, S
from ingestbox.enrich.entities.rule import Rule, on, unmarked, vietnamese
from ingestbox.enrich.entities.scan import Scan
from ingestbox.enrich.facts import LanguageCode

_COUNT_VI: Final = word_set(
    "lần người cái chiếc điều đơn loại tầng món vị hàng bậc máy lớp cấp đứa con thằng đời thế ngôi bước "
    "phần căn bản cửa ngày câu tiếng"
)


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


def _hours(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    """ "Hai tiếng Anh" is two languages."""
    languages = ("anh", "việt", "trung", "nhật", "hàn", "nói", "pháp")
    return found != "một giờ đây" and not (found.endswith("tiếng") and scan.lower(i + 2) in languages)


def _part_alone(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    """ "Đến trưa": a part of a day after what places it, and before the end of the clause or a verb."""
    return (
        language == "vi"
        and scan.lower(i - 1) in ("đến", "tới", "từ", "lúc", "tận")
        and scan.lower(i + 1) in ("", ".", ",", "!", "?", "\n", "mới", "vẫn", "mà", "là", "thì", "đến", "tới")
    )


_RECENT: Final = rf"(?:tuần|tuan){S}(?:trước|sau|này|tới|rồi)"
_WEEKDAY_DATED: Final = (
    rf"{WEEKDAY_VI}(?:{S}{_RECENT})?(?:,?{S}(?:ngày{S})?[0-3]?[0-9]/[01]?[0-9](?:/[0-9]{{2,4}})?)?"
)

on(
    "ngày ngay",
    Rule(
        "DATE",
        rf"ng[àa]y{S}{DAY}{S}(?:tháng|thang){S}[01]?[0-9](?:(?:,?{S}năm{S}|{O}[/,]?{O}){YEAR})?",
        None,
        9,
    ),
    Rule(
        "DATE",
        rf"ng[àa]y{S}(?:mùng{S}|mồng{S})?[0-3]?[0-9][/.-][01]?[0-9](?:[/.-](?:20|19)?[0-9]{{2}})?",
        vietnamese,
        9,
    ),
    Rule("DATE", rf"ngày{S}(?:hôm{S}(?:qua|nay|kia|sau|trước)|mai|mốt|kia|kìa)", None, 8),
    Rule(
        "DATE", rf"ngay{S}(?:hom{S}(?:qua|nay)|mai)", lambda scan, i, found, language: scan.low.isascii(), 8
    ),
    Rule("DATE", rf"ngày{S}(?:{VIETNAMESE_NUMBER}){S}tháng{S}(?:{VIETNAMESE_NUMBER}|giêng|chạp)", None, 8),
    Rule("DATE", rf"ngày{S}(?:mùng{S}|mồng{S})?{DAY}", lambda scan, i, found, language: language != "en", 6),
)
on(
    "mùng mồng",
    Rule("DATE", rf"m[ùồ]ng{S}(?:[0-9]{{1,2}}|một|hai|ba|bốn|năm)(?:{S}[Tt]ết|{S}tháng{S}[0-9]{{1,2}})?"),
)
on(
    "tháng thang",
    Rule(
        "DATE",
        rf"th[áa]ng{S}[01]?[0-9](?:{O}[/-]{O}{YEAR}|{S}năm{S}(?:{YEAR}|nay|ngoái|trước|sau)|{S}{YEAR}|{S}(?:này|rồi|vừa{S}rồi))?",
        _from_zero,
        8,
    ),
    Rule("DATE", rf"tháng{S}{REL_VI}|thang{S}(?:nay|truoc|sau|roi)", vietnamese, 8),
    Rule(
        "DATE",
        rf"tháng{S}(?:giêng|chạp|một|hai|ba|tư|năm|sáu|bảy|tám|chín|mười(?:{S}(?:một|hai))?)(?:{S}năm{S}(?:{YEAR}|nay|ngoái))?",
        vietnamese,
        7,
    ),
)
on(
    "tuần tuan quý",
    Rule(
        "DATE",
        rf"(?:tuần|tuan|quý){S}(?:{REL_VI}|[1-4]/{YEAR})",
        lambda scan, i, found, language: (
            (language != "en" and not found.endswith("qua")) or found == "tuần qua"
        ),
        8,
    ),
)
on(
    "năm nam",
    Rule("DATE", rf"năm{S}(?:{YEAR}|nay|ngoái|trước|sau|tới|kia|qua)", vietnamese, 9),
    Rule(
        "DATE",
        rf"nam{S}(?:{YEAR}|nay|ngoai|truoc|sau|toi)",
        unmarked,
        8,
    ),
)
on(
    "thứ chủ thu chu t",
    Rule("DATE", _WEEKDAY_DATED, _weekday_vi, 8),
    after=word_set("hai ba tư năm sáu bảy bẩy 2 3 4 5 6 7 nhật nhat"),
)
on("cn", Rule("DATE", _WEEKDAY_DATED, _weekday_vi, 8))
on(
    "hôm hom",
    Rule(
        "DATE",
        rf"hôm{S}(?:nay|qua|kia|trước|sau|nọ|kìa|{WEEKDAY_VI})|hom{S}(?:nay|qua|kia|truoc|sau)",
        vietnamese,
        8,
    ),
)
on(
    "sáng trưa chiều tối đêm khuya",
    Rule(
        "TIME",
        rf"(?:sáng|trưa|chiều|tối|đêm){S}(?:ngày{S})?{DAY}/[01]?[0-9](?:/(?:20)?[0-9]{{2}})?(?![/0-9])",
        vietnamese,
        9,
    ),
)
on(
    "sáng trưa chiều tối đêm khuya sang chieu toi",
    Rule(
        "TIME",
        rf"(?:sáng|trưa|chiều|tối|đêm|khuya){S}(?:sớm{S})?(?:nay|qua|mai|kia|(?:ngày{S})?hôm{S}(?:qua|nay|sau|trước|kia|đó)|ngày{S}mai|{WEEKDAY_VI})(?:{S}tuần{S}(?:trước|sau|này|tới|rồi))?",
        lambda scan, i, found, language: (
            (language != "en" and not re.search(r"t[2-7]$|qua$", found)) or found.endswith((" qua",))
        ),
        8,
    ),
    Rule(
        "TIME",
        rf"(?:sang|chieu|toi|trua){S}(?:nay|hom{S}(?:qua|nay)|qua|mai)",
        lambda scan, i, found, language: scan.low.isascii() and found not in ("sang mai", "toi mai"),
        7,
    ),
)
on(
    "nửa",
    Rule("TIME", r"nửa[ ]đêm|nửa[ ](?:tiếng|giờ)(?:[ ]đồng[ ]hồ)?", None, 8),
    Rule("DATE", r"nửa[ ](?:ngày|tuần|tháng|năm)", None, 8),
)
on(
    "đầu cuối giữa cuoi dau",
    Rule(
        "DATE",
        rf"(?:đầu|cuối|giữa){S}(?:tuần|tháng|năm|quý)(?:{S}(?:này|nay|trước|sau|tới|rồi|ngoái|{YEAR}|[01]?[0-9](?:{O}/{O}{YEAR}|{S}năm{S}{YEAR})?{END}))?",
        lambda scan, i, found, _: not (found.endswith("năm") and scan.lower(i + 2) == "học"),
        9,
    ),
    Rule("DATE", rf"cuoi{S}tuan(?:{S}(?:nay|truoc|sau))?", None, 8),
)
on(
    "mùa mua",
    Rule(
        "DATE",
        rf"mùa{S}(?:xuân|hè|hạ|thu|đông|tết|mưa|khô)(?:{S}(?:năm{S}(?:nay|ngoái|trước|sau|{YEAR})|này|trước|rồi|{YEAR}))?",
        None,
        9,
    ),
    Rule(
        "DATE",
        rf"mua{S}(?:he|dong|xuan)",
        unmarked,
        7,
    ),
    after=word_set("xuân hè hạ thu đông tết mưa khô he dong xuan"),
)
on("hè", Rule("DATE", rf"hè{S}(?:này|năm{S}(?:nay|ngoái)|vừa{S}rồi|trước|{YEAR})"))


def _holiday(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    return language != "en" and (scan.words[i][0].isupper() or found.startswith(_NEVER_ELSE))


_NEVER_ELSE: Final = (
    "tết", "noel", "giáng sinh", "trung thu", "giao thừa", "valentine", "halloween", "lễ tình",
)  # fmt: skip
_WHICH: Final = rf"(?:{S}(?:năm{S}(?:nay|ngoái|trước)|này|vừa{S}rồi|{YEAR}){END})?"

on("tết noel valentine halloween", Rule("DATE", HOLIDAYS_VI + _WHICH, _holiday, 8))
on(
    "nô giáng rằm trung quốc giao giỗ vu lễ black",
    Rule("DATE", HOLIDAYS_VI + _WHICH, _holiday, 8),
    after=word_set("en sinh trung thu khánh thừa tổ lan tình friday tế"),
)
on(
    VIETNAMESE_ONES.replace("|", " "),
    Rule(
        "TIME",
        rf"{VIETNAMESE_NUMBER}{S}(?:phút|giây|tiếng|giờ)(?:{S}(?:rưỡi|đồng{S}hồ)){{0,2}}"
        rf"(?:{S}(?:sáng|chiều|tối|đêm|trưa)(?:{S}(?:nay|qua|mai))?{END})?(?:{S}trước{END})?",
        _hours,
        8,
    ),
    Rule(
        "DATE",
        rf"{VIETNAMESE_NUMBER}{S}(?:ngày|tuần|tháng|năm|đêm|tuổi|hôm)(?:{S}rưỡi{END})?"
        rf"(?:{S}(?:trước|nữa|sau(?=[ ]{{0,2}}(?:[.,!?;]|$|mới))){END})?",
        lambda scan, i, found, language: not found.startswith("tư "),
        8,
    ),
    counted=True,
)
on(
    "trưa tối đêm khuya",
    Rule("TIME", "(?:trưa|tối|đêm|khuya)", _part_alone, 5),
)
on("mai", Rule("DATE", "mai", _tomorrow, 6))
on(
    "mot hai ba nua vai",
    Rule(
        "DATE",
        rf"(?:mot|hai|ba|nua|vai){S}(?:ngay|tuan|thang|nam)(?:{S}truoc)?",
        unmarked,
    ),
    Rule(
        "TIME",
        rf"(?:mot|hai|ba|nua|vai){S}(?:tieng|phut|gio)(?:{S}truoc)?",
        unmarked,
    ),
    after={"ngay", "tuan", "thang", "nam", "tieng", "phut", "gio"},
)
