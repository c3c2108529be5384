"""Knowledge on the wire (contract: knowledge)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.errors import IngestError
from ingestbox.families.knowledge.words import code_of

PATH = "/knowledge-management"


class Detail(msgspec.Struct, frozen=True):
    """One thing that is wrong with what was sent."""

    field: Annotated[str, Meta(description="Which field; empty for the item as a whole.")]
    error: str
    index: Annotated[int | UnsetType, Meta(description="Which item of a bulk upload, from 0.")] = UNSET


class KnowledgeError(msgspec.Struct, frozen=True):
    """Why a call was refused."""

    success: Literal[False]
    error: Annotated[str, Meta(description="The error, for programs.")]
    message: Annotated[str, Meta(description="What is wrong, as a sentence.")]
    details: list[Detail]
    request_id: Annotated[str, Meta(description="The X-Request-ID of this answer.")]
    content_id: Annotated[
        str | UnsetType, Meta(description="Of `duplicate_content`: the content that has the same text.")
    ] = UNSET


def error_body(error: IngestError, request_id: str) -> dict[str, object]:
    """A KnowledgeError."""
    details: list[dict[str, object]] = []
    for fault in error.faults:
        detail: dict[str, object] = {"field": fault.field or "", "error": fault.message}
        if fault.index is not None:
            detail["index"] = fault.index
        details.append(detail)
    return {
        "success": False,
        "error": code_of(error),
        "message": error.detail,
        "details": details,
        "request_id": request_id,
        **error.extra,
    }


class Uploaded(msgspec.Struct, frozen=True):
    """The article is on disk."""

    success: Literal[True]
    content_id: str
    status: Literal["queued_for_processing"]
    message: str
    processing_estimate: str
