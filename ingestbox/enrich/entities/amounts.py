"""Money and shares of a hundred, in figures and in words, English and Vietnamese."""

from __future__ import annotations

import re
from typing import Final

from ingestbox.enrich.entities.found import Found
from ingestbox.enrich.entities.gazetteer import PATTERN, mark
from ingestbox.enrich.entities.pattern import Pattern
from ingestbox.enrich.entities.scan import Scan
from ingestbox.enrich.facts import LanguageCode

NUMBER: Final = (
    r"(?:[0-9]{1,3}(?:[.,][0-9]{3}){1,4}(?:[.,][0-9]{1,2})?(?![0-9])|[0-9]{1,12}(?:[.,][0-9]{1,4})?(?![0-9]))"
)
_O = r"[ \t]{0,2}"
_S = r"[ \t]{1,3}"

ENGLISH_ONES: Final = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen"
    "|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen|zero|half"
)
ENGLISH_NUMBER: Final = rf"(?:{ENGLISH_ONES})(?:(?:-|{_S}(?:and{_S})?)(?:a{_S})?(?:{ENGLISH_ONES})){{0,6}}"
VIETNAMESE_ONES: Final = "một|hai|ba|bốn|năm|sáu|bảy|bẩy|tám|chín|mười|mươi|mốt|tư|lăm|nhăm|trăm|nghìn|ngàn|triệu|tỷ|tỉ|rưỡi|vài|mấy|chục|linh|lẻ"  # noqa: E501
VIETNAMESE_NUMBER: Final = rf"(?:{VIETNAMESE_ONES})(?:{_S}(?:{VIETNAMESE_ONES})){{0,8}}"

_SIGN: Final = r"(?:us\$|a\$|c\$|ca\$|au\$|s\$|hk\$|nz\$|r\$|[$€£¥₫₹฿₩])"
_CODE: Final = r"(?:usd|vnd|vnđ|eur|gbp|jpy|aud|cad|sgd|chf|cny|rmb|thb|krw|inr|nzd|hkd|myr|rm|php|idr|sek|nok|dkk|pln|czk|huf|brl|mxn|aed|zar|rs\.?)"  # noqa: E501
_TIMES: Final = r"(?:k|m|mn|bn|b|tr|thousand|million|billion|trillion|nghìn|nghin|ngàn|ngan|triệu|trieu|tỷ|tỉ|ty|hundred|grand)"  # noqa: E501
_UNIT: Final = (
    r"(?:vnđ|vnd|đồng|dong|đ|usd|euros?|eur|dollars?|bucks?|pounds?(?:[ ]sterling)?|sterling|quid|gbp|pence|cents?|yen|jpy|yuan|rmb|cny|won|krw"  # noqa: E501
    r"|baht|thb|rupees?|inr|francs?|chf|pesos?|ringgit|dirhams?|rubles?|aud|cad|sgd|hkd|nzd|(?:us|singapore|australian|canadian|hong[ ]kong)[ ]dollars?"  # noqa: E501
    r"|đô(?:[ ]?la)?(?:[ ](?:mỹ|úc|sing))?|do[ ]?la|(?:nhân[ ]dân[ ])?tệ|bảng(?:[ ]anh)?|yên|grand|sek|pln|czk)"  # noqa: E501
)
_END: Final = r"(?![^\W_])"
_TO: Final = rf"(?:{_O}[-–~]{_O}|{_S}(?:to|đến|tới|and){_S})"


def _compiled(source: str) -> Pattern:
    return Pattern(re.sub(r"\n\s*", "", source))


