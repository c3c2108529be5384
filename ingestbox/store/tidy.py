"""Housekeeping of the ledger: what no request will finish, and what is old enough to forget."""

from __future__ import annotations

from collections.abc import Container

from ingestbox.store import Store
from ingestbox.store.intake import DiscardIntake, PurgeKeys

SLICE = 50


async def discard_unfinished(store: Store, being_filled: Container[str]) -> int:
    """Removes jobs whose intake never finished, except those that a request is filling now.

    `being_filled` holds their public ids, which are known before the job is in the store.
    """
    rows = await store.read("jobs.receiving", {"limit": SLICE})
    gone = [job_id for job_id, public_id in rows if public_id not in being_filled]
    for job_id in gone:
        await discard(store, job_id)
    return len(gone)


async def discard(store: Store, job_id: int) -> None:
    """Removes one job that never became visible, slice by slice."""
    while not await store.write(DiscardIntake(job_id)):
        pass


async def purge_idempotency(store: Store, hours: int) -> int:
    """Forgets answered keys older than `hours`; returns how many."""
    before = store.clock.now_ms() - hours * 3_600_000
    total = 0
    while gone := await store.write(PurgeKeys(before)):
        total += gone
    return total
