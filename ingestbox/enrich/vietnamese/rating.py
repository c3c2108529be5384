"""What a text says without words: ratings, waiting times in numbers, emoji and emoticons."""

from __future__ import annotations

from ingestbox.enrich.vietnamese.closed import (
    DATED,
    LESS,
    MINUTES,
    NOWHERE,
    POINTS,
    SCOPE,
    STARS,
    UNITS,
)
from ingestbox.enrich.vietnamese.judging import Judging
from ingestbox.enrich.vietnamese.tokens import Token


class Rating(Judging):
    """The ratings and signs of a text, summed as they are met."""

    __slots__ = ("rated", "ratings", "signs_bad", "signs_good", "signs_seen")

    def __init__(self, tokens: list[Token]) -> None:
        """Rate in `tokens`, which end with an END; nothing is met yet."""
        super().__init__(tokens)
        self.rated = 0.0
        self.ratings = 0
        self.signs_good = 0.0
        self.signs_bad = 0.0
        self.signs_seen = 0

    def _sign(self, value: float) -> None:
        # The fifth heart says no more than the third.
        self.signs_seen += 1
        if self.signs_seen > 12:
            return
        if value > 0:
            self.signs_good = min(3.0, self.signs_good + value * 0.7)
        else:
            self.signs_bad = min(3.0, self.signs_bad - value * 0.7)

    def _number(self, at: int, number: float) -> None:
        tokens = self._tokens
        after = tokens[at + 1].word if at + 1 < len(tokens) else ""
        if after in STARS:
            hotel = self._aspects.get("hotel", NOWHERE)
            if number <= 5 and at - hotel > 4:
                self._rate(number / 5, at)
        elif after in POINTS:
            if number <= 100:
                self._rate(number / (10 if number <= 10 else 100), at)
        elif (after in UNITS or tokens[at].timed) and at - self._aspects.get("wait", NOWHERE) <= 5:
            short = number <= 10 and (after in MINUTES or tokens[at].timed)
            if at - self._not_at > SCOPE and not short:
                self._judge(-1.9, at, at + 2)

    def _rate(self, share: float, at: int) -> None:
        """Take a rating of `share` (0 to 1) of the best."""
        before = self._tokens[at - 1].word if at else ""
        if before in DATED:
            return
        if before in LESS:
            self._judge(-1.2, at, at + 1)
            return
        self.ratings += 1
        if share >= 0.9:
            self.rated += 1.0
        elif share >= 0.75:
            self.rated += 0.8
        elif share >= 0.65:
            self.rated += 0.3
        elif share <= 0.45:
            self.rated -= 1.0
        elif share < 0.6:
            self.rated -= 0.4