_WITH_UNIT: Final = _compiled(
    rf"""{NUMBER}(?:{_O}{_TIMES}{_END})?(?:{_TO}{NUMBER})?{_O}
    (?:(?:{_TIMES}{_O})?{_UNIT}{_END}|(?:{_TIMES}{_O})?[€£₫$¥₩฿](?![0-9])|d(?![^\W_]))"""
)
_VIETNAMESE: Final = _compiled(
    rf"""{NUMBER}(?:{_TO}{NUMBER})?{_O}
    (?:(?:triệu|trieu|tr|tỷ|tỉ|ty|củ){_O}(?:rưỡi|ruoi|[0-9]{{1,3}}(?:k|{_O}(?:nghìn|ngàn))?(?![0-9]|[.,][0-9]){_END})
    |(?:k|nghìn|nghin|ngàn|ngan|triệu|trieu|tr|tỷ|tỉ|củ){_END})
    (?:{_O}(?:vnđ|vnd|đồng|đ|dong){_END})?
    (?:{_O}[-–]{_O}{NUMBER}{_O}(?:k|nghìn|ngàn|triệu|tr|tỷ){_END})?"""
)
_THOUSANDS: Final = re.compile(r"[0-9]{1,3}(?:[.,]000|(?:[.,][0-9]{3}){2,3})(?![0-9.,]*[0-9])(?![^\W_])")
_SHORT: Final = _compiled(rf"""{NUMBER}(?:{_TO}{NUMBER})?{_O}k{_END}""")
_AFTER_SIGN: Final = _compiled(
    rf"""{_O}{NUMBER}(?:{_O}{_TIMES}{_END})?(?:(?:{_O}[-–]{_O}|{_S}to{_S}){_SIGN}?{NUMBER}(?:{_O}{_TIMES}{_END})?)?(?:{_O}{_CODE}{_END})?"""
)
_SINGLE: Final = _compiled(rf"""{_O}{NUMBER}(?:{_O}{_TIMES}{_END})?(?:{_O}{_CODE}{_END})?""")
_ENGLISH_WORDS: Final = _compiled(
    rf"""(?:(?:a|an){_S}(?:few{_S}|couple{_S}of{_S})?)?(?:{ENGLISH_NUMBER}{_S})?(?:of{_S})?{_UNIT}{_END}"""
)
_VIETNAMESE_WORDS: Final = _compiled(
    rf"""{VIETNAMESE_NUMBER}(?:{_S}(?:đồng|đô(?:[ ]?la)?(?:[ ]mỹ)?|usd|euro|bảng|yên|tệ|vnd|vnđ)){_END}"""
)
_VIETNAMESE_SUM: Final = _compiled(
    rf"""(?:(?:{VIETNAMESE_ONES}){_S}){{1,8}}(?:nghìn|ngàn|triệu|tỷ|tỉ)(?:{_S}rưỡi)?{_END}"""
)
_PERCENT: Final = _compiled(
    rf"""[+-]?{NUMBER}(?:%?{_O}[-–~]{_O}{NUMBER}|{_S}(?:to|đến|tới|or){_S}{NUMBER})?(?:{_O}%|-?{_O}(?:percent|per[ ]cent|pct|phần[ ]trăm|phan[ ]tram){_END})"""  # noqa: E501
)
_PERCENT_WORDS: Final = _compiled(
    rf"""(?:(?:a|an){_S})?(?:{ENGLISH_NUMBER}(?:{_S}(?:to|or){_S}{ENGLISH_NUMBER})?[ -]{{1,2}}(?:percent|per[ ]cent)|{VIETNAMESE_NUMBER}{_S}phần[ ]trăm){_END}"""  # noqa: E501
)
_MEANT: Final = frozenset(
    [
        "followers",
        "people",
        "users",
        "views",
        "steps",
        "likes",
        "miles",
        "km",
        "words",
        "runs",
        "run",
        "race",
        "copies",
        "times",
        "items",
        "nghìn",
        "người",
        "lượt",
        "view",
        "follow",
        "bước",
        "sản",
        "khách",
        "đơn",
        "like",
        "steps",
        "pixel",
        "resolution",
        "hàng",
    ]
)
_PRICED: Final = frozenset(
    [
        "giá",
        "phí",
        "tiền",
        "trả",
        "hết",
        "mất",
        "tốn",
        "lương",
        "cước",
        "gia",
        "het",
        "mat",
        "tien",
        "phi",
        "tra",
        "cost",
        "costs",
        "paid",
        "pay",
        "for",
        "spent",
        "worth",
        "price",
        "charged",
        "charge",
        "fee",
        "only",
        "about",
        "around",
        "just",
        "vnd",
        "salary",
        "nạp",
        "nap",
        "cọc",
        "tặng",
        "voucher",
        "giảm",
        "bonus",
        "refund",
        "owe",
        "từ",
        "tới",
        "đến",
        "chỉ",
        "có",
        "còn",
        "khoảng",
        "tầm",
        "bán",
        "mua",
    ]
)
_SCREEN: Final = frozenset(
    [
        "tv",
        "tivi",
        "màn",
        "video",
        "hình",
        "quay",
        "giải",
        "camera",
        "phim",
        "netflix",
        "monitor",
        "screen",
        "ultra",
        "độ",
        "full",
        "in",
    ]
)

for _word in (
    (
        "$ € £ ¥ ₫ ₹ ฿ ₩ usd vnd vnđ eur gbp jpy aud cad sgd chf cny rmb thb krw inr nzd hkd myr rm php idr sek nok dkk pln czk "  # noqa: E501
        "huf brl mxn aed zar rs us s hk au ca nz"
    ),
    ENGLISH_ONES.replace("|", " "),
    VIETNAMESE_ONES.replace("|", " "),
):
    mark(_word, PATTERN)
