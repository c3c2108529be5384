"""How long after the bell does work start, and how many jobs pass in a second: `python benchmarks/bell.py`.

The floor in the same run is a bare hand-over to a thread and back to the loop, which any queue with
threads pays.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue

import uvloop

from ingestbox.workqueue import Bell

ROUNDS = 5
SINGLES = 200
"""Rings of a round that find the bell at rest."""
BURST = 1000
"""Rings of a round at once."""


async def floor() -> list[float]:
    """Seconds from a put on the loop, through a thread, to a callback on the loop."""
    loop = asyncio.get_running_loop()
    queue: SimpleQueue[asyncio.Event | None] = SimpleQueue()

    def carry() -> None:
        while (event := queue.get()) is not None:
            loop.call_soon_threadsafe(event.set)

    thread = threading.Thread(target=carry)
    thread.start()
    seconds = []
    for _ in range(SINGLES):
        event = asyncio.Event()
        began = time.perf_counter()
        queue.put(event)
        await event.wait()
        seconds.append(time.perf_counter() - began)
    queue.put(None)
    await asyncio.to_thread(thread.join)
    return seconds


async def bell(folder: Path) -> tuple[list[float], float]:
    """Seconds from a ring to the start of work, at rest; and jobs per second in a burst."""
    started: asyncio.Queue[float] = asyncio.Queue()

    async def work(job_id: int) -> None:
        started.put_nowait(time.perf_counter())

    async def due(limit: int) -> Sequence[int]:
        return ()

    box = Bell(folder / "bell.db", work=work, due=due, workers=4, sweep_seconds=5.0)
    await box.start()
    seconds = []
    for job_id in range(SINGLES):
        began = time.perf_counter()
        box.ring(job_id)
        seconds.append(await started.get() - began)
    began = time.perf_counter()
    for job_id in range(BURST):
        box.ring(job_id)
    for _ in range(BURST):
        await started.get()
    rate = BURST / (time.perf_counter() - began)
    await box.stop(1.0)
    return seconds, rate


def main() -> None:
    floors, bells, rates = [], [], []
    for _ in range(ROUNDS):
        with (
            tempfile.TemporaryDirectory() as folder,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            floors.append(statistics.median(runner.run(floor())))
            seconds, rate = runner.run(bell(Path(folder)))
            bells.append(statistics.median(seconds))
            rates.append(rate)
    low, high, rate = (statistics.median(values) for values in (floors, bells, rates))
    print(f"bell to start: {high * 1000:.2f} ms (floor, a bare thread hand-over: {low * 1000:.2f} ms)")
    print(f"ratio: {high / low:.1f}; a burst of {BURST}: {rate:,.0f} jobs/s; medians of {ROUNDS} rounds")


if __name__ == "__main__":
    main()
