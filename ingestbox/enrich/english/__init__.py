"""Sentiment of customer feedback in English; see ``verdict`` for how it is found."""

from ingestbox.enrich.english.verdict import sentiment

__all__ = ["sentiment"]
