"""Ratings of several tokens: "4 out of 5", "two stars", "score: 9"."""

from __future__ import annotations

from typing import Final

from ingestbox.enrich.english.kinds import RATING, Meaning
from ingestbox.enrich.english.tokens import COMMA, Token

_OF_FIVE: Final = frozenset({"star", "stars", "⭐", "★"})
_NOT_A_RATING: Final = frozenset(
    {"hotel", "hotels", "resort", "property", "restaurant", "place", "reviews", "review"}
)
_RATED: Final = frozenset({"score", "scored", "rating", "rated", "rate", "nps"})


def rating(tokens: list[Token], i: int) -> tuple[int, Meaning] | None:
    """Return the end and the meaning of a rating that begins with the number at `i`, if one does."""
    number = tokens[i].number
    assert number is not None
    after = tokens[i + 1]
    if after.word == "out" and i + 4 < len(tokens) and tokens[i + 2].word == "of":
        most = tokens[i + 3].number
        if most in (5.0, 10.0, 100.0) and number <= most:
            stars = tokens[i + 4].word in _OF_FIVE
            return i + 4 + stars, Meaning(RATING, number / most)
        return None
    if after.boundary == COMMA and after.word == "-":
        after = tokens[min(i + 2, len(tokens) - 1)]
    if after.word in _OF_FIVE or after.word[:1] in ("⭐", "★"):
        follower = tokens[min(i + 2, len(tokens) - 1)]
        if number > 10 or (after.word == "star" and number > 1) or follower.word in _NOT_A_RATING:
            return None
        return i + 2, Meaning(RATING, min(number / 5, 1.0))
    if number <= 10 and number == int(number):
        before = tokens[i - 1].word if i else ""
        if before == ":" and i > 1:
            before = tokens[i - 2].word
        # 4 and 5 may be of five or of ten.
        if before in _RATED and number not in (4, 5):
            return i + 1, Meaning(RATING, number / 10)
        if i == 0 and after.boundary == COMMA and len(tokens) > 3:
            return i + 1, Meaning(RATING, number / 10)
    return None
