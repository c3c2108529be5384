"""`/v1/erasures`: erasing a person by e-mail address (GDPR, article 17)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal, cast

import msgspec
from msgspec import Meta

from ingestbox.clock import iso
from ingestbox.enrich.addresses import Spellings
from ingestbox.enrich.addresses import key_of as address_key
from ingestbox.errors import IngestError
from ingestbox.model import EVERYWHERE, Role
from ingestbox.route import Answer, Parameter, Reply, Route, limit_of
from ingestbox.store import ReadTx, erasures, trail
from ingestbox.store.erasures import BeginErasure, Begun, Erasure
from ingestbox.store.once import Denied, Once
from ingestbox.web.binding import Request
from ingestbox.web.idempotency import key_of
from ingestbox.web.v1 import fields, lists
from ingestbox.web.v1.audit import act
from ingestbox.web.v1.parts import Parts

ADMIN = frozenset({Role.ADMIN})
MAX_ADDRESS = 254
MAX_REASON = 500
WAIT_SECONDS = 5.0
"""How long a request waits for its erasure: that of a small store is done by then."""

REPLAYED = (("Idempotency-Replayed", "true"),)
ID = Parameter("id", "The erasure's id.", place="path")

State = Literal["running", "waiting", "cleaning", "done"]

ABOUT = """\
Finds a person by e-mail address and takes them out of the box: of the workspace, or, with `all=true`, of
every one. It is found in any case and normal form, escaped or not, with its domain in letters or in ASCII,
and only whole: `anna@x.com` is neither `joanna@x.com` nor `anna@x.com.vn`, nor `jo+anna@x.com` with any of
`.+-_&'` between. After other signs it is whole: `to=anna@x.com`, and so `dept/anna@x.com` as well. Not
found is what is not there as text: within Base64 or another file, split by a line break, or run into the
next sentence without a blank (`anna@x.com.Thanks`). Other addresses of the same person, and their name where
no address is, are not looked for.

- Contacts of that address are removed, and upstream gets a `delete`. Staged rows of it are blanked and
  given up. So are records of audience uploads that have it as business_email, email or personal_email,
  alone in its member (`counts.others` has what was found out about them).
- Everywhere else `[erased]` takes its place: in tickets (their texts, entities, keywords and words in the
  search; upstream gets the new version), articles (the same; who sends the text once more has the same
  content still, which does not bring the address back), their sources and batches, staged rows, issues,
  names of files, answers kept for an Idempotency-Key, and what the audit trail has of before and after. A
  ticket that is called by the address is removed; its id stays in its tombstone and in the `delete`, which
  upstream needs (`counts.kept`).
- Delivery lines that carry it become `skip`, delivered or not. What is on its way just then is not called
  back.
- An uploaded file that has it anywhere is removed whole, once its rows are in the store. While records from
  before the request still come in the erasure is `waiting`; then it goes through once more.
- What bulk decisions would put back of it is forgotten: undoing leaves these rows as they are. A kept rule
  that would write it is dropped.

Users, keys and the trail's lines about users stay: they are about who works with the box. So does what the
box wrote to its log, such as the id that a request came with (`X-Request-ID`). What comes in
later stays as well, also when it brings the person back. Objects that came from another box are erased
here; that box is not told. The store overwrites what is deleted, gives free pages back, writes the index of
full text anew and empties its log. A store made by a version before this one may have old bytes in its
pages until it is copied with VACUUM; so may backups and the disk itself.

The erasure is durable, goes on after a stop, and goes slice by slice beside other work. Asking again while
it is under way joins it. The answer comes after some seconds: 200 if it is done by then, else 202. The
address is kept only while it is looked for; after that its digest (HMAC-SHA256, keyed by the data folder's
secret) tells that it was asked for before. `reason` is kept, here and in the audit trail: put nothing
personal in it.
"""


class NewErasure(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to erase. A dry run counts what would be changed, and changes nothing."""

    email: Annotated[str, Meta(min_length=3, max_length=MAX_ADDRESS, description="The person's address.")]
    dry_run: bool | None = False
    reason: Annotated[
        str | None,
        Meta(
            description="Why, such as a ticket's number. It is kept: nothing personal.",
            extra_json_schema={"minLength": 1, "maxLength": MAX_REASON},
        ),
    ] = None


