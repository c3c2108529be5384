"""Records: what is kept of each intake as it came, or as a person corrected it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from ingestbox.family import Family
from ingestbox.model import INDEX_BITS, RecordState, checksum, record_id
from ingestbox.store import records
from ingestbox.store.erasing import objects
from ingestbox.store.erasing.slices import Change, Pace, Position, Slice, Wanted
from ingestbox.store.readers import ReadTx
from ingestbox.store.unit import Tx, weight_of

_PENDING, _ISSUE, _DONE, _DISCARDED = (
    state.value for state in (RecordState.PENDING, RecordState.ISSUE, RecordState.DONE, RecordState.DISCARDED)
)
_COUNTED = (("pending", _PENDING), ("issues", _ISSUE), ("done", _DONE))

NOTE = "Erased on request"
"""What is left in a row that was somebody's."""


@dataclass(frozen=True, slots=True)
class RewriteRecord:
    """A record becomes another one, and what follows from it does too. A worker that has it in hand loses its
    job: what it makes of the old one does not count.

    `gone`: it was the person's own, and is given up; a staged one that is settled stays so.
    """

    id: int
    was: tuple[bytes, str, int]
    key: str
    payload: bytes
    crc: int
    gone: bool
    staged: bool
    actor: str
    now_ms: int
    following: tuple[Change, ...] = field(default=())

    @property
    def weight(self) -> int:
        """Its row, its job's, its issues', and what follows."""
        following = sum([change.weight for change in self.following])
        return (10 if self.gone else 3) + weight_of(len(self.payload)) + following

    def apply(self, tx: Tx) -> bool:
        """Whether it was still as it was looked at."""
        key, state, crc = self.was
        waits = state in (_PENDING, _ISSUE)
        given_up = self.gone and (waits or (state == _DONE and not self.staged))
        rewritten = tx.run(
            "erasures.rewrite_record",
            {
                "id": self.id,
                "key": self.key,
                "payload": self.payload,
                "crc": self.crc,
                "state": _DISCARDED if given_up else state,
                "was_key": key,
                "was_state": state,
                "was_crc": crc,
            },
        )
        if rewritten != 1 or not all(change.apply(tx) for change in self.following):
            return False
        job_id = self.id >> INDEX_BITS
        if waits:
            tx.run("erasures.take_away", {"id": job_id, "now": self.now_ms})
        if self.key.encode() != key:
            tx.run("staging.remove_key", {"job_id": job_id, "key": records.text(key), "record_id": self.id})
        if given_up:
            counts = {name: int(state == each) for name, each in _COUNTED}
            tx.run("erasures.count_given_up", {"id": job_id, "now": self.now_ms, **counts})
            closing = {"resolution": "discard", "actor": self.actor, "now": self.now_ms}
            tx.run("issues.resolve", {"record_id": self.id, **closing})
        return True


