"""Lanes that a person stops, lets go on, and tests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ingestbox.store import Store
from ingestbox.store.audit import Act
from ingestbox.store.lanes import HoldLane
from tests.forward.support import (
    Answer,
    HeldClock,
    Received,
    drained,
    enqueue,
    forwarding,
    lane,
    opened,
    run,
    status,
    until_state,
    upstream,
)


async def hold(store: Store, *, release: bool = False) -> bool:
    act = Act("local:somebody", "default", None, store.clock.now_ms())
    return await store.write(HoldLane("central", act, release=release, reason="moving"))


def test_a_lane_on_hold_sends_nothing_also_after_a_restart_until_it_is_let_go(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            async with forwarding(store, lane(central.url)) as forwarder:
                await enqueue(store, 3)
                forwarder.wake()
                await drained(store)
                assert await hold(store)
                assert not await hold(store)
                forwarder.hold("central")
                await until_state(forwarder, "paused", "on_hold")
                await enqueue(store, 2)
                forwarder.wake()
            async with forwarding(store, lane(central.url)) as forwarder:
                await until_state(forwarder, "paused", "on_hold")
                assert not forwarder.states()[0].refused
                found = await status(store)
                assert (found.state, found.pending, found.held_by) == ("paused", 2, "local:somebody")
                assert central.seqs == [1, 2, 3]
                assert await hold(store, release=True)
                forwarder.release("central")
                await drained(store)
                assert central.seqs == [1, 2, 3, 4, 5]
                assert forwarder.states()[0].state == "running"
                assert (await status(store)).held_ms is None

    run(test())


def test_a_batch_on_its_way_arrives_and_nothing_after_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with (
            opened(tmp_path) as store,
            upstream() as central,
            forwarding(store, lane(central.url, batch_lines=2)) as forwarder,
        ):

            async def slow(_: Received) -> Answer:
                await hold(store)
                forwarder.hold("central")
                return Answer()

            central.script = [slow]
            await enqueue(store, 6)
            forwarder.wake()
            await until_state(forwarder, "paused", "on_hold")
            assert central.seqs == [1, 2]
            assert (await status(store)).pending == 4

    run(test())


def test_a_lane_that_waits_for_its_next_try_is_held_at_once_and_tries_at_once_when_let_go(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as central:
            central.default = Answer(500)
            async with forwarding(store, lane(central.url), clock=clock) as forwarder:
                await enqueue(store, 1)
                forwarder.wake()
                await until_state(forwarder, "retrying")
                forwarder.hold("central")
                await until_state(forwarder, "paused", "on_hold")
                asked = len(central.requests)
                central.default = Answer()
                forwarder.release("central")  # no time passes on this clock
                await drained(store)
                assert len(central.requests) == asked + 1
                central.default = Answer(401)
                await enqueue(store, 1)
                forwarder.wake()
                await until_state(forwarder, "paused", "unauthorized: 401")
                assert forwarder.states()[0].refused
                central.default = Answer()
                forwarder.release("central")
                await drained(store)

    run(test())


@pytest.mark.parametrize(
    ("answer", "ok", "reason"),
    [
        (Answer(200), True, None),
        (Answer(204, body=b""), True, None),
        (Answer(400), True, None),
        (Answer(422), True, None),
        (Answer(401), False, "unauthorized: 401"),
        (Answer(404), False, "not_found: 404"),
        (Answer(302, headers={"location": "https://elsewhere.example/"}), False, "redirect: 302"),
        (Answer(503), False, "http: 503"),
        (Answer(200, cut=0), False, "cut"),
    ],
)
def test_knocking_tells_what_came_of_it_and_moves_nothing(
    tmp_path: Path, answer: Answer, ok: bool, reason: str | None
) -> None:
    async def test() -> None:
        async with (
            opened(tmp_path) as store,
            upstream() as central,
            forwarding(store, lane(central.url)) as forwarder,
        ):
            central.default = answer
            found = await forwarder.test("central")
            assert (found.ok, found.reason) == (ok, reason)
            assert found.status == (None if answer.cut is not None else answer.status)
            (knock,) = central.requests
            assert knock.text == b""
            assert knock.headers["authorization"] == "Bearer secret-token"
            assert (await status(store)).delivered == 0

    run(test())


def test_knocking_at_a_place_that_is_not_there_says_so(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            async with upstream() as central:
                gone = central.url
            async with forwarding(store, lane(gone)) as forwarder:
                assert (await forwarder.test("central")).reason == "connect"
            async with forwarding(store, lane("http://nowhere.invalid/")) as forwarder:
                assert (await forwarder.test("central")).reason == "dns"

    run(test())


def test_a_knock_waits_no_longer_than_the_lanes_time_out(tmp_path: Path) -> None:
    async def test() -> None:
        async with (
            opened(tmp_path) as store,
            upstream() as central,
            forwarding(store, lane(central.url, timeout_seconds=0.2)) as forwarder,
        ):

            async def hangs(_: Received) -> Answer:
                await asyncio.get_running_loop().create_future()
                raise AssertionError

            central.script = [hangs]
            found = await forwarder.test("central")
            assert (found.ok, found.reason, found.status) == (False, "timeout", None)
            assert len(central.requests) == 1  # it was asked once

    run(test())


@pytest.mark.parametrize(
    ("status", "reason"), [(200, "answer_too_large"), (401, "unauthorized: 401"), (503, "http: 503")]
)
def test_an_answer_to_a_knock_that_never_ends_is_not_read_to_its_end(
    tmp_path: Path, status: int, reason: str
) -> None:
    async def test() -> None:
        async with (
            opened(tmp_path) as store,
            upstream() as central,
            forwarding(store, lane(central.url, timeout_seconds=60)) as forwarder,
        ):
            central.default = Answer(status, endless=True)
            found = await forwarder.test("central")
            assert (found.reason, found.status) == (reason, status)
            assert found.seconds < 5

    run(test())
