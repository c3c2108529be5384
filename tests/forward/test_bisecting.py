"""Batches that are refused: halves down to one line, which is parked; an upstream that refuses everything."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from math import ceil, log2
from pathlib import Path
from zlib import crc32

import msgspec
import pytest

from ingestbox.forward import Forwarder
from ingestbox.store import Store
from ingestbox.store.lanes import LaneStatus
from tests.forward.support import (
    Answer,
    HeldClock,
    Received,
    Respond,
    Sql,
    Upstream,
    balanced,
    drained,
    enqueue,
    forwarding,
    lane,
    missing,
    more_than,
    opened,
    rejecting,
    run,
    status,
    until,
    until_state,
    upstream,
)
from tests.forward.test_parked import decide, until_states

PROBLEM = b'{"type":"about:blank","code":"record_invalid","detail":"Phone is none."}'


def refusing(*seqs: int, status: int = 422, body: bytes = PROBLEM) -> Respond:
    """Refuses what holds any of these."""
    wrong = frozenset(seqs)
    return lambda got: Answer(status, body=body) if wrong & set(got.seqs) else Answer()


async def parked(store: Store) -> dict[int, tuple[str, str]]:
    rows = await store.read_with(
        lambda tx: tx._connection.execute("SELECT seq, code, message FROM parked ORDER BY seq").fetchall()
    )
    return {seq: (code, message) for seq, code, message in rows}


def taken(central: Upstream, *wrong: int) -> list[Received]:
    return [request for request in central.requests if not set(wrong) & set(request.seqs)]


def in_chain(requests: list[Received]) -> bool:
    """Whether each names the last that was taken before it."""
    afters = [int(request.headers["ingestbox-after"]) for request in requests]
    return afters == [0, *(request.seqs[-1] for request in requests[:-1])]


async def in_order(store: Store, central: Upstream, count: int, *wrong: int) -> LaneStatus:
    """The lane is through, with these parked and every other line sent once, in order, in one chain."""
    done = await drained(store)
    assert list(await parked(store)) == sorted(wrong)
    assert (done.enqueued, done.delivered, done.parked) == (count, count - len(wrong), len(wrong))
    good = taken(central, *wrong)
    assert [seq for request in good for seq in request.seqs] == [
        seq for seq in range(1, count + 1) if seq not in wrong
    ]
    assert in_chain(good)
    return done


@pytest.mark.parametrize("wrong", [1, 2, 250, 251, 317, 500])
def test_one_poisoned_line_of_many_is_parked_for_a_few_requests(
    tmp_path: Path, wrong: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.default = refusing(wrong)
            await enqueue(store, 600)
            async with forwarding(store, lane(central.url)) as forwarder:
                await in_order(store, central, 600, wrong)
                assert forwarder.states()[0].state == "running"
            assert await parked(store) == {wrong: ("record_invalid", "Phone is none.")}
            assert len(central.requests) - 2 <= 2 * ceil(log2(500)), "two would have done for good lines"
            keys = [request.headers["idempotency-key"] for request in central.requests]
            assert len(set(keys)) == len(keys)
            assert central.requests[-1].seqs == list(range(501, 601)), "the lane goes on with full batches"
            for request in central.requests:
                span = f"{request.seqs[0]}-{request.seqs[-1]}"
                assert request.headers["ingestbox-seq"] == span
                assert request.headers["idempotency-key"].endswith(f"-central-{span}")

    run(test())
    said = [record.message for record in caplog.records]
    assert said.count("The upstream does not take a batch whole; it is sent in pieces.") == 1
    assert said.count("A batch that was sent in pieces is through.") == 1
    assert said.count("The upstream rejected lines; they are parked.") == 1


@pytest.mark.parametrize("wrong", [(1, 40), (7, 8, 9), (1, 2, 3, 4, 5, 6), (20, 21), tuple(range(5, 24))])
@pytest.mark.parametrize("status_code", [400, 409])
def test_several_poisoned_lines_of_a_batch_are_each_parked(
    tmp_path: Path, wrong: tuple[int, ...], status_code: int
) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.default = refusing(*wrong, status=status_code, body=b"go away")
            await enqueue(store, 45)
            async with forwarding(store, lane(central.url, batch_lines=40)):
                await in_order(store, central, 45, *wrong)
            assert set((await parked(store)).values()) == {(f"http_{status_code}", "go away")}

    run(test())


def test_every_line_of_a_batch_may_be_poisoned_if_they_are_few(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.default = refusing(*range(1, 9))
            await enqueue(store, 12)
            async with forwarding(store, lane(central.url, batch_lines=8)) as forwarder:
                await in_order(store, central, 12, *range(1, 9))
                assert forwarder.states()[0].state == "running"

    run(test())


def test_a_failed_try_between_pieces_repeats_the_piece_alone(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as central:
            central.default = refusing(3)
            central.script = [central.default, Answer(), Answer(503), Answer(401)]
            await enqueue(store, 4)
            async with forwarding(store, lane(central.url, batch_lines=4), clock=clock) as forwarder:
                await until_state(forwarder, "retrying", "http: 503")
                assert (await status(store)).delivered == 2, "what passed is kept"
                clock.advance(2)
                forwarder.wake()
                await until_state(forwarder, "paused", "unauthorized: 401")
                clock.advance(300)
                forwarder.wake()
                await drained(store)
                await until_state(forwarder, "running")
            sent = [request.seqs for request in central.requests]
            assert sent == [[1, 2, 3, 4], [1, 2], [3, 4], [3, 4], [3, 4], [3], [4]]
            assert in_chain([central.requests[1], central.requests[6]])

    run(test())


def test_a_stop_between_pieces_loses_nothing_and_the_whole_is_refused_once_more_at_most(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        never = asyncio.Event()

        async def hang(_: Received) -> Answer:
            await never.wait()
            return Answer()

        async with opened(tmp_path) as store, upstream() as central:
            refuse = refusing(30)
            central.default = refuse
            central.script = [refuse, refuse, refuse, refuse, hang]
            await enqueue(store, 64)
            first = Forwarder(store, [lane(central.url, batch_lines=64)], clock=store.clock)
            await first.start()
            await until(lambda: len(central.requests) == 5, "a piece is on its way")
            await first.stop(0)
            await balanced(store)
            before = len(central.requests)
            async with forwarding(store, lane(central.url, batch_lines=64)):
                await drained(store)
            assert list(await parked(store)) == [30]
            assert central.requests[before].seqs == list(range(17, 65)), "what had passed was kept"
            assert sum(len(request.seqs) == 64 for request in central.requests) == 1
            assert set(central.seqs) == set(range(1, 65))
            never.set()

    run(test())


def test_pieces_of_lines_that_are_others_now_are_read_again(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 8)
            (line,) = [
                row[0]
                for row in await store.read_with(
                    lambda tx: tx._connection.execute("SELECT line FROM deliveries WHERE seq = 6").fetchall()
                )
            ]
            other = line.replace(b"short", b"erased")
            forwarder = Forwarder(store, [lane(central.url, batch_lines=8)], clock=store.clock)

            async def reworded(_: Received) -> Answer:
                # As an erasure does.
                await store.write(
                    Sql(f"UPDATE deliveries SET line = x'{other.hex()}', crc = {crc32(other)} WHERE seq = 6")
                )
                forwarder.reread()
                return Answer(422)

            central.default = refusing(2)
            central.script = [refusing(2), refusing(2), reworded]
            await forwarder.start()
            await in_order(store, central, 8, 2)
            await forwarder.stop(20)
            said = [line["record"]["summary"] for each in central.requests[3:] for line in each.lines]
            assert set(said) == {"short", "erased"}
            for each in central.requests[3:]:
                assert all(
                    (line["seq"] == 6) == (line["record"]["summary"] == "erased") for line in each.lines
                )

    run(test())


def test_after_a_row_of_refusals_the_lane_pauses_and_is_probed_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as central:
            central.default = Answer(422, body=PROBLEM)
            await enqueue(store, 100)
            async with forwarding(store, lane(central.url, batch_lines=40), clock=clock) as forwarder:
                state = await until_state(forwarder, "paused", "refuses_all: record_invalid")
                assert state.refused
                assert list(await parked(store)) == list(range(1, 21))
                assert (await status(store)).delivered_ms is None, "nothing was delivered"
                for _ in range(2):
                    asked = len(central.requests)
                    clock.advance(300)
                    forwarder.wake()
                    await until(partial(more_than, central, asked), "a probe")
                    await until(
                        lambda: forwarder.states()[0].next_try_ms == clock.now_ms() + 300_000, "paused again"
                    )
                    assert [request.seqs for request in central.requests[asked:]] == [[21]]
                assert len(await parked(store)) == 20
                await balanced(store)
                asked = len(central.requests)
                central.default = refusing(*range(70, 85))
                clock.advance(300)
                forwarder.wake()
                done = await drained(store)
                assert forwarder.states()[0].state == "running"
                assert (done.delivered, done.parked) == (65, 35), "the row began anew"
                assert [request.seqs for request in central.requests[asked : asked + 2]] == [
                    [21],
                    list(range(22, 62)),
                ]

    run(test())
    alarms = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert set(alarms) == {"A lane is paused; nothing is dropped. It is probed."}


def test_a_delivered_line_in_between_ends_the_row(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            wrong = [seq for seq in range(1, 61) if seq % 4]
            central.default = refusing(*wrong)
            await enqueue(store, 60)
            async with forwarding(store, lane(central.url, batch_lines=30, refusals=3)) as forwarder:
                await in_order(store, central, 60, *wrong)
                assert forwarder.states()[0].state == "running"

    run(test())


def test_the_row_goes_on_across_batches(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.default = Answer(400)
            await enqueue(store, 30)
            async with forwarding(store, lane(central.url, batch_lines=3, refusals=7)) as forwarder:
                await until_state(forwarder, "paused", "refuses_all: http_400")
                assert len(await parked(store)) == 7

    run(test())


def test_an_upstream_that_takes_nothing_and_says_200_pauses_the_lane_as_well(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as central:
            central.default = lambda got: rejecting(*got.seqs, code="family_unknown")
            await enqueue(store, 100)
            async with forwarding(
                store, lane(central.url, batch_lines=15, refusals=20), clock=clock
            ) as forwarder:
                await until_state(forwarder, "paused", "refuses_all: family_unknown")
                assert len(await parked(store)) == 30, (
                    "its word counts, batch by batch, until the row is full"
                )
                asked = len(central.requests)
                clock.advance(300)
                forwarder.wake()
                await until(partial(more_than, central, asked), "a probe")
                assert central.requests[-1].seqs == [31]
                await until(
                    lambda: forwarder.states()[0].next_try_ms == clock.now_ms() + 300_000, "paused again"
                )
                central.default = Answer()
                clock.advance(300)
                forwarder.wake()
                done = await drained(store)
                assert (done.delivered, done.parked) == (70, 30)

    run(test())


def test_some_rejected_lines_in_each_answer_are_no_row(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.default = lambda got: rejecting(*got.seqs[1:])
            await enqueue(store, 60)
            async with forwarding(store, lane(central.url, batch_lines=10, refusals=5)):
                done = await drained(store)
            assert (done.delivered, done.parked) == (6, 54)

    run(test())


def test_refused_lines_that_a_person_sends_again_do_not_stop_the_others(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.default = refusing(1, 2, 4, 5, 7)
            await enqueue(store, 8)
            async with forwarding(store, lane(central.url, refusals=3)) as forwarder:
                await drained(store)
                asked = len(central.requests)
                await decide(store, 1, 2, 4, 5, 7)
                forwarder.again("central")
                await until_states(store, dict.fromkeys((1, 2, 4, 5, 7), "parked"))
                await enqueue(store, 1)
                forwarder.wake()
                await drained(store)
                assert forwarder.states()[0].state == "running"
                sent = [request.seqs for request in central.requests[asked:]]
                assert sent == [[1, 2], [1], [2], [4, 5], [4], [5], [7], [9]]
                asked = len(central.requests)
                central.default = refusing(2)
                await decide(store, 1, 2, 4, 5, 7)
                forwarder.again("central")
                await until_states(store, {2: "parked"})
                again = central.requests[asked:]
                assert [request.seqs for request in again] == [[1, 2], [1], [2], [4, 5], [7]]
                assert len({request.headers["idempotency-key"] for request in again}) == len(again)
                for request in again:
                    assert int(request.headers["ingestbox-after"]) == request.seqs[0] - 1
            assert (await status(store)).delivered == 8

    run(test())


def test_a_poisoned_line_in_a_gap_is_parked_and_the_gap_is_filled(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 6)
            async with forwarding(store, lane(central.url, batch_lines=2)) as forwarder:
                await drained(store)
                central.default = refusing(3)
                central.script = [missing([0, 7])]
                asked = len(central.requests)
                await enqueue(store, 1)
                forwarder.wake()
                await until(
                    lambda: central.requests[asked + 1 :] and central.requests[-1].seqs == [1, 2], "begun"
                )
                central.script = [missing([2, 7])]
                await until(lambda: forwarder.states()[0].state == "running" and (3,), "running")
                await enqueue(store, 1)
                central.script = [missing([2, 7])]
                forwarder.wake()
                await until(lambda: [4] in [request.seqs for request in central.requests[asked:]], "after it")
            now = await status(store)
            assert (now.delivered, now.parked) == (7, 1)
            await balanced(store)

    run(test())


def test_damaged_and_given_up_lines_are_no_part_of_the_pieces(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            wrong = frozenset({2})
            # As some do: anything that is no record is refused.
            central.default = lambda got: (
                Answer(422)
                if wrong & set(got.seqs) or any(line["op"] == "skip" for line in got.lines)
                else Answer()
            )
            await enqueue(store, 8)
            await store.write(Sql("UPDATE deliveries SET line = x'00' WHERE seq IN (1, 5, 8)"))
            async with forwarding(store, lane(central.url)):
                done = await drained(store)
                assert (done.delivered, done.parked) == (4, 4)
                assert {seq: code for seq, (code, _) in (await parked(store)).items()} == {
                    1: "damaged",
                    2: "http_422",
                    5: "damaged",
                    8: "damaged",
                }
                assert done.pending == 0
            async with forwarding(store, lane(central.url, batch_lines=1, name="single")):
                done = await drained(store, "single")  # whole batches of nothing but skips
                assert (done.delivered, done.parked) == (4, 4)
                await balanced(store)

    run(test())


def test_a_filter_and_a_poisoned_line_keep_the_place(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.default = refusing(12)
            await enqueue(store, 20)
            await store.write(Sql("UPDATE deliveries SET kind = 'other' WHERE seq % 3 = 0"))
            async with forwarding(store, lane(central.url, kinds=["ticket", "none"], batch_lines=6)):
                done = await drained(store)
            assert (done.delivered, done.parked) == (14, 0)
            central.requests.clear()
            central.default = refusing(12)
            async with forwarding(store, lane(central.url, "rest", kinds=["other"], batch_lines=5)):
                done = await drained(store, "rest")
            assert (done.delivered, done.parked) == (5, 1)
            good = taken(central, 12)
            assert [seq for request in good for seq in request.seqs] == [3, 6, 9, 15, 18]
            assert in_chain(good)

    run(test())


def test_a_lane_may_give_answers_other_meanings(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 4)
            central.script = [
                Answer(404),
                Answer(500, body=b"line 2 is bad"),
                Answer(),
                Answer(409),
            ]
            async with forwarding(
                store,
                lane(
                    central.url,
                    batch_lines=2,
                    backoff_seconds=0.01,
                    answers=["404 retry", "500 bisect", "409 delivered"],
                ),
            ):
                done = await drained(store)
            assert [request.seqs for request in central.requests] == [[1, 2], [1, 2], [1], [2], [3, 4]]
            assert (done.delivered, done.parked) == (4, 0)

    run(test())


@pytest.mark.parametrize("endless", [False, True])
def test_what_an_upstream_says_at_length_is_read_in_part(tmp_path: Path, endless: bool) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            said = Answer(422, body=b"no " * 4_000, endless=endless)
            central.default = lambda got: said if 2 in got.seqs else Answer()
            await enqueue(store, 3)
            async with forwarding(store, lane(central.url)):
                done = await drained(store)
            assert (done.delivered, done.parked) == (2, 1)
            ((_, message),) = (await parked(store)).values()
            assert message == ("no " * 167)[:500].strip()

    run(test())


def test_a_cut_refusal_is_a_refusal_all_the_same(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            said = msgspec.json.encode({"code": "x", "detail": "y" * 300})
            central.default = lambda got: Answer(400, body=said, cut=-200) if 1 in got.seqs else Answer()
            await enqueue(store, 3)
            async with forwarding(store, lane(central.url)):
                done = await drained(store)
            assert (done.delivered, done.parked) == (2, 1)

    run(test())