class Records:
    """All records, in the order of intake."""

    name = "records"

    def look(self, tx: ReadTx, wanted: Wanted, after: Position) -> Slice:
        """The next slice after a position."""
        found, pace = Slice(), Pace()
        place = int(after[0]) if after else 0
        known: dict[int, tuple[str, Family | None]] = {}
        while True:
            skipped = None
            for row in tx.each("erasures.records", {"after": place, "beyond": wanted.beyond}):
                rid = int(row[0])
                job_id = rid >> INDEX_BITS
                if job_id not in known:
                    known[job_id] = _scope(tx, wanted, job_id)
                workspace, family = known[job_id]
                if not wanted.covers(workspace):
                    skipped = record_id(job_id + 1, 0) - 1
                    break
                self._take(tx, wanted, family, workspace, row, found)
                if pace.full(len(row[3]), found):
                    found.position = (rid,)
                    return found
            if skipped is None:
                return found
            place = skipped
            if pace.full(0, found):
                found.position = (place,)
                return found

    def _take(
        self,
        tx: ReadTx,
        wanted: Wanted,
        family: Family | None,
        workspace: str,
        row: tuple[Any, ...],
        found: Slice,
    ) -> None:
        spelt = wanted.spelt
        rid, raw_key, state, payload, crc = row
        if not (spelt.may_be_in(payload) or spelt.may_be_in(raw_key)):
            return
        key = records.text(raw_key)
        staged = family is not None and family.staging is not None
        named = spelt.is_in(key)
        if family is not None and family.subjects is not None:
            theirs = objects.is_of(wanted, family, payload)
        else:  # a staged row may have several addresses where one belongs; then it is not all about this one
            theirs = spelt.is_all_of(key) if staged else named
        erased = spelt.in_json(payload)
        sound = checksum(raw_key, payload) == crc
        if not sound and erased is None and spelt.is_in(records.text(payload)):
            erased = b"{}"  # it has it where no string is; it stays damaged
        if erased is None and not named:
            return
        new = _blank(payload) if theirs else erased or payload
        new_key = "" if theirs else spelt.replace(key)
        following: tuple[Change, ...] = ()
        became = state == RecordState.DONE or (state == RecordState.ISSUE and not staged)  # it may be held
        if family is not None and not theirs and became:
            object_id = _made(payload, rid) if staged else _called(tx, family, key, rid)
            record = (rid, payload if sound else None)
            following = _objects(tx, wanted, family, workspace, object_id, record, found)
        elif family is not None and family.subjects is not None and theirs:
            object_id = _called(tx, family, key, rid)
            following = _removed(tx, wanted, family, workspace, object_id, rid, found)
        found.add(
            RewriteRecord(
                id=rid,
                was=(raw_key, state, crc),
                key=new_key,
                payload=new,
                crc=checksum(new_key.encode(), new) if sound else crc,
                gone=theirs,
                staged=staged,
                actor=wanted.actor,
                now_ms=wanted.now_ms,
                following=following,
            ),
            records=1,
        )
        found.jobs.add(rid >> INDEX_BITS)


def _scope(tx: ReadTx, wanted: Wanted, job_id: int) -> tuple[str, Family | None]:
    row = tx.one("erasures.job", {"id": job_id})
    if row is None:
        return "", None
    return row[3], wanted.families.get(row[2])


def _objects(
    tx: ReadTx,
    wanted: Wanted,
    family: Family,
    workspace: str,
    object_id: str,
    record: tuple[int, bytes | None],
    found: Slice,
) -> tuple[Change, ...]:
    """What becomes of the objects that this record is still the newest intake of; the person's own are
    removed later on."""
    changes: list[Change] = []
    for kind in sorted(family.kinds):
        each = objects.stored(tx, family.name, kind, object_id, workspace)
        if each is None or each.record_id != record[0]:
            continue
        if not wanted.spelt.is_all_of(each.person):
            changes.append(objects.again(tx, wanted, family, kind, each, record[1]))
            found.count(**{objects.counted(kind): 1})
    return tuple(changes)


def _removed(
    tx: ReadTx, wanted: Wanted, family: Family, workspace: str, object_id: str, rid: int, found: Slice
) -> tuple[Change, ...]:
    """The objects of a record that is the person's own go with it, whatever they are called."""
    changes: list[Change] = []
    for kind in sorted(family.kinds):
        each = objects.stored(tx, family.name, kind, object_id, workspace)
        if each is not None and each.record_id == rid:
            changes.append(objects.gone(wanted, family, kind, each))
            found.count(**{objects.counted(kind): 1})
    return tuple(changes)


def _called(tx: ReadTx, family: Family, key: str, rid: int) -> str:
    """The id of the object that a record became."""
    if family.subjects is None:
        return key
    row = tx.one("erasures.job", {"id": rid >> INDEX_BITS})
    return "" if row is None else family.subjects.object_id(row[1], rid)


def _made(payload: bytes, rid: int) -> str:
    """The id of the object that a staged row became, or changed."""
    try:
        given = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        given = None
    chosen = given.get("_update") if isinstance(given, dict) else None
    return chosen if isinstance(chosen, str) and chosen else str(rid)


def _blank(payload: bytes) -> bytes:
    """Of a row that is all about the person its place in the file is left."""
    try:
        given = msgspec.json.decode(payload)
        place = given.get("_row") if isinstance(given, dict) else None
    except msgspec.DecodeError:
        place = None
    left: dict[str, object] = {"_note": NOTE}
    if isinstance(place, dict):
        left["_row"] = {name: place[name] for name in ("line", "row") if isinstance(place.get(name), int)}
    return msgspec.json.encode(left)
