"""The sentiment of a text in its language."""

from __future__ import annotations

from typing import Final

from ingestbox.enrich import english, other, vietnamese
from ingestbox.enrich.facts import LanguageCode, Sentiment

RULES: Final = "sentiment/2"
"""Version of all languages' rules and lexicons, for lineage: it changes whenever an answer can."""


def sentiment(text: str, language: LanguageCode) -> Sentiment:
    """The label of `text` and the confidence in it; linear in the length of the text, whatever it holds."""
    if language == "en":
        return english.sentiment(text)
    if language == "vi":
        return vietnamese.sentiment(text)
    return other.sentiment(text)
