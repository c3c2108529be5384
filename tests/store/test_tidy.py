"""Housekeeping: what is old goes, unless the clock cannot be trusted to say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestbox.family import Batch, Intake
from ingestbox.store import Store, tidy
from ingestbox.store.intake import AcceptBatch, Accepted, Draft, Key
from tests.store.support import with_store

HOUR = 3_600_000
DAY_SECONDS = 86_400.0


class TwoHands:
    """A clock whose wall time can be set without time passing."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000_000
        self.seconds = 50.0

    def now_ms(self) -> int:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def pass_hours(self, hours: float) -> None:
        self.wall += int(hours * HOUR)
        self.seconds += hours * 3600


def test_keys_are_forgotten_after_their_time(tmp_path: Path) -> None:
    clock = TwoHands()

    async def accept(store: Store, name: str) -> bool:
        """Whether the key `name` was new."""
        batch = Batch("feedback", "json_api", "x", [Intake("a", b"{}")])
        draft = Draft(f"{name}{clock.wall}", "w", "t", clock.wall)
        accepted = await store.write(AcceptBatch(draft, batch, Key("s", name, b"f"), lambda *_: b"{}"))
        assert isinstance(accepted, Accepted)
        return not accepted.replayed

    async def body(store: Store) -> None:
        assert await accept(store, "early")
        clock.pass_hours(10)
        assert await accept(store, "late")
        clock.pass_hours(38)
        assert await tidy.purge_idempotency(store, 48) == 0
        clock.pass_hours(0.1)
        assert await tidy.purge_idempotency(store, 48) == 1
        assert await accept(store, "early") and not await accept(store, "late")

    with_store(tmp_path, body, clock=clock)


@pytest.mark.parametrize("days", [400, -400, 2])
def test_a_clock_that_jumped_is_not_trusted_for_a_day(days: int) -> None:
    clock = TwoHands()
    watch = tidy.ClockWatch(clock)
    assert watch.steady
    clock.pass_hours(24 * 1000)  # much time may pass between two looks
    assert watch.steady
    clock.wall += HOUR  # summer time, say
    assert watch.steady
    clock.wall += days * 24 * HOUR
    assert not watch.steady
    clock.pass_hours(23.9)
    assert not watch.steady
    clock.pass_hours(0.2)
    assert watch.steady
