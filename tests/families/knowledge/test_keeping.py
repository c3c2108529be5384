"""What is decided where articles are stored, while another request is in the middle of storing its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ingestbox.errors import IngestError
from ingestbox.families.knowledge.keeping import Facts, Keeping, NothingNewError
from ingestbox.family import Batch, Intake
from ingestbox.model import record_id
from ingestbox.store import Store, changes, tidy
from ingestbox.store.audit import Act
from ingestbox.store.changes import CancelJob
from ingestbox.store.intake import AcceptBatch, Accepted, AddRecords, Draft, OpenJob
from tests.forward.support import opened
from tests.harness import Run


def batch(numbers: Sequence[int], name: str = "b") -> tuple[Batch, Keeping]:
    """Articles that differ by their numbers."""
    facts = [Facts("moh", f"https://x.vn/{number}", b"%032d" % number) for number in numbers]
    keeping = Keeping(facts, register=True, batch_id=name)
    records = [Intake(each.url, b'{"content":"..."}') for each in facts]
    return Batch("knowledge", "json_api", name, records, sift=keeping.sift), keeping


def draft(store: Store, name: str) -> Draft:
    return Draft(name, "default", "key:1", store.clock.now_ms())


def test_a_text_that_is_being_taken_in_is_neither_there_nor_free(tmp_path: Path, run: Run) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            large, first = batch(range(4))
            job = await store.write(OpenJob(draft(store, "large"), large, None))
            assert isinstance(job, Accepted)
            add = AddRecords(draft(store, "large"), large, job.job_id, 0, large.records[:2])
            await store.write(add)
            assert [each.status for each in first.decisions[:2] if each] == ["accepted", "accepted"]
            again, second = batch([1, 7], "c")
            accept = AcceptBatch(draft(store, "again"), again, None, lambda *_: b"{}")
            with pytest.raises(IngestError) as refused:
                await store.write(accept)
            assert (refused.value.code, refused.value.retry_after) == ("request_in_progress", 1)
            rest = AddRecords(draft(store, "large"), large, job.job_id, 2, large.records[2:])
            await store.write(rest)  # its own texts do not stand in its way
            await tidy.discard(store, job.job_id)
            taken = await store.write(accept)
            assert isinstance(taken, Accepted)
            assert [each.content for each in second.decisions if each] == [
                record_id(taken.job_id, 0), record_id(taken.job_id, 1),
            ]  # fmt: skip
            assert await store.read("knowledge.has_batch", {"workspace": "default", "batch": "b"}) == []

    run(test())


def test_what_is_decided_last_counts_when_it_is_asked_twice(tmp_path: Path, run: Run) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            for name in ("first", "second"):
                same, keeping = batch([1, 1, 2])
                accept = AcceptBatch(draft(store, name), same, None, lambda *_: b"{}")
                try:
                    await store.write(accept)
                except NothingNewError:
                    assert [each.status for each in keeping.decisions if each] == ["duplicate"] * 3
                else:
                    assert [each.status for each in keeping.decisions if each] == [
                        "accepted", "duplicate", "accepted",
                    ]  # fmt: skip
                    with pytest.raises(
                        NothingNewError
                    ):  # the same unit, as after a commit that nobody heard of
                        await store.write(AcceptBatch(draft(store, "x"), same, None, lambda *_: b"{}"))
                    assert [each.status for each in keeping.decisions if each] == ["duplicate"] * 3

    run(test())


def test_what_went_with_a_cancelled_job_may_be_sent_again(tmp_path: Path, run: Run) -> None:
    """So says the remedy of `job_cancelled`; nothing else could bring it back."""

    async def test() -> None:
        async with opened(tmp_path) as store:
            same, _ = batch([1, 2])
            job = await store.write(AcceptBatch(draft(store, "first"), same, None, lambda *_: b"{}"))
            assert isinstance(job, Accepted)
            act = Act("ada", "default", "request", store.clock.now_ms())
            assert await store.write(CancelJob(job.job_id, "first", act)) is None
            await changes.go_on(store, {}, lambda *_: None)
            again, keeping = batch([1, 2])
            taken = await store.write(AcceptBatch(draft(store, "again"), again, None, lambda *_: b"{}"))
            assert isinstance(taken, Accepted)
            assert [each.new for each in keeping.decisions if each] == [True, True]

    run(test())
