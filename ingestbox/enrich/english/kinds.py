"""What a word or an expression says: its kind and its strength."""

from __future__ import annotations

from typing import Final, NamedTuple

# What a word or an expression is. The first ones have a strength that counts.
OPINION: Final = 1
"""A judgement: "great", "rude"."""
SOFT: Final = 2
"""A topic as often as a judgement: "problem", "error", "fee"; says little in a question or a request."""
HARD: Final = 3
"""Something happened that nobody wants: "still waiting", "charged twice"."""
VERDICT: Final = 4
"""A judgement of the whole: "waste of money", "will buy again"."""
NEUTRAL: Final = 5
"""Says that it is neither good nor bad; the strength draws towards neutral."""
WISH: Final = 6
"""What is good in the rest of the clause is not so: "would be nice if", "I wish"."""
NULL: Final = 7
"""Says nothing, whatever its words say: "free trial", "kind regards"."""
BUT: Final = 8
"""What follows in the sentence weighs more than what went before."""
CONCEDE: Final = 9
"""The clause that begins here weighs less: "although", "the only downside"."""
UNTIL: Final = 10
"""What was good before is not so any more."""
BECAUSE: Final = 11
"""A reason begins here; a request ends."""
REQUEST: Final = 12
"""The clause asks for something or asks something."""
FORMERLY: Final = 13
"""What is good in the rest of the clause was so once: "used to"."""
IRONY: Final = 14
"""What is good in the sentence is meant otherwise."""
NEGATION: Final = 15
"""A little bad, and turns round what follows: "not a single one"."""
RATING: Final = 16
"""A number of stars or points; the strength is the share of the most there is."""

KINDS: Final = {
    "opinion": OPINION,
    "soft": SOFT,
    "hard": HARD,
    "verdict": VERDICT,
    "neutral": NEUTRAL,
    "wish": WISH,
    "null": NULL,
    "but": BUT,
    "concede": CONCEDE,
    "until": UNTIL,
    "because": BECAUSE,
    "request": REQUEST,
    "formerly": FORMERLY,
    "irony": IRONY,
    "negation": NEGATION,
}
"""The kinds by the names that the tables use."""


class Meaning(NamedTuple):
    """What a word or an expression says: its kind and its strength (of a rating: the share, 0 to 1)."""

    kind: int
    strength: float
