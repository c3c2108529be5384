"""What a question finds: by words and by vectors, in one order, each article once."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from ingestbox.families.knowledge import vectors
from ingestbox.families.knowledge.near import newer
from ingestbox.families.knowledge.searching.byword import Hit, by_words
from ingestbox.families.knowledge.searching.filters import Params
from ingestbox.families.knowledge.searching.fusion import fused
from ingestbox.families.knowledge.searching.query import Question, Strict, strict_of
from ingestbox.families.knowledge.searching.snippets import Cutter, Snippet
from ingestbox.families.knowledge.vectors import Model, Near

DEPTH: Final = 100
"""Articles that each of the lists has, at least."""

FEW: Final = 2_000
"""Articles of a filter whose passages are looked up one by one; of more, all of the workspace are gone
through."""

MORE: Final = 2_000
"""Nearest passages that are asked for if the first ones are of too few articles."""

CHUNK: Final = 50
"""Articles that are asked at a time whether there is a newer version of them."""

RESULT_BYTES: Final = 8_388_608
"""Of an article that takes more, no snippet is made."""

READ_BYTES: Final = 67_108_864
"""Articles with more than this between them have no snippets behind it: reading them takes some 200 ms."""


class Ranked(NamedTuple):
    """An article that was found: how well it fits (0 to 1), its passage that does so best, and how well that
    fits by its words and its vector; None where it is not among the best."""

    article: int
    score: float
    passage: Near
    words: float | None
    vector: float | None


class Finding(NamedTuple):
    """What was found, best first. `model` made the vectors that were asked, if there were any; `indexing`
    says that some of what is there is not found yet by all that it says."""

    ranked: Sequence[Ranked]
    model: Model | None
    indexing: bool


class Asked(NamedTuple):
    """A question with its vector, and by which model that is."""

    question: Question
    model: Model | None
    numbers: bytes


def find(tx: Any, workspace: str, asked: Asked, filtered: Params, most: int) -> Finding:
    """Up to `most` articles. What a newer version of the same page stands for is left out. It goes through
    the signs of all vectors of the workspace: for `Box.read_apart`.

    Raises IngestError `validation_failed`.
    """
    span = vectors.workspace_range(tx, workspace)
    model = asked.model if asked.model is not None and vectors.is_used(tx, asked.model) else None
    waiting = vectors.indexing(tx, model)
    if span is None:
        return Finding([], model, waiting)
    articles, count = None, 0
    if filtered["filtered"]:
        articles, count = tx.one("knowledge.search_filtered", {**filtered, "workspace": workspace})
        if not count:
            return Finding([], model, waiting)
    strict = strict_of(asked.question)
    words = by_words(tx, asked.question, strict, *span, max(DEPTH, 2 * most), articles)
    by_word = {hit.article: hit for hit in words}
    if model is None:
        near: dict[int, Near] | None = None
    else:
        statement = (
            "vectors_near" if articles is None else "search_near_few" if count <= FEW else "search_near"
        )
        search = _Nearest(tx, model, asked.numbers, span, f"knowledge.{statement}", {"articles": articles})
        near = search.articles(strict, most)
    return Finding(list(_ranked(tx, by_word, near, most)), model, waiting)


def _ranked(
    tx: Any, words: Mapping[int, Hit], near: Mapping[int, Near] | None, most: int
) -> Iterator[Ranked]:
    """Both lists as one; each is in its order. Of the two passages of an article it is the one whose list has
    it further in front."""
    lists = [list(words)] if near is None else [list(words), list(near)]
    places = [{article: place for place, article in enumerate(each)} for each in lists]
    for article, score in _kept(tx, fused(lists), most):
        hit, close = words.get(article), None if near is None else near.get(article)
        if close is not None and (hit is None or places[1][article] < places[0][article]):
            passage = close
        else:
            assert hit is not None  # it is in one of the lists
            passage = Near(hit.passage, article, hit.place, hit.first, hit.beyond, 0.0)
        both = (None if hit is None else hit.score, None if close is None else close.score)
        yield Ranked(article, score, passage, *both)


class _Nearest(NamedTuple):
    """The list by vectors."""

    tx: Any
    model: Model
    numbers: bytes
    span: tuple[int, int]
    statement: str
    params: Mapping[str, object]

    def articles(self, strict: Strict, most: int) -> dict[int, Near]:
        """Articles with their nearest passage, nearest first; what is near nothing is not among them."""
        found = self._passages(vectors.CANDIDATES, strict)
        if len({each.article for each in found}) < most and len(found) >= vectors.CANDIDATES // 2:
            found = self._passages(MORE, strict)
        nearest: dict[int, Near] = {}
        for each in found:
            nearest.setdefault(each.article, each)
        return nearest

    def _passages(self, limit: int, strict: Strict) -> list[Near]:
        found = vectors.nearest(
            self.tx,
            self.model,
            self.numbers,
            *self.span,
            limit,
            statement=self.statement,
            params=self.params,
        )
        found = [each for each in found if each.score > 0]
        if strict.wanted is not None:
            having = self._having(strict.wanted, found)
            found = [each for each in found if each.passage in having]
        if strict.unwanted is not None:
            having = self._having(strict.unwanted, found)
            found = [each for each in found if each.passage not in having]
        return found

    def _having(self, match: str, found: Sequence[Near]) -> set[int]:
        ids = msgspec.json.encode([each.passage for each in found]).decode()
        return {row[0] for row in self.tx.all("knowledge.search_has", {"match": match, "ids": ids})}


def _kept(tx: Any, scored: Sequence[tuple[int, float]], most: int) -> Iterator[tuple[int, float]]:
    """The first of them that no newer version stands for."""
    left = most
    for start in range(0, len(scored), CHUNK):
        some = scored[start : start + CHUNK]
        older = newer(tx, [article for article, _ in some])
        for article, score in some:
            if left and article not in older:
                left -= 1
                yield article, score
        if not left:
            return


class Told(NamedTuple):
    """An article as it is told of: columns of its row, and a piece of its passage; that is empty if what is
    stored is damaged."""

    content_id: str
    origin: str
    title: str
    url: str
    source_id: str
    type: str
    language: str
    published_ms: int | None
    quality: float | None
    snippet: Snippet


class _Text(msgspec.Struct):
    text: str


_text = msgspec.json.Decoder(_Text).decode


def told(tx: Any, ranked: Sequence[Ranked], cutter: Cutter) -> dict[int, Told]:
    """What there is to say of articles, by their ids; what has gone since is not among them."""
    found: dict[int, Told] = {}
    room = READ_BYTES
    for each in ranked:
        params = {"id": each.article, "bytes": min(room, RESULT_BYTES)}
        row = tx.one("knowledge.search_article", params)
        if row is not None:
            *columns, crc, result, record = row
            room -= len(result or b"") + len(record or b"")
            snippet = _snippet(result, record, crc, each.passage, cutter)
            found[each.article] = Told._make([*columns, snippet])
    return found


def _snippet(result: bytes | None, record: bytes | None, crc: int, passage: Near, cutter: Cutter) -> Snippet:
    if result is None or zlib.crc32(result + (record or b"")) != crc:
        return Snippet("", [])
    try:
        text = _text(result).text
    except msgspec.DecodeError:  # of another box, and of no shape that is known here
        return Snippet("", [])
    return cutter.cut(text[passage.first : passage.beyond])
