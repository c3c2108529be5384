"""Segments' endpoints (contract: audience)."""

from __future__ import annotations

from typing import Final

from ingestbox.families.audience import paging
from ingestbox.families.audience.elsewhere import BOX
from ingestbox.families.audience.members import COLUMNS
from ingestbox.families.audience.segments import making, reading
from ingestbox.families.audience.segments.shapes import (
    SEGMENTS,
    NewSegment,
    SegmentAnswer,
    SegmentChange,
    SegmentList,
    SegmentWhole,
)
from ingestbox.families.audience.shapes import PATH, Deleted
from ingestbox.families.audience.sight import ALL, UPLOAD_ID
from ingestbox.families.audience.twins import HEADERS, NDJSON
from ingestbox.route import Answer, Parameter, Route

SEGMENT_ID: Final = Parameter("segment_id", "The segment's id, as the list has it.", str, "path")

_SEEN = ("bad_parameter", "not_found", "forbidden")

_CHANGES = (
    "A rule's records are those that pass when it is read: records that are repaired join, and what is "
    "processed anew counts as it is then. A frozen one keeps its list: of it records go that were erased or "
    "given up, or wait on an issue again, and none joins. Upstream has it as it was when it was made or "
    "changed last."
)

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        PATH + "/{upload_id}/segments",
        making.create,
        "Keep a selection of an upload's records",
        body_limit="control_kb",
        description="By a filter as the upload's records are read with; without one it has them all. What is "
        f"frozen or forwarded waits until the upload is processed: 409 with `Retry-After`. {_CHANGES}",
        body=NewSegment,
        example={
            "name": "Germany, large",
            "filter": {
                "all": [
                    {"field": "country", "op": "=", "value": "DE"},
                    {"field": "employees", "op": ">=", "value": 250},
                ]
            },
        },
        parameters=(UPLOAD_ID, ALL),
        answers=(Answer(SegmentAnswer, description="It is kept."),),
        errors=(*_SEEN, "validation_failed", "job_active"),
        idempotent=True,
    ),
    Route(
        "GET",
        SEGMENTS,
        reading.segments,
        "Your segments",
        description=f"Newest first, to {paging.WHOLE:,}; with more, or with `limit`, `next_cursor` goes on.",
        parameters=(
            Parameter("upload_id", "Only those of this upload."),
            paging.LIMIT_OF_WHOLE,
            paging.CURSOR,
            ALL,
            BOX,
        ),
        answers=(Answer(SegmentList, description="Newest first."),),
        errors=_SEEN,
    ),
    Route(
        "GET",
        SEGMENTS + "/{segment_id}.csv",
        reading.as_csv,
        "A segment as a file for a spreadsheet",
        description="As an upload's.",
        parameters=(SEGMENT_ID, COLUMNS, ALL, BOX),
        answers=(Answer(None, description="The file.", media_type="text/csv", headers=HEADERS),),
        errors=_SEEN,
    ),
    Route(
        "GET",
        SEGMENTS + "/{segment_id}.ndjson",
        reading.as_ndjson,
        "A segment as a file with an object a line",
        description="As an upload's.",
        parameters=(SEGMENT_ID, COLUMNS, ALL, BOX),
        answers=(Answer(None, description="The file.", media_type=NDJSON, headers=HEADERS),),
        errors=_SEEN,
    ),
    Route(
        "GET",
        SEGMENTS + "/{segment_id}",
        reading.one,
        "A segment with its records",
        description=f"All of them, or with `limit` a page. {_CHANGES}",
        parameters=(SEGMENT_ID, paging.LIMIT_OF_RECORDS, paging.CURSOR, ALL, BOX),
        answers=(Answer(SegmentWhole, description="The segment."),),
        errors=_SEEN,
    ),
    Route(
        "PATCH",
        SEGMENTS + "/{segment_id}",
        making.patch,
        "Rename a segment, freeze it, or have it forwarded",
        body_limit="control_kb",
        description="What is named changes. One that is forwarded is told of anew, and removed upstream when "
        "it is not to be forwarded any more.",
        body=SegmentChange,
        example={"forward": True},
        parameters=(SEGMENT_ID, ALL),
        answers=(Answer(SegmentAnswer, description="As it is now."),),
        errors=(*_SEEN, "validation_failed", "job_active", "record_changed"),
    ),
    Route(
        "DELETE",
        SEGMENTS + "/{segment_id}",
        making.delete,
        "Delete a segment",
        description="Its records stay. One that is forwarded is removed upstream.",
        parameters=(SEGMENT_ID, ALL),
        answers=(Answer(Deleted, description="It is gone."),),
        errors=_SEEN,
    ),
)
"""All of them."""
