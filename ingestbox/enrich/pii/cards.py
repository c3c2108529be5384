"""Numbers of payment cards: who issued them, how long they are, and their check digit (ISO/IEC 7812-1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_RANGES: Final[tuple[tuple[int, int, frozenset[int]], ...]] = (
    (4000, 4999, frozenset({16})),  # Visa; those of 13 digits are gone, and look like bar codes
    (5100, 5599, frozenset({16})),  # Mastercard
    (2221, 2720, frozenset({16})),
    (3400, 3499, frozenset({15})),  # American Express
    (3700, 3799, frozenset({15})),
    (3000, 3059, frozenset({14, 16})),  # Diners Club
    (3095, 3095, frozenset({14, 16})),
    (3600, 3699, frozenset({14, 16})),
    (3800, 3999, frozenset({14, 16})),
    (6011, 6011, frozenset({16, 19})),  # Discover
    (6440, 6599, frozenset({16, 19})),
    (3528, 3589, frozenset({16, 19})),  # JCB
    (6200, 6299, frozenset({16, 17, 18, 19})),  # UnionPay
    (5018, 5018, frozenset({16, 18, 19})),  # Maestro
    (5020, 5020, frozenset({16, 18, 19})),
    (5038, 5038, frozenset({16, 18, 19})),
    (5600, 5899, frozenset({16, 18, 19})),
    (6304, 6304, frozenset({16, 18, 19})),
    (6759, 6763, frozenset({16, 18, 19})),
    (9704, 9704, frozenset({16, 19})),  # NAPAS, Vietnam
)
"""The first four digits of an issuer's cards, and how long they are."""

_GROUPED: Final = ([4, 4, 4, 4], [4, 6, 5], [4, 6, 4], [4, 4, 4, 4, 3], [6, 13], [8, 8], [4, 4, 4, 2])
"""How cards are written in groups."""


def card(digits: str, widths: list[int], seps: Sequence[str]) -> str | None:
    """The number, if it is a card's: in one piece, or in its groups with one and the same sign between.

    >>> card("4111111111111111", [16], [])
    '4111111111111111'
    """
    if not 14 <= len(digits) <= 19:
        return None
    if seps and (widths not in _GROUPED or len(set(seps)) > 1 or seps[0] not in (" ", "-", ".")):
        return None
    first = int(digits[:4])
    if not any(low <= first <= high and len(digits) in lengths for low, high, lengths in _RANGES):
        return None
    return digits if luhn(digits) else None


def luhn(digits: str) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) << (place & 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
