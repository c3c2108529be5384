"""What is wrong with the rows of a staged job: by themselves, against each other, against what exists.

What is found is written slice by slice; see `store.staging`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from ingestbox.config import Work
from ingestbox.errors import Fault
from ingestbox.family import Checked, Staging
from ingestbox.model import Item, Job, index_of, records_of
from ingestbox.pipeline import rowwork
from ingestbox.pipeline.claims import Claim, Claims
from ingestbox.pipeline.pool import ChildDied, FunctionFailed, Pool
from ingestbox.store import ReadTx, Store, staging
from ingestbox.store.staging import SLICE, WINDOW, Copy, Failing, SettleRows, StagedRow

log = logging.getLogger(__name__)

LAST = "\U0010ffff"
"""After every key."""

SLICE_BYTES = 1_048_576
"""What rows that a child looks at together have at most (one at least)."""

_CHECK, _SAME = f"{rowwork.__name__}:check", f"{rowwork.__name__}:same"
_DAMAGED = Fault("damaged", "The stored row does not match its checksum")
_ENDED = Fault("processing_failed", "This row ends the process that looks at it")

_encode = msgspec.msgpack.Encoder().encode
_checked = msgspec.msgpack.Decoder(list[Checked])
_likenesses = msgspec.msgpack.Decoder(list[bytes])


class _Decided(msgspec.Struct):
    """What a person decided about a row, in its payload: the object that it is to update."""

    update: str = msgspec.field(name="_update", default="")


_decisions = msgspec.json.Decoder(_Decided)


@dataclass(slots=True)
class _Group:
    """Rows with one key, as they are met: the first one with each likeness."""

    key: str
    firsts: dict[bytes, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where to go on among the rows with some keys: with the key at this index, after this record."""

    key: int
    after: int


@dataclass(slots=True)
class _Found:
    """What a run has found and not written yet."""

    failing: list[Failing] = field(default_factory=list)
    keys: list[tuple[int, str]] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    checked: list[int] = field(default_factory=list)

    def fail(self, rid: int, key: str, fault: Fault) -> None:
        """A row fails by itself, or with others that have its key."""
        named = staging.key_of(key, rid)
        self.failing.append(Failing(rid, fault.code, named, fault.message, fault.field))


