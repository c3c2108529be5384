"""Personal data in texts: e-mail addresses, phone numbers, national ids and payment cards.

A number is found only where it stands by itself: not within a longer word, an address of the web, or a number
with a decimal part. What is hidden on purpose is not found: what is spelt in words, or has between its parts
what cannot be seen. Time is linear in the length of a text, whatever it holds. Light: children import it.
"""

from __future__ import annotations

from ingestbox.enrich.pii.found import Find, Kind
from ingestbox.enrich.pii.mails import emails
from ingestbox.enrich.pii.numbers import numbers

__all__ = ["Find", "Kind", "finds"]


def finds(text: str, hint: str = "") -> list[Find]:
    """What of a text is personal data, in order; finds do not overlap. `hint` is what the text is called (the
    name of a member): some numbers are told by it alone.

    >>> [(each.kind, each.value) for each in finds("Call 0912 345 678, or write to A@b.example")]
    [('phone', '+84912345678'), ('email', 'a@b.example')]
    """
    mails = emails(text)
    found = numbers(text, hint, [(each.start, each.end) for each in mails])
    return sorted([*mails, *found], key=lambda each: each.start) if mails and found else mails or found
