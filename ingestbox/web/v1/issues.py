"""`/v1/issues`: what waits for a person."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar, cast, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox import strictjson
from ingestbox.clock import iso
from ingestbox.errors import Fault, IngestError
from ingestbox.model import checksum
from ingestbox.route import Answer, Parameter, Reply, Route, limit_of
from ingestbox.store import ReadTx, Store, issues, jobs, records
from ingestbox.store.issues import Issue, Wanted
from ingestbox.store.parked import ParkedState
from ingestbox.store.sight import Sight
from ingestbox.store.staged import issue_mark
from ingestbox.web.binding import Request
from ingestbox.web.v1 import fields, lists, mergepatch
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.repair import Found, Repair
from ingestbox.web.v1.rows import PLACE
from ingestbox.web.v1.sight import ALL, READERS, reading_of

S = TypeVar("S", bound=msgspec.Struct)

State = Literal["open", "resolved"]
STATES: tuple[str, ...] = get_args(State)

Order = Literal["newest", "oldest"]
ORDERS: tuple[str, ...] = get_args(Order)

SHOWN_RECORDS = 10
"""Records that an issue shows; the others are to be had at its link."""

VALUE_CHARACTERS = 200
"""What a list shows of the value that an issue is about."""

VALUES_BYTES = 8 * 1_048_576
"""A page with values looks at so much of records; issues after that have none."""

ETAG = {"ETag": "Names what can be decided about, for If-Match."}
ISSUE_ID = Parameter("id", "The issue's id.", place="path")


class IssueLinks(msgspec.Struct, frozen=True):
    """Where to go on from an issue: paths below the address of the box."""

    record: str
    records: str
    job: str


class IssueRecord(msgspec.Struct, frozen=True):
    """One of an issue's records."""

    id: str
    index: int
    link: str


class IssueDelivery(msgspec.Struct, frozen=True):
    """A line that an upstream refused, as it is now; times are ISO 8601."""

    lane: str
    seq: str
    code: Annotated[
        str, Meta(description="The upstream's; `damaged` and `payload_too_large` are the lane's own.")
    ]
    state: Annotated[
        ParkedState | None,
        Meta(description="`again`: it waits to be sent again. Null: it is refused no more."),
    ]
    refused_at: Annotated[str | None, Meta(description="When, the last time.")]
    asked_by: Annotated[str | None, Meta(description="Who wants it sent again.")]
    op: Annotated[str | None, Meta(description="These are null for a line that is not here any more.")]
    kind: str | None
    object_id: str | None
    version: int | None
    superseded: Annotated[
        bool,
        Meta(description="Whether the object has a newer version by now, or is gone: this one is moot then."),
    ]
    superseded_by: Annotated[str | None, Meta(description="The newer delivery, if it is here still.")]


class IssueBody(msgspec.Struct, frozen=True):
    """One thing wrong with one record, or, in a staged family, with all of a job that fail alike; or a
    delivery of a record that an upstream refused (`delivery_refused`). Times are ISO 8601."""

    id: str
    state: State
    code: str
    message: str
    field: str | None
    job: str
    record: Annotated[str, Meta(description="The first of its records.")]
    index: Annotated[int, Meta(description="That record's place in its job, from 0.")]
    records: Annotated[int, Meta(ge=0, description="How many it holds or held.")]
    first: Annotated[list[IssueRecord], Meta(description=f"The first {SHOWN_RECORDS} of them.")]
    family: str
    workspace: str
    created_at: str
    resolved_at: str | None
    resolution: Annotated[
        str | None,
        Meta(
            description="`edit`, `retry`, `accept`, `discard`, `cancel` of the job; others of staged "
            "families. By the box itself `superseded`, when a newer version of a refused delivery arrived or "
            "what waited came again and was taken, and `lane_removed`."
        ),
    ]
    resolved_by: str | None
    comment: Annotated[str | None, Meta(description="What was said of it.")]
    links: IssueLinks
    held: Annotated[
        bool,
        Meta(
            description="Whether the record became what it is to be, which can be found and read here, but "
            "is not forwarded until the issue is resolved."
        ),
    ]
    delivery: Annotated[IssueDelivery | None, Meta(description="What was refused, of `delivery_refused`.")]
    value: Annotated[
        str | UnsetType | None,
        Meta(
            description="In a list, when it was asked for: what the first record has in `field`, or, without "
            "a field, its key, or what could not be read of it; the first "
            f"{VALUE_CHARACTERS} characters. Null when there is nothing to show."
        ),
    ] = UNSET


