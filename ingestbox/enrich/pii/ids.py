"""Numbers of people in a country's register: Vietnam's CCCD and CMND, Brazil's CPF, the USA's SSN.

A CCCD is told by its structure: 12 digits, the code of a province, a digit for sex and century, the year of
birth (Circular 07/2016/TT-BCA, article 13). A CPF has two check digits. One without its signs, a CMND and an
SSN, which have little or no structure, are found only where a word before says what they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

_PROVINCES: Final = frozenset(
    f"{code:03}"
    for code in (
        *(1, 2, 4, 6, 8, 10, 11, 12, 14, 15, 17, 19, 20, 22, 24, 25, 26, 27, 30, 31, 33, 34, 35, 36, 37, 38),
        *(40, 42, 44, 45, 46, 48, 49, 51, 52, 54, 56, 58, 60, 62, 64, 66, 67, 68, 70, 72, 74, 75, 77, 79, 80),
        *(82, 83, 84, 86, 87, 89, 91, 92, 93, 94, 95, 96),
    )
)
"""The provinces at the time the first of them were given out."""

_LAST_YEAR: Final = 40
"""Of those born after 2000: no one is born later than this yet."""

_VIETNAMESE: Final = re.compile(
    r"\b(?:cccd|cmnd|cmt|cmtnd)\b|căn cước|can cuoc|chứng minh|chung minh|national_?id\b|identity card"
)
_BRAZILIAN: Final = re.compile(r"\bcpf\b|(?<![a-z])cpf_|_cpf\b")
_AMERICAN: Final = re.compile(r"\bssn\b|_ssn\b|\bssn_|social[ _-]?security")


def number(
    digits: str, widths: list[int], seps: Sequence[str], before: Callable[[], str], *, whole: bool
) -> str | None:
    """The number with its country, if it is a person's. `before` gives the text before it in lower case;
    `whole` says that there is no other text.

    >>> number("001090123456", [12], [], str, whole=False)
    'VN:001090123456'
    """
    if len(digits) == 12:
        alike = not seps or (set(seps) <= {" "} and widths in ([3, 3, 3, 3], [4, 4, 4]))
        return f"VN:{digits}" if alike and _is_cccd(digits) else None
    if len(digits) == 11 and (not seps or (widths == [3, 3, 3, 2] and list(seps) == [".", ".", "-"])):
        known = bool(seps) or whole or _BRAZILIAN.search(before()) is not None
        return f"BR:{digits}" if known and _is_cpf(digits) else None
    if len(digits) != 9:
        return None
    american = not seps or (widths == [3, 2, 4] and seps in (["-", "-"], [" ", " "]))
    if american and _is_ssn(digits) and _AMERICAN.search(before()) is not None:
        return f"US:{digits}"
    if (not seps or (widths == [3, 3, 3] and set(seps) <= {" ", "."})) and _VIETNAMESE.search(before()):
        return f"VN:{digits}"
    return None


def _is_cccd(digits: str) -> bool:
    if digits[:3] not in _PROVINCES or digits[3] > "3":
        return False
    return digits[3] < "2" or int(digits[4:6]) <= _LAST_YEAR


def _is_cpf(digits: str) -> bool:
    """Modulo 11 of the digits before, with weights that fall to 2 (Receita Federal)."""
    if len(set(digits)) == 1:
        return False
    for length in (9, 10):
        total = sum(int(digit) * (length + 1 - place) for place, digit in enumerate(digits[:length]))
        if int(digits[length]) != total * 10 % 11 % 10:
            return False
    return True


def _is_ssn(digits: str) -> bool:
    """Numbers that were ever given out (Social Security Administration)."""
    return (
        digits[:3] not in ("000", "666") and digits[0] != "9" and digits[3:5] != "00" and digits[5:] != "0000"
    )
