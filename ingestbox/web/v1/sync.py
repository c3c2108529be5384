"""The door of a central box: `POST /v1/sync/batches` and `GET /v1/sync/boxes` (contract: forwarding).

A batch is checked as a whole first (digest, header fields, order of its lines): what is wrong there refuses
it, and nothing is applied. After that each line stands for itself: it is applied, or is there already, or is
rejected with a code, and the answer says so after the last commit. All of it can be repeated.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ingestbox import config, webhooks
from ingestbox.clock import iso
from ingestbox.errors import IngestError, StartupError
from ingestbox.family import Family
from ingestbox.model import Caller, Role
from ingestbox.route import Answer, Reply, Route
from ingestbox.store import Store, relay, senders
from ingestbox.store.chain import Link
from ingestbox.store.sync import ApplyLines, Rejection, SyncLine, slices
from ingestbox.web.v1.synclines import Placed, RejectError, checked, heads
from ingestbox.web.v1.syncshapes import (
    DIGEST,
    EXAMPLE,
    HEADERS,
    NAME,
    NUMBER,
    SPAN,
    BoxLine,
    BoxList,
    ChainLine,
    DeliveryLine,
    GapLine,
    HeardLine,
    OwnBox,
    SyncAnswer,
)

log = logging.getLogger(__name__)

MOST_LINES = 10_000
"""Lines in one batch: the most that a lane can be set to."""

SLICE_LINES = 50
"""Lines checked before other requests get their turn: a few milliseconds."""

DIGEST_RETRY_SECONDS = 1


class SyncAsk(Protocol):
    """What these handlers need of a request.

    `headers` has lower-case names. `wire_sha256` is the SHA-256 of the body's bytes as they came, before any
    content coding was undone: that is what Content-Digest is over (RFC 9530, section 2). `wire` are these
    bytes; they are there where batches have to be signed.
    """

    caller: Caller
    headers: Mapping[str, str]
    body: bytes
    wire_sha256: bytes
    wire: bytes


def keys_of(settings: config.Sync) -> tuple[bytes, ...]:
    """What batches have to be signed with. Raises StartupError for a secret that cannot be used."""
    try:
        return webhooks.keys(settings.signing_secrets)
    except webhooks.SecretFault as fault:
        raise StartupError(f"[sync] signing_secrets: one of them {fault}.") from None


def routes(
    store: Store,
    families: Mapping[str, Family],
    settings: config.Sync | None = None,
    relayed: Callable[[], None] = lambda: None,
) -> list[Route]:
    """The two routes. `families` are those whose objects this box takes, by name; `relayed()` is called when
    something goes on upstream. Raises StartupError."""
    keys = keys_of(settings or config.Sync())
    receiver = _Receiver(store, families, keys, relayed)
    return [
        Route(
            method="POST",
            path="/v1/sync/batches",
            handler=receiver.take,
            summary="Take a batch of deliveries from another box",
            description="The batch is checked as a whole first: what is wrong with its digest, its header "
            "fields or the order of its lines refuses it, and nothing is applied. After that each line "
            "stands for itself. The same lines may come again; they are duplicates then. A body without "
            "lines only asks whether batches would be taken. Where `[sync] signing_secrets` is set, each "
            "batch is signed by one of them (Standard Webhooks, over the body as it is sent).",
            body=DeliveryLine,
            example=EXAMPLE,
            parameters=HEADERS,
            answers=(Answer(SyncAnswer, description="Every line is dealt with; some may be rejected."),),
            errors=("validation_failed", "digest_mismatch", "signature_invalid"),
            roles=frozenset({Role.FORWARDER}),
            body_limit="sync_mb",
            media_types=("application/x-ndjson",),
            rate="",  # a lane keeps to its own pace, and a box that was cut off has days to catch up
            takes_records=True,
            wire=bool(keys),
        ),
        Route(
            method="GET",
            path="/v1/sync/boxes",
            handler=receiver.boxes,
            summary="The boxes that send here: how far each is, and what is missing",
            answers=(
                Answer(
                    BoxList,
                    description="By box, and then in the order of their first appearance; the "
                    f"{senders.MOST_BOXES} that sent last.",
                ),
            ),
            roles=frozenset({Role.ADMIN}),
        ),
    ]


class _Receiver:
    def __init__(
        self,
        store: Store,
        families: Mapping[str, Family],
        keys: Sequence[bytes],
        relayed: Callable[[], None],
    ) -> None:
        self._store = store
        self._families = families
        self._keys = keys
        self._relayed = relayed

    async def take(self, ask: SyncAsk) -> Reply:
        """`POST /v1/sync/batches`."""
        _check_digest(ask)
        if self._keys:
            _check_signature(self._keys, ask, self._store.clock.now_ms())
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
        places = heads(placed, texts)
        lines: list[SyncLine] = []
        rejected: list[Rejection] = []
        for index, (head, text) in enumerate(zip(places, texts, strict=True)):
            if index % SLICE_LINES == SLICE_LINES - 1:
                await asyncio.sleep(0)
            if head.op == "skip":
                continue
            try:
                lines.append(checked(self._families, head, text, ask.caller))
            except RejectError as error:
                rejected.append(Rejection(head.seq, error.code, error.message))
        return await self._apply(placed, lines, rejected)

    async def boxes(self, _: SyncAsk) -> Reply:
        """`GET /v1/sync/boxes`."""
        now = self._store.clock.now_ms()
        found = [_box(each, now) for each in await senders.senders(self._store)]
        heard = [
            HeardLine(each.box, each.epoch, each.through, iso(each.last_ms) or "")
            for each in await senders.heard_of(self._store)
        ]
        own = self._store.identity
        return Reply(BoxList(found, heard, OwnBox(own.box, own.epoch, bool(self._keys))))

    async def _apply(self, placed: Placed, lines: Sequence[SyncLine], rejected: list[Rejection]) -> Reply:
        """Applies the lines unit by unit. The last one moves the chain: after a kill all is sent again."""
        accepted = duplicate = 0
        missing: tuple[tuple[int, int], ...] = ()
        relays = await relay.is_on(self._store)
        runs = slices(lines, relays)
        for number, run in enumerate(runs, start=1):
            link = placed.link if number == len(runs) else None
            now = self._store.clock.now_ms()
            unit = ApplyLines(placed.box, placed.epoch, run, now, link, relays)
            # Intake like any other: bounded, and refused before the box's own work when the disk is full.
            applied = await self._store.write(unit, intake=True, admitted=number > 1)
            accepted += applied.accepted
            duplicate += applied.duplicate
            rejected += applied.rejected
            missing = applied.missing
            if applied.relayed:
                self._relayed()
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


def _check_signature(keys: Sequence[bytes], ask: SyncAsk, now_ms: int) -> None:
    """Raises IngestError `signature_invalid`. A clock that is wrong is named with both times: a repeat would
    do no harm, for the seqs tell it, but a signature without a time limit is not the standard's."""
    try:
        webhooks.verify(keys, ask.headers, ask.wire, now_ms / 1000)
    except webhooks.NotVerified as error:
        detail = str(error)
        if error.seconds is not None:
            signed = "a time that no calendar has"
            with contextlib.suppress(ValueError, OverflowError):
                signed = iso(now_ms + error.seconds * 1000) or signed
            detail = f"{detail} It was signed at {signed}; here it is {iso(now_ms)}."
        raise IngestError("signature_invalid", detail) from None


