"""After an outage some batches carry what comes in now, ahead of its turn; nothing is lost or sent twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestbox.forward import Forwarder
from ingestbox.store import Store, lanes
from ingestbox.store.audit import Act
from tests.forward.support import (
    Answer,
    HeldClock,
    Received,
    Sql,
    Upstream,
    balanced,
    drained,
    enqueue,
    forwarding,
    lane,
    missing,
    opened,
    rejecting,
    run,
    until,
    until_state,
    upstream,
)
from tests.forward.test_bisecting import parked


def spans(central: Upstream) -> list[tuple[int, int, int]]:
    """After, first and last of each request."""
    return [(int(each.headers["ingestbox-after"]), each.seqs[0], each.seqs[-1]) for each in central.requests]


class Receiver:
    """A chain as a box that receives keeps it, and the lines that it has."""

    def __init__(self) -> None:
        self.tip = 0
        self.holes: list[tuple[int, int, int]] = []
        self.seqs: list[int] = []

    def take(self, request: Received) -> Answer:
        after = int(request.headers["ingestbox-after"])
        first, last = request.seqs[0], request.seqs[-1]
        if not after < first:
            return Answer(400)
        left = []
        for begin, until_, noticed in self.holes:
            if last <= begin or after >= until_:
                left.append((begin, until_, noticed))
                continue
            if begin < after:
                left.append((begin, after, first))
            if last < until_:
                left.append((last, until_, noticed))
        if after > self.tip:
            left.append((self.tip, after, first))
        self.tip, self.holes = max(self.tip, last), sorted(left)
        self.seqs += [line["seq"] for line in request.lines if line["op"] != "skip"]
        return missing(*[(begin, noticed) for begin, _, noticed in self.holes])


async def more_each_time(store: Store, receiver: Receiver, request: Received, count: int) -> Answer:
    await enqueue(store, count)
    await balanced(store)
    return receiver.take(request)


def test_without_a_share_all_goes_strictly_in_order(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            receiver = Receiver()
            await enqueue(store, 300)
            central.script = [lambda got: more_each_time(store, receiver, got, 5)] * 20
            central.default = receiver.take
            async with forwarding(store, lane(central.url, batch_lines=10)):
                await drained(store)
            assert receiver.seqs == list(range(1, 401))

    run(test())


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_a_backlog_drains_while_fresh_lines_go_ahead(tmp_path: Path, share: float) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            receiver = Receiver()
            await enqueue(store, 300)
            central.script = [lambda got: more_each_time(store, receiver, got, 2)] * 25
            central.default = receiver.take
            async with forwarding(store, lane(central.url, batch_lines=10, fresh_share=share)) as forwarder:
                done = await drained(store)
                assert forwarder.states()[0].state == "running"
            assert (done.enqueued, done.delivered) == (350, 350)
            assert sorted(receiver.seqs) == list(range(1, 351)), "each once"
            behind = [seq for seq in receiver.seqs if seq <= 300]
            ahead = [seq for seq in receiver.seqs if seq > 300]
            assert (behind, ahead) == (list(range(1, 301)), list(range(301, 351)))
            assert receiver.holes == []
            turns = [first > 300 for _, first, _ in spans(central)]
            assert sum(turns[:30]) == pytest.approx(30 * share, abs=2.5)
            assert all(last <= 300 or first > 300 for _, first, last in spans(central))

    run(test())


def test_a_small_backlog_is_sent_in_order(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            receiver = Receiver()
            await enqueue(store, 100)
            central.script = [lambda got: more_each_time(store, receiver, got, 5)] * 5
            central.default = receiver.take
            async with forwarding(store, lane(central.url, batch_lines=10, fresh_share=0.5)):
                await drained(store)
            assert receiver.seqs == list(range(1, 126))

    run(test())


def test_a_lane_that_delivers_again_after_an_outage_works_from_both_ends(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as central:
            receiver = Receiver()
            central.default = receiver.take
            async with forwarding(
                store, lane(central.url, batch_lines=10, fresh_share=0.5), clock=clock
            ) as forwarder:
                await enqueue(store, 5)
                forwarder.wake()
                await drained(store)
                central.default = Answer(503)
                await enqueue(store, 200)
                forwarder.wake()
                await until_state(forwarder, "retrying")
                central.script = [lambda got: more_each_time(store, receiver, got, 3)] * 4
                central.default = receiver.take
                clock.advance(2)
                forwarder.wake()
                done = await drained(store)
            assert done.delivered == 217
            assert sorted(receiver.seqs) == list(range(1, 218))
            # What came in before the first batch passed is not fresh.
            assert receiver.seqs.index(209) < receiver.seqs.index(100)

    run(test())


@pytest.mark.parametrize("stop_after", [1, 2, 3, 4, 5, 8, 33])
def test_a_restart_at_any_time_goes_on_from_both_ends(tmp_path: Path, stop_after: int) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            receiver = Receiver()
            await enqueue(store, 300)
            settings = lane(central.url, batch_lines=10, fresh_share=0.4)
            first = Forwarder(store, [settings], clock=store.clock)
            central.default = lambda got: more_each_time(store, receiver, got, 3)
            await first.start()
            await until(lambda: len(central.requests) >= stop_after, "some are sent")
            await first.stop(0)
            await balanced(store)
            central.script = [lambda got: more_each_time(store, receiver, got, 3)] * 5
            central.default = receiver.take
            async with forwarding(store, settings) as forwarder:
                done = await drained(store)
                assert forwarder.states()[0].state == "running"
            assert done.delivered == done.enqueued == len(set(receiver.seqs))
            assert len(receiver.seqs) - len(set(receiver.seqs)) <= 10, "one batch at most"
            assert receiver.holes == []

    run(test())


def test_refused_damaged_and_foreign_lines_among_the_fresh_ones(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            receiver = Receiver()
            await enqueue(store, 200)
            await store.write(Sql("UPDATE deliveries SET kind = 'other' WHERE seq % 2"))

            async def answer(got: Received) -> Answer:
                if len(central.requests) == 1:
                    await enqueue(store, 60)
                    await store.write(Sql("UPDATE deliveries SET line = x'00' WHERE seq = 224"))
                await balanced(store)
                if {220, 240} & set(got.seqs) and any(line["op"] == "put" for line in got.lines):
                    return Answer(422)
                return receiver.take(got)

            central.default = answer
            async with forwarding(
                store, lane(central.url, batch_lines=5, fresh_share=0.5, kinds=["ticket", "x"])
            ) as forwarder:
                done = await drained(store)
                assert forwarder.states()[0].state == "running"
            assert sorted(await parked(store)) == [220, 224, 240]
            assert done.delivered == done.enqueued - 3
            wanted = {*range(2, 201, 2), *range(201, 261)} - {220, 224, 240}
            assert set(receiver.seqs) == wanted
            assert receiver.seqs.index(250) < receiver.seqs.index(190)
            assert len(receiver.seqs) == len(wanted)

    run(test())


def test_an_upstream_that_lost_fresh_lines_gets_them_again(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            receiver = Receiver()
            await enqueue(store, 200)
            backup = Receiver()

            async def answer(got: Received) -> Answer:
                number = len(central.requests)
                if number <= 10:
                    return await more_each_time(store, receiver, got, 5)
                if number == 11:
                    backup.tip, backup.seqs, backup.holes = receiver.tip, receiver.seqs[:], receiver.holes
                if number == 16:
                    receiver.tip, receiver.seqs, receiver.holes = backup.tip, backup.seqs, backup.holes
                return receiver.take(got)

            central.default = answer
            async with forwarding(
                store, lane(central.url, batch_lines=5, fresh_share=0.5, probe_seconds=0.05)
            ) as forwarder:
                await drained(store)
                await enqueue(store, 1)
                forwarder.wake()
                await drained(store)
                await until(lambda: receiver.holes == [], "all is healed")
            assert set(receiver.seqs) == set(range(1, 252))

    run(test())


def test_a_replay_in_the_middle_sends_all_of_it_again_with_other_keys(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            receiver = Receiver()
            await enqueue(store, 200)

            async def answer(got: Received) -> Answer:
                if len(central.requests) == 13:
                    act = Act("local:ann", "default", None, store.clock.now_ms())
                    found = await lanes.replay(store, "central", act, from_seq=31)
                    assert found.from_seq == 31
                    forwarder.moved("central")
                    await balanced(store)
                return await more_each_time(store, receiver, got, 5 if len(central.requests) < 11 else 0)

            central.default = answer
            forwarder = Forwarder(
                store, [lane(central.url, batch_lines=5, fresh_share=0.5)], clock=store.clock
            )
            await forwarder.start()
            done = await drained(store)
            await forwarder.stop(20)
            assert done.delivered == done.enqueued == 250
            assert set(receiver.seqs) == set(range(1, 251))
            assert min(seq for seq in receiver.seqs if receiver.seqs.count(seq) > 1) >= 31
            keys = [request.headers["idempotency-key"] for request in central.requests]
            # The one on its way when the lane was set back is the one before `begun`: nobody knew its answer.
            assert len(set(keys)) >= len(keys) - 1
            begun = next(n for n, request in enumerate(central.requests) if n > 12 and request.seqs[0] == 31)
            assert keys[begun].endswith("-31-35-r1")

    run(test())


def test_a_new_epoch_among_the_fresh_lines_has_a_chain_of_its_own(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 100, epoch="e0old")

            async def answer(got: Received) -> Answer:
                if len(central.requests) == 1:
                    await enqueue(store, 3, epoch="e0old")
                    await enqueue(store, 20)
                await balanced(store)
                return Answer()

            central.default = answer
            async with forwarding(store, lane(central.url, batch_lines=5, fresh_share=0.5)):
                await drained(store)
            chains: dict[str, list[tuple[int, int]]] = {}
            for request in central.requests:
                for_epoch = chains.setdefault(request.headers["ingestbox-epoch"], [])
                for_epoch.append((int(request.headers["ingestbox-after"]), request.seqs[-1]))
            new = chains[store.identity.epoch]
            assert [after for after, _ in new] == [0, *(last for _, last in new[:-1])]
            assert sorted(central.seqs) == list(range(1, 124))

    run(test())


def test_fresh_lines_that_all_are_rejected_count_like_others(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 100)

            async def answer(got: Received) -> Answer:
                if len(central.requests) == 1:
                    await enqueue(store, 20)
                await balanced(store)
                return rejecting(*got.seqs) if got.seqs[0] > 100 else Answer()

            central.default = answer
            async with forwarding(store, lane(central.url, batch_lines=5, fresh_share=0.3)):
                done = await drained(store)
            assert (done.delivered, done.parked) == (100, 20)

    run(test())
