"""Money and shares of a hundred, in figures and in words, English and Vietnamese."""

from __future__ import annotations

import re
from typing import Final

from ingestbox.enrich.entities.found import Found
from ingestbox.enrich.entities.gazetteer import COUNT, PATTERN, mark, word_set
from ingestbox.enrich.entities.numerals import (
    END,
    ENGLISH_NUMBER,
    NUMBER,
    RANGE,
    VIETNAMESE_NUMBER,
    VIETNAMESE_ONES,
    O,
    S,
    counts,
)
from ingestbox.enrich.entities.pattern import Pattern
from ingestbox.enrich.entities.scan import Scan
from ingestbox.enrich.facts import LanguageCode

_SIGN: Final = r"(?:us\$|a\$|c\$|ca\$|au\$|s\$|hk\$|nz\$|r\$|[$€£¥₫₹฿₩])"
_CODE: Final = r"(?:usd|vnd|vnđ|eur|gbp|jpy|aud|cad|sgd|chf|cny|rmb|thb|krw|inr|nzd|hkd|myr|rm|php|idr|sek|nok|dkk|pln|czk|huf|brl|mxn|aed|zar|rs\.?)"  # noqa: E501
_TIMES: Final = r"(?:k|m|mn|bn|b|tr|thousand|million|billion|trillion|nghìn|nghin|ngàn|ngan|triệu|trieu|tỷ|tỉ|ty|hundred|grand)"  # noqa: E501
_UNIT: Final = (
    r"(?:vnđ|vnd|đồng|dong|đ|usd|euros?|eur|dollars?|bucks?|pounds?(?:[ ]sterling)?|sterling|quid|gbp|pence|cents?|yen|jpy|yuan|rmb|cny|won|krw"  # noqa: E501
    r"|baht|thb|rupees?|inr|francs?|chf|pesos?|ringgit|dirhams?|rubles?|aud|cad|sgd|hkd|nzd|(?:us|singapore|australian|canadian|hong[ ]kong)[ ]dollars?"  # noqa: E501
    r"|đô(?:[ ]?la)?(?:[ ](?:mỹ|úc|sing))?|do[ ]?la|(?:nhân[ ]dân[ ])?tệ|bảng(?:[ ]anh)?|yên|grand|sek|pln|czk)"  # noqa: E501
)
_TO: Final = rf"(?:{O}[-–~]{O}|{S}(?:to|đến|tới|and){S})"


def _compiled(source: str) -> Pattern:
    return Pattern(re.sub(r"\n\s*", "", source))