def _box(each: senders.SenderStatus, now_ms: int) -> BoxLine:
    return BoxLine(
        box=each.box,
        epoch=each.epoch,
        last_seq=each.last_seq,
        last_seen=iso(each.last_seen_ms) or "",
        lag=None if each.lag_ms is None else each.lag_ms / 1000,
        gaps=tuple(dict.fromkeys((gap.after, gap.first) for gap in each.gaps)),
        reused=each.reused,
        reused_at=iso(each.reused_ms),
        reusing=each.reuses(now_ms),
        lanes=[
            ChainLine(
                lane=chain.lane,
                last_seq=chain.tip,
                last_seen=iso(chain.last_ms) or "",
                left_behind=chain.left_behind,
                gaps=[
                    GapLine(gap.after, gap.first, iso(gap.since_ms) or "")
                    for gap in each.gaps
                    if gap.lane == chain.lane
                ],
            )
            for chain in each.chains
        ],
    )


def _placed(headers: Mapping[str, str]) -> Placed:
    """The header fields. Raises IngestError bad_parameter."""
    box = _field(headers, "Ingestbox-Box", NAME).group()
    epoch = _field(headers, "Ingestbox-Epoch", NAME).group()
    after = int(_field(headers, "Ingestbox-After", NUMBER).group())
    first, last = (int(part) for part in _field(headers, "Ingestbox-Seq", SPAN).groups())
    lane = _field(headers, "Ingestbox-Lane", NAME).group() if "ingestbox-lane" in headers else ""
    if not after < first <= last:
        raise IngestError("bad_parameter", "Ingestbox-After must lie before Ingestbox-Seq, which ascends.")
    return Placed(box, epoch, Link(lane, after, first, last))


def _field(headers: Mapping[str, str], name: str, pattern: re.Pattern[str]) -> re.Match[str]:
    match = pattern.fullmatch(headers.get(name.lower(), ""))
    if match is None:
        raise IngestError("bad_parameter", f"The header field {name} is missing or not valid.")
    return match
