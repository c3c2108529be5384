"""Sentiment of customer feedback in English; see ``verdict`` for how it is found."""

from ingestbox.enrich.english.verdict import RULES, sentiment

__all__ = ["RULES", "sentiment"]
