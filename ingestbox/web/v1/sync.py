"""The door of a central box: `POST /v1/sync/batches` and `GET /v1/sync/boxes` (contract: forwarding).

A batch is checked as a whole first (digest, header fields, order of its lines): what is wrong there refuses
it, and nothing is applied. After that each line stands for itself: it is applied, or is there already, or is
rejected with a code, and the answer says so after the last commit. All of it can be repeated.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import datetime
import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from ingestbox import strictjson
from ingestbox.clock import iso
from ingestbox.errors import MAX_FAULTS, Fault, IngestError
from ingestbox.family import Family
from ingestbox.model import EVERYWHERE, Caller, Role, delivery_digest
from ingestbox.route import Answer, Reply, Route
from ingestbox.store import Store
from ingestbox.store.sync import ApplyLines, Link, Rejection, SyncLine, senders, slices
from ingestbox.web.v1.syncshapes import (
    DIGEST,
    EXAMPLE,
    HEADERS,
    NAME,
    NUMBER,
    SPAN,
    BoxLine,
    BoxList,
    DeliveryLine,
    SyncAnswer,
)

log = logging.getLogger(__name__)

MOST_LINES = 10_000
"""Lines in one batch: the most that a lane can be set to."""

SLICE_LINES = 50
"""Lines checked before other requests get their turn: a few milliseconds."""

DIGEST_RETRY_SECONDS = 1


_EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)

_Number = Annotated[int, Meta(ge=1, le=2**63 - 1)]
_Word = Annotated[str, Meta(min_length=1, max_length=200)]
_Id = Annotated[str, Meta(min_length=1, max_length=1_000)]


class SyncAsk(Protocol):
    """What these handlers need of a request.

    `headers` has lower-case names. `wire_sha256` is the SHA-256 of the body's bytes as they came, before any
    content coding was undone: that is what Content-Digest is over (RFC 9530, section 2).
    """

    caller: Caller
    headers: Mapping[str, str]
    body: bytes
    wire_sha256: bytes


class _Head(msgspec.Struct):
    """What places a line in its batch."""

    box: str
    epoch: str
    seq: _Number
    op: str


class _Line(_Head):
    """A line that carries something."""

    version: _Number
    workspace: _Word
    family: _Word
    kind: _Word
    id: _Id
    at: str
    hash: str
    job_id: Annotated[str, Meta(max_length=200)] | None = None
    owner: Annotated[str, Meta(max_length=1_000)] | None = None
    record: msgspec.Raw = msgspec.Raw(b"")
    result: msgspec.Raw = msgspec.Raw(b"")


class _Placed(msgspec.Struct, frozen=True):
    """The header fields of a batch."""

    box: str
    epoch: str
    link: Link


class _RejectError(Exception):
    """A line that is not applied: its code and a sentence that does not repeat the line's content."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


_head = msgspec.json.Decoder(_Head)
_line = msgspec.json.Decoder(_Line)


def routes(store: Store, families: Mapping[str, Family]) -> list[Route]:
    """The two routes. `families` are those whose objects this box takes, by name."""
    receiver = _Receiver(store, families)
    return [
        Route(
            method="POST",
            path="/v1/sync/batches",
            handler=receiver.take,
            summary="Take a batch of deliveries from another box",
            description="The batch is checked as a whole first: what is wrong with its digest, its header "
            "fields or the order of its lines refuses it, and nothing is applied. After that each line "
            "stands for itself. The same lines may come again; they are duplicates then. A body without "
            "lines only asks whether batches would be taken.",
            body=DeliveryLine,
            example=EXAMPLE,
            parameters=HEADERS,
            answers=(Answer(SyncAnswer, description="Every line is dealt with; some may be rejected."),),
            errors=("validation_failed", "digest_mismatch"),
            roles=frozenset({Role.FORWARDER}),
            body_limit="sync_mb",
            media_types=("application/x-ndjson",),
            rate="",  # a lane keeps to its own pace, and a box that was cut off has days to catch up
            takes_records=True,
        ),
        Route(
            method="GET",
            path="/v1/sync/boxes",
            handler=receiver.boxes,
            summary="The boxes that send here: how far each is, and what is missing",
            answers=(
                Answer(BoxList, description="By box, and then in the order of their first appearance."),
            ),
            roles=frozenset({Role.ADMIN}),
        ),
    ]


