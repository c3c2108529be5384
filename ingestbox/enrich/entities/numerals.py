"""Numbers in figures and in words, and what is counted by them, English and Vietnamese."""

from __future__ import annotations

from typing import Final

from ingestbox.enrich.entities.gazetteer import COUNT, PATTERN, UNIT, mark
from ingestbox.enrich.entities.scan import Scan

O: Final = r"[ \t]{0,2}"  # noqa: E741
"""Blanks or none, in an expression."""
S: Final = r"[ \t]{1,3}"
"""Blanks."""
END: Final = r"(?![^\W_])"
"""The end of a word."""

NUMBER: Final = (
    r"(?:[0-9]{1,3}(?:[.,][0-9]{3}){1,4}(?:[.,][0-9]{1,2})?(?![0-9])|[0-9]{1,12}(?:[.,][0-9]{1,4})?(?![0-9]))"
)
ENGLISH_ONES: Final = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen"
    "|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen|zero|half"
)
ENGLISH_NUMBER: Final = rf"(?:{ENGLISH_ONES})(?:(?:-|{S}(?:and{S})?)(?:a{S})?(?:{ENGLISH_ONES})){{0,6}}"
VIETNAMESE_ONES: Final = (
    "một|hai|ba|bốn|năm|sáu|bảy|bẩy|tám|chín|mười|mươi|mốt|tư|lăm|nhăm|trăm|nghìn|ngàn|triệu|tỷ|tỉ|rưỡi|vài|mấy|chục"
    "|linh|lẻ"
)
VIETNAMESE_NUMBER: Final = rf"(?:{VIETNAMESE_ONES})(?:{S}(?:{VIETNAMESE_ONES})){{0,8}}"

RANGE: Final = frozenset(".,-–~") | {"to", "through", "until", "till", "and", "or", "đến", "tới"}
"""What may stand between figures and the rest of a decimal number or of a range."""

_MOST_WORDS: Final = 48
_ONES: Final = f"{ENGLISH_ONES}|{VIETNAMESE_ONES}".replace("|", " ")
mark(_ONES, PATTERN | COUNT)
mark(
    "a an and of few several many couple full whole more good long solid business working to through "
    "until till đến tới or - – ~",
    COUNT,
)
mark(
    "minute minutes min mins hour hours hr hrs second seconds sec secs day days week weeks month "
    "months year years decade decades century centuries weekend weekends fortnight fortnights night "
    "nights quarter quarters semester semesters season seasons yr yrs wk wks mos phút giây tiếng giờ "
    "ngày tuần tháng năm đêm hôm tuổi",
    UNIT,
)
mark(
    "vnđ vnd đồng dong đ usd euro euros eur dollar dollars buck bucks pound pounds sterling quid gbp "
    "pence cent cents yen jpy yuan rmb cny won krw baht thb rupee rupees inr franc francs chf peso "
    "pesos ringgit dirham dirhams ruble rubles aud cad sgd hkd nzd us singapore australian canadian "
    "hong đô do nhân tệ bảng yên grand sek pln czk percent per phần nghìn ngàn triệu tỷ tỉ",
    UNIT,
)


def counts(scan: Scan, i: int) -> bool:
    """Whether words from `i` on may be a number or "a", "a few" with a unit after it: a quick look, sometimes wrong."""  # noqa: E501
    flags = scan.flags
    for j in range(i + 1, min(scan.n, i + _MOST_WORDS)):
        bits = flags[j]
        if bits & UNIT:
            return True
        if not bits & COUNT:
            return False
    return False
