"""E-mail addresses, web addresses and telephone numbers; the same in every language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ingestbox.enrich.entities.found import Found
from ingestbox.enrich.entities.gazetteer import FIGURE, NAMES, word_set
from ingestbox.enrich.entities.pattern import Pattern
from ingestbox.enrich.entities.scan import Scan

_LOCAL: Final = frozenset("._%+-'&=/!#$*?^`{|}~")
_LOCAL_CHARS: Final = 64
_HOST_CHARS: Final = 255
_AFTER_AT: Final = Pattern(r"(?:[^\W_](?:[\w-]{0,62})\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_URL: Final = Pattern(r"(?i)(?:https?|ftps?)://|www\d?\.(?=[^\W_])")
_URL_REST: Final = Pattern(r"[^\s<>\"“”«»`\\^{}|]{1,2048}")
_DOT: Final = Pattern(
    r"(?i)\.(?:com|net|org|vn|io|app|co|uk|de|fr|edu|gov|info|biz|me|ai|dev|shop|store|online|site|xyz|eu|us|ca|au|jp"
    r"|sg|th|my|id|cn|kr|in|ru|it|es|nl|be|ch|at|pl|se|no|dk|fi|pt|br|mx|nz|tv|ly|gl|tech|cloud|asia|club|link|page"
    r"|news|blog|live|vip|top|mobi|pro)(?![\w-]|\.[^\W_]{4,})"
)
_AFTER_HOST: Final = Pattern(
    r"(?i)(?:\.[a-z]{2,6}){0,2}(?::[0-9]{2,5}(?![0-9]))?(?:[/?#][^\s<>\"“”«»`\\^{}|]{0,2048})?"
)
_WEAK_ENDS: Final = word_set("in at it no is us me be my to so do id pro top live page news link")
"""Endings that are words as well: "me.in" is more often a missing blank."""
_CLOSING: Final = {")": "(", "]": "[", "}": "{"}

_PHONE: Final = Pattern(
    r"""(?x)(?:
      \+[0-9]{1,3}[ .-]?(?:\([0-9]{1,4}\)[ .-]?)?[0-9]{1,5}(?:[ .-]?[0-9]{2,5}){1,4}   # +84 912 345 678
    | \([0-9]{2,5}\)[ .-]?[0-9]{3,4}(?:[ .-]?[0-9]{3,5}){1,2}                          # (415) 555-0132
    | 1[89]00(?:[ .-]?[0-9]{2,4}){1,3}                                                 # 1900 6092
    | (?:1[ .-])?[2-9][0-9]{2}[.-][0-9]{3}[.-][0-9]{4}                                 # 415-555-0132
    | 1[ .-][2-9][0-9]{2}[ .-][0-9]{3}[ .-][0-9]{4}
    | [2-9][0-9]{2}[ ][0-9]{3}[ -][0-9]{4}
    | 0[0-9]{2,4}(?:[ .-][0-9]{2,5}){1,4}                                              # 020 7946 0958
    | 0[235789][0-9]{8,9}
    | 00[0-9]{9,13}
    | 84[35789][0-9]{8}
    | [0-9]{3,4}-[0-9]{4}
    )(?!\w|[.,-]?[0-9])"""
)
_EXTENSION: Final = Pattern(r"(?i),?[ ](?:ext\.?|x)[ ]?[0-9]{1,5}(?!\w)")
_PHONE_CUES: Final = word_set(
    "call phone tel telephone mobile cell hotline line number fax whatsapp zalo contact sms text ring "
    "reach dial at on gọi số sđt đt sdt dt điện thoại tổng đài lh liên hệ máy alo"
)
_NOT_PHONE: Final = word_set(
    "order ticket invoice ref reference account serial iban code id tracking model tài khoản stk mã đơn "
    "seri cccd cmnd card hóa"
)


def emails(scan: Scan) -> Iterator[Found]:
    """Around each "@", no further than an address can reach."""
    text = scan.text
    at = text.find("@")
    while at >= 0:
        if after := _AFTER_AT.match(text, at + 1):
            start = at
            while (
                start
                and at - start < _LOCAL_CHARS
                and (text[start - 1].isalnum() or text[start - 1] in _LOCAL)
            ):
                start -= 1
            while start < at and not text[start].isalnum():
                start += 1
            if start < at and text[at - 1] != ".":
                yield Found(9, start, after.end(), "EMAIL")
        at = text.find("@", at + 1)


def urls(scan: Scan) -> Iterator[Found]:
    """Addresses with a scheme or "www.", and bare hosts with a usual ending."""
    text = scan.text
    if "://" in text or "www" in scan.low:
        end = 0
        for match in _URL.compiled.finditer(text):
            start = match.start()
            if start < end or (start and text[start - 1].isalnum()):
                continue
            if rest := _URL_REST.match(text, match.end()):
                end = _trimmed(text, start, rest.end())
                if end > match.end():
                    yield Found(9, start, end, "URL")
    if "." in text:
        yield from _hosts(text)


def _hosts(text: str) -> Iterator[Found]:
    done = 0
    for match in _DOT.compiled.finditer(text):
        dot = start = match.start()
        if dot < done:
            continue
        least = max(done, dot - _HOST_CHARS)
        while start > least and (text[start - 1].isalnum() or text[start - 1] in "-."):
            start -= 1
        while start < dot and text[start] in "-.":
            start += 1
        done = match.end()
        if start == dot or (start and text[start - 1] in "@_/:"):
            continue
        after = _AFTER_HOST.match(text, match.end())
        end = _trimmed(text, start, after.end() if after else match.end())
        if (end == match.end() and match.group()[1:].lower() in _WEAK_ENDS) or not text[start:dot].isascii():
            continue
        done = end
        if text[start:end].lower().replace(".", " . ") in NAMES:
            continue
        yield Found(8, start, end, "URL")


def _trimmed(text: str, start: int, end: int) -> int:
    """Without the punctuation of the sentence around it; a bracket stays if its other half is inside too."""
    inside: dict[str, int] | None = None
    while end > start:
        last = text[end - 1]
        if last in ".,;:!?'*_~…":
            end -= 1
        elif last in _CLOSING:
            if inside is None:
                inside = {char: text.count(char, start, end) for char in "()[]{}"}
            if inside[last] <= inside[_CLOSING[last]]:
                break
            inside[last] -= 1
            end -= 1
        else:
            break
    return end


def phone(scan: Scan, i: int) -> Found | None:
    """A telephone number that begins with word `i` (a digit, "+" or "(")."""
    text, start = scan.text, scan.starts[i]
    grouped = i + 1 < scan.n and (scan.words[i + 1] in ".-" or scan.flags[i + 1] & FIGURE)
    if not grouped and len(scan.words[i]) < 7 and scan.words[i][0] not in "+(":
        return None
    if start and (
        text[start - 1].isalnum() or (text[start - 1] in "-/#._" and start > 1 and text[start - 2].isalnum())
    ):
        return None
    match = _PHONE.match(text, start)
    if match is None:
        return None
    digits = sum(map(str.isdigit, match.group()))
    if not 7 <= digits <= 15:
        return None
    if i and scan.words[i - 1].isdigit() and scan.gap(i) == 1 and text[start] not in "+(":
        return None
    before = {scan.lower(j) for j in range(max(0, i - 4), i)}
    if before & _NOT_PHONE and not before & {"hotline", "sđt", "gọi", "call", "phone"}:
        return None
    number = match.group()
    if number[0] not in "+(0" and not number.startswith(("1800", "1900")):
        if digits < 10 and not before & _PHONE_CUES:
            return None
        if number.isdigit() and digits != 11:
            return None
    if number.startswith(("1800", "1900")) and digits < 8:
        return None
    if number.startswith("0") and digits < 8:
        return None
    end = match.end()
    if extension := _EXTENSION.match(text, end):
        end = extension.end()
    return Found(8, start, end, "PHONE")