class _Receiver:
    def __init__(self, store: Store, families: Mapping[str, Family]) -> None:
        self._store = store
        self._families = families

    async def take(self, ask: SyncAsk) -> Reply:
        """`POST /v1/sync/batches`."""
        _check_digest(ask)
        if not ask.body:  # a lane that is tested knocks without lines
            return Reply(SyncAnswer(_field(ask.headers, "Ingestbox-Box", NAME).group(), 0, 0, [], ()))
        placed = _placed(ask.headers)
        if placed.box == self._store.identity.box:
            raise IngestError("bad_parameter", "This batch comes from this very box.")
        text = ask.body.removesuffix(b"\n")
        # Counted first: splitting sixteen million empty lines takes a third of a second, and 150 MB.
        if text.count(b"\n") >= MOST_LINES:
            raise IngestError("payload_too_large", f"A batch has at most {MOST_LINES} lines.")
        texts = text.split(b"\n")
        heads = _heads(placed, texts)
        lines: list[SyncLine] = []
        rejected: list[Rejection] = []
        for index, (head, text) in enumerate(zip(heads, texts, strict=True)):
            if index % SLICE_LINES == SLICE_LINES - 1:
                await asyncio.sleep(0)
            if head.op == "skip":
                continue
            try:
                lines.append(self._checked(head, text, ask.caller))
            except _RejectError as error:
                rejected.append(Rejection(head.seq, error.code, error.message))
        return await self._apply(placed, lines, rejected)

    async def boxes(self, _: SyncAsk) -> Reply:
        """`GET /v1/sync/boxes`."""
        found = [
            BoxLine(
                box=each.box,
                epoch=each.epoch,
                last_seq=each.last_seq,
                last_seen=iso(each.last_seen_ms) or "",
                lag=None if each.lag_ms is None else each.lag_ms / 1000,
                gaps=each.gaps,
                reused=each.reused,
            )
            for each in await senders(self._store)
        ]
        return Reply(BoxList(found))

    def _checked(self, head: _Head, text: bytes, caller: Caller) -> SyncLine:
        """The line, ready to be applied. Raises _RejectError."""
        if head.op not in ("put", "delete"):
            raise _RejectError("op_unsupported", "The op is none of put, delete and skip.")
        try:
            line = _line.decode(text)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise _RejectError("line_invalid", f"The line is not a delivery: {_brief(error)}.") from None
        record, result = bytes(line.record), bytes(line.result)
        if delivery_digest(record, result) != line.hash:
            raise _RejectError("hash_mismatch", "The hash is not that of record and result.")
        family = self._families.get(line.family)
        if family is None:
            raise _RejectError("family_unknown", "This box does not have the family.")
        if line.kind not in family.kinds:
            raise _RejectError("kind_unknown", "The family does not have objects of this kind.")
        if caller.workspace not in (line.workspace, EVERYWHERE):
            raise _RejectError("workspace_forbidden", "The sender's credentials are for another workspace.")
        return SyncLine(
            seq=line.seq,
            mark=_mark(line),
            op=line.op,
            version=line.version,
            workspace=line.workspace,
            family=line.family,
            kind=line.kind,
            object_id=line.id,
            job_id=line.job_id or "",
            at_ms=_at_ms(line.at),
            columns=_columns(family, line, record, result) if line.op == "put" else {},
            record=record,
            result=result,
            owner=line.owner or "",
        )

    async def _apply(self, placed: _Placed, lines: Sequence[SyncLine], rejected: list[Rejection]) -> Reply:
        """Applies the lines unit by unit. The last one moves the chain: after a kill all is sent again."""
        accepted = duplicate = 0
        missing: tuple[tuple[int, int], ...] = ()
        runs = slices(lines)
        for number, run in enumerate(runs, start=1):
            link = placed.link if number == len(runs) else None
            now = self._store.clock.now_ms()
            unit = ApplyLines(placed.box, placed.epoch, run, now, link)
            # Intake like any other: bounded, and refused before the box's own work when the disk is full.
            applied = await self._store.write(unit, intake=True, admitted=number > 1)
            accepted += applied.accepted
            duplicate += applied.duplicate
            rejected += applied.rejected
            missing = applied.missing
            if applied.reused is not None:
                log.error(
                    "A box used a seq again for other content; those lines were not applied.",
                    extra={"box": placed.box, "epoch": placed.epoch, "reused": applied.reused},
                )
        rejected.sort(key=lambda each: each.seq)
        return Reply(SyncAnswer(placed.box, accepted, duplicate, rejected, missing))


