"""How articles are shown at the console, and all of the family's views."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ingestbox.families.knowledge.listing import ContentList
from ingestbox.families.knowledge.reading import ContentBody
from ingestbox.families.knowledge.searching.shapes import SearchAnswer
from ingestbox.families.knowledge.shapes import PATH, ROLES
from ingestbox.families.knowledge.sources.view import LANGUAGES, SAMPLE, SOURCES
from ingestbox.view import (
    Column,
    Facet,
    Filter,
    Finder,
    Item,
    Listed,
    Passages,
    Spans,
    Texts,
    View,
    Word,
)

_STATUSES = (Word("completed", "Processed", "good"), Word("held", "Waits for a person", "waits"))
_STATES = (
    Word("queued_for_processing", "Waits to be processed", "busy"),
    Word("processing", "Is processed", "busy"),
    Word("completed", "Processed", "good"),
    Word("failed", "Failed", "bad"),
)
_PARTS = (
    Word("length", "Length"),
    Word("structure", "Structure"),
    Word("authority", "Authority of the source"),
    Word("entities", "Entities"),
    Word("title", "Title"),
    Word("language", "Language"),
)
_REMOVED = (
    Word("markup", "Markup"),
    Word("navigation", "Menus and what else is around a page"),
    Word("boilerplate", "Notices, buttons, repeated lines"),
    Word("unseen", "Characters that nobody sees"),
    Word("white_space", "White space"),
)
_WARNINGS = (
    Word("language_mismatch", "Other language", "waits"),
    Word("content_hash_mismatch", "Its hash is another", "waits"),
    Word("entities_capped", "Too many entities", "waits"),
    Word("entities_not_found", "Entities not in the text", "waits"),
    Word("entities_unreadable", "Entities unreadable", "waits"),
)

_SOURCE = Column("source_id", "Source", filters="source_id")
_TYPE = Column("content_type", "Type", filters="content_type")
_BOX = Column("box", "From box", shown=False)

ARTICLES = View(
    name="articles",
    title="Articles",
    lead="What crawlers found, cleaned and judged, cut into passages by which it is found again.",
    one="article",
    many="articles",
    path=f"{PATH}/content",
    type=ContentList,
    items="items",
    key="content_id",
    columns=(
        Column("title", "Title"),
        _SOURCE,
        _TYPE,
        Column("language", "Language", "language", words=LANGUAGES, filters="language"),
        Column("quality_score", "Quality", "bar"),
        Column("status", "Status", "badge", words=_STATUSES, filters="status"),
        Column("published_at", "Published", "time"),
        Column("taken_at", "Came in", "time"),
        Column("content_id", "Number", shown=False),
        Column("source_url", "Address", shown=False),
        _BOX,
    ),
    item=Item(
        path=f"{PATH}/content/{{content_id}}",
        type=ContentBody,
        title=("title",),
        facts=(
            Column("status", "Status", "badge", words=_STATES),
            Column("source_url", "Address", "link"),
            _SOURCE,
            _TYPE,
            Column("result.language.code", "Language found", "language", words=LANGUAGES),
            Column("result.language.confidence", "How sure", "share"),
            Column("result.language.declared", "Language declared", "language", words=LANGUAGES),
            Column("result.quality_score", "Quality", "bar"),
            Column("published_at", "Published", "time"),
            Column("crawled_at", "Crawled", "time"),
            Column("result.keywords", "Keywords", "list"),
            Column("content_id", "Number"),
            _BOX,
        ),
        texts=(Texts("result.text", "Text, as it was cleaned", "text"),),
        spans=Spans("result.entities", field="", start="start", end="end", text="text", label="type"),
        listed=(
            Listed(
                items="result.warnings",
                label="Warnings",
                columns=(
                    Column("code", "What", "badge", words=_WARNINGS),
                    Column("message", "Why"),
                ),
            ),
            Listed(
                items="result.quality",
                label="Why it has this quality",
                lead="The parts add up to the whole, each by its weight.",
                named="part",
                columns=(
                    Column("part", "Part", "language", words=_PARTS),
                    Column("score", "Score", "bar"),
                    Column("weight", "Weight", "share"),
                    Column("why", "Why"),
                ),
            ),
            Listed(
                items="near_duplicates",
                label="Nearly the same",
                lead="Articles whose text is nearly the same. They are taken in all the same.",
                none="No other article here is nearly the same.",
                opens="content_id",
                columns=(
                    Column("title", "Article"),
                    Column("similarity", "Alike", "bar"),
                    Column(
                        "newer_version",
                        "Version",
                        "badge",
                        words=(Word("true", "Newer version", "busy"), Word("false", "Another text")),
                    ),
                    _BOX,
                ),
            ),
            Listed(
                items="result.cleaning.removed",
                label="What cleaning took out",
                lead="The article as it was sent is in its record, byte for byte.",
                named="what",
                value="characters",
                columns=(
                    Column("what", "What", "language", words=_REMOVED),
                    Column("characters", "Characters", "number"),
                ),
            ),
        ),
        passages=Passages(
            "result.passages",
            text="result.text",
            label="Passages",
            lead="What it is searched by. Each begins with the end of the one before it.",
        ),
        rest="record.metadata",
        with_={"box": "box"},
        record="record_id",
        of_record="km_content_{record}",
        noun="article",
        called="content_id",
    ),
    roles=ROLES,
    filters=(
        Filter("source_id", "Source"),
        Filter("content_type", "Type"),
        Filter("language", "Language", "choice", LANGUAGES),
        Filter("status", "Status", "choice", _STATUSES),
        Filter("min_quality", "Quality from", "share"),
        Filter("max_quality", "Quality to", "share"),
        Filter("published_from", "Published from", "date"),
        Filter("published_to", "Published to", "date"),
    ),
    facets=(
        Facet(
            "Source",
            {"source_id": "id"},
            path=f"{PATH}/sources",
            items="sources",
            value="name",
            count="total_content",
            limit=12,
        ),
        Facet("Status", {"status": ""}, _STATUSES),
        Facet("Language", {"language": ""}, LANGUAGES),
    ),
    finder=Finder(
        path=f"{PATH}/search",
        type=SearchAnswer,
        title="Search the articles",
        lead="By the words that they say, and by what says the same in other words.",
        hint="symptoms of dengue fever",
        asks="query",
        most="top_k",
        narrowed="filter",
        items="results",
        heading="title",
        snippet="snippet",
        marks="marks",
        place="passage.index",
        facts=(
            Column("source_id", "Source"),
            Column("content_type", "Type"),
            Column("language", "Language", "language", words=LANGUAGES),
            Column("quality_score", "Quality", "share"),
            Column("published_at", "Published", "time"),
            Column("box", "From box"),
        ),
        fine=(
            Column("score", "Fits", "share"),
            Column("scores.words", "by words", "rate"),
            Column("scores.vector", "by vector", "rate"),
        ),
        filters=(
            Filter("source_id", "Source"),
            Filter("content_type", "Type"),
            Filter("language", "Language", "choice", LANGUAGES),
            Filter("quality_min", "Quality from", "share"),
            Filter("published_after", "Published from", "date"),
            Filter("published_before", "Published before", "date"),
        ),
    ),
    sample="knowledge",
    send=(f"{PATH}/content/upload", SAMPLE),
)


def views(types: Iterable[str]) -> tuple[View, ...]:
    """The views of a box that takes these types of content."""
    kinds = tuple(Word(name, name.replace("_", " ").capitalize()) for name in types)

    def chosen(filters: Iterable[Filter]) -> tuple[Filter, ...]:
        return tuple(
            Filter(each.parameter, each.label, "choice", kinds) if each.parameter == "content_type" else each
            for each in filters
        )

    assert ARTICLES.finder is not None
    finder = msgspec.structs.replace(ARTICLES.finder, filters=chosen(ARTICLES.finder.filters))
    return (msgspec.structs.replace(ARTICLES, filters=chosen(ARTICLES.filters), finder=finder), SOURCES)
