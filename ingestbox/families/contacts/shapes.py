"""Contacts on the wire (contract: contacts)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.errors import MAX_FAULTS, Fault, IngestError


class ContactsError(msgspec.Struct, frozen=True):
    """Why a call was refused."""

    detail: Annotated[str, Meta(description="What is wrong, as a sentence.")]
    code: Annotated[str, Meta(description="The error, for programs.")]
    request_id: Annotated[str, Meta(description="The X-Request-ID of this answer.")]
    errors: Annotated[
        list[Fault] | UnsetType, Meta(description=f"What is wrong with the body, to {MAX_FAULTS:,} faults.")
    ] = UNSET


def error_body(error: IngestError, request_id: str) -> dict[str, object]:
    """A ContactsError: `errors` is there for a body that fails validation."""
    body: dict[str, object] = {"detail": error.detail, "code": error.code, "request_id": request_id}
    if error.faults:
        body["errors"] = error.faults
    return {**body, **error.extra}


JobStatus = Literal["PENDING", "PROCESSING", "NEEDS_REVIEW", "COMPLETED", "FAILED"]
StagingStatus = Literal["READY", "ISSUE", "DISCARD", "SUCCESS"]

Next = Annotated[str | UnsetType, Meta(description="Where to go on; left out at the end of the list.")]
Count = Annotated[int, Meta(ge=0)]
Damaged = Annotated[
    bool | UnsetType,
    Meta(description="True if what is stored does not match its checksum: it is not shown then."),
]


class ContactsJob(msgspec.Struct, frozen=True):
    """An import: what one file became."""

    job_id: int
    job_created_at: str
    job_user_id: str
    job_original_filename: str
    job_s3_object_key: Annotated[str | None, Meta(description="The stored file's path in the data folder.")]
    job_status: JobStatus
    job_total_rows: Count
    job_processed_rows: Annotated[int, Meta(ge=0, description="Rows that are staged so far.")]
    job_issue_count: Annotated[int, Meta(ge=0, description="Issues that are not resolved.")]
    job_process_start: str | None
    job_process_end: str | None
    job_error: str | None
    undone_at: Annotated[str | UnsetType, Meta(description="Of an import that was undone.")] = UNSET


class ContactsJobs(msgspec.Struct, frozen=True):
    """Imports, newest first."""

    jobs: list[ContactsJob]
    total: Annotated[int, Meta(ge=0, description="All that there are, on all pages.")]
    next_cursor: Next = UNSET


class AffectedRow(msgspec.Struct, frozen=True):
    """A row of an import, as it is staged."""

    staging_id: int
    staging_email: str | None
    staging_first_name: str | None
    staging_last_name: str | None
    staging_company: str | None
    staging_created_at: str
    staging_status: StagingStatus
    row_number: Annotated[int, Meta(ge=1, description="Its place in the file, the header not counted.")]
    damaged: Damaged = UNSET


class ContactsIssue(msgspec.Struct, frozen=True):
    """Something that stands in the way of an import, with the rows that it is about."""

    issue_id: int
    issues_job_id: int
    issue_type: Annotated[str, Meta(description="Such as `DUPLICATE_EMAIL`.")]
    issue_resolved: bool
    issue_description: str
    issue_resolved_at: str | None
    issue_resolved_by: str | None
    issue_resolution_comment: str | None
    issue_created_at: str
    affected_rows: Annotated[list[AffectedRow], Meta(description="The first of them, if they are very many.")]
    affected_total: Annotated[int, Meta(ge=0, description="How many rows there are.")]


class ContactsIssues(msgspec.Struct, frozen=True):
    """Issues, newest first; the counts are of all, on all pages."""

    issues: list[ContactsIssue]
    total: Count
    resolved_count: Count
    unresolved_count: Count
    next_cursor: Next = UNSET


class Contact(msgspec.Struct, frozen=True):
    """A contact."""

    contact_id: int
    staging_id: Annotated[int | None, Meta(description="The row it was last made of; null from another box.")]
    contacts_user_id: str
    contact_email: str | None
    contact_first_name: str | None
    contact_last_name: str | None
    contact_company: str | None
    contact_created_at: str
    box: Annotated[str | UnsetType, Meta(description="The box that it came from, if not this one.")] = UNSET
    damaged: Damaged = UNSET


class ContactWhole(Contact, frozen=True, kw_only=True):
    """A contact, and where it comes from."""

    contact_updated_at: str
    job_id: Annotated[
        int | None, Meta(description="The import that it was last made of; null from another box.")
    ]
    object_id: Annotated[str, Meta(description="What it is called upstream.")]


class ContactList(msgspec.Struct, frozen=True):
    """Contacts, newest first."""

    contacts: list[Contact]
    total: Annotated[int, Meta(ge=0, description="All that there are, on all pages.")]
    next_cursor: Next = UNSET
    total_is: Annotated[
        Literal["lower bound"] | UnsetType,
        Meta(description="There if filters leave so many that they are not all counted."),
    ] = UNSET
    indexing: Annotated[
        bool | UnsetType,
        Meta(description="True while contacts from before an update wait to be found by filters: more come."),
    ] = UNSET