def _check_digest(ask: SyncAsk) -> None:
    """Raises IngestError: bad_parameter without a digest to check, digest_mismatch for a damaged body."""
    match = DIGEST.search(ask.headers.get("content-digest", ""))
    if match is None:
        raise IngestError("bad_parameter", "Content-Digest with sha-256 is required (RFC 9530).")
    try:
        digest = base64.b64decode(match.group(1), validate=True)
    except binascii.Error:
        raise IngestError("bad_parameter", "Content-Digest is not valid base64.") from None
    if digest != ask.wire_sha256:
        raise IngestError("digest_mismatch", retry_after=DIGEST_RETRY_SECONDS)


def _placed(headers: Mapping[str, str]) -> _Placed:
    """The header fields. Raises IngestError bad_parameter."""
    box = _field(headers, "Ingestbox-Box", NAME).group()
    epoch = _field(headers, "Ingestbox-Epoch", NAME).group()
    after = int(_field(headers, "Ingestbox-After", NUMBER).group())
    first, last = (int(part) for part in _field(headers, "Ingestbox-Seq", SPAN).groups())
    lane = _field(headers, "Ingestbox-Lane", NAME).group() if "ingestbox-lane" in headers else ""
    if not after < first <= last:
        raise IngestError("bad_parameter", "Ingestbox-After must lie before Ingestbox-Seq, which ascends.")
    return _Placed(box, epoch, Link(lane, after, first, last))


def _field(headers: Mapping[str, str], name: str, pattern: re.Pattern[str]) -> re.Match[str]:
    match = pattern.fullmatch(headers.get(name.lower(), ""))
    if match is None:
        raise IngestError("bad_parameter", f"The header field {name} is missing or not valid.")
    return match


def _heads(placed: _Placed, texts: Sequence[bytes]) -> list[_Head]:
    """Where each line stands. Raises IngestError validation_failed with the index of each misplaced one."""
    heads: list[_Head] = []
    faults: list[Fault] = []
    before = placed.link.after
    for index, text in enumerate(texts):
        try:
            head = _head.decode(text)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            faults.append(Fault("line_invalid", f"The line is not a delivery: {_brief(error)}.", index))
        else:
            if (head.box, head.epoch) != (placed.box, placed.epoch):
                faults.append(Fault("box_mismatch", "The line is of another box or epoch.", index, "box"))
            if head.seq <= before:
                faults.append(Fault("seq_order", "The seqs of the lines must ascend.", index, "seq"))
            before = head.seq
            heads.append(head)
        if len(faults) >= MAX_FAULTS:
            break
    if not faults and (heads[0].seq, heads[-1].seq) != (placed.link.first, placed.link.last):
        faults.append(Fault("seq_range", "Ingestbox-Seq does not name the first and last line.", None, "seq"))
    if faults:
        raise IngestError("validation_failed", faults=faults)
    return heads


def _columns(
    family: Family, line: _Line, record: bytes, result: bytes
) -> Mapping[str, str | int | float | None]:
    """The projection's values. Raises _RejectError for a record or result that does not fit the family."""
    try:
        strictjson.decode(record)
        strictjson.decode(result)
        return family.project(line.kind, record, result)
    except Exception as error:  # noqa: BLE001 - whatever another box's record does to it, the others go on
        log.warning(
            "A line of another box does not fit its family.",
            extra={"box": line.box, "seq": line.seq, "family": line.family, "error": type(error).__name__},
        )
        raise _RejectError("record_invalid", "The record is not one that the family can take.") from None


def _at_ms(text: str) -> int:
    try:
        moment = datetime.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(text)
        # An offset can lead out of the years 1 to 9999 of UTC, where nobody could show the time any more.
        return (moment.astimezone(datetime.UTC) - _EPOCH) // datetime.timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise _RejectError("line_invalid", "The member at is not a time with its offset.") from None


def _mark(line: _Line) -> int:
    """64 bits that differ when the line says something else (not when it is only spelt otherwise)."""
    said = (line.op, line.version, line.workspace, line.family, line.kind, line.id, line.hash)
    return int.from_bytes(hashlib.sha256(msgspec.json.encode(said)).digest()[:8], "big", signed=True)


def _brief(error: Exception) -> str:
    """What a decoder said, without the place in the bytes and without the bytes."""
    return str(error).removeprefix("JSON is malformed: ").rstrip(".")[:200]