SIGNS: Final = frozenset("$€£¥₫₹฿₩")
_CODES: Final = frozenset(
    [
        "usd",
        "vnd",
        "vnđ",
        "eur",
        "gbp",
        "jpy",
        "aud",
        "cad",
        "sgd",
        "chf",
        "cny",
        "rmb",
        "thb",
        "krw",
        "inr",
        "nzd",
        "hkd",
        "myr",
        "rm",
        "php",
        "idr",
        "sek",
        "nok",
        "dkk",
        "pln",
        "czk",
        "huf",
        "brl",
        "mxn",
        "aed",
        "zar",
        "rs",
    ]
)
_SIGNED: Final = frozenset(["us", "s", "hk", "au", "ca", "nz", "a", "c", "r"])


_PLAIN_D: Final = re.compile("[0-9 \t]d$")
_NEXT: Final = re.compile(r"[ \t]{0,3}([^\W\d_]{1,12})")


def figures(scan: Scan, i: int, language: LanguageCode) -> Found | None:
    """An amount or a share that begins with the figures of word `i`."""
    low, start = scan.low, scan.starts[i]
    if match := _PERCENT.match(low, start):
        return Found(8, start, match.end(), "PERCENT")
    if match := _WITH_UNIT.match(low, start):
        end = match.end()
        rest = scan.low[start:end]
        if _PLAIN_D.search(rest) and (language == "en" or len(rest) < 5):
            return None
        return Found(8, start, end, "MONEY")
    if language != "en" and (match := _VIETNAMESE.match(low, start)):
        if not _counted(scan, match.end()) and not _pixels(scan, i, match.group()):
            return Found(7, start, match.end(), "MONEY")
        return None
    near = scan.lower(i - 1) in _PRICED
    match = _SHORT.match(low, start) if near else None
    if match is None and language != "en" and (near or scan.lower(i - 2) in _PRICED):
        match = _THOUSANDS.match(low, start)
    if match and not _counted(scan, match.end()):
        return Found(7, start, match.end(), "MONEY")
    return None


def _counted(scan: Scan, end: int) -> bool:
    word = _NEXT.match(scan.low, end)
    return word is not None and word.group(1) in _MEANT


def _pixels(scan: Scan, i: int, text: str) -> bool:
    return text in ("2k", "4k", "8k") and (
        scan.lower(i - 1) in _SCREEN or scan.words[min(i + 1, scan.n - 1)] == "K"
    )


def signed(scan: Scan, i: int) -> Found | None:
    """An amount that begins with the sign or code of a currency in word `i`."""
    low, word, start = scan.low, scan.lows[i], scan.starts[i]
    if word in SIGNS:
        single = scan.lower(i - 1) in ("from", "between")
        if match := (_SINGLE if single else _AFTER_SIGN).match(low, scan.ends[i]):
            return Found(8, start, match.end(), "MONEY")
        return None
    if (
        word in _SIGNED
        and i + 1 < scan.n
        and scan.words[i + 1] == "$"
        and not scan.gap(i + 1)
        and scan.capital(i)
    ) and (match := _AFTER_SIGN.match(low, scan.ends[i + 1])):
        return Found(9, start, match.end(), "MONEY")
    if (
        word in _CODES
        and i + 1 < scan.n
        and (scan.words[i + 1][0].isdigit() or scan.words[i + 1] in SIGNS or word == "rs")
    ):
        end = scan.ends[i] + (scan.words[i + 1] in ".$€£")
        if (word not in ("rs", "rm") or scan.capital(i)) and (match := _AFTER_SIGN.match(low, end)):
            return Found(8, start, match.end(), "MONEY")
    return None


def spelled(scan: Scan, i: int) -> Found | None:
    """An amount or a share written in words that begins with word `i`."""
    low, start = scan.low, scan.starts[i]
    if match := _PERCENT_WORDS.match(low, start):
        return Found(8, start, match.end(), "PERCENT")
    if match := _ENGLISH_WORDS.match(low, start):
        return Found(8, start, match.end(), "MONEY") if match.group().count(" ") else None
    if match := _VIETNAMESE_WORDS.match(low, start):
        return Found(8, start, match.end(), "MONEY")
    if (match := _VIETNAMESE_SUM.match(low, start)) and not _counted(scan, match.end()):
        return Found(7, start, match.end(), "MONEY")
    return None
