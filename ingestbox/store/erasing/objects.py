"""Objects of families: a person's own is removed, upstream by a tombstone; one that names them is put again
without the address, as a new version."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ingestbox.enrich.pii import marking
from ingestbox.enrich.pii.found import REDACT
from ingestbox.family import Distinct, Family
from ingestbox.model import INDEX_BITS, Job, Put, RecordState, delivery_digest, index_of
from ingestbox.store import jobs, records, removal
from ingestbox.store.distinct import Whose, told_anew
from ingestbox.store.enqueued import count_enqueued
from ingestbox.store.erasing.slices import Change, Pace, Position, Slice, Wanted
from ingestbox.store.identity import BoxIdentity
from ingestbox.store.readers import ReadTx
from ingestbox.store.removal import ROWS_AN_OBJECT, Scope
from ingestbox.store.unit import Tx, weight_of
from ingestbox.store.work import PROJECTION_ROWS, DeliveryLines, searched_weight


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of a family's `erasable_<kind>`. `result` is JSON, and so is `record`, which only what came from
    another box, or was made of no record, brings along. `person` is the address whose object it is, if it is
    one's; `crc` is null for what is not stored as it is here."""

    id: int
    workspace: str
    origin: str
    object_id: str
    version: int
    record_id: int
    at_ms: int
    result: bytes
    record: bytes | None
    crc: int | None
    person: str | None
    owner: str
    job_public: str
    job: int

    @property
    def sound(self) -> bool:
        """Whether it is as it was stored."""
        return self.crc is None or zlib.crc32(self.result + (self.record or b"")) == self.crc

    @property
    def place(self) -> dict[str, str]:
        """Where its head is, but for family and kind."""
        return {"origin": self.origin, "workspace": self.workspace, "object_id": self.object_id}


@dataclass(frozen=True, slots=True)
class Remove:
    """An object goes. One of this box leaves a tombstone that upstream is told of; one of another box leaves
    one here."""

    scope: Scope
    origin: str
    object_id: str
    now_ms: int
    weight: int = ROWS_AN_OBJECT + 1

    def apply(self, tx: Tx) -> bool:
        """Always true: one that is gone is what was wanted."""
        scope, where = self.scope, {"workspace": self.scope.workspace, "object_id": self.object_id}
        if not self.origin:
            removal.remove(tx, scope, [self.object_id], self.now_ms)
        # Also what has no head that could tell of it.
        tx.run(f"{scope.family}.remove_{scope.kind}", {**where, "origin": self.origin})
        if self.origin:
            head = {"family": scope.family, "kind": scope.kind, "origin": self.origin}
            tx.run("erasures.bury", {**where, **head})
        return True


