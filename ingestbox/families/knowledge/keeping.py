"""What is kept of each article where it is stored: whose text was there first, of which source it is, in
which batch it came. All of it is decided in the transaction that stores the records, so that of two requests
at the same moment one is first."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from ingestbox.errors import Fault, IngestError
from ingestbox.families.knowledge.batches import join
from ingestbox.families.knowledge.contents import content_id
from ingestbox.families.knowledge.sources.hearing import hear
from ingestbox.family import Intake, Sifted
from ingestbox.model import INDEX_BITS, JobState, RecordState, record_id
from ingestbox.store.intake import Accepted, Key, Refused, reserve, reserved

SAME_MS = 48 * 3_600_000
"""For so long the same text from the same address is a repeat (contract: knowledge, Endpoints)."""

_NO_JOB = 0

_AGAIN = "duplicate_content"


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What is known of an article before it is stored: `hash` is its text's, or its bytes' if it is not
    valid. Without one it is not kept at all."""

    source_id: str
    url: str
    hash: bytes
    crawled_ms: int | None = None


class Decision(msgspec.Struct, frozen=True):
    """What became of an article: `content` is its record, or the one that was there first; `fault` is why it
    was rejected. `new`: a record of its own is there now. `late`: the record that the same text waits as,
    because its source was not known when it came first."""

    status: Literal["accepted", "duplicate", "rejected"]
    content: int | None
    fault: Fault | None = None
    new: bool = False
    late: int | None = None

    @property
    def belongs(self) -> bool:
        """Whether the content is one of the batch's."""
        return self.new or self.status == "duplicate"


class NothingNewError(IngestError):
    """Everything that was sent is there already, so that there is nothing to make a job of."""

    def __init__(self) -> None:
        super().__init__("duplicate_content")


def bytes_hash(payload: bytes) -> bytes:
    """What an article that is not valid is known again by."""
    return hashlib.sha256(b"bytes\n" + payload).digest()


def sourceless_hash(text: bytes) -> bytes:
    """What an article whose source is not there is known again by: whichever source it comes of then."""
    return hashlib.sha256(b"text\n" + text).digest()


class Keeping:
    """Writes the rows of one batch (without `batch_id`: of a single upload), and knows what it decided."""

    def __init__(self, facts: Sequence[Facts], *, register: bool, batch_id: str | None = None) -> None:
        """`facts` are those of the records, in their order; with `register` a source that is not known is
        made known."""
        self._facts = facts
        self._register = register
        self._batch_id = batch_id
        self.decisions: list[Decision | None] = [None] * len(facts)
        """One for each record, once they are stored."""

    def sift(self, tx: Any, whose: Sifted, first: int, records: Sequence[Intake]) -> Sequence[Intake]:
        """See `family.Batch.sift`. It may run twice: what is decided last counts.

        Raises NothingNewError with the last of the records if no record was new, and IngestError:
        `request_in_progress` when a request that is still running has one of the texts, and
        `source_not_found` for a single upload.
        """
        known: dict[str, bool] = {}
        kept: list[Intake] = []
        for place, record in enumerate(records, first):
            decision = self._decide(tx, whose, place, record, known)
            self.decisions[place] = decision
            kept.append(_stored(record, decision))
        decided = self.decisions[first : first + len(records)]
        if self._batch_id is not None:
            mine = [each.content for each in decided if each is not None and each.belongs and each.content]
            if mine:
                join(tx, whose.workspace, self._batch_id, mine, whose.now_ms)
        if first + len(records) == len(self._facts):
            if not any(each and each.new for each in self.decisions):
                raise NothingNewError
            hear(tx, whose.workspace, self.repeated(), whose.now_ms)
        return kept

    def repeated(self) -> list[tuple[str, int | None]]:
        """The sources of what is there already, and when it was crawled again."""
        decided = zip(self._facts, self.decisions, strict=True)
        return [
            (facts.source_id, facts.crawled_ms)
            for facts, each in decided
            if each is not None and not each.new and (each.fault is None or each.fault.code == _AGAIN)
        ]

    @property
    def late(self) -> list[tuple[int, int]]:
        """What waits because its source was not known, and what the same text is taken as (see `late`)."""
        return [
            (each.late, each.content)
            for each in self.decisions
            if each is not None and each.late is not None and each.content is not None
        ]

    def _decide(self, tx: Any, whose: Sifted, place: int, record: Intake, known: dict[str, bool]) -> Decision:
        facts, fault = self._facts[place], record.fault
        if not facts.hash:
            return Decision("rejected", None, fault)
        if fault is None:
            return self._decide_good(tx, whose, place, facts, known)
        if (waiting := _waiting(tx, whose, facts.hash)) is not None:
            return Decision("rejected", waiting.content, fault)
        if not _is_source(tx, whose, facts.source_id):
            facts = msgspec.structs.replace(facts, source_id="")
        return _keep(tx, whose, place, facts, fault, sent=facts.hash)

    def _decide_good(
        self, tx: Any, whose: Sifted, place: int, facts: Facts, known: dict[str, bool]
    ) -> Decision:
        holder, sent = _holder(tx, whose, facts.hash), sourceless_hash(facts.hash)
        waiting = _waiting(tx, whose, sent)
        late = waiting.content if waiting is not None and waiting.record == RecordState.ISSUE else None
        if holder is not None:
            return msgspec.structs.replace(_repeated(holder, facts, whose.now_ms), late=late)
        if self._has_source(tx, whose, facts.source_id, known):
            if waiting is not None and waiting.record == RecordState.PENDING:  # somebody tries it again
                return _repeated(waiting, facts, whose.now_ms)
            return msgspec.structs.replace(_keep(tx, whose, place, facts), late=late)
        sentence = f"There is no source {facts.source_id[:100]}"
        fault = Fault("source_not_found", sentence, field="source_id")
        if self._batch_id is None:
            raise IngestError("source_not_found", sentence, faults=[fault])
        if waiting is not None:
            return Decision("rejected", waiting.content, fault)
        return _keep(tx, whose, place, msgspec.structs.replace(facts, source_id=""), fault, sent=sent)

    def _has_source(self, tx: Any, whose: Sifted, source_id: str, known: dict[str, bool]) -> bool:
        if source_id not in known:
            if self._register:
                row = {"workspace": whose.workspace, "source_id": source_id, "now": whose.now_ms}
                tx.run("knowledge.register_source", row)
            known[source_id] = self._register or _is_source(tx, whose, source_id)
        return known[source_id]


