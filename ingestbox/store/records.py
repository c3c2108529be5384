"""Records as the store gives them: one with its payload, and lists of a job's in their order."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ingestbox.model import INDEX_BITS, RecordState, checksum, index_of, record_id, records_of
from ingestbox.store.pages import Page, Row, page
from ingestbox.store.readers import ReadTx


@dataclass(frozen=True, slots=True)
class Record:
    """One record. `sound` is whether key and payload match their checksum; `mark` names its content and
    state, and is another one after every change."""

    id: int
    key: str
    state: str
    payload: bytes
    sound: bool
    mark: str


@dataclass(frozen=True, slots=True)
class RefusedBy:
    """A lane whose upstream refused a delivery: in its words, what was decided, and the issue of it."""

    lane: str
    code: str
    message: str
    state: str
    issue: int | None


@dataclass(frozen=True, slots=True)
class Became:
    """What a record led to: its newest delivery. `current` is whether the object is still as it says,
    `refused` who does not take it."""

    seq: int
    kind: str
    object_id: str
    version: int
    current: bool
    refused: tuple[RefusedBy, ...]


def mark(state: str, crc: int, issue: int) -> str:
    """Names one content and state; `issue` is the newest issue's id, as one more failure is a change."""
    return f"{crc:08x}-{state}-{issue}"


def one(tx: ReadTx, rid: int) -> Record | None:
    """The record with this id."""
    row = tx.one("records.one", {"id": rid})
    if row is None:
        return None
    _, key, state, payload, crc, issue = row
    return Record(
        id=rid,
        key=text(key),
        state=state,
        payload=payload,
        sound=checksum(key, payload) == crc,
        mark=mark(state, crc, issue),
    )


def became(tx: ReadTx, rid: int) -> Became | None:
    """What the record led to, if its result was put."""
    which = {"record_id": rid}
    row = tx.one("deliveries.of_record", which) or tx.one("retention.became", which)
    if row is None:
        return None
    refused = tuple(RefusedBy(*each) for each in tx.all("parked.refusing", {"seq": row[0]}))
    return Became(row[0], row[1], row[2], row[3], bool(row[4]), refused)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records of a job: in this state, of this issue; None lets all pass. `staged`: its issues may have
    several."""

    state: str | None = None
    issue: int | None = None
    staged: bool = False

    def keeps(self, row: tuple[Any, ...]) -> bool:
        """Whether a row is one of them."""
        return self.state in (None, row[2])


def listed(tx: ReadTx, job_id: int, wanted: Wanted, after: int, limit: int) -> Page:
    """A page of a job's records (id, key, state) after the record id `after`, in order of their index."""
    span = records_of(job_id)
    span["first"] = max(span["first"], after + 1)
    state = wanted.state
    if wanted.issue is not None:
        which = {**span, "issue": wanted.issue}
        found = page(tx.each("records.of_issue", which), limit, wanted.keeps)
        return found if found.rows else page(tx.each("records.of_refusal", which), limit, wanted.keeps)
    if state == RecordState.ISSUE and not wanted.staged:
        return page(tx.each("records.waiting_of_job", span), limit)
    if state == RecordState.ISSUE:
        return page(_once(tx.each("records.linked", span)), limit, wanted.keeps)
    if state == RecordState.PENDING:
        row = tx.one("jobs.first_pending", {"id": job_id})
        span["first"] = max(span["first"], record_id(job_id, row[0] if row else 0))
    return page(tx.each("records.of_job", span), limit, wanted.keeps)


def _once(rows: Generator[Row, None, None]) -> Generator[Row, None, None]:
    """Of rows with one key the first; they lie side by side."""
    last: int | None = None
    try:
        for row in rows:
            if row[0] != last:
                last = row[0]
                yield row
    finally:
        rows.close()


def issues_of(tx: ReadTx, rids: Sequence[int], limit: int) -> dict[int, list[tuple[Any, ...]]]:
    """The issues of these records, in ascending order of their ids, by record; `limit` in all."""
    found: dict[int, list[tuple[Any, ...]]] = {rid: [] for rid in rids}
    ids = msgspec.json.encode(rids).decode()
    for row in tx.each("issues.of_records", {"ids": ids, "limit": limit}):
        found[row[1]].append(row)
    for rows in found.values():
        rows.sort()  # those of refused deliveries come after the others
    return found


def payload(tx: ReadTx, rid: int) -> bytes | None:
    """The payload alone, or None when it does not match its checksum."""
    row = tx.one("records.payload", {"id": rid})
    return row[1] if row is not None and checksum(row[0], row[1]) == row[2] else None


def line(tx: ReadTx, rid: int) -> int | None:
    """The line of its file that a record began in, if it came in one."""
    content = payload(tx, rid)
    try:
        return None if content is None else _placed.decode(content).place.line
    except msgspec.DecodeError:
        return None


class _Place(msgspec.Struct):
    line: int | None = None


class _Placed(msgspec.Struct):
    """What the box keeps with a row of a file."""

    place: _Place = msgspec.field(default_factory=_Place, name="_row")


_placed = msgspec.json.Decoder(_Placed)


def text(key: bytes) -> str:
    """A key as text, whatever became of it on disk."""
    return key.decode("utf-8", "replace")


def place(rid: int) -> tuple[int, int]:
    """Job and index that a record's id says."""
    return rid >> INDEX_BITS, index_of(rid)
