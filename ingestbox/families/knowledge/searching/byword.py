"""The passages that fit a question best by its words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ingestbox.families.knowledge.searching.query import LEADING, Question, Strict, match
from ingestbox.store.terms import MAX_COMPLETIONS

SPAN: Final = 200_000
"""Ids that one statement goes through where words that stand together, or must not be there, are looked
up."""

SECONDS: Final = 0.25
"""No statement is begun after so long: of very many passages the newest are ranked, and of these the best."""


class Hit(NamedTuple):
    """An article's best passage; `first` and `beyond` are places in its text, in code points. `score` is
    higher for what fits better, and means nothing beside those of another question."""

    article: int
    passage: int
    place: int
    first: int
    beyond: int
    score: float


def by_words(
    tx: Any,
    asked: Question,
    strict: Strict,
    first: int,
    beyond: int,
    limit: int,
    articles: str | None = None,
) -> list[Hit]:
    """Up to `limit` articles, best first, those that are as good by their ids. The passages are those with
    ids between `first` and `beyond`, of `articles` (a JSON list of ids) if it is given.

    Raises IngestError `validation_failed`.
    """
    wanted = match(asked, lambda low, high: _frequency(tx, low, high))
    if wanted is None:
        return []
    params: Mapping[str, object] = {
        "match": wanted.whole,
        "wanted": strict.wanted,
        "unwanted": strict.unwanted,
        "articles": articles,
        "most": limit,
    }
    found: dict[int, Hit] = {}
    began = time.monotonic()
    last = tx.one("knowledge.search_last", {"first": first, "beyond": beyond})[0]
    high = first if last is None else last + 1
    while high > first + 1:
        low = max(first, high - SPAN - 1) if strict else first
        if wanted.common:
            piece = {"match": wanted.leading, "first": low, "beyond": high, "most": LEADING}
            if row := tx.one("knowledge.search_piece", piece):
                low = row[0]
        for row in tx.all("knowledge.search_words", {**params, "first": low, "beyond": high}):
            article, passage, place, start, end, rank = row
            hit = Hit(article, passage, place, start, end, -rank)
            if hit.article not in found or found[hit.article].score < hit.score:
                found[hit.article] = hit
        high = low + 1
        if len(found) >= limit or time.monotonic() - began > SECONDS:
            break
    return sorted(found.values(), key=lambda hit: (-hit.score, hit.article))[:limit]


def _frequency(tx: Any, low: str, high: str) -> tuple[int, int]:
    words, passages = tx.one(
        "knowledge.search_terms", {"low": low, "high": high, "most": MAX_COMPLETIONS + 1}
    )
    return words, passages
