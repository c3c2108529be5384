"""How much leaves at once, how fast, and when: sizes that pass, rates, company, windows."""

from __future__ import annotations

import asyncio
import datetime
import time
from functools import partial
from pathlib import Path

import pytest

from ingestbox.errors import StartupError
from ingestbox.forward import Forwarder
from ingestbox.forward.rate import Rate
from ingestbox.forward.schedule import Window
from ingestbox.store import Store
from tests.forward.support import (
    Answer,
    Enqueue,
    HeldClock,
    Received,
    Sql,
    drained,
    enqueue,
    forwarding,
    lane,
    opened,
    run,
    status,
    until,
    until_async,
    until_state,
    upstream,
)
from tests.forward.test_hold import hold

DAY = 86_400


async def delivered(store: Store, count: int) -> bool:
    return (await status(store)).delivered == count


def up_to(size: int, request: Received) -> Answer:
    return Answer(413 if len(request.text) > size else 200)


def test_a_size_that_passes_is_remembered(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.default = partial(up_to, 60_000)
            await enqueue(store, 3_000)
            async with forwarding(store, lane(central.url, batch_kb=400)) as forwarder:
                await drained(store)
                assert forwarder.states()[0].state == "running"
            good = [request for request in central.requests if len(request.text) <= 60_000]
            assert [seq for request in good for seq in request.seqs] == list(range(1, 3_001))
            refused = len(central.requests) - len(good)
            assert refused <= 4, "a few to find the size, not one for each batch"
            assert len(good) < 60, "and it is not far below what passes"

    run(test())


def test_a_size_grows_back_once_larger_batches_pass(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.script = [Answer(413)] * 5
            await enqueue(store, 2_000)
            async with forwarding(store, lane(central.url, batch_lines=100)) as forwarder:
                await drained(store)
                assert len(central.requests[5].seqs) < 10
                await enqueue(store, 3_000)
                forwarder.wake()
                await drained(store)
            assert [len(request.seqs) for request in central.requests][-3] == 100

    run(test())


@pytest.mark.parametrize("where", [1, 9, 20])
def test_one_line_too_large_is_found_by_bytes(tmp_path: Path, where: int) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.default = partial(up_to, 40_000)
            await enqueue(store, where - 1)
            await enqueue(store, 1, padding=90_000)
            await enqueue(store, 20 - where)
            async with forwarding(store, lane(central.url)):
                done = await drained(store)
            assert (done.delivered, done.parked) == (19, 1)
            rows = await store.read_with(
                lambda tx: tx._connection.execute("SELECT seq, code, message FROM parked").fetchall()
            )
            ((seq, code, message),) = rows
            assert (seq, code) == (where, "payload_too_large")
            assert "413" in message
            assert len(central.requests) <= 8

    run(test())


def test_many_lines_that_are_too_large_do_not_stop_the_lane(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.default = partial(up_to, 40_000)
            await enqueue(store, 30)
            await enqueue(store, 30, padding=50_000)
            await enqueue(store, 5)
            async with forwarding(store, lane(central.url, batch_lines=50)) as forwarder:
                done = await drained(store)
                assert forwarder.states()[0].state == "running"
            assert (done.delivered, done.parked) == (35, 30)

    run(test())


def test_an_upstream_that_finds_every_line_too_large_pauses_the_lane(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.default = Answer(413)
            await enqueue(store, 60)
            async with forwarding(store, lane(central.url)) as forwarder:
                await until_state(forwarder, "paused", "refuses_all: payload_too_large")
            assert (await status(store)).parked == 20

    run(test())


def test_no_batch_is_sent_that_is_larger_than_the_limit_as_sent(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 800)
            async with forwarding(store, lane(central.url, batch_compressed_kb=4, compression="none")):
                await drained(store)
            assert central.seqs == list(range(1, 801))
            sizes = [len(request.body) for request in central.requests]
            assert max(sizes) <= 4_096
            assert len(sizes) < 1.35 * sum(sizes) / 4_096, "and most are nearly as large"

    run(test())


def test_a_rate_keeps_lines_apart_and_larger_batches_go_too(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as central, upstream() as other:
            await enqueue(store, 50)
            slow = lane(central.url, rate_lines=5, batch_lines=20)
            async with forwarding(store, slow, lane(other.url, "other"), clock=clock) as forwarder:
                await drained(store, "other")  # held up by nobody
                for sent, pause in ((1, 4), (2, 4)):
                    await until_async(partial(delivered, store, 20 * sent), "a batch is delivered")
                    clock.advance(pause - 0.5)
                    forwarder.wake()
                    await asyncio.sleep(0.03)
                    assert len(central.requests) == sent
                    clock.advance(0.5)
                    forwarder.wake()
                await drained(store)
                assert forwarder.states()[0].state == "running"
                await enqueue(store, 1)
                forwarder.hold("central")
                await hold(store)
                await until_state(forwarder, "paused", "on_hold")  # also while it waits
            assert [len(request.seqs) for request in central.requests] == [20, 20, 10]

    run(test())


def test_a_rate_in_bytes_counts_them_as_sent() -> None:
    rate = Rate(0, 2)
    rate.spend(10.0, 500, 4096)
    assert rate.due == 12.0
    rate.spend(11.0, 1, 1024)  # sent early, as a person may want: it is owed
    assert rate.due == 12.5
    rate.spend(100.0, 1, 2048)  # nothing is saved up
    assert rate.due == 101.0
    none = Rate(0, 0)
    none.spend(5.0, 10**6, 10**9)
    assert none.due == 5.0


def test_lines_wait_for_company_and_a_full_batch_does_not(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as central:
            await enqueue(store, 13)
            async with forwarding(
                store, lane(central.url, batch_lines=10, batch_seconds=5), clock=clock
            ) as forwarder:

                async def later(count: int) -> bool:
                    clock.advance(0.02)
                    forwarder.wake()
                    return await delivered(store, count)

                await until_async(partial(delivered, store, 10), "the full one")
                await enqueue(store, 2)
                await until_async(partial(later, 15), "the others, when they have waited")
                assert clock.ticks >= 5
                assert central.requests[-1].seqs == [11, 12, 13, 14, 15]
                begun = clock.ticks
                await enqueue(store, 9)
                forwarder.wake()
                await asyncio.sleep(0.05)
                await enqueue(store, 1)
                await until_async(partial(later, 25), "enough of them")
                assert len(central.requests[-1].seqs) == 10
                assert clock.ticks < begun + 5

    run(test())


def local_ms(*moment: int) -> int:
    return int(datetime.datetime(*moment).timestamp()) * 1000  # type: ignore[arg-type]  # noqa: DTZ001


@pytest.mark.parametrize(
    ("cron", "now", "opens"),
    [
        ("* 22-23,0-5 * * *", (2027, 3, 1, 12, 0, 30), (2027, 3, 1, 22, 0)),
        ("* 22-23,0-5 * * *", (2027, 3, 1, 23, 59, 59), (2027, 3, 1, 23, 59, 59)),
        ("* 22-5 * * *", (2027, 3, 1, 6, 0), (2027, 3, 1, 22, 0)),
        ("*/15 * * * *", (2027, 3, 1, 12, 1), (2027, 3, 1, 12, 15)),
        ("30 3 * * 0", (2027, 3, 1, 12, 0), (2027, 3, 7, 3, 30)),
        ("30 3 * * 7", (2027, 3, 7, 3, 31), (2027, 3, 14, 3, 30)),
        ("0 0 1 1 *", (2027, 3, 1, 12, 0), (2028, 1, 1, 0, 0)),
        ("0 0 29 2 *", (2096, 3, 1, 0, 0), (2104, 2, 29, 0, 0)),
        ("59 23 31 12 *", (2027, 12, 31, 23, 58), (2027, 12, 31, 23, 59)),
    ],
)
def test_a_window_opens_when_its_cron_line_says(
    cron: str, now: tuple[int, ...], opens: tuple[int, ...]
) -> None:
    window = Window(cron)
    assert window.next_open_ms(local_ms(*now)) == local_ms(*opens)
    assert window.open(local_ms(*opens))
    later = local_ms(*now) + 1
    assert window.next_open_ms(later) == max(later, local_ms(*opens))  # also when it is asked again
    earlier = local_ms(*now) - 500 * DAY * 1000  # the clock was put back
    found = window.next_open_ms(earlier)
    assert found is not None
    assert found >= earlier
    assert window.open(found)


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe"]
)
def test_a_window_is_found_where_the_clock_is_set_forward_and_back(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        window = Window("0 0 * * *")
        at, seen = local_ms(2018, 1, 1, 12, 0), 0
        end = at + 366 * DAY * 1000
        while (found := window.next_open_ms(at)) is not None and found < end:
            assert at < found <= at + 3 * DAY * 1000  # a midnight that is left out is no opening
            at, seen = found + 60_000, seen + 1
        assert 364 <= seen <= 367
    finally:
        monkeypatch.undo()
        time.tzset()


async def says(store: Store, state: str, reason: str | None) -> bool:
    shown = await status(store)
    return (shown.state, shown.reason) == (state, reason)


async def resting(store: Store) -> None:
    """The lane's row says that it is outside its window, and the lane had the time to lie down."""
    await until_async(lambda: says(store, "running", "outside_window"), "its row says so")
    await asyncio.sleep(0.05)


def test_outside_its_window_a_lane_sends_nothing_and_says_when_it_will(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        clock.wall_ms = local_ms(2027, 3, 1, 21, 58)
        async with opened(tmp_path, clock) as store, upstream() as central:
            await enqueue(store, 5)

            async def late(_: Received) -> Answer:
                clock.advance(8 * 3600)  # it closes while the batch is on its way
                return Answer()

            central.script = [late]
            night = lane(central.url, schedule="cron * 22-23,0-5 * * *", batch_lines=2)
            async with forwarding(store, night, clock=clock) as forwarder:
                state = await until_state(forwarder, "running", "outside_window")
                assert state.next_try_ms == local_ms(2027, 3, 1, 22, 0)
                assert not state.refused
                await until_async(lambda: says(store, "running", "outside_window"), "its row says so")
                clock.advance(119)
                forwarder.wake()
                await asyncio.sleep(0.05)
                assert central.requests == []
                clock.advance(1)
                forwarder.wake()
                await until(lambda: len(central.requests) == 1, "the first")
                await until_state(forwarder, "running", "outside_window")
                assert (await status(store)).delivered == 2, "what was on its way counts"
                assert len(central.requests) == 1
                await resting(store)
                clock.wall_ms = local_ms(2028, 4, 4, 3, 3)  # put forward: it does not sleep until yesterday
                clock.ticks += 61
                forwarder.wake()
                await drained(store)
                assert forwarder.states()[0].reason is None
                clock.wall_ms = local_ms(2027, 3, 1, 12, 0)  # and back, by 400 days
                await enqueue(store, 1)
                forwarder.wake()
                await until_state(forwarder, "running", "outside_window")
                await resting(store)
                clock.wall_ms = local_ms(2027, 3, 1, 23, 0)
                clock.ticks += 61
                forwarder.wake()
                await drained(store)

    run(test())


@pytest.mark.parametrize(
    ("schedule", "says"),
    [("cron 0 0 31 2 *", "never opens"), ("cron 61 * * * *", "61"), ("cron * * * * */2", "day-of-week")],
)
def test_a_window_that_is_none_is_told_at_the_start(tmp_path: Path, schedule: str, says: str) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            with pytest.raises(StartupError, match=f"Lane central: .*{says}"):
                Forwarder(store, [lane("http://127.0.0.1:1/", schedule=schedule)], clock=store.clock)

    run(test())


async def cursor(store: Store, name: str = "central") -> int:
    ((found,),) = await store.read_with(
        lambda tx: tx._connection.execute(f"SELECT cursor FROM lanes WHERE name = '{name}'").fetchall()
    )
    return int(found)


@pytest.mark.parametrize("held", [True, False])
def test_a_lane_that_may_not_send_goes_past_what_is_not_its_own(tmp_path: Path, held: bool) -> None:
    async def test() -> None:
        clock = HeldClock()
        clock.wall_ms = local_ms(2027, 3, 1, 12, 0)
        fields = {} if held else {"schedule": "cron * 3 * * *"}
        async with opened(tmp_path, clock) as store, upstream() as central:
            others = lane(central.url, families=["contacts"], **fields)
            async with forwarding(store, others, clock=clock) as forwarder:
                if held:
                    await hold(store)
                    forwarder.hold("central")
                    await until_state(forwarder, "paused", "on_hold")
                else:
                    await until_state(forwarder, "running", "outside_window")
                await enqueue(store, 30)

                async def past() -> bool:
                    clock.advance(61)
                    forwarder.wake()
                    return await cursor(store) == 30

                await until_async(past, "the lane is past them")
                assert central.requests == []

    run(test())


def test_an_empty_stretch_between_two_lines_of_the_lane_is_passed(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 1_000)
            await store.write(Sql("UPDATE deliveries SET kind = 'other' WHERE seq NOT IN (3, 990)"))
            async with forwarding(store, lane(central.url, kinds=["ticket"])) as forwarder:
                done = await drained(store)
                assert (done.enqueued, done.delivered) == (2, 2)
                assert [
                    (request.headers["ingestbox-after"], request.seqs) for request in central.requests
                ] in (
                    [("0", [3, 990])],
                    [("0", [3]), ("3", [990])],
                )
                await store.write(Enqueue(store.identity, 2))
                forwarder.wake()
                await drained(store)
            assert central.requests[-1].headers["ingestbox-after"] == "990"
            assert await cursor(store) == 1_002

    run(test())