class Comparing:
    """Looks at rows of jobs, for the worker that holds them."""

    def __init__(self, store: Store, claims: Claims, pool: Pool, settings: Work) -> None:
        self._store = store
        self._claims = claims
        self._pool = pool
        self._settings = settings

    async def _write(self, claim: Claim, run: int, found: _Found) -> None:
        """Writes what was found, slice by slice."""
        whole = max(len(found.failing), len(found.keys), len(found.copies), len(found.checked))
        for start in range(0, whole, SLICE):
            part = slice(start, start + SLICE)
            unit = SettleRows(
                self._claims.hold(claim),
                run,
                found.failing[part],
                found.keys[part],
                found.copies[part],
                found.checked[part],
            )
            await self._store.write(unit)

    async def recheck(self, rule: Staging, claim: Claim, run: int, *, loaded: bool) -> None:
        """Rows that people changed, or that failed by themselves before; the latter were checked a moment ago
        in a job that was just `loaded`."""
        start, query = 0, "staging.edited" if loaded else "staging.to_recheck"
        while True:
            wanted = {
                **records_of(claim.job.id, start),
                "repeated": rule.repeated[0],
                "existing": rule.existing[0],
                "limit": SLICE,
            }

            def read(tx: ReadTx, wanted: dict[str, object] = wanted) -> tuple[list[int], list[StagedRow]]:
                ids = [row[0] for row in tx.all(query, wanted)]
                return ids, staging.rows(tx, ids)

            ids, rows = await self._store.read_with(read)
            found = _Found(checked=ids)
            for part in _parts(row for row in rows if row.state in ("pending", "issue")):
                await self._check(rule, claim, part, found)
            await self._write(claim, run, found)
            if len(ids) < SLICE:
                return
            start = index_of(ids[-1]) + 1

    async def _check(self, rule: Staging, claim: Claim, rows: Sequence[StagedRow], found: _Found) -> None:
        for row in rows:
            if not row.sound:
                found.fail(row.id, "", _DAMAGED)
        sound = [row for row in rows if row.sound]
        answers = await self._ask(_CHECK, rule.check, claim, sound)
        for row, answer in zip(sound, answers, strict=True):
            checked = None if answer is None else _checked.decode(answer)[0]
            if checked is None:
                found.fail(row.id, row.key, _ENDED)
            elif checked.faults:
                found.fail(row.id, checked.key, checked.faults[0])
            else:
                found.keys.append((row.id, checked.key))

    async def _ask(
        self, function: str, of_family: str, claim: Claim, rows: Sequence[StagedRow], *, again: bool = False
    ) -> list[bytes | None]:
        """A child's answer for each row, as a list of one in msgpack; None for a row that ends it, alone and
        `again`: once can be bad luck."""
        if not rows:
            return []
        items = [Item(index_of(row.id), row.key, row.payload) for row in rows]
        question = _encode(rowwork.Question(of_family, items))
        asking = asyncio.create_task(self._pool.ask(function, question, self._settings.chunk_seconds))
        try:
            answer = await self._claims.holding(claim, asking)
        except (ChildDied, FunctionFailed) as death:
            if len(rows) == 1 and not again and isinstance(death, ChildDied):
                return await self._ask(function, of_family, claim, rows, again=True)
            if len(rows) == 1:
                log.warning("A row ended its worker: %s.", death, extra={"job_id": claim.job.public_id})
                return [None]
            half = len(rows) // 2
            first = await self._ask(function, of_family, claim, rows[:half])
            return first + await self._ask(function, of_family, claim, rows[half:])
        return [_encode([each]) for each in msgspec.msgpack.decode(answer)]

    async def compare(self, rule: Staging, claim: Claim, run: int) -> None:
        """Rows of the job that have the same key: of those that are alike one stays, the others are given up;
        those that differ all fail."""
        after = ""
        while True:
            upto, keys = await self._store.read_with(self._window("staging.repeated", claim.job, after))
            await self._compare_keys(rule, claim, run, [str(row[0]) for row in keys])
            if upto == LAST:
                return
            after = upto

    def _window(
        self, query: str, job: Job, after: str, **scope: object
    ) -> Callable[[ReadTx], tuple[str, list[tuple[object, ...]]]]:
        """Reads of the job's next keys; with the last of them, or LAST at the end."""

        def read(tx: ReadTx) -> tuple[str, list[tuple[object, ...]]]:
            wanted = {"job_id": job.id, "after": after, "size": WINDOW}
            row = tx.one("staging.window", wanted)
            upto = LAST if row is None else row[0]
            return upto, tx.all(query, {**wanted, **scope, "upto": upto})

        return read

    async def _compare_keys(self, rule: Staging, claim: Claim, run: int, keys: Sequence[str]) -> None:
        group: _Group | None = None
        place = _Place(0, 0)
        while place.key < len(keys):
            rows, place = await self._store.read_with(
                functools.partial(_having, job_id=claim.job.id, keys=keys, place=place)
            )
            found = _Found()
            for part in _parts(rows):
                for row, likeness in await self._likenesses(rule, claim, part, found):
                    if group is None or group.key != row.key:
                        group = _Group(row.key)
                    _compared(rule, group, row, likeness, found)
            await self._write(claim, run, found)

    async def _likenesses(
        self, rule: Staging, claim: Claim, rows: Sequence[StagedRow], found: _Found
    ) -> list[tuple[StagedRow, bytes]]:
        for row in rows:
            if not row.sound:
                found.fail(row.id, "", _DAMAGED)
        sound = [row for row in rows if row.sound]
        answers = await self._ask(_SAME, rule.same, claim, sound)
        alike = []
        for row, answer in zip(sound, answers, strict=True):
            if answer is None:
                found.fail(row.id, row.key, _ENDED)
            else:
                alike.append((row, _likenesses.decode(answer)[0]))
        return alike

    async def look_up(self, rule: Staging, query: str, claim: Claim, run: int, *, baseline: bool) -> None:
        """Rows whose key an object of the owner has: they fail, unless they are to update that very object.
        In a baseline they are passed over."""
        scope = {"workspace": claim.job.workspace, "owner": claim.job.created_by}
        after = ""
        while True:
            upto, known = await self._store.read_with(self._window(query, claim.job, after, **scope))
            for start in range(0, len(known), SLICE):
                part = {int(str(rid)): str(found_id) for rid, _, found_id in known[start : start + SLICE]}
                await self._exist(rule, claim, run, part, baseline=baseline)
            if upto == LAST:
                return
            after = upto

    async def _exist(
        self, rule: Staging, claim: Claim, run: int, known: dict[int, str], *, baseline: bool
    ) -> None:
        def read(tx: ReadTx) -> tuple[list[StagedRow], set[int]]:
            ids = sorted(known)
            return staging.rows(tx, ids), staging.failing_among(tx, ids, run)

        rows, failed = await self._store.read_with(read)
        found = _Found()
        for row in rows:
            if row.state not in ("pending", "issue") or row.id in failed:
                continue
            if not row.sound:
                found.fail(row.id, "", _DAMAGED)
            elif baseline:
                found.copies.append(Copy(row.id, row.key, _noted(row.payload, "Exists already")))
            elif _decisions.decode(row.payload).update != known[row.id]:
                code, message = rule.existing
                found.fail(row.id, row.key, Fault(code, f"{message}: {row.key}"))
        await self._write(claim, run, found)


