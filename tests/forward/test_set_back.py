"""A lane that is sent back while something else is on its way: each line is counted once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ingestbox import config
from ingestbox.forward import Forwarder
from ingestbox.store import Store, lanes
from ingestbox.store.audit import Act
from ingestbox.store.lanes import Advance, OpenLane, Takes, counting, open_lanes, replay, replays, rows
from ingestbox.store.place import RenewEpoch
from ingestbox.store.retention import Retention
from tests.forward.support import (
    Answer,
    HeldClock,
    Received,
    Sql,
    balanced,
    drained,
    enqueue,
    forwarding,
    lane,
    missing,
    opened,
    rejecting,
    run,
    status,
    until,
    until_async,
    upstream,
)
from tests.forward.test_parked import decide

ACT = Act("local:ann", "default", None, 1_000)
MONTH = 40 * 86_400.0


async def through(store: Store, forwarder: Forwarder, seq: int) -> None:
    """Waits until the lane is past a seq, and checks that nothing is left over."""

    async def past() -> bool:
        return (await lanes.position(store, "central")).cursor >= seq

    await until_async(past, f"the lane is past {seq}")
    await forwarder.stop(5)
    await balanced(store)
    assert (await status(store)).pending == 0


def test_a_refused_line_is_taken_while_the_batch_that_leaves_it_out_is_read_already(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.script = [rejecting(5), rejecting(15), rejecting(25)]
            await enqueue(store, 60)
            async with forwarding(store, lane(central.url, batch_lines=10)) as forwarder:
                await drained(store)
                released = asyncio.Event()

                async def held(_: Received) -> Answer:
                    await asyncio.wait_for(released.wait(), 20)
                    return Answer()

                central.requests.clear()
                central.script = [held]
                await replay(store, "central", ACT, from_seq=1)
                forwarder.moved("central")
                await until(lambda: central.requests, "the first batch is on its way")
                ahead = forwarder._runners[0]._source._ahead
                await until(
                    lambda: ahead._packs and all(each.done() for each in ahead._packs), "more is read"
                )
                assert await decide(store, 15, 25) == 2
                forwarder.again("central")
                released.set()
                await through(store, forwarder, 60)
                done = await status(store)
                assert (done.delivered, done.parked) == (59, 1)
                assert central.seqs.count(15) == 2  # as one that was refused, and in its turn

    run(test())


def test_an_upstream_refuses_a_line_of_a_gap_that_is_pending_again(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 30)
            async with forwarding(store, lane(central.url, batch_lines=10)) as forwarder:
                await drained(store)
                released = asyncio.Event()

                async def held(_: Received) -> Answer:
                    await asyncio.wait_for(released.wait(), 20)
                    return rejecting(5)

                central.script = [missing([2, 8]), held, rejecting(5)]
                await enqueue(store, 1)
                forwarder.wake()
                await until(lambda: len(central.requests) == 5, "the gap is on its way")
                assert central.requests[-1].seqs == [3, 4, 5, 6, 7]
                await replay(store, "central", ACT, from_seq=1)
                forwarder.moved("central")
                released.set()
                await through(store, forwarder, 31)
                done = await status(store)
                assert (done.delivered, done.parked) == (30, 1)

    run(test())


def test_an_upstream_refuses_a_line_of_a_gap_that_is_gone_by_then(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as central:
            await enqueue(store, 30)
            async with forwarding(store, lane(central.url, batch_lines=10)) as forwarder:
                await drained(store)
                clock.advance(MONTH)

                async def removed(_: Received) -> Answer:
                    await Retention(store, config.Store(delivered_days=30)).remove()
                    return rejecting(5)

                central.script = [missing([2, 8]), removed, Answer()]
                await enqueue(store, 1)
                forwarder.wake()
                await until(lambda: len(central.requests) == 5, "the gap is on its way")
                await enqueue(store, 1)
                forwarder.wake()
                await through(store, forwarder, 32)
                done = await status(store)
                assert (done.delivered, done.parked) == (32, 0)  # nobody could decide about it

    run(test())


def test_lines_that_leave_the_store_while_a_replay_counts_are_not_pending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as central:
            await enqueue(store, 35)
            await store.write(Sql("UPDATE deliveries SET at_ms = at_ms + 3456000000 WHERE seq > 30"))
            async with forwarding(store, lane(central.url, batch_lines=10)):
                await drained(store)
            clock.advance(MONTH)
            counted = counting.count

            async def slow(*args: Any, **more: Any) -> Any:
                found = await counted(*args, **more)
                await Retention(store, config.Store(delivered_days=30)).remove()
                return found

            monkeypatch.setattr(replays, "count", slow)
            done = await replay(store, "central", ACT, from_seq=1)
            assert (done.from_seq, done.lines, done.purged) == (31, 5, 30)
            await balanced(store)

    run(test())


def test_a_lane_that_moves_while_a_start_counts_is_counted_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            await open_lanes(store, [OpenLane("central", "http://up")], 1)
            await enqueue(store, 30)
            epoch, counted = store.identity.epoch, counting.count

            async def slow(*args: Any, **more: Any) -> Any:
                found = await counted(*args, **more)
                await store.write(Advance("central", epoch, 0, 10, 10, 10, 4_000, [], 60_000))
                return found

            monkeypatch.setattr(rows, "count", slow)
            await open_lanes(store, [OpenLane("central", "http://up", Takes(["feedback"]))], 2)
            await balanced(store)
            assert (await status(store)).enqueued == 30

    run(test())


@pytest.mark.parametrize("marked", [False, True])
def test_no_line_of_a_new_epoch_goes_ahead_of_an_old_one(tmp_path: Path, marked: bool) -> None:
    """Upstreams order epochs by their first appearance: what came later is the newer word."""

    async def test() -> None:
        async with upstream() as central:
            settings = lane(central.url, batch_lines=10, fresh_share=0.5)
            async with opened(tmp_path) as store:
                await enqueue(store, 300)
                if marked:  # it worked from both ends before
                    central.default = lambda _: more(store)
                    async with forwarding(store, settings):
                        await until(lambda: len(central.requests) > 6, "both ends are sent")
                    assert max(central.seqs[:60]) > 300 > len(set(central.seqs))
                await store.write(RenewEpoch("test", "local:ann", 1))
            async with opened(tmp_path) as store:
                await enqueue(store, 150)
                central.script = [lambda _: more(store)] * 30
                central.default = Answer()
                async with forwarding(store, settings):
                    await drained(store)
            epochs = [each.headers["ingestbox-epoch"] for each in central.requests]
            order = list(dict.fromkeys(epochs))
            assert len(order) == 2
            assert [order.index(each) for each in epochs] == sorted(order.index(each) for each in epochs)

    async def more(store: Store) -> Answer:
        await enqueue(store, 3)
        return Answer()

    run(test())
