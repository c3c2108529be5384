"""Phone numbers: Vietnamese ones however they are written, others as E.164 has them, and those of North
America and Brazil in the form that they have there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_MOBILE: Final = re.compile(r"(?:3[2-9]|5[25689]|7[06-9]|8[1-9]|9[0-46-9])[0-9]{7}")
_OLD_MOBILE: Final = re.compile(r"1(?:2[0-9]|6[2-9]|8[68]|99)[0-9]{7}")
"""Vietnam's mobile numbers without their zero, and those until 2018."""

_LANDLINE: Final = re.compile(
    r"2(?:0[3-9]|1[0-689]|2[0-25-9]|3[2-9]|5[1-9]|6[0-39]|7[0-7]|9[0-46-79])[0-9]{7}|2[48][0-9]{8}"
)
_ONE_OR_TWO: Final = frozenset(
    {"1", "7", "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46"}
    | {"47", "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64"}
    | {"65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98"}
)
_THREE: Final = frozenset(
    {"21", "22", "23", "24", "25", "26", "29", "35", "37", "38", "42", "50", "59", "67", "68", "69", "80"}
    | {"85", "87", "88", "96", "97", "99"}
)
"""Country codes (ITU-T E.164): whole ones, and the first two digits of those with three."""

_SHORTEST, _LONGEST = 9, 15
_NORTH_AMERICAN: Final = re.compile(r"[2-9][0-8][0-9][2-9][0-9]{6}")
_BRAZILIAN: Final = re.compile(r"[1-9][1-9](?:9[0-9]{8}|[2-5][0-9]{7})")


def phone(
    digits: str, widths: list[int], seps: Sequence[str], parens: Sequence[bool], *, plus: bool
) -> str | None:
    """The number as E.164 has it, if it is a phone's. `seps` are the signs between the groups, `parens` says
    before which a parenthesis opens, `plus` whether a plus sign is before all.

    >>> phone("0912345678", [4, 3, 3], [".", "."], [False] * 3, plus=False)
    '+84912345678'
    """
    if not 9 <= len(digits) <= 17 or not _evenly(seps) or widths[-1] < 2:
        return None
    if plus:
        return _international(digits)
    if widths[0] == 1:
        return None
    if digits.startswith("00") and seps and (whole := _international(digits[2:])) is not None:
        return whole
    if digits[0] == "0":
        return _vietnamese(digits[1:])
    if digits.startswith("84") and (whole := _vietnamese(digits[2:].removeprefix("0"))) is not None:
        return whole
    if widths == [3, 3, 4] and (parens[0] or seps[0] in ("-", ".")) and _NORTH_AMERICAN.fullmatch(digits):
        return f"+1{digits}"
    if parens[0] and widths[0] == 2 and _BRAZILIAN.fullmatch(digits):
        return f"+55{digits}"
    return None


def _evenly(seps: Sequence[str]) -> bool:
    """Whether groups are apart as in a phone number: all alike, but for the first, after a code."""
    if any(sep not in ("", " ", "-", ".", " - ", ". ") for sep in seps):
        return False
    return len(set(seps[1:])) <= 1 or (len(set(seps[2:])) <= 1 and seps[0] in ("", " "))


def _vietnamese(national: str) -> str | None:
    for pattern in (_MOBILE, _LANDLINE, _OLD_MOBILE):
        if pattern.fullmatch(national):
            return f"+84{national}"
    return None


def _international(digits: str) -> str | None:
    if not _SHORTEST <= len(digits) <= _LONGEST:
        return None
    if digits.startswith("84"):
        return _vietnamese(digits[2:].removeprefix("0"))
    if digits.startswith("1"):
        return f"+{digits}" if _NORTH_AMERICAN.fullmatch(digits[1:]) else None
    known = digits[0] in _ONE_OR_TWO or digits[:2] in _ONE_OR_TWO or digits[:2] in _THREE
    return f"+{digits}" if known and len(set(digits)) > 2 else None
