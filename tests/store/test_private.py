"""Jobs of private families as a family's own handlers see them: those of the caller alone."""

from __future__ import annotations

from pathlib import Path

from ingestbox.family import Batch, Intake
from ingestbox.model import Caller, JobState, Role
from ingestbox.store import Store
from ingestbox.store.intake import AcceptBatch, Accepted, Draft
from ingestbox.web.box import StoreBox
from tests.store.support import with_store

ANN, BEN = (Caller(f"local:{name}", "default", frozenset({Role.EDITOR})) for name in ("ann", "ben"))
AWAY = Caller("local:ann", "north", frozenset({Role.EDITOR}))
STATES = (JobState.QUEUED, JobState.COMPLETED)


async def batch(store: Store, caller: Caller, number: int, family: str = "feedback") -> str:
    """A job of one record."""
    name = f"{caller.subject}-{caller.workspace}-{family}-{number}"
    made = Batch(family, "json_api", name, [Intake(name, b"{}")])
    draft = Draft(name, caller.workspace, caller.subject, number)
    taken = await store.write(AcceptBatch(draft, made, None, lambda *_: b"{}"))
    assert isinstance(taken, Accepted)
    return name


def test_of_a_private_family_each_sees_what_they_made(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        box = StoreBox(store, lambda _: None, private=frozenset({"feedback"}))
        anns = [await batch(store, ANN, number) for number in range(3)]
        bens = [await batch(store, BEN, number) for number in range(3)]
        await batch(store, AWAY, 1)
        other = await batch(store, ANN, 1, "contacts")
        for caller, own, others in ((ANN, anns, bens), (BEN, bens, anns)):
            found = await box.jobs(caller, "feedback", STATES, 2)
            assert [job.public_id for job in found] == own[:0:-1]
            assert await box.jobs(caller, "feedback", [JobState.COMPLETED], 9) == []
            for name in own:
                assert (await box.job(caller, "feedback", name)) is not None
            for name in others:
                assert (await box.job(caller, "feedback", name)) is None
        assert await box.job(AWAY, "feedback", anns[0]) is None
        assert await box.job(ANN, "feedback", other) is None
        assert [job.public_id for job in await box.jobs(ANN, "contacts", STATES, 9)] == [other]

    with_store(tmp_path, body)


def test_what_is_no_private_familys_is_everybodys_in_the_workspace(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        box = StoreBox(store, lambda _: None, private=frozenset({"contacts"}))
        name = await batch(store, ANN, 1)
        assert (await box.job(BEN, "feedback", name)) is not None
        assert [job.public_id for job in await box.jobs(BEN, "feedback", STATES, 9)] == [name]

    with_store(tmp_path, body)
