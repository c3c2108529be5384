"""Lines that are delivered and old are gone: lanes go on, their sums hold, and who misses them is told."""

from __future__ import annotations

from pathlib import Path

from ingestbox.config import Store as StoreSettings
from ingestbox.store import Store, lanes
from ingestbox.store.retention import Retention
from tests.forward.support import (
    Answer,
    HeldClock,
    enqueue,
    forwarding,
    lane,
    missing,
    opened,
    run,
    until,
    until_async,
    upstream,
)

MONTH = 40 * 86_400.0


async def delivered(store: Store) -> dict[str, tuple[int, int, int]]:
    """Per lane: enqueued, delivered, pending; the invariant holds."""
    for balance in await lanes.balances(store):
        assert balance.holds, balance
    return {each.name: (each.enqueued, each.delivered, each.pending) for each in await lanes.overview(store)}


def test_lanes_go_on_after_their_old_lines_are_gone(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as central:
            keeper = Retention(store, StoreSettings(delivered_days=30))
            await enqueue(store, 30)
            async with forwarding(store, lane(central.url)) as forwarder:
                await until_async(lambda: is_at(store, {"central": (30, 30, 0)}), "all are delivered")
                clock.advance(MONTH)
                assert (await keeper.remove()).lines == 30
                assert await delivered(store) == {"central": (30, 30, 0)}

                # An upstream that lost them is told that they are gone, once, and the lane goes on.
                central.script = [missing([0, 11]), Answer()]
                await enqueue(store, 2)
                forwarder.wake()
                await until(lambda: len(central.requests) == 3, "the gap is filled")
                (gone,) = central.requests[-1].lines
                assert (gone["op"], gone["seq"]) == ("skip", 10)
                assert central.requests[-1].headers["ingestbox-after"] == "0"
                await enqueue(store, 1)
                forwarder.wake()
                await until_async(lambda: is_at(store, {"central": (33, 33, 0)}), "the lane goes on")
                assert central.seqs[-1] == 33

            # A start counts the same; a lane that is new begins with the first line there is.
            async with forwarding(store, lane(central.url), lane(central.url, "new")):
                await until_async(
                    lambda: is_at(store, {"central": (33, 33, 0), "new": (3, 3, 0)}), "the new one has all"
                )

    async def is_at(store: Store, wanted: dict[str, tuple[int, int, int]]) -> bool:
        return await delivered(store) == wanted

    run(test())


def test_a_lane_that_delivers_late_finds_all_its_lines(tmp_path: Path) -> None:
    """Another one has delivered them long ago."""

    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as fast, upstream() as slow:
            keeper = Retention(store, StoreSettings(delivered_days=30))
            slow.default = Answer(503)
            await enqueue(store, 20)
            both = (lane(fast.url, "fast"), lane(slow.url, "slow"))
            async with forwarding(store, *both):
                await until_async(lambda: has(store, "fast", 20), "one has them")
                clock.advance(MONTH)
                assert (await keeper.remove()).lines == 0
            # Not set up for a time: what it lacks is kept for it.
            async with forwarding(store, both[0]):
                clock.advance(2 * 3_600.0)
                assert (await keeper.remove()).lines == 0
            slow.default = Answer()
            async with forwarding(store, *both):
                await until_async(lambda: has(store, "slow", 20), "the other has them, too")
                assert sorted(set(slow.seqs)) == list(range(1, 21))
                clock.advance(2 * 3_600.0)
                assert (await keeper.remove()).lines == 20
                await delivered(store)

    async def has(store: Store, name: str, lines: int) -> bool:
        return (await delivered(store))[name][1] == lines

    run(test())
