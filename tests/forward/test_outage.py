"""An upstream that is away for 72 hours while the box goes on taking records, on a clock that the test holds.

`make test` has 5,000 deliveries waiting at the end of the outage, `make soak` 1,000,000.
"""

from __future__ import annotations

import asyncio
import re
import socket
from functools import partial
from pathlib import Path

import pytest

from ingestbox.forward import Forwarder
from ingestbox.store import Store
from tests.forward.support import (
    Answer,
    HeldClock,
    Received,
    Upstream,
    balanced,
    enqueue,
    forwarding,
    lane,
    opened,
    run,
    status,
    until,
    until_async,
)

HOURS = 72
PATIENCE_FOR_ALL = 600.0
MEMORY_MB = 150
"""What a drain may add to the memory that the process had during the outage."""

_SEQ = re.compile(rb'"seq":(\d+),')


class Counting:
    """An upstream that keeps of each batch only whether it was the next one: memory is the box's alone."""

    def __init__(self, server: Upstream) -> None:
        self.next = 1
        self.batches = 0
        self.repeated = 0
        self._server = server
        server.default = self.take

    def take(self, request: Received) -> Answer:
        seqs = [int(found) for found in _SEQ.findall(request.text)]
        self._server.requests.clear()
        if seqs[-1] < self.next:
            self.repeated += 1
            return Answer()
        assert request.headers["ingestbox-after"] == str(self.next - 1)
        assert seqs == list(range(self.next, self.next + len(seqs))), "out of order"
        self.next += len(seqs)
        self.batches += 1
        return Answer()


def memory_mb() -> int:
    """What the process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 // 1_048_576


async def nothing_there(forwarder: Forwarder, clock: HeldClock, hours: int) -> int:
    """Hours go by in which every try finds nobody; how many tries that were."""
    end = clock.now_ms() + hours * 3_600_000
    tries = 0
    while clock.now_ms() < end:
        state = await until(lambda: forwarder.states()[0], "the lane is there")
        assert state.state == "retrying"
        due = state.next_try_ms
        assert due is not None
        assert due - clock.now_ms() <= 300_000, "it tries again within five minutes, for ever"
        clock.advance(max(0.001, (due - clock.now_ms()) / 1000 + 0.001))
        forwarder.wake()
        await until(partial(_tried, forwarder, due), "it tried again")
        tries += 1
    return tries


def _tried(forwarder: Forwarder, due: int) -> bool:
    return forwarder.states()[0].next_try_ms != due


async def outage(folder: Path, pending: int) -> None:
    clock = HeldClock()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, and not listened at
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1/sync/batches"
        async with opened(folder, clock) as store:
            async with forwarding(store, lane(url), clock=clock) as forwarder:
                await enqueue(store, 10)
                forwarder.wake()
                await until(lambda: forwarder.states()[0].state == "retrying", "nobody is there")
                tries = 0
                for _ in range(HOURS // 6):
                    await enqueue(store, (pending - 10) // (HOURS // 6))
                    tries += await nothing_there(forwarder, clock, 6)
                await enqueue(store, (pending - 10) % (HOURS // 6))
                assert HOURS * 12 <= tries <= HOURS * 60, "at most five minutes apart, and no storm"
                found = await status(store)
                assert (found.pending, found.delivered, found.parked) == (pending, 0, 0)
            server = Upstream()
            counting = Counting(server)
            nobody.close()
            before = memory_mb()
            at = url.removesuffix("/v1/sync/batches").rpartition(":")[2]
            listening = await asyncio.start_server(server.serve, "127.0.0.1", int(at))
            async with listening, forwarding(store, lane(url), clock=clock):
                await until_async(
                    lambda: drained(store, counting, pending), "all is delivered", PATIENCE_FOR_ALL
                )
            server.drop()
            assert memory_mb() - before < MEMORY_MB
            assert counting.next == pending + 1
            assert counting.repeated == 0
            found = await status(store)
            assert (found.pending, found.delivered, found.parked) == (0, pending, 0)
            await balanced(store)


async def drained(store: Store, counting: Counting, pending: int) -> bool:
    """Asked often: the store only once the upstream has everything."""
    if counting.next <= pending:
        return False
    return (await status(store)).pending == 0


def test_three_days_without_an_upstream_and_then_everything_in_order(tmp_path: Path) -> None:
    run(outage(tmp_path, 5_000))


@pytest.mark.soak
def test_a_million_deliveries_wait_three_days_and_arrive_in_order(tmp_path: Path) -> None:
    run(outage(tmp_path, 1_000_000))
