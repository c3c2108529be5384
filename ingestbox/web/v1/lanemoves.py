"""`/v1/lanes/{name}/replay` and `remove`: a lane goes back, or is forgotten."""

from __future__ import annotations

import datetime
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from ingestbox.clock import iso
from ingestbox.errors import Fault, IngestError
from ingestbox.route import Answer, Reply, Route
from ingestbox.store import ReadTx, Store, lanes, retention
from ingestbox.store.lanes import Replayed
from ingestbox.web.binding import Request
from ingestbox.web.v1 import fields
from ingestbox.web.v1.audit import act
from ingestbox.web.v1.lanes import ADMIN, NAME, found
from ingestbox.web.v1.laneshapes import MOST_REASON, Count
from ingestbox.web.v1.lists import operator_only

MOST_SEQ = (1 << 63) - 1

ABOUT_REPLAY = """\
For an upstream that lost what it had. The lane goes back to the first line that is still in the store, and
sends the same bytes under the same numbers, in order, before anything new; `dry_run` only tells how many
lines that is. Give either `from_seq` or `from_date`. Lines that were refused or given up stay as they are.
What an upstream has already, it takes once more: another ingestbox without effect. Batches of a replay have
an `Idempotency-Key` of their own. A lane on hold sends them when it goes on. For those who operate the box;
so is forgetting a lane."""

ABOUT_REMOVE = """\
Its place, its counters and its refused lines go; what it delivered stays upstream. Lines that it had not
delivered are given up, and leave the store when no other lane has to deliver them: the one way in which that
happens, and the audit trail keeps how many. A lane is off when it was taken out of the settings and the box
was started since. With lines that were never delivered it needs a reason."""


class Runners(Protocol):
    """The lanes that run (`forward.Forwarder`)."""

    def moved(self, name: str) -> None:
        """Forgets what was read ahead: the lane is somewhere else."""


class NewReplay(msgspec.Struct, forbid_unknown_fields=True):
    """From where a lane sends again: a delivery's number, or a time (ISO 8601 with its offset)."""

    from_seq: Annotated[int, Meta(ge=1, le=MOST_SEQ)] | None = None
    from_date: Annotated[datetime.datetime, Meta(tz=True)] | None = None
    dry_run: bool | None = False


EITHER = {
    "oneOf": [
        {
            "required": ["from_seq"],
            "properties": {"from_seq": {"type": "integer"}, "from_date": {"type": "null"}},
        },
        {
            "required": ["from_date"],
            "properties": {"from_date": {"type": "string"}, "from_seq": {"type": "null"}},
        },
    ]
}

RULES = {
    "from_seq": fields.Rule(
        "must be the number of a delivery, from 1 on", lambda value: 1 <= value <= MOST_SEQ
    ),
    "from_date": fields.Rule(
        "must be a time with its offset, such as 2026-01-31T08:00:00Z", lambda value: value.tzinfo is not None
    ),
    "dry_run": fields.Rule("must be true or false", lambda value: isinstance(value, bool)),
}


class ReplayBody(msgspec.Struct, frozen=True):
    """What is sent again, or with `dry_run` would be."""

    dry_run: bool
    lines: Count
    starts_at: Annotated[
        str | None, Meta(description="The first line's number; null: there is nothing to send again.")
    ]
    made_at: Annotated[str | None, Meta(description="When that line was made.")]
    until: Annotated[str | None, Meta(description="The last line that was sent before.")]
    purged_before: Annotated[
        str | None,
        Meta(
            description="Some of what was made before this number was asked for, too, and is not in the "
            "store any more (`store.delivered_days`); it stays counted as delivered."
        ),
    ]


class Remove(msgspec.Struct, forbid_unknown_fields=True):
    """Why a lane is forgotten."""

    reason: Annotated[
        str | None,
        Meta(
            description="For those who miss its lines upstream.",
            extra_json_schema={"minLength": 1, "maxLength": MOST_REASON},
        ),
    ] = None


