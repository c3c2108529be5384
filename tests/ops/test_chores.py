"""What families do in the background: turns, rests, and waiting longer each time that something fails."""

from __future__ import annotations

import asyncio
import itertools
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec

from ingestbox import families
from ingestbox.errors import IngestError
from ingestbox.family import Chore, Room
from ingestbox.ops.chores import ChoreRoom, Chores


class _Skipping(selectors.DefaultSelector):
    """Waits for nobody: the time that would pass has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found and timeout is not None:
            self.now += max(timeout, 0.0)
        return found


class _Loop(asyncio.SelectorEventLoop):
    """A loop whose time passes at once."""

    def __init__(self) -> None:
        self.passing = _Skipping()
        super().__init__(self.passing)

    def time(self) -> float:
        return self.passing.now


def during(
    seconds: float, *runs: Callable[[float], Awaitable[bool]], wake_every: float | None = None
) -> list[list[float]]:
    """When each of these chores ran, in seconds from the start, to a tenth."""
    times: list[list[float]] = [[] for _ in runs]

    async def test() -> None:
        loop = asyncio.get_running_loop()

        def chore(place: int) -> Chore:
            async def run(_: Room) -> bool:
                times[place].append(round(loop.time(), 1))
                return await runs[place](loop.time())

            return Chore(f"chore {place}", run)

        family = families.load()["knowledge"]
        made = tuple(chore(place) for place in range(len(runs)))
        known = {"knowledge": msgspec.structs.replace(family, chores=made)}
        chores = Chores(cast(ChoreRoom, cast(Any, None)), known)
        chores.start()
        while loop.time() < seconds:
            await asyncio.sleep(wake_every or seconds)
            chores.wake()
        await chores.stop()

    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(test())
    return times


async def _idle(_: float) -> bool:
    return False


async def _broken(_: float) -> bool:
    raise IngestError("overloaded")


def test_what_fails_is_tried_again_later_each_time_and_holds_up_nobody() -> None:
    async def wrong(_: float) -> bool:
        raise ValueError("a mistake")

    failing, mistaken, well = during(200.5, _broken, wrong, _idle)
    assert failing == mistaken == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    assert well[:3] == [0, 1, 3]
    assert max(after - before for before, after in itertools.pairwise(well)) <= 30


def test_being_woken_shortens_no_rest_after_a_failure() -> None:
    failing, well = during(14, _broken, _idle, wake_every=0.5)
    assert failing == [0, 1, 3, 7]
    assert len(well) > 20


def test_once_it_went_well_it_begins_anew() -> None:
    async def sometimes(now: float) -> bool:
        if 7 <= now < 8:
            return False
        raise IngestError("overloaded")

    (times,) = during(42, sometimes)
    assert times == [0, 1, 3, 7, 37, 38, 40]  # it looks again after 30 s, and is tried after 1 s and 2 s then


def test_one_that_has_more_to_do_leaves_others_their_turn() -> None:
    left = iter(range(5, -1, -1))

    async def busy(_: float) -> bool:
        return next(left, 0) > 0

    first, second = during(1, busy, _idle)
    assert len(first) == len(second) == 6
