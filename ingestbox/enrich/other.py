"""Sentiment of texts in languages that have no rules here: by emoji, ratings and words that travelled.

The confidence is low, and lowest where nothing of the kind is found.
"""

from __future__ import annotations

from typing import Final

from ingestbox.enrich.english import marks
from ingestbox.enrich.english.kinds import IRONY, NEUTRAL, RATING
from ingestbox.enrich.english.tokens import tokenize
from ingestbox.enrich.facts import Sentiment

_GOOD: Final = """
    super top perfect perfekt perfecto perfetto parfait perfeito excellent excelente excellente eccellente
    exzellent fantastic fantastico fantástico fantastique fantastisch bravo wow cool genial génial geniale
    love great good best thanks ideal idéal merci gracias obrigado grazie danke
"""
_BAD: Final = """
    problem probleme problème problema catastrophe catastrophique katastrophe catastrofe horror horrible
    terrible fatal defekt defecto spam scam bug bugs crash bad fail shit error katastrophal kaputt
"""
_LOANS: Final = {**dict.fromkeys(_GOOD.split(), 1.6), **dict.fromkeys(_BAD.split(), -1.6)}
"""Words that mean much the same in many languages."""

_BORDER: Final = 0.8
_FOUND: Final = 0.6
_FOUND_MARK: Final = 0.7
_NOTHING_FOUND: Final = 0.4


def sentiment(text: str) -> Sentiment:
    """Return the label of `text` and a low confidence in it; linear in its length, whatever it holds."""
    balance = 0.0
    marked = turned = undecided = False
    for token in tokenize(text):
        meaning = token.meaning
        if token.word in _LOANS:
            balance += _LOANS[token.word]
        elif meaning is None:
            continue
        elif meaning.kind == RATING:
            balance += marks.strength_of(meaning.strength)
            marked = True
        elif meaning.kind == IRONY:
            turned = True
        elif not token.word[:1].isalnum():
            undecided = undecided or meaning.kind == NEUTRAL
            balance += meaning.strength if meaning.kind != NEUTRAL else 0.0
            marked = True
    if turned:
        balance = -abs(balance) - 1.0
    if abs(balance) < _BORDER:
        return Sentiment("neutral", _FOUND if marked or undecided else _NOTHING_FOUND)
    return Sentiment("positive" if balance > 0 else "negative", _FOUND_MARK if marked else _FOUND)
