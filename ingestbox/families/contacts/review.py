"""`PUT /issues/{id}`: what a person says of an issue (contract: contacts, Resolving)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.errors import IngestError
from ingestbox.families.contacts import deciding
from ingestbox.families.contacts.deciding import EDITORS, IF_MATCH, wrong
from ingestbox.families.contacts.issues import ETAG, ISSUE_ID, place_of, read_issue
from ingestbox.families.contacts.pages import number
from ingestbox.families.contacts.rule import STAGING
from ingestbox.families.contacts.shapes import ContactsIssue
from ingestbox.families.contacts.sight import ALL, no_issue, sight_of
from ingestbox.family import Ask
from ingestbox.route import Answer, Reply, Route
from ingestbox.store.review import Blocked
from ingestbox.store.staged import UPDATE_EXISTING, EditIssue, IssueChange

_Text = Annotated[str | UnsetType | None, Meta(description="Left out or null it stays.")]


class ContactsIssueChange(msgspec.Struct, frozen=True):
    """What a person says of an issue."""

    issue_resolved: Annotated[
        bool | UnsetType | None,
        Meta(description="true closes it, false opens it again; left out or null it stays."),
    ] = UNSET
    issue_description: _Text = UNSET
    issue_resolved_by: Annotated[
        str | UnsetType | None, Meta(description="Who resolved it; the caller, unless it is given.")
    ] = UNSET
    issue_resolution_comment: Annotated[
        str | UnsetType | None, Meta(description="Left out or null it stays; empty clears it.")
    ] = UNSET
    resolution: Annotated[
        Literal["update_existing"] | UnsetType | None,
        Meta(
            description="Of an EXISTING_EMAIL: its row is READY, and will update the contact that has the "
            "address. It resolves the issue."
        ),
    ] = UNSET


async def change(ask: Ask) -> Reply:
    """PUT /issues/{id}: the issue as it is after that."""
    wanted = _wanted(deciding.members(ask.body))
    sight, issue_id = sight_of(ask), number(ask.path["id"])
    if issue_id is None:
        raise no_issue(ask.path["id"])
    found = await ask.box.read_with(lambda tx: place_of(tx, issue_id, sight))
    if found is None:
        raise no_issue(issue_id)
    workspace, job_id = found
    unit = EditIssue(issue_id, STAGING, wanted, deciding.act(ask, workspace), deciding.marks(ask.headers))
    blocked = await ask.box.write(unit)
    if blocked is not None:
        raise _refused(blocked, ask.headers)
    ask.box.changed(job_id)
    now = await ask.box.read_with(lambda tx: read_issue(tx, issue_id, sight))
    if now is None:
        raise no_issue(issue_id)
    return Reply(now[0], headers=(("ETag", now[1]),))


def _refused(blocked: Blocked, headers: Mapping[str, str]) -> IngestError:
    if blocked.code == "issue_not_existing":
        return wrong("resolution", "resolution: update_existing is for issues of the type EXISTING_EMAIL.")
    return deciding.refuse(blocked, headers)


def _wanted(given: Mapping[str, object]) -> IssueChange:
    """The change. Members that nobody knows are passed over. Raises IngestError `validation_failed`."""
    resolved = given.get("issue_resolved")
    if resolved is not None and not isinstance(resolved, bool):
        raise wrong("issue_resolved", "issue_resolved must be true or false.")
    resolution = deciding.text_of(given, "resolution") or None
    if resolution not in (None, UPDATE_EXISTING):
        raise wrong("resolution", f"resolution must be {UPDATE_EXISTING}, or left out.")
    if resolution is not None and resolved is False:
        raise wrong(
            "resolution", f"resolution: {UPDATE_EXISTING} resolves the issue; issue_resolved says no."
        )
    return IssueChange(
        resolved=True if resolution else resolved,
        message=deciding.text_of(given, "issue_description") or None,
        resolved_by=(deciding.text_of(given, "issue_resolved_by") or "").strip() or None,
        comment=deciding.text_of(given, "issue_resolution_comment"),
        updates=resolution is not None,
    )


ROUTES: tuple[Route, ...] = (
    Route(
        "PUT",
        "/issues/{id}",
        change,
        "Resolve an issue, or say something of it",
        EDITORS,
        "control_kb",
        description="While its import needs review, or has failed. What is resolved here and wrong still is "
        "open again once the import was reprocessed. `resolution: update_existing` says that the row of an "
        "EXISTING_EMAIL updates the contact that has its address; taken back with `issue_resolved: false`.",
        body=ContactsIssueChange,
        example={"issue_resolved": True, "issue_resolution_comment": "Corrected the address"},
        parameters=(ISSUE_ID, IF_MATCH, ALL),
        answers=(Answer(ContactsIssue, description="The issue.", headers={"ETag": ETAG}),),
        errors=(
            "bad_parameter",
            "forbidden",
            "not_found",
            "malformed_json",
            "validation_failed",
            "job_not_waiting",
            "record_changed",
            "precondition_failed",
            "rows_undecided",
            "nothing_to_update",
            "damaged",
        ),
    ),
)