@dataclass(frozen=True, slots=True)
class PutAgain:
    """An object is put with other texts. With a `line` it is a new version, which upstream is told of.

    `params` are those of the family's `put_<kind>`; `head` is the version that the object's head had, if it
    has one: another one was put by somebody else. Without a head its row has to be as it was, with the
    checksum `was_crc`: somebody may have changed or removed it. With `distinct` it is told apart anew, for
    without the address it may be the same as others. `told` is what upstream is told of (`Put.told`), found
    out before, so that the writer need not.
    """

    family: str
    kind: str
    params: Mapping[str, Any]
    head: int | None
    line: tuple[Job, bytes] | None
    identity: BoxIdentity
    now_ms: int
    distinct: Distinct | None = None
    was_crc: int | None = None
    told: tuple[bytes | None, bytes | None] | None = None

    @property
    def weight(self) -> int:
        """As in a settled chunk."""
        size = len(self.params["result"]) + (len(self.line[1]) if self.line else 0)
        return PROJECTION_ROWS + 3 + weight_of(size) + searched_weight([size])

    def apply(self, tx: Tx) -> bool:
        """Whether it was still at that version."""
        params = dict(self.params)
        head = {name: params[name] for name in ("origin", "workspace", "object_id")}
        head.update(family=self.family, kind=self.kind)
        if _version(tx.one("erasures.head", head)) != self.head:
            return False
        if self.head is None and not params["origin"] and not self._as_it_was(tx, params):
            return False
        if self.distinct is not None:
            self._tell_apart(tx, self.distinct, params)
        if self.line is not None:
            row = tx.one("erasures.next_version", {**head, "version": self.head})
            assert row is not None  # it was just seen
            params["version"] = int(row[0])
            self._deliver(tx, *self.line, params)
        tx.run(f"{self.family}.put_{self.kind}", params)
        return True

    def _as_it_was(self, tx: Tx, params: Mapping[str, Any]) -> bool:
        each = stored(tx, self.family, self.kind, params["object_id"], params["workspace"])
        return each is not None and each.crc == self.was_crc

    def _tell_apart(self, tx: Tx, rule: Distinct, params: dict[str, Any]) -> None:
        whose = Whose(self.family, params["workspace"], params["owner"])
        put = Put(self.kind, params["object_id"], params["result"], {}, "", params["match"])
        told = told_anew(tx, rule, whose, {0: put}, {})[0]
        crc = zlib.crc32(told.result + (params["record"] or b""))
        params.update(told.columns, result=told.result, crc=crc)

    def _deliver(self, tx: Tx, job: Job, record: bytes, params: Mapping[str, Any]) -> None:
        taken = tx.one("box.take_seqs", {"n": 1})
        assert taken is not None  # the box's row is made with the store
        seq, version, result = int(taken[0]), int(params["version"]), params["result"]
        digest = delivery_digest(record, result)
        put = Put(self.kind, params["object_id"], result, {}, digest, told=self.told)
        index = index_of(params["record_id"])
        redacted = self.family in tx.redacted
        lines = DeliveryLines(self.identity, job, self.now_ms, redacted=redacted)
        line = lines.put(seq, version, index, put, record)
        tx.run(
            "deliveries.insert",
            {
                "seq": seq,
                "epoch": self.identity.epoch,
                "op": "put",
                "workspace": params["workspace"],
                "family": self.family,
                "kind": self.kind,
                "object_id": params["object_id"],
                "version": version,
                "record_id": params["record_id"],
                "now": self.now_ms,
                "line": line,
                "crc": zlib.crc32(line),
            },
        )
        count_enqueued(tx, [(params["workspace"], self.family, self.kind, "put", False, len(line))])


def stored(tx: ReadTx | Tx, family: str, kind: str, object_id: str, workspace: str) -> Stored | None:
    """This box's own object with an id."""
    row = tx.one(f"{family}.number_{kind}", {"workspace": workspace, "object_id": object_id})
    if row is None:
        return None
    span = {"after": row[0] - 1, "below": row[0] + 1}
    rows = tx.all(f"{family}.erasable_{kind}", span)
    return Stored(*rows[0]) if rows else None


def again(
    tx: ReadTx, wanted: Wanted, family: Family, kind: str, each: Stored, record: bytes | None = None
) -> Change:
    """What takes the address out of an object: put again, or removed if nothing can be made of it.

    `record` is that of an own object before the address went, if it is at hand and sound.
    """
    given = each.record if each.record is not None else record
    if given is None:  # of a contact from another box nothing but the result is kept
        given = b"{}" if each.origin else records.payload(tx, each.record_id)
    if given is None or not each.sound:
        return gone(wanted, family, kind, each)
    try:
        after, result = family.redact(kind, given, each.result, wanted.spelt)
        columns = dict(family.project(kind, after, result))
        rule = family.distinct
        if each.origin or (rule is not None and rule.kind != kind):
            rule = None
        if rule is not None:
            columns["match"] = rule.match(after)
    except (ValueError, TypeError, KeyError, RecursionError):  # made by an older version, or by a stranger
        return gone(wanted, family, kind, each)
    job = None if each.origin else _job(tx, each.record_id >> INDEX_BITS)
    head = tx.one("erasures.head", {**each.place, "family": family.name, "kind": kind})
    told = job is not None and _version(head) == each.version and not _untold(tx, each.record_id)
    kept = None if each.record is None else after
    params = {
        **columns,
        **each.place,
        "owner": each.owner,
        "job": each.job,
        "job_id": each.job_public,
        "version": each.version,
        "record_id": each.record_id,
        "at_ms": each.at_ms,
        "result": result,
        "record": kept,
        "crc": zlib.crc32(result + (kept or b"")),
        "lineage": None,
    }
    line = (job, after) if told and job is not None else None
    # With a rule the result is not known yet.
    hides = line is not None and rule is None and family.pii == REDACT
    return PutAgain(
        family.name,
        kind,
        params,
        _version(head),
        line,
        wanted.identity,
        wanted.now_ms,
        rule,
        each.crc,
        marking.told(after, result) if hides else None,
    )


