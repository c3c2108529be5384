"""Objects that are the same thing: one is the first, whatever comes, changes and goes, in whichever order."""

from __future__ import annotations

import functools
import json
import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ingestbox import families
from ingestbox.families.audience.process import process
from ingestbox.family import Batch, Intake
from ingestbox.model import Chunk, Item, Job, JobState, Outcome, record_id
from ingestbox.store import Store, departed
from ingestbox.store.audit import Act
from ingestbox.store.claim import ClaimJob
from ingestbox.store.departed import SLICE, TellDuplicates
from ingestbox.store.distinct import Whose
from ingestbox.store.intake import AcceptBatch, Accepted, Draft
from ingestbox.store.removal import RemoveObjects, Scope
from ingestbox.store.review import ResolveIssues
from ingestbox.store.unit import Tx
from ingestbox.store.work import Finish, SettleChunk
from ingestbox.store.writer import GROUP_WEIGHT
from tests.store import apart
from tests.store.support import with_store

NOW = 1_800_000_000_000
FAMILIES = families.load()
RULE = FAMILIES["audience"].distinct


@dataclass(frozen=True)
class Again:
    """What records are now is put, as after a person's correction."""

    settling: SettleChunk
    weight: int = 100

    def apply(self, tx: Tx) -> int:
        for index, payload in self.settling.payloads.items():
            crc = zlib.crc32(payload)
            params = {"id": record_id(self.settling.job.id, index), "key": "", "payload": payload, "crc": crc}
            tx.run("staged.rewrite", {**params, "state": "done"})
        return self.settling.settle(tx, self.settling.outcomes).deliveries


@dataclass
class Desk:
    """Uploads at a store, by hand."""

    store: Store
    jobs: list[Job] = field(default_factory=list)
    payloads: dict[int, dict[int, bytes]] = field(default_factory=dict)

    async def take(self, whose: Whose, records: Sequence[Mapping[str, object]]) -> Job:
        payloads = [json.dumps(record, separators=(",", ":")).encode() for record in records]
        name = f"upl_{len(self.jobs)}"
        batch = Batch(
            "audience", "json_api", name, [Intake("", each) for each in payloads], about={"fields": "[]"}
        )
        draft = Draft(name, whose.workspace, whose.owner, NOW)
        taken = await self.store.write(AcceptBatch(draft, batch, None, lambda public, _: public.encode()))
        assert isinstance(taken, Accepted)
        job = await self.store.write(ClaimJob(taken.job_id, "me", 100.0, NOW))
        assert job is not None
        self.jobs.append(job)
        self.payloads[job.id] = dict(enumerate(payloads))
        return job

    def chunk(self, job: Job, indexes: Sequence[int], *, old: int = 0, last: bool = True) -> SettleChunk:
        items = [Item(index, "", self.payloads[job.id][index]) for index in indexes]
        outcomes: list[Outcome] = process(Chunk("audience", items, job.id, job.public_id))
        return SettleChunk(
            job=job,
            owner="me",
            identity=self.store.identity,
            outcomes=outcomes,
            payloads={item.index: item.payload for item in items},
            old_cursor=old,
            cursor=indexes[-1] + 1,
            tallies={},
            chunk_limit=100,
            lease_at=200.0,
            now_ms=NOW,
            finish=Finish(JobState.COMPLETED) if last else None,
            distinct=RULE,
        )

    async def upload(self, whose: Whose, *records: Mapping[str, object]) -> Job:
        job = await self.take(whose, records)
        await self.store.write(self.chunk(job, range(len(records))))
        return job

    async def change(self, job: Job, records: Mapping[int, Mapping[str, object]]) -> None:
        for index, record in records.items():
            self.payloads[job.id][index] = json.dumps(record, separators=(",", ":")).encode()
        await self.store.write(Again(self.chunk(job, sorted(records))))

    async def remove(self, whose: Whose, *object_ids: str) -> None:
        scope = Scope(whose.workspace, "audience", "record", whose.owner, "j")
        await self.store.write(RemoveObjects(scope, object_ids, NOW))

    async def tell(self) -> bool:
        return (await self.store.write(TellDuplicates(FAMILIES, self.store.identity, NOW))).more

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return apart.rows(self.store.path, sql)

    def firsts(self) -> dict[str, str | None]:
        return dict(self.rows("SELECT object_id, duplicate_of FROM audience_records ORDER BY id"))

    def right(self, *, settled: bool) -> None:
        apart.right(self.store.path, settled=settled)


ANNA = Whose("audience", "default", "anna")


def record(address: str, **members: object) -> dict[str, object]:
    return {"email": f"{address}@x.example", **members}


