"""Large batches that enter in chunks: nobody is told of what was taken away meanwhile."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from ingestbox.errors import IngestError
from ingestbox.family import Batch, Intake
from ingestbox.model import Caller, Role
from ingestbox.store import Store, tidy
from ingestbox.store.intake import Accepted, AddRecords, DiscardIntake, Draft, OpenJob, PublishJob
from ingestbox.store.unit import Unit
from ingestbox.web.box import StoreBox
from tests.store.support import with_store

T = TypeVar("T")
CALLER = Caller("local:tester", "default", frozenset({Role.INGEST}))


def large() -> Batch:
    """More than one unit's rows."""
    return Batch("feedback", "json_api", "large", [Intake(str(number), b"{}") for number in range(1_500)])


def test_a_job_that_was_taken_away_is_neither_filled_nor_answered_for(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        whole = large()
        draft = Draft("big", "default", "tester", 1)
        opened = await store.write(OpenJob(draft, whole, None))
        assert isinstance(opened, Accepted)
        assert await store.write(DiscardIntake(opened.job_id))
        for unit in (
            AddRecords(draft, whole, opened.job_id, 0, whole.records[:10]),
            PublishJob(opened.job_id, b"answer", 1),
        ):
            with pytest.raises(IngestError) as caught:
                await store.write(unit)
            assert caught.value.code == "store_unavailable"
        assert await store.read("records.pending", {"first": 0, "beyond": 2**62, "limit": 10}) == []

    with_store(tmp_path, body)


def test_the_sweep_leaves_a_batch_alone_whose_request_has_not_heard_of_it_yet(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        class Swept:
            """The store, swept after every unit and before its caller goes on."""

            clock = store.clock
            cap = store.cap

            async def write(self, unit: Unit[T], *, intake: bool = False, admitted: bool = False) -> T:
                result = await store.write(unit, intake=intake, admitted=admitted)
                assert await tidy.discard_unfinished(store, box.being_filled) == 0
                return result

        swept: Any = Swept()
        ask: Any = SimpleNamespace(caller=CALLER, method="POST", route_path="/r", headers={})
        rung: list[int] = []
        box = StoreBox(swept, rung.append)
        reply = await box.accept(ask, large(), lambda public_id, _: {"job_id": public_id})
        assert isinstance(reply.body, bytes)
        found = await StoreBox(store, rung.append).job(CALLER, "feedback", json.loads(reply.body)["job_id"])
        assert found is not None and found.total == 1_500
        assert rung == [found.id]
        assert box.being_filled == set()

    with_store(tmp_path, body)