def gone(wanted: Wanted, family: Family, kind: str, each: Stored) -> Remove:
    """What removes an object."""
    scope = Scope(each.workspace, family.name, kind, each.owner or None, each.job_public or None)
    return Remove(scope, each.origin, each.object_id, wanted.now_ms)


def is_of(wanted: Wanted, family: Family, record: bytes) -> bool:
    """Whether a record is all about the person, as its family says."""
    if family.subjects is None or not wanted.spelt.may_be_in(record):
        return False
    try:
        addresses = family.subjects.addresses(record)
    except (ValueError, TypeError, KeyError, RecursionError):  # damaged, or made by a stranger
        return False
    return any(wanted.spelt.is_all_of(address) for address in addresses)


def _version(head: tuple[Any, ...] | None) -> int | None:
    return None if head is None else int(head[0])


def _untold(tx: ReadTx, rid: int) -> bool:
    """Whether nothing of a record was ever told upstream, as what is held."""
    row = tx.one("records.mark", {"id": rid})
    return row is not None and row[0] == RecordState.ISSUE and records.became(tx, rid) is None


def _job(tx: ReadTx, job_id: int) -> Job | None:
    row = tx.one("erasures.job", {"id": job_id})
    return None if row is None else jobs.from_row(row)


def counted(kind: str) -> str:
    """What objects of a kind count as; records are what was received."""
    return "others" if kind == "record" else f"{kind}s"


class Objects:
    """All objects of one kind, by their own table."""

    def __init__(self, family: Family, kind: str) -> None:
        self.name = f"objects {family.name} {kind}"
        self._family = family
        self._kind = kind
        self._counted = counted(kind)

    def look(self, tx: ReadTx, wanted: Wanted, after: Position) -> Slice:
        """The next slice after a position."""
        found, pace = Slice(), Pace()
        span = {"after": after[0] if after else 0, "below": (1 << 63) - 1}
        for row in tx.each(f"{self._family.name}.erasable_{self._kind}", span):
            each = Stored(*row)
            size = len(each.result) + len(each.record or b"")
            change = self._change(tx, wanted, each) if wanted.covers(each.workspace) else None
            if change is not None:
                found.add(change, **{self._counted: 1})
                if isinstance(change, Remove) and wanted.spelt.is_in(each.object_id):
                    found.count(kept=1)
            if pace.full(size, found):
                found.position = (each.id,)
                break
        return found

    def _change(self, tx: ReadTx, wanted: Wanted, each: Stored) -> Change | None:
        spelt = wanted.spelt
        if not each.origin and each.record_id >= wanted.beyond:
            return None  # made of what came later
        theirs = self._family.subjects is not None and each.record is not None
        theirs = theirs and is_of(wanted, self._family, each.record or b"")
        if theirs or spelt.is_all_of(each.person) or spelt.is_in(each.object_id):
            return gone(wanted, self._family, self._kind, each)
        if spelt.in_json(each.result) is None and (each.record is None or spelt.in_json(each.record) is None):
            return None
        if not each.origin and each.record is None:
            record = records.payload(tx, each.record_id)
            if record is not None and spelt.in_json(record) is not None:
                return None  # it is put again with its record
        return again(tx, wanted, self._family, self._kind, each)