def _having(tx: ReadTx, *, job_id: int, keys: Sequence[str], place: _Place) -> tuple[list[StagedRow], _Place]:
    """The next rows with these keys, key by key, and where to go on. Each key is a seek in the index: that
    way neither many keys nor many rows with one key are gone through twice."""
    rows: list[StagedRow] = []
    for index in range(place.key, len(keys)):
        after = place.after if index == place.key else 0
        wanted = {"job_id": job_id, "key": keys[index], "after": after, "limit": SLICE - len(rows)}
        rows += map(staging.row_of, tx.all("staging.having_key", wanted))
        if len(rows) >= SLICE:
            return rows, _Place(index, rows[-1].id)
    return rows, _Place(len(keys), 0)


def _compared(rule: Staging, group: _Group, row: StagedRow, likeness: bytes, found: _Found) -> None:
    """A row among those that have its key."""
    first = group.firsts.get(likeness)
    if first is not None:
        note = f"Identical to row {index_of(first) + 1}"
        found.copies.append(Copy(row.id, row.key, _noted(row.payload, note)))
        return
    code, message = rule.repeated
    fault = Fault(code, f"{message}: {row.key}")
    if len(group.firsts) == 1:
        found.fail(next(iter(group.firsts.values())), group.key, fault)
    if group.firsts:
        found.fail(row.id, row.key, fault)
    group.firsts[likeness] = row.id


def _noted(payload: bytes, note: str) -> bytes:
    """The payload with a note of the box's own."""
    return msgspec.json.encode({**msgspec.json.decode(payload, type=dict[str, msgspec.Raw]), "_note": note})


def _parts(rows: Sequence[StagedRow] | Iterator[StagedRow]) -> Iterator[list[StagedRow]]:
    """The rows in runs of SLICE_BYTES."""
    part: list[StagedRow] = []
    size = 0
    for row in rows:
        if part and size + len(row.payload) > SLICE_BYTES:
            yield part
            part, size = [], 0
        part.append(row)
        size += len(row.payload)
    if part:
        yield part
