"""One piece of personal data that was found in a text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["email", "phone", "id", "card"]
"""What it is; `id` is the number of a person in a country's register."""

COVER: Final = "•"
REDACT: Final = "redact-before-forwarding"
"""The mode in which it is hidden in what is forwarded."""


@dataclass(frozen=True, slots=True)
class Find:
    """Where it stands (code points; the end is exclusive), and `value`, its one form: an address in lower
    case, a phone number as E.164 has it, `VN:`, `BR:` or `US:` with the digits of an id, the digits of a
    card. The value is left out of what is printed, so that no log has it."""

    start: int
    end: int
    kind: Kind
    value: str = field(repr=False)

    @property
    def mark(self) -> str:
        """What stands in its place where it is hidden: as many characters as it has, so that all places in
        the text stay what they are.

        >>> Find(0, 12, "phone", "+84912345678").mark
        '[phone•••••]'
        """
        length = self.end - self.start
        room = length - len(self.kind) - 2
        return f"[{self.kind}{COVER * room}]" if room >= 0 else COVER * length
