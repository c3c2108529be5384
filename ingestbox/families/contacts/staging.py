"""`/staging/{id}`: a row that waits for the others of its import, and changing it (contract: contacts,
Resolving)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.errors import IngestError
from ingestbox.families.contacts import deciding
from ingestbox.families.contacts.deciding import EDITORS, IF_MATCH, wrong
from ingestbox.families.contacts.fields import FIELDS, key_of
from ingestbox.families.contacts.issues import row_body
from ingestbox.families.contacts.pages import number
from ingestbox.families.contacts.shapes import AffectedRow
from ingestbox.families.contacts.sight import ALL, FAMILY, sight_of
from ingestbox.family import Ask
from ingestbox.model import Job, JobState
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.store import ReadTx, jobs, records, staged
from ingestbox.store.audit import Act
from ingestbox.store.review import Blocked
from ingestbox.store.staged import Found, RowEdit, State, edit_row, find_row
from ingestbox.store.unit import Tx

STATES: Mapping[str, State] = {"READY": "pending", "ISSUE": "issue", "DISCARD": "discarded"}
"""What a person can make of a row, and how that is stored."""

NOTE = "_note"
"""What the box remarked about a row goes when a person changes it."""

LOST = "What was stored of this row was damaged"
"""What is remarked when a damaged row is given up."""

ETAG = {"ETag": "Names content and status of the row, for If-Match."}
ROW_ID = Parameter("id", "The row's `staging_id`.", int, "path")

_Cell = Annotated[str | UnsetType | None, Meta(description="Left out it stays; null or empty clears it.")]


class StagingChange(msgspec.Struct, frozen=True):
    """What a person changes of a row."""

    staging_email: _Cell = UNSET
    staging_first_name: _Cell = UNSET
    staging_last_name: _Cell = UNSET
    staging_company: _Cell = UNSET
    staging_status: Annotated[
        Literal["READY", "ISSUE", "DISCARD"] | UnsetType | None,
        Meta(description="Left out or null it stays."),
    ] = UNSET


@dataclass(frozen=True, slots=True)
class RowNow:
    """A row as it is: (id, key, state, payload, crc), the texts as bytes, and what its ETag says."""

    row: tuple[Any, ...]
    mark: str


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """Puts cells (by field) and a state into a row as it is at this moment; what is not given stays.

    With `marks` the row has to be one of these. Of two people who change different cells at once neither
    loses anything, and of two who say what they have read one hears that it is another row now. A damaged row
    can be given up, or written anew with all its fields.
    """

    record_id: int
    cells: Mapping[str, str]
    state: State | None
    marks: Collection[str] | None
    act: Act
    weight: int = staged.ROWS_AN_EDIT + 2

    def apply(self, tx: Tx) -> RowNow | Blocked:
        """Writes it, if it changes anything. Blocked: job_not_waiting, record_not_waiting, record_changed,
        damaged."""
        found = find_row(tx, self.record_id)
        if isinstance(found, Blocked):
            return found
        if self.marks is not None and found.mark not in self.marks:
            return Blocked("record_changed")
        row = self._row(found)
        if row is None:
            return Blocked("damaged")
        before = {name: _text(row.get(name)) for name in self.cells}
        changed = [name for name, cell in self.cells.items() if cell != before[name]]
        state: Any = found.state if self.state is None else self.state
        if changed or state != found.state or not found.sound:
            row.update({name: self.cells[name] for name in changed})
            if found.sound:
                row.pop(NOTE, None)
            key = key_of(_text(row.get("email")))
            if key != found.key:
                row.pop(staged.UPDATE, None)
            edit = RowEdit(
                record_id=self.record_id,
                mark=None,
                key=key,
                payload=msgspec.json.encode(row),
                state=state,
                before={**{name: _short(before[name]) for name in changed}, "state": found.state},
                after={**{name: _short(self.cells[name]) for name in changed}, "state": state},
            )
            if blocked := edit_row(tx, edit, self.act):
                return blocked
        now = row_now(tx, self.record_id)
        assert now is not None  # it was just looked at, in this transaction
        return now

    def _row(self, found: Found) -> dict[str, Any] | None:
        """What is to be changed; None for a row of which nothing can be read."""
        if found.sound:
            row: dict[str, Any] = msgspec.json.decode(found.payload)
            return row
        if self.state == "discarded":
            return {NOTE: LOST}
        return {} if len(self.cells) == len(FIELDS) else None


def row_now(tx: Tx | ReadTx, rid: int) -> RowNow | None:
    """The row with this id."""
    row = tx.one("records.one", {"id": rid})
    return None if row is None else RowNow(row[:5], records.mark(row[2], row[4], row[5]))


def _text(cell: object) -> str:
    return cell if isinstance(cell, str) else ""


def _short(text: str) -> str:
    return text if len(text) <= staged.SHOWN_CHARACTERS else text[: staged.SHOWN_CHARACTERS] + "…"


async def one(ask: Ask) -> Reply:
    """GET /staging/{id}: the row as it is."""
    return _reply(*await _found(ask))


async def change(ask: Ask) -> Reply:
    """PUT /staging/{id}: the row as it is to be."""
    cells, state = _wanted(deciding.members(ask.body))
    job, found = await _found(ask)
    by, marks = deciding.act(ask, job.workspace), deciding.marks(ask.headers)
    outcome = await ask.box.write(ChangeRow(found.row[0], cells, state, marks, by))
    if isinstance(outcome, Blocked):
        raise deciding.refuse(outcome, ask.headers)
    ask.box.changed(job.id)
    return _reply(job, outcome)


def _wanted(given: Mapping[str, object]) -> tuple[dict[str, str], State | None]:
    """The cells by field, and the state. Members that nobody knows are passed over."""
    cells = {
        name: deciding.text_of(given, f"staging_{name}") or ""
        for name in FIELDS
        if f"staging_{name}" in given
    }
    status = given.get("staging_status")
    if status is None:
        return cells, None
    if not isinstance(status, str) or status not in STATES:
        raise wrong("staging_status", "staging_status must be READY, ISSUE or DISCARD.")
    return cells, STATES[status]


async def _found(ask: Ask) -> tuple[Job, RowNow]:
    sight, rid = sight_of(ask), number(ask.path["id"])

    def read(tx: ReadTx) -> tuple[Job, RowNow] | None:
        job = None if rid is None else jobs.by_id(tx, records.place(rid)[0], sight)
        if rid is None or job is None or job.family != FAMILY or job.state == JobState.CANCELLED:
            return None
        row = row_now(tx, rid)
        return None if row is None else (job, row)

    found = await ask.box.read_with(read)
    if found is None:
        name = ask.path["id"][:40]
        raise IngestError("not_found", f"Staging row {name} not found or you don't have access to it")
    return found


def _reply(job: Job, found: RowNow) -> Reply:
    return Reply(row_body(found.row, job.submitted_ms), headers=deciding.etag(found.mark))


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/staging/{id}",
        one,
        "A row of an import",
        description="The ETag names its content and status, for If-Match.",
        parameters=(ROW_ID, ALL),
        answers=(Answer(AffectedRow, headers=ETAG),),
        errors=("bad_parameter", "forbidden", "not_found"),
    ),
    Route(
        "PUT",
        "/staging/{id}",
        change,
        "Correct a row of an import, or give it up",
        EDITORS,
        "control_kb",
        description="While its import needs review, or has failed. What is left out stays. Nothing is "
        "checked before the import is reprocessed: a row that is READY and wrong still is an ISSUE again. "
        "DISCARD gives a row up; an issue all of whose rows are given up is resolved. With another e-mail "
        "address a row is not to update an existing contact any more.",
        body=StagingChange,
        example={"staging_email": "anna@example.com", "staging_status": "READY"},
        parameters=(ROW_ID, IF_MATCH, ALL),
        answers=(Answer(AffectedRow, headers=ETAG),),
        errors=(
            "bad_parameter",
            "forbidden",
            "not_found",
            "malformed_json",
            "validation_failed",
            "job_not_waiting",
            "record_not_waiting",
            "record_changed",
            "precondition_failed",
            "damaged",
        ),
    ),
)
