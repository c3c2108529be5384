"""The sentiment of a text in its language."""

from __future__ import annotations

from ingestbox.enrich import valence
from ingestbox.enrich.facts import LanguageCode, Sentiment


def sentiment(text: str, language: LanguageCode) -> Sentiment:
    """The label of `text` and the confidence in it; linear in the length of the text, whatever it holds."""
    label, confidence = valence.sentiment(text)
    return Sentiment(label, confidence)
