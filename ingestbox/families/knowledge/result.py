"""What was found out about an article, as it is stored, forwarded and served."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]
Place = Annotated[int, Meta(ge=0)] | None


class Tongue(msgspec.Struct, frozen=True, kw_only=True):
    """The language of an article."""

    code: Annotated[str, Meta(description="What was found: `vi`, `en` or `other`.")]
    confidence: Annotated[Share, Meta(description="How likely it is to be right.")]
    declared: Annotated[str, Meta(description="What the item said; `vi` if it said nothing.")]
    matches: Annotated[bool, Meta(description="Whether the two are the same.")]


class PassageSpan(msgspec.Struct, frozen=True):
    """A passage: `text` from `start` to before `end`, in code points."""

    start: Annotated[int, Meta(ge=0)]
    end: Annotated[int, Meta(ge=0)]


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the article is about or names.

    Where it has a place, `text` of the result is the entity's own from `start` to before `end`, in code
    points; both are null for one that came with the item and is not found there.
    """

    text: str
    type: Annotated[str, Meta(description="`disease`, `medication`, `person`, `organization` and others.")]
    confidence: Annotated[Share, Meta(description="Null for one that came without.")] | None
    start: Place
    end: Place
    given: Annotated[bool, Meta(description="Whether it came with the item; otherwise it was found here.")]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the quality: its score, how much it counts, and why it is what it is."""

    score: Share
    weight: Share
    why: str


class Warned(msgspec.Struct, frozen=True):
    """Something that a person should know although nothing was refused."""

    code: Annotated[
        str,
        Meta(
            description="`language_mismatch`, `content_hash_mismatch`, `entities_capped`, "
            "`entities_not_found`, `entities_unreadable`."
        ),
    ]
    message: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was found out about an article. Offsets are in code points of `text`."""

    text: Annotated[
        str, Meta(description="The content without markup and what pages have around it, in NFC.")
    ]
    text_hash: Annotated[
        str, Meta(description="SHA-256 (hex) of the text without regard to case and white space.")
    ]
    cleaning: Annotated[dict[str, Any], Meta(description="What was taken out of the content.")]
    language: Tongue
    passages: Annotated[list[PassageSpan], Meta(description="What it is searched by; they overlap.")]
    keywords: Annotated[list[str], Meta(description="What it is about, the weightiest first.")]
    entities: list[Named]
    quality_score: Annotated[Share, Meta(description="The sum of the parts, each by its weight.")]
    quality: Annotated[dict[str, Part], Meta(description="The parts of the quality, by their names.")]
    fingerprint: Annotated[str, Meta(description="Fingerprint of the text (hex): near-duplicates are alike.")]
    warnings: list[Warned]
    steps: Annotated[dict[str, str], Meta(description="Who did each step, with the version of its rules.")]
