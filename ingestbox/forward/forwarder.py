"""All lanes of the box: started together, woken together, each in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random, SystemRandom

from ingestbox import config
from ingestbox.clock import Clock
from ingestbox.forward.backoff import Backoff
from ingestbox.forward.lane import LaneRunner
from ingestbox.forward.sinks import open_sink, shown_url
from ingestbox.forward.state import LaneState, Observe, Outcome
from ingestbox.model import LaneTest
from ingestbox.store import Store
from ingestbox.store.lanes import OpenLane, Takes, open_lanes


class _Nobody:
    """Hears nothing."""

    def sent(self, lane: str, outcome: Outcome) -> None:
        pass

    def delivered(self, lane: str, lines: int, parked: int) -> None:
        pass


class Forwarder:
    """The lanes as configured; one that is slow or paused does not hold up another."""

    def __init__(
        self,
        store: Store,
        lanes: Sequence[config.Lane],
        *,
        clock: Clock,
        random: Random | None = None,
        observe: Observe | None = None,
    ) -> None:
        """Raises StartupError for a lane whose URL or token cannot be used."""
        hears = observe or _Nobody()
        source = random or SystemRandom()
        self._store = store
        self._clock = clock
        self._takes = [
            Takes(lane.families, lane.kinds, lane.workspaces, lane.ops, lane.relay) for lane in lanes
        ]
        self._sinks = [open_sink(lane, clock, store.identity.box) for lane in lanes]
        self._runners = [
            LaneRunner(
                store, lane, shown_url(lane.url), sink, clock, Backoff(lane.backoff_seconds, source), hears
            )
            for lane, sink in zip(lanes, self._sinks, strict=True)
        ]
        self._lanes = {runner.state.name: runner for runner in self._runners}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Opens the lanes' rows and starts sending. Raises IngestError when the store cannot be written."""
        rows = [
            OpenLane(runner.state.name, runner.state.url, takes)
            for runner, takes in zip(self._runners, self._takes, strict=True)
        ]
        held = await open_lanes(self._store, rows, self._clock.now_ms())
        for runner in self._runners:
            if runner.state.name in held:
                runner.hold()
        self._tasks = [
            asyncio.create_task(runner.run(), name=f"lane-{runner.state.name}") for runner in self._runners
        ]

    def wake(self) -> None:
        """New deliveries were settled; cheap, to be called on the loop as often as one likes."""
        for runner in self._runners:
            runner.wake()

    def reread(self) -> None:
        """Lines that are not delivered yet are others now: what was read ahead of them counts no more."""
        for runner in self._runners:
            runner.reread()

    def hold(self, name: str) -> None:
        """A person has put a lane on hold: what is on its way arrives, nothing else is sent."""
        self._lanes[name].hold()

    def release(self, name: str) -> None:
        """The lane goes on, and tries at once."""
        self._lanes[name].release()

    def moved(self, name: str) -> None:
        """The lane's row says another place now (a replay): it goes on from there."""
        self._lanes[name].moved()

    def again(self, name: str) -> None:
        """A person wants refused lines of the lane sent again; as cheap as `wake`."""
        self._lanes[name].again()

    async def test(self, name: str) -> LaneTest:
        """Knocks at a lane's upstream; the lane goes on as it is."""
        return await self._sinks[list(self._lanes).index(name)].test()

    async def stop(self, deadline: float) -> None:
        """Lets batches on their way finish for up to `deadline` seconds, then breaks them off.

        What was broken off is sent again at the next start; the upstream takes it once.
        """
        for runner in self._runners:
            runner.ask_to_stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=deadline)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for sink in self._sinks:
            await sink.close()

    def states(self) -> list[LaneState]:
        """How each configured lane is, in the order of the configuration."""
        return [runner.state for runner in self._runners]