@dataclass(frozen=True, slots=True)
class _Holder:
    content: int
    url: str
    taken_ms: int
    record: str | None = None  # its state, while nothing became of it


def _holder(tx: Any, whose: Sifted, text: bytes) -> _Holder | None:
    """Who has a text. Raises IngestError `request_in_progress` when nobody knows yet whether it stays."""
    return _found(whose, tx.one("knowledge.holder", {"workspace": whose.workspace, "hash": text}))


def _waiting(tx: Any, whose: Sifted, sent: bytes) -> _Holder | None:
    """What was not valid when it came, or of no source, and is known again by this. Raises as `_holder`."""
    return _found(whose, tx.one("knowledge.holder_of_sent", {"workspace": whose.workspace, "sent": sent}))


def _found(whose: Sifted, row: tuple[Any, ...] | None) -> _Holder | None:
    if row is None:
        return None
    content, url, taken_ms, state, *record = row
    if state == JobState.RECEIVING and content >> INDEX_BITS != whose.job_id:
        raise IngestError("request_in_progress", "The same text is being taken in right now.", retry_after=1)
    return _Holder(content, url, taken_ms, *record)


def _keep(
    tx: Any, whose: Sifted, place: int, facts: Facts, fault: Fault | None = None, sent: bytes | None = None
) -> Decision:
    """A record of its own; one with a fault is known by what it was `sent` as alone."""
    rid = record_id(whose.job_id, place)
    tx.run(
        "knowledge.keep",
        {
            "id": rid,
            "workspace": whose.workspace,
            "source_id": facts.source_id,
            "url": facts.url,
            "hash": facts.hash if fault is None else None,
            "sent": sent,
            "now": whose.now_ms,
            "crawled_ms": facts.crawled_ms,
        },
    )
    return Decision("accepted" if fault is None else "rejected", rid, fault, new=True)


def _repeated(holder: _Holder, facts: Facts, now_ms: int) -> Decision:
    # Once it is processed the address stands there as it was sent, blanks around it included.
    if holder.url.strip() == facts.url and now_ms - holder.taken_ms < SAME_MS:
        return Decision("duplicate", holder.content)
    sentence = f"The same text is there already, as {content_id(holder.content)}"
    return Decision("rejected", holder.content, Fault(_AGAIN, sentence, field="content"))


def _is_source(tx: Any, whose: Sifted, source_id: str) -> bool:
    row = {"workspace": whose.workspace, "source_id": source_id}
    return bool(source_id) and tx.one("knowledge.has_source", row) is not None


def _stored(record: Intake, decision: Decision) -> Intake:
    """The record as it is stored: what is there already, or not kept, leaves a note of it."""
    if decision.new:
        return record if record.fault is decision.fault else _with_fault(record, decision.fault)
    note: dict[str, str] = {"source_url": record.key}
    if decision.content is not None:
        note = {"_duplicate_of": content_id(decision.content), **note}
    elif decision.fault is not None:
        note = {"_rejected": decision.fault.code, **note}
    return Intake(record.key, msgspec.json.encode(note), superseded=True)


def _with_fault(record: Intake, fault: Fault | None) -> Intake:
    return msgspec.structs.replace(record, fault=fault)


@dataclass(frozen=True, slots=True)
class Remember:
    """What was answered to a request that made no job, if it has a `key`; and which contents came again in
    which batch (`batch_id`, None for a single upload)."""

    workspace: str
    batch_id: str | None
    contents: Sequence[int]
    key: Key | None
    body: bytes
    now_ms: int

    @property
    def weight(self) -> int:
        """A row for each content, and two."""
        return 2 * len(self.contents) + 2

    def apply(self, tx: Any) -> Accepted | Refused:
        """Writes it, unless the key was used meanwhile."""
        if (decided := reserved(tx, self.key)) is not None:
            return decided
        if self.batch_id is not None:
            join(tx, self.workspace, self.batch_id, self.contents, self.now_ms)
        if self.key is not None:
            reserve(tx, self.key, _NO_JOB, self.now_ms, self.body)
        return Accepted(_NO_JOB, self.body)