def _is_address(text: str) -> bool:
    local, _, domain = text.strip().rpartition("@")
    whole = bool(local) and bool(domain) and len(text) <= MAX_ADDRESS
    return whole and text.isprintable() and not any(each.isspace() or each in _NEVER for each in text.strip())


_NEVER = '"<>(),;:\\'
"""What stands in no address, unless that is quoted; and quoted ones nobody has."""


RULES = {
    "email": fields.Rule("must be one e-mail address", _is_address),
    "dry_run": fields.Rule("must be true or false", lambda value: isinstance(value, bool)),
    "reason": fields.text(MAX_REASON),
}


class ErasureCounts(msgspec.Struct, frozen=True):
    """In how much it was found."""

    contacts: Annotated[int, Meta(description="Removed, or put again without it.")] = 0
    tickets: Annotated[int, Meta(description="Put again without it, or removed.")] = 0
    articles: Annotated[int, Meta(description="Put again without it.")] = 0
    records: Annotated[int, Meta(description="What was received, and staged rows.")] = 0
    issues: int = 0
    deliveries: Annotated[int, Meta(description="Lines for upstream.")] = 0
    answers: Annotated[int, Meta(description="Kept under an Idempotency-Key.")] = 0
    audit: Annotated[int, Meta(description="Lines of the trail.")] = 0
    jobs: Annotated[int, Meta(description="Names and notices of jobs and their files.")] = 0
    files: Annotated[int, Meta(description="Uploaded files, which were removed.")] = 0
    others: Annotated[int, Meta(description="Rules, remembered columns, bulk decisions, refusals.")] = 0
    kept: Annotated[int, Meta(description="Tombstones of objects that were called by it.")] = 0


class ErasureBody(msgspec.Struct, frozen=True):
    """An erasure, without the address."""

    erasure_id: str
    state: Annotated[
        State,
        Meta(
            description="`waiting`: for records that still come in. `cleaning`: everything is changed, and "
            "what is left in free pages, index and log is removed."
        ),
    ]
    workspace: Annotated[str | None, Meta(description="Whose data it is about; null: everyone's.")]
    dry_run: bool
    counts: ErasureCounts
    digest: Annotated[str, Meta(description="A keyed hash of the address: the same for the same one.")]
    earlier: Annotated[str | None, Meta(description="The last erasure before it for the same address.")]
    reason: str | None
    requested_by: str
    requested_by_name: Annotated[
        str | None, Meta(description="The address of that user, or the name of that key, if still there.")
    ]
    created_at: str
    updated_at: str
    done_at: str | None


class ErasurePage(msgspec.Struct, frozen=True):
    """A page of erasures, newest first."""

    erasures: list[ErasureBody]
    next_cursor: str | None