def test_in_one_chunk_across_chunks_and_across_uploads(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        desk = Desk(store)
        await desk.upload(ANNA, record("a"), record("b"), record("A", name="other"))
        job = await desk.take(ANNA, [record("b"), record("c"), record("c")])
        await store.write(desk.chunk(job, [0, 1], last=False))
        await store.write(desk.chunk(job, [2], old=2))
        for workspace, owner in (("default", "boris"), ("other", "anna")):
            await desk.upload(Whose("audience", workspace, owner), record("a"))
        assert desk.firsts() == {
            "upl_0/0": None,
            "upl_0/1": None,
            "upl_0/2": "upl_0/0",
            "upl_1/0": "upl_0/1",
            "upl_1/1": None,
            "upl_1/2": "upl_1/1",
            "upl_2/0": None,
            "upl_3/0": None,
        }
        desk.right(settled=True)

    with_store(tmp_path, body)


def test_of_two_that_are_settled_at_once_the_one_on_disk_before_is_first(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        desk = Desk(store)
        early, late = [await desk.take(ANNA, [record("a")]) for _ in range(2)]
        await store.write(desk.chunk(late, [0]))
        await store.write(desk.chunk(early, [0]))
        assert desk.firsts() == {"upl_0/0": "upl_1/0", "upl_1/0": None}

    with_store(tmp_path, body)


def test_when_the_first_goes_the_next_one_is_first(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        desk = Desk(store)
        for _ in range(3):
            await desk.upload(ANNA, record("a"))
        await desk.remove(ANNA, "upl_0/0")
        desk.right(settled=False)
        assert not await desk.tell()
        assert desk.firsts() == {"upl_1/0": None, "upl_2/0": "upl_1/0"}
        desk.right(settled=True)
        assert desk.rows("SELECT state FROM jobs") == [("completed",)] * 3  # nothing is processed again

    with_store(tmp_path, body)


def test_two_that_change_places_in_one_chunk(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        desk = Desk(store)
        job = await desk.upload(ANNA, record("a"), record("b"), record("a"), record("b"))
        await desk.change(job, {0: record("b"), 1: record("a")})
        desk.right(settled=False)
        while await desk.tell():
            pass
        desk.right(settled=True)
        # One that comes to a match in the chunk in which its first leaves it.
        await desk.change(job, {0: record("c"), 1: record("b")})
        while await desk.tell():
            pass
        desk.right(settled=True)

    with_store(tmp_path, body)


def test_one_that_is_what_it_was_keeps_its_duplicates(tmp_path: Path) -> None:
    """Its duplicates get no new version for nothing."""

    async def body(store: Store) -> None:
        desk = Desk(store)
        many = 3 * SLICE
        job = await desk.upload(ANNA, record("a"), *[record("a") for _ in range(many)])
        await desk.change(job, {0: record("b")})
        await desk.change(job, {0: record("a")})
        units = 1
        while await desk.tell():
            units += 1
            assert units < 10
        assert desk.rows("SELECT duplicate_of, COUNT(*) FROM audience_records GROUP BY 1") == [
            (None, 1),
            ("upl_0/0", many),
        ]
        assert desk.rows("SELECT version, COUNT(*) FROM objects GROUP BY 1") == [(1, many), (3, 1)]
        desk.right(settled=True)

    with_store(tmp_path, body)


@pytest.mark.parametrize("state", ["pending", "issue"])
def test_what_is_not_done_is_told_without_upstream(tmp_path: Path, state: str) -> None:
    """Its record may be another one by now; it is put when it is done."""

    async def body(store: Store) -> None:
        desk = Desk(store)
        await desk.upload(ANNA, record("a"))
        job = await desk.upload(ANNA, record("a"))

        @dataclass(frozen=True)
        class Reopen:
            weight: int = 1

            def apply(self, tx: Tx) -> None:
                tx.many("records.settle", [(state, record_id(job.id, 0))])

        await store.write(Reopen())
        await desk.remove(ANNA, "upl_0/0")
        await desk.tell()
        assert desk.firsts() == {"upl_1/0": None}
        assert desk.rows("SELECT version FROM objects WHERE object_id = 'upl_1/0'") == [(1,)]
        await store.write(Again(desk.chunk(job, [0])))
        desk.right(settled=True)

    with_store(tmp_path, body)


def test_one_that_was_done_once_and_is_discarded_goes(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        desk = Desk(store)
        first, second = [await desk.upload(ANNA, record("a")) for _ in range(2)]

        @dataclass(frozen=True)
        class SetAside:
            weight: int = 1

            def apply(self, tx: Tx) -> None:
                rid = record_id(first.id, 0)
                tx.many("records.settle", [("issue", rid)])
                tx.many("issues.insert", [(first.id, rid, "worker_died", "It died.", None, NOW)])
                tx._connection.execute("UPDATE jobs SET issues = 1 WHERE id = ?", (first.id,))

        await store.write(SetAside())
        (issue,) = desk.rows("SELECT id, record_id FROM issues")
        act = Act("local:ann", "default", None, NOW)
        await store.write(ResolveIssues([(issue[0], issue[1])], "discard", act))
        assert desk.rows("SELECT deleted FROM objects ORDER BY object_id") == [(1,), (0,)]
        desk.right(settled=False)
        await desk.tell()
        assert desk.firsts() == {f"{second.public_id}/0": None}
        desk.right(settled=True)

    with_store(tmp_path, body)


def test_a_slice_fits_into_a_transaction_and_goes_on_where_it_was(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        desk = Desk(store)
        await desk.upload(ANNA, record("a"), record("b"))
        await desk.upload(ANNA, *[record("ab"[n % 2], n=n) for n in range(5 * SLICE // 2 * 2)])
        await desk.remove(ANNA, "upl_0/0", "upl_0/1")
        units = 1
        while await desk.tell():
            desk.right(settled=False)
            units += 1
        assert 5 <= units <= 8
        desk.right(settled=True)
        assert TellDuplicates(FAMILIES, store.identity, NOW).weight <= GROUP_WEIGHT

    with_store(tmp_path, body)


def test_many_that_depart_at_once_are_looked_at_together(tmp_path: Path) -> None:
    """An upload of which another one has everything once more is deleted."""

    async def body(store: Store) -> None:
        desk = Desk(store)
        both = [record(f"p{n}") for n in range(300)]
        for _ in range(2):
            await desk.upload(ANNA, *both)
        await desk.remove(ANNA, *[f"upl_0/{n}" for n in range(300)])
        units = 1
        while await desk.tell():
            units += 1
        assert units <= 4
        desk.right(settled=True)

    with_store(tmp_path, body)


def test_what_is_damaged_stays_as_it_is_and_holds_up_nobody(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        desk = Desk(store)
        for _ in range(3):
            await desk.upload(ANNA, record("a"))

        @dataclass(frozen=True)
        class Damage:
            weight: int = 1

            def apply(self, tx: Tx) -> None:
                tx._connection.execute(
                    "UPDATE audience_records SET result = x'7b' WHERE object_id = 'upl_1/0'"
                )

        await store.write(Damage())
        await desk.remove(ANNA, "upl_0/0")
        assert not await desk.tell()
        assert desk.firsts() == {"upl_1/0": "upl_0/0", "upl_2/0": None}
        assert not desk.rows("SELECT * FROM departed")

    with_store(tmp_path, body)


@pytest.mark.parametrize("seeds", [[1], [2], pytest.param(range(3, 120), marks=pytest.mark.soak)])
def test_a_walk(tmp_path: Path, seeds: Sequence[int]) -> None:
    """Whatever is done, in any order: always right, and settled in the end."""

    async def body(store: Store, seed: int) -> None:
        desk, chance = Desk(store), random.Random(seed)
        people = [
            Whose("audience", f"w{chance.random()}", "anna"),
            Whose("audience", "default", f"{chance.random()}"),
        ]
        letters = "abcd"
        open_: list[tuple[Job, int, int]] = []
        done: list[tuple[Job, Whose]] = []

        def one() -> dict[str, object]:
            if chance.random() < 0.2:
                return {"domain": chance.choice(letters) + ".example"}
            return record(chance.choice(letters))

        for _ in range(120):
            what = chance.choice(["take", "settle", "settle", "change", "change", "again", "remove", "tell"])
            if what == "take":
                count = chance.randint(1, 6)
                job = await desk.take(chance.choice(people), [one() for _ in range(count)])
                open_.append((job, 0, count))
            elif what == "settle" and open_:
                job, at, count = open_.pop(chance.randrange(len(open_)))
                upto = chance.randint(at + 1, count)
                await desk.store.write(desk.chunk(job, range(at, upto), old=at, last=upto == count))
                if upto < count:
                    open_.append((job, upto, count))
                else:
                    done.append((job, Whose("audience", job.workspace, job.created_by)))
            elif what in ("change", "again", "remove") and done:
                job, whose = chance.choice(done)
                indexes = chance.sample(range(job.total), chance.randint(1, job.total))
                if what == "remove":
                    await desk.remove(whose, *[f"{job.public_id}/{index}" for index in indexes])
                elif what == "change":
                    await desk.change(job, {index: one() for index in indexes})
                else:
                    await desk.store.write(Again(desk.chunk(job, sorted(indexes))))
            elif what == "tell":
                await desk.tell()
            desk.right(settled=False)
        for job, at, count in open_:
            await desk.store.write(desk.chunk(job, range(at, count), old=at))
        await departed.tell(desk.store, FAMILIES)
        desk.right(settled=True)

    for each in seeds:
        folder = tmp_path / str(each)
        folder.mkdir()
        with_store(folder, functools.partial(body, seed=each))
