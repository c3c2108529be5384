"""Sources on the wire (contract: knowledge, Endpoints and Source validation)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.families.knowledge.check import MOST_SOURCE
from ingestbox.families.knowledge.sources.frequency import SAYS

TYPES = ("government", "hospital", "news", "unknown")
"""Those that weigh in the quality of an article; others are as good as unknown."""

STATUSES = ("active", "disabled", "unconfigured")

SELECTORS = ("content", "title", "date", "author")

MOST_SELECTOR = 500
"""Characters of a selector list."""

MOST_LISTS = 20
"""Selector lists of one kind."""

MOST_NAME, MOST_TYPE = 200, 50

Selectors = dict[str, str | list[str]]

NOT_AN_ID = "validate"
"""Nobody could read, change or delete a source of this id: `…/sources/validate` is a call of its own."""

Id = Annotated[
    str, Meta(min_length=1, max_length=MOST_SOURCE, extra_json_schema={"not": {"const": NOT_AN_ID}})
]
Name = Annotated[str, Meta(min_length=1, max_length=MOST_NAME)]
Type = Annotated[
    str,
    Meta(
        pattern="^[a-z][a-z0-9_-]*$",
        max_length=MOST_TYPE,
        description="What it is: `government`, `hospital` and `news` weigh in the quality of its articles; "
        "other words are as good as `unknown`.",
    ),
]
Frequency = Annotated[str, Meta(max_length=50, description=f"How often it is crawled: {SAYS}.")]
Language = Annotated[str, Meta(pattern="^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="Such as `vi`.")]
Status = Annotated[
    Literal["active", "disabled", "unconfigured"],
    Meta(
        description="Only of an `active` source is silence an alarm. Articles of a `disabled` one are still "
        "taken: who crawls switches it off there. `unconfigured` became known by its articles alone."
    ),
]
SelectorMap = Annotated[
    Selectors,
    Meta(
        description="CSS selectors of `content`, `title`, `date` and `author`; each a string (a selector "
        "list), or a list of strings."
    ),
]


class NewSource(msgspec.Struct, frozen=True, kw_only=True):
    """A source to be made. Members that are not named here are not kept."""

    id: Id
    name: Name
    base_url: Annotated[str | None, Meta(description="Where it is crawled from, http or https.")] = None
    type: Type = "unknown"
    language: Language = "vi"
    crawl_frequency: Frequency = "unknown"
    selectors: SelectorMap = {}
    status: Status = "active"


class SourceChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be changed of a source; what is not sent stays as it is."""

    name: Name | UnsetType = UNSET
    base_url: str | UnsetType | None = UNSET
    type: Type | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    crawl_frequency: Frequency | UnsetType = UNSET
    selectors: SelectorMap | UnsetType = UNSET
    status: Status | UnsetType = UNSET


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A source, and what came of it."""

    id: str
    name: str
    type: str
    status: str
    last_crawl: Annotated[
        str | None, Meta(description="When the newest of its articles was crawled; null before the first.")
    ]
    total_content: Annotated[int, Meta(ge=0, description="Its articles that are here.")]
    crawl_frequency: str
    base_url: str | None
    language: str | None
    selectors: dict[str, Any]
    last_heard: Annotated[str | None, Meta(description="When an article of it arrived last.")]
    quiet: Annotated[
        bool, Meta(description="Nothing has come of it for twice the time that it is crawled in: an alarm.")
    ]
    created_at: str
    updated_at: str


class SourceList(msgspec.Struct, frozen=True, kw_only=True):
    """Sources, newest first."""

    success: Literal[True] = True
    sources: list[Source]
    next_cursor: str | None


class SourceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A source as it is now."""

    success: Literal[True] = True
    source: Source


class SourceGone(msgspec.Struct, frozen=True, kw_only=True):
    """The source is not there any more."""

    success: Literal[True] = True
    id: str
    message: str


class SourceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A source as it is to be crawled. Members that are not named here are not looked at."""

    base_url: Annotated[str, Meta(description="The page that is fetched, http or https.")]
    id: Id | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    type: Type | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    crawl_frequency: Frequency | UnsetType = UNSET
    selectors: SelectorMap = {}
    user_agent: Annotated[
        str | UnsetType,
        Meta(description="What the crawler calls itself; the box's own setting unless it is given."),
    ] = UNSET


class Validation(msgspec.Struct, frozen=True):
    """What is to be looked at."""

    source_config: SourceConfig


class SelectorResult(msgspec.Struct, frozen=True):
    """What became of one kind's selectors on the page."""

    valid: Annotated[bool, Meta(description="Whether all of them are CSS selectors.")]
    found: Annotated[int, Meta(ge=0, description="How many elements they choose, up to 1,000.")]
    sample: Annotated[str, Meta(description="The beginning of what the first one says.")]
    error: Annotated[str | None, Meta(description="Which of them is no selector.")]


class ValidationResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was found at the source."""

    accessible: Annotated[bool, Meta(description="Whether the page can be had: answered with 2xx.")]
    response_time: Annotated[float, Meta(ge=0, description="Seconds, redirects included.")]
    content_found: Annotated[
        bool,
        Meta(
            description="Whether there is text where `content` is looked for; in the page, if it has no "
            "selector."
        ),
    ]
    selectors_valid: Annotated[bool, Meta(description="Whether each selector given is one.")]
    robots_txt_compliant: Annotated[
        bool, Meta(description="Whether robots.txt lets the crawler have the page (RFC 9309).")
    ]
    reason: Annotated[str | None, Meta(description="Why it is not accessible.")] = None
    status: Annotated[int | None, Meta(description="The HTTP status of the page.")] = None
    final_url: Annotated[str | None, Meta(description="Where redirects led.")] = None
    language: Annotated[str | None, Meta(description="`vi`, `en` or `other`, from the text of the page.")] = (
        None
    )
    crawl_delay: Annotated[float | None, Meta(description="Seconds that robots.txt asks for.")] = None
    selectors: dict[str, SelectorResult] = {}


class ValidationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and what to do about it."""

    success: Literal[True] = True
    validation_result: ValidationResult
    recommendations: list[str]
