"""Housekeeping of the ledger: what no request will finish, and what is old enough to forget."""

from __future__ import annotations

import logging
from collections.abc import Container

from ingestbox.clock import Clock
from ingestbox.store import Store, files
from ingestbox.store.files import RETIRE_ROWS, RetireFiles
from ingestbox.store.intake import DiscardIntake, PurgeKeys
from ingestbox.store.invitations import PurgeInvitations
from ingestbox.store.sessions import PURGED, PurgeSessions
from ingestbox.store.shelf import Shelf
from ingestbox.store.staging import DropKeys

log = logging.getLogger(__name__)

SLICE = 50

NOTED_LATE_MS = 600_000
"""That a session was used is written later (`store.noted`): by less than this."""

JUMP_MS = 86_400_000
"""A wall clock that moved this much against the monotonic one was set, and may have been set wrong."""

HOLD_SECONDS = 86_400.0
"""How long nothing is purged after a jump: time to notice, and to put the clock right."""


class ClockWatch:
    """Whether the wall clock can be trusted to say what is old."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = self._offset_ms()
        self._steady_from = clock.monotonic()

    @property
    def steady(self) -> bool:
        """False for HOLD_SECONDS after the wall clock jumped, in either direction."""
        moved = self._offset_ms() - self._offset
        if abs(moved) > JUMP_MS:
            self._offset += moved
            self._steady_from = self._clock.monotonic() + HOLD_SECONDS
            log.warning("The clock jumped; nothing is purged for a day.", extra={"hours": moved // 3_600_000})
        return self._clock.monotonic() >= self._steady_from

    def _offset_ms(self) -> int:
        return self._clock.now_ms() - int(self._clock.monotonic() * 1000)


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


async def retire_files(store: Store, days: int) -> int:
    """Gives up files whose rows were loaded `days` ago or earlier; returns how many. The sweep follows."""
    now = store.clock.now_ms()
    total = 0
    while gone := await store.write(RetireFiles(now - days * 86_400_000, now)):
        total += gone
        if gone < RETIRE_ROWS:
            break
    return total


async def purge_sessions(store: Store, idle_ms: int) -> int:
    """Forgets sessions of the console and links that nobody can use any more; returns how many. Sessions end
    that were not used for `idle_ms`."""
    now = store.clock.now_ms()
    idle_since = now - idle_ms - NOTED_LATE_MS
    if not (await store.read("sessions.dead", {"now": now, "idle_since": idle_since}))[0][0]:
        return 0
    total = await store.write(PurgeInvitations(now))
    while gone := await store.write(PurgeSessions(now, idle_since)):
        total += gone
        if gone < PURGED:
            break
    return total


async def forget_keys(store: Store) -> int:
    """Forgets the keys of staged jobs that are at their end; returns how many jobs that were."""
    jobs = after = 0
    while rows := await store.read("staging.with_keys", {"after": after}):
        after = rows[0][0]
        while await store.write(DropKeys(after)):
            pass
        jobs += 1
    return jobs


async def sweep_files(store: Store, shelf: Shelf) -> int:
    """Removes the stored files that no row has a use for, and no request is at; returns how many."""
    return await shelf.sweep(lambda names: files.named(store, names))
