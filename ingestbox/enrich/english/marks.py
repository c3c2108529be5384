"""What says how a text is meant in any language: emoji, rows of stars and ratings in figures."""

from __future__ import annotations

import re
from typing import Final

EMOJI: Final = {
    emoji: strength
    for strength, row in (
        (3.0, "😍🥰🤩❤♥💖💕💗💓💞💘💝💙💚💛🧡💜🤍🖤🤎🎉🏆🥇💯🙌👏😻🫶"),
        (2.2, "👍😊😀😃😄😁😆🙂😇😎🤗☺😋🤤👌💪✅✔🌟✨🔥🥳😘😺😸🤝💐🌹🌈🫡😌🙏😂🤣"),
        (-2.2, "👎😞😟😕☹🙁😣😖😫😩😢😔😒😠😑😬🤢😓😥😰😨😱🚫❌⛔🥺😿🤕🤒💔😤🤦"),
        (-3.2, "😡🤬👿💩🤮🖕😾🚮☠"),
    )
    for emoji in row
}
"""The strength of an emoji, on VADER's scale. Those that laugh or thank are positive in feedback."""
EMOJI.update(
    {"😂": 0.6, "🤣": 0.6, "🙏": 0.6, "😭": -0.8, "🔥": 1.6, "✅": 1.2, "✔": 1.2, "😱": -0.8, "❌": -1.6}
)

IRONIC: Final = frozenset("🙄🙃🤡")
"""Emoji that turn praise round."""

UNDECIDED: Final = frozenset("🤷😐😶🤔")
"""Emoji that say neither good nor bad."""

_BLACK, _WHITE = "★⭐🌟", "☆"
_STARS: Final = re.compile(f"[{_BLACK}{_WHITE}]{{1,10}}")
_FIGURES: Final = re.compile(r"(\d{1,3}(?:[.,]\d{1,2})?)/(5|10|100)(?!\d)")


def share_of_stars(piece: str) -> float | None:
    """Return the share (0 to 1) that a row of stars such as "★★★☆☆" or "⭐⭐⭐⭐" gives, if `piece` is one.

    One full star alone is an ornament as often as a rating, so it says nothing.
    """
    row = piece.replace("\ufe0f", "")
    if not _STARS.fullmatch(row):
        return None
    full = sum(star in _BLACK for star in row)
    if _WHITE in row:
        return full / len(row)
    return min(full / 5, 1.0) if full > 1 else None


def share_of_points(piece: str) -> float | None:
    """Return the share (0 to 1) that "4/5", "7.5/10" or "80/100" gives, if `piece` is such a rating."""
    found = _FIGURES.fullmatch(piece)
    if not found:
        return None
    share = float(found[1].replace(",", ".")) / int(found[2])
    return share if share <= 1 else None


def strength_of(share: float) -> float:
    """Return the strength of a rating of `share` (0 to 1): 0 for three of five, about 4 for all."""
    return (share - 0.6) * 10
