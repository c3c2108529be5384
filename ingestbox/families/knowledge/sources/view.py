"""How sources are shown at the console, and how they are made there."""

from __future__ import annotations

import msgspec

from ingestbox.families.knowledge.shapes import PATH
from ingestbox.families.knowledge.sources.frequency import SAYS
from ingestbox.families.knowledge.sources.routes import READS
from ingestbox.families.knowledge.sources.shapes import (
    MOST_NAME,
    SourceAnswer,
    SourceList,
    ValidationAnswer,
)
from ingestbox.view import Column, Editor, Field, Filter, Item, Lead, Listed, Trial, View, Word

LANGUAGES = (Word("vi", "Vietnamese"), Word("en", "English"), Word("other", "Other"))

SAMPLE = {
    "source_id": "ministry-health",
    "source_url": "https://moh.example.vn/articles/1",
    "title": "Dengue fever: what to do",
    "content": "Dengue fever is a disease that mosquitoes carry. Who has a high fever for two days, pain "
    "behind the eyes or a rash should drink enough, rest, and see a doctor.",
    "content_type": "guideline",
    "language": "en",
}
"""An article, as a program sends it: with it there is a source."""

_SOURCE_STATUSES = (
    Word("active", "Active", "good"),
    Word("disabled", "Disabled", "quiet"),
    Word("unconfigured", "Not set up", "waits"),
)
_SOURCE_TYPES = (
    Word("government", "Government"),
    Word("hospital", "Hospital"),
    Word("news", "News"),
    Word("unknown", "Unknown"),
)
_QUIET = (Word("true", "Gone quiet", "bad"), Word("false", "No"))
_YES_NO = (Word("true", "Yes", "good"), Word("false", "No", "bad"))
_SOURCE_FACTS = (
    Column("id", "Source"),
    Column("type", "Type"),
    Column("status", "Status", "badge", words=_SOURCE_STATUSES, filters="status"),
    Column("quiet", "Gone quiet", "badge", words=_QUIET),
    Column("total_content", "Articles", "number"),
    Column("last_crawl", "Last crawl", "time"),
    Column("crawl_frequency", "Crawled"),
    Column("last_heard", "Last heard of", "time", shown=False),
    Column("base_url", "Address", "link", shown=False),
)

SOURCES = View(
    name="sources",
    title="Sources",
    lead="Where articles come from. One has gone quiet if nothing has come of it for twice the time that "
    "it is crawled in: that is an alarm.",
    one="source",
    many="sources",
    path=f"{PATH}/sources",
    type=SourceList,
    items="sources",
    key="id",
    columns=(Column("name", "Name"), *_SOURCE_FACTS),
    item=Item(
        path=f"{PATH}/sources/{{source_id}}",
        type=SourceAnswer,
        inside="source",
        title=("name",),
        facts=(
            *(msgspec.structs.replace(each, shown=True) for each in _SOURCE_FACTS),
            Column("language", "Language", "language", words=LANGUAGES),
            Column("created_at", "Made", "time"),
            Column("updated_at", "Changed", "time"),
        ),
        listed=(
            Listed(
                items="selectors",
                label="Selectors",
                lead="Where a page of it has what is looked for (CSS).",
                named="what",
                value="selector",
                columns=(Column("what", "What"), Column("selector", "Selector", "list")),
            ),
        ),
        leads=(Lead("Its articles", "articles", {"source_id": "id"}),),
        noun="source",
        called="id",
    ),
    editor=Editor(
        path=f"{PATH}/sources",
        one=f"{PATH}/sources/{{source_id}}",
        made="source.id",
        fields=(
            Field(
                member="id",
                label="Source",
                help="What crawlers call it in source_id.",
                example="ministry-health",
                required=True,
                fixed=True,
                most=200,
            ),
            Field(member="name", label="Name", example="Ministry of Health", required=True, most=MOST_NAME),
            Field(
                member="type",
                label="Type",
                kind="choice",
                choices=_SOURCE_TYPES,
                required=True,
                help="The word of a government or a hospital counts more in the quality of its articles.",
            ),
            Field(
                member="base_url",
                label="Address",
                kind="url",
                help="Where it is crawled from.",
                example="https://moh.example.vn/news",
                most=2_048,
            ),
            Field(
                member="crawl_frequency",
                label="How often it is crawled",
                help=f"It can be {SAYS}. Without it silence is no alarm.",
                example="daily",
                most=50,
            ),
            Field(
                member="status",
                label="Status",
                kind="choice",
                choices=_SOURCE_STATUSES,
                required=True,
                help="Only the silence of an active one is an alarm. Articles of a disabled one are still "
                "taken: whoever crawls it switches it off there.",
            ),
            *(
                Field(
                    member=f"selectors.{name}",
                    label=f"Selectors of the {name}",
                    kind="lines",
                    help="CSS, one in each line.",
                    example=example,
                    most=10_000,
                )
                for name, example in (
                    ("content", ".article-content"),
                    ("title", "h1"),
                    ("date", "time"),
                    ("author", ".author"),
                )
            ),
        ),
        trial=Trial(
            path=f"{PATH}/sources/validate",
            wrap="source_config",
            leaves=("status",),
            type=ValidationAnswer,
            label="Validate",
            help="Fetches one page of it and its robots.txt, and looks for what the selectors say. Nothing "
            "is saved.",
            columns=(
                Column("validation_result.accessible", "The page can be had", "badge", words=_YES_NO),
                Column("validation_result.reason", "Why not"),
                Column("validation_result.response_time", "It took", "seconds"),
                Column("validation_result.content_found", "Content is found", "badge", words=_YES_NO),
                Column(
                    "validation_result.selectors_valid", "The selectors are right", "badge", words=_YES_NO
                ),
                Column(
                    "validation_result.robots_txt_compliant", "robots.txt allows it", "badge", words=_YES_NO
                ),
                Column("validation_result.crawl_delay", "It asks to wait", "seconds"),
                Column("validation_result.final_url", "Where it led", "link"),
                Column("validation_result.language", "Language", "language", words=LANGUAGES),
            ),
            items="validation_result.selectors",
            named="what",
            listed=(
                Column("what", "What"),
                Column("valid", "Is a selector", "badge", words=_YES_NO),
                Column("found", "Found", "number"),
                Column("sample", "It begins with"),
                Column("error", "What is wrong"),
            ),
            advice="recommendations",
        ),
        remove_help="A source with articles is not removed: disable it.",
    ),
    roles=READS,
    filters=(Filter("status", "Status", "choice", _SOURCE_STATUSES),),
    total="",
    send=(f"{PATH}/content/upload", SAMPLE),
)