class Erasures:
    """The erasures of the caller's workspace."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._derived = parts.derived

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "POST",
                "/v1/erasures",
                self.erase,
                "Erase a person by e-mail address",
                ADMIN,
                "control_kb",
                description=ABOUT.strip(),
                body=NewErasure,
                example={"email": "anna@example.com", "dry_run": True, "reason": "request 2026-17"},
                parameters=(lists.ALL,),
                answers=(
                    Answer(ErasureBody, description="It is done."),
                    Answer(ErasureBody, 202, "It is under way: ask for it again."),
                ),
                errors=("bad_parameter", "malformed_json", "validation_failed"),
                idempotent=True,
            ),
            Route(
                "GET",
                "/v1/erasures",
                self.page,
                "Erasures, newest first",
                ADMIN,
                description="How far each is, and what it found; never whom it was about.",
                parameters=(*lists.PAGE, lists.ALL),
                answers=(Answer(ErasurePage),),
                errors=("bad_parameter",),
            ),
            Route(
                "GET",
                "/v1/erasures/{id}",
                self.one,
                "One erasure",
                ADMIN,
                parameters=(ID, lists.ALL),
                answers=(Answer(ErasureBody),),
                errors=("bad_parameter", "not_found"),
            ),
        )

    async def erase(self, ask: Request) -> Reply:
        """POST /v1/erasures."""
        asked = fields.read(ask.body, NewErasure, RULES)
        workspace = EVERYWHERE if _everywhere(ask) else ask.caller.workspace
        address, dry_run = address_key(asked.email), bool(asked.dry_run)
        spelt = Spellings(address)
        if spelt.is_in(asked.reason):
            raise fields.refused([fields.fault("reason", "must not have the address: it is kept")])
        by = act(ask, self._store.clock.now_ms())
        if by.request_id is not None:
            by = replace(by, request_id=spelt.replace(by.request_id))
        digest = self._derived.digests("erasure", address)[0]
        # A plain digest of the body would tell whose address it was to whoever tries some.
        content = msgspec.json.encode((digest, dry_run, asked.reason))
        begun = await self._store.write(
            BeginErasure(
                workspace=workspace,
                address=address,
                digest=digest,
                dry_run=dry_run,
                reason=asked.reason,
                act=by,
                once=Once(key_of(ask, content), b"", Begun),
            )
        )
        if isinstance(begun, Denied):
            raise IngestError(begun.code)
        found = await self._find(begun.what.id)
        if found.state != "done":
            await self._parts.erase(found.id, WAIT_SECONDS)
            found = await self._find(found.id)
        body = await self._store.read_with(lambda tx: self._body(tx, found, address))
        return Reply(body, 200 if found.state == "done" else 202, REPLAYED if begun.replayed else ())

    async def page(self, ask: Request) -> Reply:
        """GET /v1/erasures."""
        workspace = None if _everywhere(ask) else ask.caller.workspace
        below, limit = lists.below(ask.query), limit_of(ask.query)

        def read(tx: ReadTx) -> tuple[list[ErasureBody], bool]:
            found = erasures.listed(tx, workspace, below, limit + 1)
            return [self._body(tx, each) for each in found[:limit]], len(found) > limit

        found, more = await self._store.read_with(read)
        return Reply(ErasurePage(found, lists.cursor(found[-1].erasure_id) if more else None))

    async def one(self, ask: Request) -> Reply:
        """GET /v1/erasures/{id}."""
        number = lists.number(ask.path["id"], "erasure")
        found = await self._store.read_with(lambda tx: erasures.one(tx, number))
        if found is None or not (_everywhere(ask) or found.workspace == ask.caller.workspace):
            raise IngestError("not_found", f"There is no erasure {number}.")
        return Reply(await self._store.read_with(lambda tx: self._body(tx, found)))

    async def _find(self, erasure_id: int) -> Erasure:
        found = await self._store.read_with(lambda tx: erasures.one(tx, erasure_id))
        assert found is not None  # erasures are never removed
        return found

    def _earlier(self, tx: ReadTx, found: Erasure, address: str | None) -> int | None:
        """With the address it is known also under secrets that were replaced since."""
        digests = self._derived.digests("erasure", address) if address is not None else [found.digest]
        return erasures.earlier(tx, found, digests)

    def _body(self, tx: ReadTx, found: Erasure, address: str | None = None) -> ErasureBody:
        earlier = self._earlier(tx, found, address)
        return ErasureBody(
            erasure_id=str(found.id),
            state=cast("State", found.state),
            workspace=None if found.workspace == EVERYWHERE else found.workspace,
            dry_run=found.dry_run,
            counts=_counts(found.counts),
            digest=found.digest,
            earlier=None if earlier is None else str(earlier),
            reason=found.reason,
            requested_by=found.actor,
            requested_by_name=trail.name_of(tx, found.actor),
            created_at=iso(found.created_ms) or "",
            updated_at=iso(found.updated_ms) or "",
            done_at=iso(found.done_ms),
        )


def _everywhere(ask: Request) -> bool:
    return lists.everywhere(ask.caller, ask.query) or ask.caller.workspace == EVERYWHERE


def _counts(found: Mapping[str, int]) -> ErasureCounts:
    """Objects of a kind that has no member of its own are others."""
    own = {name: number for name, number in found.items() if name in ErasureCounts.__struct_fields__}
    others = sum(number for name, number in found.items() if name not in own)
    return ErasureCounts(**{**own, "others": own.get("others", 0) + others})
