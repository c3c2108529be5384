"""Duplicates of an object that was the first and is so no more: it went, or it is another thing now.

One of them becomes the first, and the others name that one: each gets a new version, of which upstream is
told. Their records are not processed again, for nothing but this has changed; so it happens whatever became
of their jobs. It goes slice by slice, and rows of `departed` say what is left.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import msgspec

from ingestbox.family import Distinct, Family
from ingestbox.model import INDEX_BITS, Put, RecordState, checksum, index_of
from ingestbox.store import Store, jobs
from ingestbox.store.distinct import Whose, told_anew
from ingestbox.store.identity import BoxIdentity
from ingestbox.store.unit import Tx
from ingestbox.store.work import Deliver

SLICE = 100
"""Duplicates that one unit looks at: they keep the writer under 20 ms."""

SLICE_BYTES = 1_048_576
SLICE_JOBS = 30
"""What their records have in all (one at least), and of how many jobs they are: each has its own lines."""

AT_ONCE = 100
"""Departed ones that one unit looks at."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a unit has done: how many objects have a new version, and whether there may be more to do."""

    deliveries: int
    more: bool


@dataclass(frozen=True, slots=True)
class _Row:
    """One that departed; its duplicates up to the record `after` are told."""

    family: str
    kind: str
    workspace: str
    owner: str
    object_id: str
    after: int

    @property
    def whose(self) -> Whose:
        """Whose it was."""
        return Whose(self.family, self.workspace, self.owner)

    @property
    def place(self) -> dict[str, str]:
        """Where its row is."""
        names = ("family", "kind", "workspace", "owner", "object_id")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, order=True, slots=True)
class _Follower:
    """A duplicate as it is stored."""

    record_id: int
    object_id: str
    match: str
    result: bytes
    crc: int

    @property
    def job(self) -> int:
        """The job of its record."""
        return self.record_id >> INDEX_BITS


_Found = tuple[_Follower, bytes | None]
"""A duplicate with its record."""


@dataclass(frozen=True, slots=True)
class TellDuplicates:
    """Tells the next duplicates of those that departed what they are duplicates of now.

    What is not done is told without upstream: its record may be another one by now, and is put when it is
    done. So is what is damaged.
    """

    families: Mapping[str, Family]
    identity: BoxIdentity
    now_ms: int
    weight: int = 10 * SLICE

    def apply(self, tx: Tx) -> Told:
        """Looks at up to SLICE duplicates of one owner, and moves the rows that say how far it is."""
        rows = [_Row(*row) for row in tx.all("distinct.departed", {"limit": AT_ONCE})]
        if not rows:
            return Told(0, more=False)
        first = rows[0]
        known = self.families.get(first.family)
        rule = None if known is None else known.distinct
        if rule is None or rule.kind != first.kind:  # of another version of the program
            tx.run("distinct.forget", first.place)
            return Told(0, more=True)
        same = [row for row in rows if row.whose == first.whose and row.kind == first.kind]
        chosen = self._choose(tx, same)
        told = 0
        for job_id, group in groupby(sorted(chosen), key=lambda each: each[0].job):
            told += self._put(tx, rule, first.whose, job_id, list(group))
        return Told(told, more=len(rows) == AT_ONCE or tx.one("distinct.departed", {"limit": 1}) is not None)

    def _choose(self, tx: Tx, rows: Sequence[_Row]) -> list[_Found]:
        """The next duplicates that are sound, each with its record, if that is done and sound, as its result
        is."""
        found: list[tuple[_Row, _Follower]] = []
        through: dict[_Row, bool] = {}
        for row in rows:
            asked = {**row.place, "after": row.after, "limit": SLICE - len(found)}
            followers = tx.all(f"{row.family}.followers_{row.kind}", asked)
            found += [(row, _Follower(*each)) for each in followers]
            through[row] = len(found) < SLICE
            if len(found) == SLICE:
                break
        having = {row for row, _ in found}
        ids = msgspec.json.encode([each.record_id for _, each in found]).decode()
        records = {each[0]: each for each in tx.all("distinct.records", {"ids": ids})}
        chosen: list[_Found] = []
        reached: dict[_Row, int] = {}
        of: set[int] = set()
        size = 0
        for row, each in found:
            payload = _sound(records.get(each.record_id))
            size += len(payload or b"")
            of.add(each.job)
            most = SLICE_BYTES >> 4 if row.family in tx.redacted else SLICE_BYTES  # looking through them
            if reached and (size > most or len(of) > SLICE_JOBS):
                through[row] = False
                break
            reached[row] = each.record_id
            if zlib.crc32(each.result) == each.crc:  # what is damaged stays as it is
                chosen.append((each, payload))
        for row, whole in through.items():
            if whole and (row in reached or row not in having):
                tx.run("distinct.forget", row.place)
            elif row in reached:
                tx.run("distinct.move", {**row.place, "after": reached[row]})
        return chosen

    def _put(self, tx: Tx, rule: Distinct, whose: Whose, job_id: int, found: Sequence[_Found]) -> int:
        """Tells duplicates of one job; how many of them have a new version."""
        puts = {
            index_of(each.record_id): Put(rule.kind, each.object_id, each.result, {}, "", each.match)
            for each, _ in found
        }
        payloads = {index_of(each.record_id): payload for each, payload in found if payload is not None}
        named = told_anew(tx, rule, whose, puts, payloads)
        changed = {index: put for index, put in named.items() if put.result != puts[index].result}
        row = tx.one("jobs.by_id", {"id": job_id})
        job = None if row is None else jobs.from_row(row)
        aloud = [] if job is None else [index for index in changed if index in payloads]
        versions = self._versions(tx, rule, whose, job_id, [(changed[index].id, index) for index in aloud])
        tx.many(
            f"{whose.family}.retell_{rule.kind}",
            [
                {
                    "workspace": whose.workspace,
                    "object_id": put.id,
                    "version": versions.get(index),
                    "duplicate_of": put.columns["duplicate_of"],
                    "result": put.result,
                    "crc": zlib.crc32(put.result),
                    "at_ms": self.now_ms,
                }
                for index, put in changed.items()
            ],
        )
        if job is not None and versions:
            winners = [(index, version, changed[index]) for index, version in sorted(versions.items())]
            Deliver(self.identity, job, self.now_ms).all(tx, winners, payloads)
        return len(versions)

    def _versions(
        self, tx: Tx, rule: Distinct, whose: Whose, job_id: int, objects: Sequence[tuple[str, int]]
    ) -> dict[int, int]:
        """The new versions, by index."""
        if not objects:
            return {}
        puts = [(object_id, job_id << INDEX_BITS | index) for object_id, index in objects]
        scope = {"workspace": whose.workspace, "family": whose.family, "kind": rule.kind}
        rows = tx.all("objects.put", {**scope, "puts": msgspec.json.encode(puts).decode()})
        return {index_of(rid): version for rid, version in rows}


def _sound(row: tuple[Any, ...] | None) -> bytes | None:
    """What a record says that is done and as it was stored."""
    if row is None or row[2] != RecordState.DONE or checksum(row[1], row[3]) != row[4]:
        return None
    return bytes(row[3])


async def tell(store: Store, families: Mapping[str, Family]) -> int:
    """Tells all duplicates of those that departed; how many deliveries that made."""
    told = 0
    while await store.read("distinct.departed", {"limit": 1}):
        unit = TellDuplicates(families, store.identity, store.clock.now_ms())
        told += (await store.write(unit)).deliveries
    return told
