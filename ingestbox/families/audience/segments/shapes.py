"""Segments on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.families.audience.shapes import Result, Success

SEGMENTS: Final = "/api/audience/segments"

MAX_NAME: Final = 100

MAX_FROZEN: Final = 90_000
"""Records of one that is frozen: a central box takes no line with more."""

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME, description="What people call it.")]
FilterBody = Annotated[
    Any, Meta(description="As the parameter `filter` of an upload, as JSON; null: all of its records.")
]
Frozen = Annotated[
    bool,
    Meta(description="A list of the records that pass now; else its filter is applied when it is read."),
]
Forward = Annotated[bool, Meta(description="Upstream is told of it, as an object of the kind `segment`.")]


class NewSegment(msgspec.Struct, forbid_unknown_fields=True):
    """A selection of an upload's records."""

    name: Name
    filter: FilterBody = None
    frozen: Frozen = False
    forward: Forward = False


class SegmentChange(msgspec.Struct, forbid_unknown_fields=True):
    """What of it is to be otherwise; what is not named stays."""

    name: Name | UnsetType = UNSET
    frozen: Annotated[
        bool | UnsetType, Meta(description="true takes its list anew; false makes a rule of it again.")
    ] = UNSET
    forward: Forward | UnsetType = UNSET


class Segment(msgspec.Struct, frozen=True):
    """A segment."""

    segment_id: str
    name: str
    upload_id: str
    filter: FilterBody
    frozen: Frozen
    forward: Forward
    created_at: str
    updated_at: str
    count: (
        Annotated[
            int,
            Meta(
                ge=0,
                description="How many records it has now. Left out in a list that takes long to count.",
            ),
        ]
        | UnsetType
    ) = UNSET
    count_is: Annotated[
        Literal["lower bound"] | UnsetType, Meta(description="There if it was not counted to the end.")
    ] = UNSET
    owner: Annotated[str | UnsetType, Meta(description="Whose it is, where others' are listed.")] = UNSET
    box: Annotated[str | UnsetType, Meta(description="The box that it came from, if not this one.")] = UNSET


class SegmentAnswer(msgspec.Struct, frozen=True):
    """A segment by itself."""

    status: Success
    segment: Segment


class SegmentList(msgspec.Struct, frozen=True):
    """Segments, newest first."""

    status: Success
    segments: list[Segment]
    total: Annotated[int, Meta(ge=0, description="All that there are, on all pages.")]
    next_cursor: Annotated[
        str | UnsetType | None, Meta(description="Where to go on; null at the end of the list.")
    ] = UNSET


class SegmentWhole(msgspec.Struct, frozen=True):
    """A segment with its records."""

    status: Success
    records: Annotated[list[Any], Meta(description="Exactly as they were sent, in their order.")]
    results: Annotated[
        list[Result | None],
        Meta(description="What was found out about each of `records`; null as long as it is not known."),
    ]
    indexes: Annotated[list[int], Meta(description="The place in the upload of each of `records`, from 0.")]
    fields: Annotated[list[str], Meta(description="Those of the upload.")]
    segment: Segment
    next_cursor: Annotated[
        str | UnsetType | None, Meta(description="Where to go on, if `limit` was given; null at the end.")
    ] = UNSET
    damaged: Annotated[
        list[int] | UnsetType,
        Meta(description="The places of those of which something does not match its checksum, if any."),
    ] = UNSET