class RemovedBody(msgspec.Struct, frozen=True):
    """A lane as it was when it was forgotten: `pending` and `parked` lines are given up by that."""

    name: str
    delivered: Count
    pending: Count
    parked: Count
    discarded: Count


class LaneMoves:
    """Moves lanes, for those who operate the box."""

    def __init__(self, store: Store, runners: Runners) -> None:
        self._store = store
        self._runners = runners

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "POST",
                "/v1/lanes/{name}/replay",
                self.replay,
                "Send again what a lane has sent",
                ADMIN,
                "control_kb",
                description=ABOUT_REPLAY,
                body=Annotated[NewReplay, Meta(extra_json_schema=EITHER)],
                example={"from_seq": 1, "dry_run": True},
                parameters=(NAME,),
                answers=(Answer(ReplayBody),),
                errors=("validation_failed", "malformed_json"),
            ),
            Route(
                "POST",
                "/v1/lanes/{name}/remove",
                self.remove,
                "Forget a lane that is off",
                ADMIN,
                "control_kb",
                description=ABOUT_REMOVE,
                body=Remove,
                example={"reason": "That service is gone"},
                parameters=(NAME,),
                answers=(Answer(RemovedBody),),
                errors=("validation_failed", "malformed_json", "lane_configured"),
            ),
        )

    async def replay(self, ask: Request) -> Reply:
        """POST /v1/lanes/{name}/replay."""
        operator_only(ask.caller)
        wanted = fields.read(ask.body, NewReplay, RULES)
        if (wanted.from_seq is None) == (wanted.from_date is None):
            raise fields.refused([Fault("invalid", "Either from_seq or from_date has to be given")])
        name = (await found(self._store, ask, running=True)).name
        done = await lanes.replay(
            self._store,
            name,
            act(ask, self._store.clock.now_ms()),
            from_seq=wanted.from_seq,
            from_ms=None if wanted.from_date is None else _milliseconds(wanted.from_date),
            dry_run=bool(wanted.dry_run),
        )
        if not wanted.dry_run and done.from_seq is not None:
            self._runners.moved(name)
        by_time = wanted.from_date is not None
        return Reply(await self._body(done, dry_run=bool(wanted.dry_run), by_time=by_time))

    async def remove(self, ask: Request) -> Reply:
        """POST /v1/lanes/{name}/remove."""
        operator_only(ask.caller)
        wanted = fields.read(ask.body or b"{}", Remove, {"reason": fields.text(MOST_REASON)})
        lane = await found(self._store, ask)
        if lane.state != "off":
            raise IngestError("lane_configured")
        if lane.pending + lane.parked and wanted.reason is None:
            raise fields.refused(
                [Fault("missing", "reason is required: it has undelivered lines", field="reason")]
            )
        lost = {"pending": lane.pending, "parked": lane.parked, "discarded": lane.discarded}
        told = {**lost, "reason": wanted.reason} if wanted.reason else lost
        await lanes.remove_lane(self._store, lane.name, act(ask, self._store.clock.now_ms()), told)
        return Reply(RemovedBody(name=lane.name, delivered=lane.delivered, **lost))

    async def _body(self, done: Replayed, *, dry_run: bool, by_time: bool) -> ReplayBody:
        start = done.from_seq

        def read(tx: ReadTx) -> tuple[str | None, int]:
            row = None if start is None else tx.one("lanes.made_at", {"after": start - 1})
            return (None if row is None else iso(row[0])), retention.kept(tx).purged_seq

        made_at, last_gone = await self._store.read_with(read)
        # A time leads to what is there; others made since then may have gone when those next to it have.
        gone = done.wanted <= last_gone + 1 > 1 if by_time else done.purged > 0
        return ReplayBody(
            dry_run=dry_run,
            lines=done.lines,
            starts_at=None if start is None else str(start),
            made_at=made_at,
            until=None if start is None else str(done.until),
            purged_before=str(last_gone + 1) if gone else None,
        )


def _milliseconds(moment: datetime.datetime) -> int:
    return (moment - _EPOCH) // datetime.timedelta(milliseconds=1)


_EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)
