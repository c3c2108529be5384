"""Knowledge on the wire (contract: knowledge)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.errors import IngestError
from ingestbox.families.knowledge.result import Warned
from ingestbox.families.knowledge.words import code_of
from ingestbox.model import Role

FAMILY = "knowledge"

PATH = "/knowledge-management"

ROLES = frozenset({Role.INGEST, Role.UPLOADER})
"""Who may send articles and read them."""


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
    code: Annotated[str, Meta(description="The same error by the name that it has everywhere in this box.")]
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
        "code": error.code,
        **error.extra,
    }


class Uploaded(msgspec.Struct, frozen=True):
    """The article is on disk."""

    success: Literal[True]
    content_id: Annotated[str, Meta(description="What it is called; of a repeat, what the first one is.")]
    status: Literal["queued_for_processing"]
    message: str
    processing_estimate: str
    warnings: Annotated[list[Warned] | UnsetType, Meta(description="Left out if there are none.")] = UNSET


class BulkItem(msgspec.Struct, frozen=True):
    """What became of an item."""

    source_url: Annotated[str, Meta(description="As it was sent; empty if that is no text.")]
    status: Annotated[
        Literal["accepted", "duplicate", "rejected"],
        Meta(
            description="`duplicate`: the same text came from the same address within the last 48 hours, and "
            "counts as accepted."
        ),
    ]
    content_id: Annotated[
        str | UnsetType,
        Meta(
            description="What it is called; of a repeat, and of the same text from another address, what the "
            "first one is. What is not valid has one too, if it is kept until a person has looked at it."
        ),
    ] = UNSET
    error: Annotated[str | UnsetType, Meta(description="Of a rejected item: the error, for programs.")] = (
        UNSET
    )
    message: Annotated[str | UnsetType, Meta(description="Of a rejected item: why, as a sentence.")] = UNSET
    details: Annotated[list[Detail] | UnsetType, Meta(description="Everything that is wrong with it.")] = (
        UNSET
    )
    warnings: Annotated[list[Warned] | UnsetType, Meta(description="Left out if there are none.")] = UNSET


class BulkUploaded(msgspec.Struct, frozen=True):
    """The articles that were accepted are on disk."""

    success: Literal[True]
    batch_id: str
    total_items: int
    accepted_items: Annotated[int, Meta(description="With the repeats among them.")]
    rejected_items: int
    status: Literal["processing"]
    processing_estimate: str
    items: Annotated[list[BulkItem], Meta(description="One for each item, in their order.")]
