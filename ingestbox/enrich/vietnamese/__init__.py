"""The sentiment of Vietnamese feedback, by words, phrases and what stands around them.

Works on composed and decomposed text, old and new placement of tones, chat spellings, emoji, ratings and the
usual English words, and on text or sentences without diacritics. No state but caches of spellings.
"""

from __future__ import annotations

from ingestbox.enrich.facts import Sentiment
from ingestbox.enrich.vietnamese.tokens import tokenize
from ingestbox.enrich.vietnamese.verdict import judge


def sentiment(text: str) -> Sentiment:
    """Return the label of `text` and how likely it is to be right; linear in its length, never raises."""
    return judge(tokenize(text))
