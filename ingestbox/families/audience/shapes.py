"""Audience on the wire (contract: audience)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.errors import MAX_FAULTS, Fault, IngestError

PATH = "/api/audience/batch-upload"

Count = Annotated[int, Meta(ge=0)]
Success = Literal["success"]


class AudienceError(msgspec.Struct, frozen=True):
    """Why a call was refused."""

    status: Literal["error"]
    message: Annotated[str, Meta(description="What is wrong, as a sentence.")]
    code: Annotated[str, Meta(description="The error, for programs.")]
    request_id: Annotated[str, Meta(description="The X-Request-ID of this answer.")]
    errors: Annotated[
        list[Fault] | UnsetType,
        Meta(description=f"What is wrong with the body: every fault of every record, to {MAX_FAULTS:,}."),
    ] = UNSET


def error_body(error: IngestError, request_id: str) -> dict[str, object]:
    """An AudienceError: `errors` is there for a body that fails validation."""
    body: dict[str, object] = {
        "status": "error",
        "message": error.detail,
        "code": error.code,
        "request_id": request_id,
    }
    if error.faults:
        body["errors"] = error.faults
    return {**body, **error.extra}


class Outcome(msgspec.Struct, frozen=True):
    """A record of a batch that was not taken as it is: it waits as an issue."""

    index: Annotated[int, Meta(ge=0, description="The record's place in the batch, from 0.")]
    outcome: Literal["rejected"]
    code: str
    message: str
    field: str | UnsetType = UNSET


class BatchAnswer(msgspec.Struct, frozen=True):
    """The batch is on disk."""

    status: Success
    upload_id: str
    session_token: Annotated[str, Meta(description="For clients that expect one; no call takes it.")]
    rows_received: Annotated[int, Meta(ge=1, description="How many records were sent.")]
    message: str
    rows_stored: Annotated[
        int | UnsetType, Meta(description="With `mode=partial`: how many were taken as they are.")
    ] = UNSET
    outcomes: Annotated[list[Outcome] | UnsetType, Meta(description="With `mode=partial`: the others.")] = (
        UNSET
    )


class UploadLine(msgspec.Struct, frozen=True):
    """An upload, in a list."""

    upload_id: str
    upload_name: str
    created_at: str
    rows_received: Count
    status: Annotated[Literal["uploaded"], Meta(description="Always this: what is listed is on disk.")]
    fields: list[str]
    rows_stored: Annotated[int, Meta(ge=0, description="Those that wait on no issue and were not given up.")]
    rows_processed: Annotated[int, Meta(ge=0, description="Those of which there are results.")]
    owner: Annotated[str | UnsetType, Meta(description="Whose it is, where others' are listed.")] = UNSET
    box: Annotated[str | UnsetType, Meta(description="The box that it came from, if not this one.")] = UNSET


class UploadList(msgspec.Struct, frozen=True):
    """Uploads, newest first."""

    status: Success
    uploads: list[UploadLine]
    total: Annotated[int, Meta(ge=0, description="All that there are, on all pages.")]
    next_cursor: Annotated[
        str | UnsetType | None, Meta(description="Where to go on; null at the end of the list.")
    ] = UNSET


class Result(msgspec.Struct, frozen=True):
    """What was found out about a record, beside it."""

    email: Annotated[
        str | None,
        Meta(
            description="The first of business_email, email, personal_email that is valid, else the first "
            "that is filled in: in lower case, without blanks, `mailto:` and the name of "
            "`Anna <anna@x.example>`, an international domain in its own letters."
        ),
    ] = msgspec.field(name="_email")
    email_valid: Annotated[
        bool | None,
        Meta(description="By its form (RFC 5321, 6531); nobody is asked. Null without an address."),
    ] = msgspec.field(name="_email_valid")
    domain: Annotated[
        str | None,
        Meta(
            description="The organisation's: as given in domain, else in company_domain (also as an address "
            "of the web), else that of business_email or email, unless it is one of a free or throw-away "
            "mail service. In lower case, without `www.`, in its own letters."
        ),
    ] = msgspec.field(name="_domain")
    free_mail: Annotated[bool, Meta(description="The address is one of a free mail service.")] = (
        msgspec.field(name="_free_mail")
    )
    disposable: Annotated[bool, Meta(description="The address is one of a throw-away service.")] = (
        msgspec.field(name="_disposable")
    )
    completeness: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="How much of what is useful is there: a valid address counts 0.30, the name 0.15 "
            "(first name alone 0.08, last name alone 0.07), company 0.15, domain, title and phone 0.10 each, "
            "a place and a page on the web 0.05 each. What members are called is known in several spellings: "
            "`first_name`, `firstName`, `First Name`.",
        ),
    ] = msgspec.field(name="_completeness")
    duplicate_of: Annotated[
        str | None,
        Meta(
            description="The first of your records that is the same, as `<upload_id>/<index>`; null if this "
            "is the first. The same are those with the same valid address, and of those without one what has "
            "the same content, whatever its order, case and blanks. When the first goes another one is."
        ),
    ] = msgspec.field(name="_duplicate_of")


class UploadWhole(msgspec.Struct, frozen=True):
    """An upload with its records."""

    status: Success
    upload_id: str
    upload_name: str
    records: Annotated[list[Any], Meta(description="Exactly as they were sent, in their order.")]
    results: Annotated[
        list[Result | None],
        Meta(description="What was found out about each of `records`; null as long as it is not known."),
    ]
    indexes: Annotated[
        list[int], Meta(description="The place in the upload of each of `records`, from 0; some are missing.")
    ]
    fields: list[str]
    created_at: str
    rows_received: Count
    upload_status: Literal["uploaded"]
    rows_stored: Count
    rows_processed: Count
    next_cursor: Annotated[
        str | UnsetType | None, Meta(description="Where to go on, if `limit` was given; null at the end.")
    ] = UNSET
    total: Annotated[int, Meta(ge=0, description="With `filter`: how many records pass.")] | UnsetType = UNSET
    total_is: Annotated[
        Literal["lower bound"] | UnsetType, Meta(description="There if they were not counted to the end.")
    ] = UNSET
    damaged: Annotated[
        list[int] | UnsetType,
        Meta(
            description="The places in the upload of those of which something does not match its checksum, "
            "if there are any: it is null in its list."
        ),
    ] = UNSET


class Deleted(msgspec.Struct, frozen=True):
    """It is gone."""

    status: Success
    message: str
