"""What goes over the wire between boxes, as it is documented (contract: forwarding, The request)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.model import delivery_digest
from ingestbox.route import Parameter
from ingestbox.store.sync import Rejection

DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):")
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
NUMBER = re.compile(r"[0-9]{1,18}")
SPAN = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


class DeliveryLine(msgspec.Struct, frozen=True):
    """One line of a batch: a new version of an object, or its end. A `skip` has nothing after `op`."""

    box: Annotated[str, Meta(description="The box that sends; the same in every line.")]
    epoch: Annotated[str, Meta(description="Which life of that box's store; the same in every line.")]
    seq: Annotated[int, Meta(ge=1, description="The line's number, which ascends.")]
    op: Literal["put", "delete", "skip"]
    version: Annotated[int, Meta(ge=1, description="Of the object: the highest one stays.")]
    workspace: str
    family: str
    kind: Annotated[str, Meta(description="The kind of object, such as `ticket`.")]
    id: Annotated[str, Meta(description="The object's id.")]
    at: Annotated[str, Meta(description="When it was made: ISO 8601 with its offset.")]
    hash: Annotated[
        str,
        Meta(description="`sha256:` and the digest, in hex, of `record`, a newline and `result` as sent."),
    ]
    job_id: str | None
    owner: Annotated[str | None, Meta(description="Whose it is at that box; it grants nothing here.")]
    record: Annotated[
        dict[str, Any] | UnsetType, Meta(description="As that box received it. A `delete` has none.")
    ] = UNSET
    result: Annotated[
        dict[str, Any] | UnsetType, Meta(description="What that box made of it. A `delete` has none.")
    ] = UNSET
    lineage: Annotated[
        dict[str, Any] | UnsetType,
        Meta(description="Where it came from at that box: file, row, rules, models."),
    ] = UNSET
    origin: Annotated[
        str | UnsetType,
        Meta(
            description="The box that made the object, where the one that sends passes it on; with the epoch."
        ),
    ] = UNSET
    origin_epoch: str | UnsetType = UNSET


class SyncAnswer(msgspec.Struct, frozen=True):
    """What became of a batch's lines."""

    box: Annotated[str, Meta(description="The box that sent them.")]
    accepted: Annotated[int, Meta(ge=0, description="Lines that were applied.")]
    duplicate: Annotated[int, Meta(ge=0, description="Lines that were there already.")]
    rejected: list[Rejection]
    missing: Annotated[
        tuple[tuple[int, int], ...],
        Meta(description="Gaps: the lines after the first number and before the second have not come."),
    ]


class GapLine(msgspec.Struct, frozen=True):
    """Lines that have not come: those after the first number and before the second."""

    after: int
    first: int
    since: Annotated[str, Meta(description="When it was noticed, or when some of them came last.")]


class ChainLine(msgspec.Struct, frozen=True):
    """One lane of a box."""

    lane: str
    last_seq: Annotated[int, Meta(description="The highest line of it that came.")]
    last_seen: Annotated[str, Meta(description="When its last batch came.")]
    left_behind: Annotated[
        bool,
        Meta(
            description="It sends nothing for a week while its box goes on: it was renamed or taken out "
            "there, and what is missing of it is no alarm."
        ),
    ]
    gaps: list[GapLine]


class BoxLine(msgspec.Struct, frozen=True):
    """One life (`epoch`) of a box that sends here."""

    box: str
    epoch: str
    last_seq: Annotated[int, Meta(description="The highest line that is here without a gap before it.")]
    last_seen: str
    lag: Annotated[
        float | None,
        Meta(description="How old its newest line was when it came, in seconds; null before the first."),
    ]
    gaps: Annotated[
        tuple[tuple[int, int], ...],
        Meta(description="The lines after the first number and before the second have not come."),
    ]
    reused: Annotated[int, Meta(ge=0, description="Lines that came again with other content: an alarm.")]
    reused_at: Annotated[str | None, Meta(description="When the last of these came.")]
    reusing: Annotated[bool, Meta(description="Whether that is an alarm still: it is, for a day.")]
    lanes: Annotated[list[ChainLine], Meta(description="The lanes of it that sent last.")]


class HeardLine(msgspec.Struct, frozen=True):
    """A box that does not send here itself: another passes on what it makes."""

    box: str
    epoch: str
    through: Annotated[str, Meta(description="The box that passed something of it on last.")]
    last_seen: str


class OwnBox(msgspec.Struct, frozen=True):
    """This box, as others know it."""

    box: str
    epoch: str
    signed: Annotated[bool, Meta(description="Whether batches that come here have to be signed.")]


class BoxList(msgspec.Struct, frozen=True):
    """The boxes that send here."""

    boxes: list[BoxLine]
    heard_of: Annotated[list[HeardLine], Meta(description="Those that others tell of, the last ones first.")]
    own: OwnBox


def _header(name: str, description: str, pattern: re.Pattern[str], required: bool = True) -> Parameter:
    kind = Annotated[str, Meta(pattern=f"^(?:{pattern.pattern})$")]
    return Parameter(name, description, kind, "header", required)


HEADERS = (
    Parameter(
        "Content-Digest",
        "`sha-256=:…:`, the digest of the body as it is sent, compressed or not (RFC 9530).",
        Annotated[str, Meta(pattern=DIGEST.pattern)],
        "header",
        required=True,
    ),
    _header("Ingestbox-Box", "The box that sends.", NAME),
    _header("Ingestbox-Epoch", "Which life of its store.", NAME),
    _header("Ingestbox-After", "The last line that this lane sent before this batch; 0 for none.", NUMBER),
    _header("Ingestbox-Seq", "The first and the last line of this batch: `7-9`.", SPAN),
    _header("Ingestbox-Lane", "The lane, where the box has several for this one.", NAME, required=False),
    Parameter(
        "webhook-id", "Standard Webhooks, where batches have to be signed; so the next two.", place="header"
    ),
    Parameter("webhook-timestamp", "Unix seconds, at most five minutes from now.", place="header"),
    Parameter("webhook-signature", "`v1,…`, one or several.", place="header"),
)

_RECORD = b'{"id":"T-17","summary":"Late again"}'
_RESULT = b'{"sentiment":"negative","score":-0.6,"trend":"stable","fields":[]}'
EXAMPLE = (
    b'{"box":"b7a778904a20a36bb","epoch":"e1f0c2d4a6","seq":1042,"op":"put","version":3,"workspace":"default",'
    b'"family":"feedback","kind":"ticket","id":"T-17","job_id":"0192f0c1-7d5e-7a3b-9f10-2f5c1f0b7a44",'
    b'"owner":"key:1","at":"2026-11-21T09:30:00.000Z","hash":"%s","record":%s,"result":%s}\n'
    % (delivery_digest(_RECORD, _RESULT).encode(), _RECORD, _RESULT)
).decode()