_WITH_UNIT: Final = _compiled(
    rf"""{NUMBER}(?:{O}{_TIMES}{END})?(?:{_TO}{NUMBER})?{O}
    (?:(?:{_TIMES}{O})?{_UNIT}{END}|(?:{_TIMES}{O})?[€£₫$¥₩฿](?![0-9])|d(?![^\W_]))"""
)
_VIETNAMESE: Final = _compiled(
    rf"""{NUMBER}(?:{_TO}{NUMBER})?{O}
    (?:(?:triệu|trieu|tr|tỷ|tỉ|ty|củ){O}(?:rưỡi|ruoi|[0-9]{{1,3}}(?:k|{O}(?:nghìn|ngàn))?(?![0-9]|[.,][0-9]){END})
    |(?:k|nghìn|nghin|ngàn|ngan|triệu|trieu|tr|tỷ|tỉ|củ){END})
    (?:{O}(?:vnđ|vnd|đồng|đ|dong){END})?
    (?:{O}[-–]{O}{NUMBER}{O}(?:k|nghìn|ngàn|triệu|tr|tỷ){END})?"""
)
_THOUSANDS: Final = re.compile(r"[0-9]{1,3}(?:[.,]000|(?:[.,][0-9]{3}){2,3})(?![.,]{0,3}[0-9])(?![^\W_])")
_SHORT: Final = _compiled(rf"""{NUMBER}(?:{_TO}{NUMBER})?{O}k{END}""")
_AFTER_SIGN: Final = _compiled(
    rf"""{O}{NUMBER}(?:{O}{_TIMES}{END})?(?:(?:{O}[-–]{O}|{S}to{S}){_SIGN}?{NUMBER}(?:{O}{_TIMES}{END})?)?(?:{O}{_CODE}{END})?"""
)
_SINGLE: Final = _compiled(rf"""{O}{NUMBER}(?:{O}{_TIMES}{END})?(?:{O}{_CODE}{END})?""")
_ENGLISH_WORDS: Final = _compiled(
    rf"""(?:(?:a|an){S}(?:few{S}|couple{S}of{S})?)?(?:{ENGLISH_NUMBER}{S})?(?:of{S})?{_UNIT}{END}"""
)
_VIETNAMESE_WORDS: Final = _compiled(
    rf"""{VIETNAMESE_NUMBER}(?:{S}(?:đồng|đô(?:[ ]?la)?(?:[ ]mỹ)?|usd|euro|bảng|yên|tệ|vnd|vnđ)){END}"""
)
_VIETNAMESE_SUM: Final = _compiled(
    rf"""(?:(?:{VIETNAMESE_ONES}){S}){{1,8}}(?:nghìn|ngàn|triệu|tỷ|tỉ)(?:{S}rưỡi)?{END}"""
)
_PERCENT: Final = _compiled(
    rf"""[+-]?{NUMBER}(?:%?{O}[-–~]{O}{NUMBER}|{S}(?:to|đến|tới|or){S}{NUMBER})?(?:{O}%|-?{O}(?:percent|per[ ]cent|pct|phần[ ]trăm|phan[ ]tram){END})"""  # noqa: E501
)
_PERCENT_WORDS: Final = _compiled(
    rf"""(?:(?:a|an){S})?(?:{ENGLISH_NUMBER}(?:{S}(?:to|or){S}{ENGLISH_NUMBER})?[ -]{{1,2}}(?:percent|per[ ]cent)|{VIETNAMESE_NUMBER}{S}phần[ ]trăm){END}"""  # noqa: E501
)
_MEANT: Final = word_set(
    "followers people users views steps likes miles km words runs run race copies times items nghìn người "
    "lượt view follow bước sản khách đơn like pixel resolution hàng"
)
_PRICED: Final = word_set(
    "giá phí tiền trả hết mất tốn lương cước gia het mat tien phi tra cost costs paid pay for spent worth "
    "price charged charge fee only about around just vnd salary nạp nap cọc tặng voucher giảm bonus refund "
    "owe từ tới đến chỉ có còn khoảng tầm bán mua"
)
_SCREEN: Final = word_set(
    "tv tivi màn video hình quay giải camera phim netflix monitor screen ultra độ full in"
)

SIGNS: Final = frozenset("$€£¥₫₹฿₩")
_CODES: Final = word_set(
    "usd vnd vnđ eur gbp jpy aud cad sgd chf cny rmb thb krw inr nzd hkd myr rm php idr sek nok dkk pln "
    "czk huf brl mxn aed zar rs"
)
_SIGNED: Final = word_set("us s hk au ca nz a c r")


MONEYED: Final = SIGNS | _CODES | _SIGNED
"""What an amount can begin with but figures."""
mark(" ".join(MONEYED - {"a", "c", "r", "s"}) + " s", PATTERN)
_TIMES_WORDS: Final = word_set(
    "k m mn bn b tr thousand million billion trillion nghìn nghin ngàn ngan triệu trieu tỷ tỉ ty hundred "
    "grand củ"
)
_UNIT_WORDS: Final = word_set(
    "vnđ vnd đồng dong đ d usd euro euros eur dollar dollars buck bucks pound pounds sterling quid gbp "
    "pence cent cents yen jpy yuan rmb cny won krw baht thb rupee rupees inr franc francs chf peso pesos "
    "ringgit dirham dirhams ruble rubles aud cad sgd hkd nzd us singapore australian canadian hong đô do "
    "nhân tệ bảng yên sek pln czk"
)
_AFTER_SHARE: Final = RANGE | {"%", "percent", "per", "pct", "phần", "phan"}
_AFTER_AMOUNT: Final = RANGE | _TIMES_WORDS | _UNIT_WORDS | SIGNS

_PLAIN_D: Final = re.compile("[0-9 \t]d$")
_NEXT: Final = re.compile(r"[ \t]{0,3}([^\W\d_]{1,12})")


def figures(scan: Scan, i: int, language: LanguageCode) -> Found | None:
    """An amount or a share that begins with the figures of word `i`."""
    low, start = scan.low, scan.starts[i]
    following = scan.lower(i + 1)
    if following in _AFTER_SHARE and (match := _PERCENT.match(low, start)):
        return Found(8, start, match.end(), "PERCENT")
    if following not in _AFTER_AMOUNT:
        return None
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
    """An amount that begins with the sign or code of a currency in word `i`, one of `MONEYED`."""
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
    if not scan.flags[i] & COUNT or not counts(scan, i):
        return None
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