class IssuePage(msgspec.Struct, frozen=True):
    """A page of issues, newest first."""

    issues: list[IssueBody]
    next_cursor: str | None


async def wanted_of(
    store: Store,
    sight: Sight,
    *,
    job: str | None,
    family: str | None,
    code: str | None,
    open_: bool | None,
    lane: str | None = None,
) -> Wanted:
    """A filter with the job's id in the store. Raises IngestError `job_not_found`."""
    if job is None:
        return Wanted(sight, None, family, code, open_, lane)
    found = await store.read_with(lambda tx: jobs.find(tx, job, sight))
    if found is None:
        raise IngestError("job_not_found")
    return Wanted(sight, found.id, family, code, open_, lane)


def decision(body: bytes, shape: type[S]) -> S:
    """What a person decides, as a `shape`. Raises IngestError: malformed_json, validation_failed."""
    given = strictjson.decode(body)
    try:
        return msgspec.convert(given, shape)
    except msgspec.ValidationError as error:
        raise fields.refused([Fault("invalid", str(error))]) from None


class Issues:
    """The issues of the jobs in sight."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._repair = Repair(parts)

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/issues",
                self.page,
                "What waits for a person",
                READERS,
                description="Newest first. A page may have fewer issues than `limit`, or none, and still a "
                "`next_cursor`. Who may only upload sees those of their own jobs.",
                parameters=(
                    Parameter("job", "Issues of this job alone (its public id)."),
                    Parameter("family", "Issues of this family alone.", lists.one_of(self._parts.families)),
                    Parameter("code", "Issues with this code alone."),
                    Parameter("lane", "Of refused deliveries those of this lane alone."),
                    Parameter("state", "`open` or `resolved`; both unless given.", State),
                    Parameter("order", "`oldest` first goes with `job`.", Order),
                    Parameter("values", "With the value that each is about.", bool),
                    *lists.PAGE,
                    ALL,
                ),
                answers=(Answer(IssuePage),),
                errors=("bad_parameter", "job_not_found"),
            ),
            Route(
                "GET",
                "/v1/issues/{id}",
                self.one,
                "One issue",
                READERS,
                parameters=(ISSUE_ID, ALL),
                answers=(Answer(IssueBody, headers=ETAG),),
                errors=("bad_parameter", "not_found"),
            ),
        )

    async def page(self, ask: Request) -> Reply:
        """GET /v1/issues."""
        query = ask.query
        state = lists.choice(query, "state", STATES)
        wanted = await wanted_of(
            self._store,
            reading_of(ask, self._parts.families),
            job=query.get("job"),
            family=lists.choice(query, "family", self._parts.families),
            code=query.get("code"),
            open_=None if state is None else state == "open",
            lane=query.get("lane"),
        )
        upwards = lists.choice(query, "order", ORDERS) == "oldest"
        if upwards and wanted.job_id is None:
            raise IngestError("bad_parameter", "order=oldest goes with job.")
        place, limit = lists.position(query, 0 if upwards else lists.NEWEST), limit_of(query)
        values, list_of = lists.flag(query, "values"), issues.listed_up if upwards else issues.listed

        def read(tx: ReadTx) -> tuple[list[IssueBody], int | None]:
            found, last = list_of(tx, wanted, place, limit)
            bodies = [_body(tx, each) for each in found]
            return (_with_values(tx, bodies) if values else bodies), last

        bodies, last = await self._store.read_with(read)
        return Reply(IssuePage(bodies, lists.cursor(last) if last else None))

    async def one(self, ask: Request) -> Reply:
        """GET /v1/issues/{id}."""
        return await self.answer(await self.find(ask, reading_of(ask, self._parts.families)))

    async def answer(self, issue: Issue) -> Reply:
        """The issue as it is now, with its ETag."""

        def read(tx: ReadTx) -> tuple[Issue, IssueBody]:
            now = issues.one(tx, issue.id, None) or issue
            return now, _body(tx, now)

        now, body = await self._store.read_with(read)
        found = await self._repair.find(now.record_id, None)
        return Reply(body, headers=(("ETag", etag_of(now, found, body.delivery)),))

    async def find(self, ask: Request, sight: Sight) -> Issue:
        """The issue that the path names. Raises IngestError `not_found`."""
        issue_id = lists.number(ask.path["id"], "issue")
        found = await self._store.read_with(lambda tx: issues.one(tx, issue_id, sight))
        if found is None:
            raise IngestError("not_found", f"There is no issue {issue_id}.")
        return found


def etag_of(issue: Issue, found: Found, delivery: IssueDelivery | None) -> str:
    """Of an issue with one record that record's, so that either's is good for both; of a refused delivery
    also what was said and decided of that."""
    if delivery is not None:
        said = f"{delivery.state}-{delivery.refused_at}-{issue.resolved_ms or 0}"
        return f'"{found.record.mark}-{issue.id}-{said}"'
    if not issue.grouped:
        return found.etag
    return f'"{issue_mark(issue.id, issue.revision, issue.resolved_ms)}"'


def _with_values(tx: ReadTx, bodies: list[IssueBody]) -> list[IssueBody]:
    """The same with the value that each is about, as far as the bytes of their records go."""
    made: list[IssueBody] = []
    left = VALUES_BYTES
    for body in bodies:
        row = tx.one("records.payload", {"id": int(body.record)}) if left > 0 else None
        value = None
        if row is not None:
            key, payload, crc = row
            left -= len(payload)
            if checksum(key, payload) == crc:
                value = _value(payload, body.field) if body.field else records.text(key) or _raw(payload)
        made.append(msgspec.structs.replace(body, value=value and value[:VALUE_CHARACTERS]))
    return made


def _raw(payload: bytes) -> str | None:
    """What could not be read of a row."""
    place = mergepatch.members_of(payload).get(PLACE)
    return None if place is None else _value(bytes(place), "raw")


def _value(payload: bytes, field: str) -> str | None:
    """What a record has there: a text as it is, anything else as JSON."""
    given = mergepatch.members_of(payload).get(field.partition("[")[0])
    if given is None or bytes(given) == b"null":
        return None
    raw = bytes(given)
    return str(msgspec.json.decode(raw)) if raw[:1] == b'"' else raw.decode("utf-8", "replace")


def delivery_of(tx: ReadTx, issue: Issue) -> IssueDelivery | None:
    """The refused line of an issue of one."""
    if issue.lane is None:
        return None
    found = issues.refusal(tx, issue)
    newest = None if found is None or not found.superseded else found.newest
    asked = found is not None and found.state == "again"
    return IssueDelivery(
        lane=issue.lane,
        seq=str(issue.seq),
        code=issue.refusal or "",
        state=None if found is None else cast("ParkedState | None", found.state),
        refused_at=None if found is None else iso(found.refused_ms),
        asked_by=found.decided_by if found is not None and asked else None,
        op=None if found is None else found.op,
        kind=None if found is None else found.kind,
        object_id=None if found is None else found.object_id,
        version=None if found is None else found.version,
        superseded=found is not None and found.superseded,
        superseded_by=None if newest is None else str(newest),
    )


def _body(tx: ReadTx, issue: Issue) -> IssueBody:
    first, count = issues.first_records(tx, issue, SHOWN_RECORDS)
    job = f"/v1/jobs/{issue.job}"
    return IssueBody(
        id=str(issue.id),
        state="open" if issue.resolved_ms is None else "resolved",
        code=issue.code,
        message=issue.message,
        field=issue.field,
        job=issue.job,
        record=str(issue.record_id),
        index=records.place(issue.record_id)[1],
        records=count,
        first=[IssueRecord(str(rid), records.place(rid)[1], f"/v1/records/{rid}") for rid in first],
        family=issue.family,
        workspace=issue.workspace,
        created_at=iso(issue.created_ms) or "",
        resolved_at=iso(issue.resolved_ms),
        resolution=issue.resolution,
        resolved_by=issue.resolved_by,
        comment=issue.comment,
        held=bool(issue.held),
        delivery=delivery_of(tx, issue),
        links=IssueLinks(f"/v1/records/{issue.record_id}", f"{job}/records?issue={issue.id}", job),
    )
