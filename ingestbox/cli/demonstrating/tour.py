"""The tour: two boxes, the sample records on their way through both, and where to look then."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2

from ingestbox import samples
from ingestbox.cli.demonstrating.boxes import BoxFailed, DemoBox
from ingestbox.cli.demonstrating.repair import Repair
from ingestbox.cli.demonstrating.screen import Counts, Screen
from ingestbox.cli.demonstrating.searching import Knowledge
from ingestbox.cli.demonstrating.selecting import Selection
from ingestbox.model import Role

LANE = "central"
STATS = "/v1/stats?all=true"
PACE_SECONDS = 0.25
"""Between two batches, so that people see the records move."""

LOOK_SECONDS = 0.2
"""Between two looks at how far the records are."""

TRICKLE_SECONDS = 2.0
PATIENCE_SECONDS = 90.0
"""How long nothing may move before the demo gives up."""

# What is personal in articles stays on the edge box.
HIDING: dict[str, object] = {"knowledge": "redact-before-forwarding"}

# A lane that notices soon that its upstream has gone or is back; at a site it waits longer.
QUICK = {"timeout_seconds": 2.0, "backoff_seconds": 0.5, "probe_seconds": 1.0}


class Tour:
    """Goes through the boxes in `folder`, which it starts and `stop` ends."""

    def __init__(self, folder: Path, screen: Screen, *, port: int, once: bool) -> None:
        """`port` is the edge box's, the central one's is the next; 0 stands for free ones."""
        self._folder = folder
        self._screen = screen
        self._ports = (port, port + 1 if port else 0)
        self._once = once
        self.edge = DemoBox("edge", folder)
        self.central = DemoBox("central", folder)
        self.arrived = False
        """Whether every sample has come to the central box."""

    async def go(self) -> None:
        """The whole tour. With `once` it ends when all has arrived, else it goes on. Raises BoxFailed."""
        await self._start()
        failing = [asyncio.create_task(box.ended()) for box in (self.edge, self.central)]
        showing = asyncio.create_task(self._show())
        try:
            done, _ = await asyncio.wait((showing, *failing), return_when=asyncio.FIRST_COMPLETED)
            if showing in done and isinstance(showing.exception(), httpx2.TransportError):
                # A box that dies is first seen as one that does not answer.
                done, _ = await asyncio.wait(failing, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
            for ended in failing:
                if ended in done:
                    raise ended.result()
            await showing
        except httpx2.TransportError as error:
            raise BoxFailed(f"A box does not answer: {error or type(error).__name__}.") from None
        finally:
            for task in (showing, *failing):
                task.cancel()
            await asyncio.gather(showing, *failing, return_exceptions=True)

    async def stop(self) -> None:
        """Ends both boxes."""
        await asyncio.gather(self.edge.stop(), self.central.stop())

    async def _start(self) -> None:
        say = self._screen.say
        say(f"An edge box and a central box, in {self._folder}", strong=True)
        say()
        await self.central.start({}, self._ports[1])
        say(f"  central  {self.central.url}")
        token = await self.central.make_key("edge", Role.FORWARDER)
        lane = {"name": LANE, "url": f"{self.central.url}/v1/sync/batches", "token": token, **QUICK}
        await self.edge.start({"[[lanes]]": lane, "pii": HIDING}, self._ports[0])
        say(f"  edge     {self.edge.url}  forwards to the central box")
        say()

    async def _show(self) -> None:
        total = 0
        for sample in samples.SAMPLES:
            every = samples.records(sample.file)
            total += len(every)
            self._screen.say(
                f"Sending {len(every)} records of {sample.family} to POST {sample.path}", strong=True
            )
        self._screen.say()
        with self._screen.bars(total):
            sending = asyncio.create_task(self._send())
            try:
                await self._arrive(total, sending)
                await sending
            finally:
                sending.cancel()
        self._screen.say()
        self._screen.say("Some of them, as the central box has them", strong=True)
        self._screen.say()
        await self._look()
        for file in samples.FILES:
            await Repair(self.edge, self.central, self._screen, file).go()
        for uploads in samples.UPLOADS:
            await Selection(self.edge, self.central, self._screen, uploads).go()
        for articles in samples.ARTICLES:
            await Knowledge(self.edge, self.central, self._screen, articles).go()
        self.arrived = True
        if self._once:
            return
        for line in self._where_to_look():
            self._screen.say(line, strong=bool(line) and not line.startswith(" "))
        with self._screen.status():
            await asyncio.gather(self._trickle(), self._watch())

    async def _send(self) -> None:
        for sample in samples.SAMPLES:
            for number, (_, body) in enumerate(samples.bodies(sample)):
                key = {"Idempotency-Key": f"demo-{sample.family}-{number}"}
                await self.edge.post(sample.path, body, **key)
                if not self._once:
                    await asyncio.sleep(PACE_SECONDS)

    async def _arrive(self, total: int, sending: asyncio.Task[None]) -> None:
        loop = asyncio.get_running_loop()
        last, since = (-1, -1, -1, -1), loop.time()
        while last != (total,) * 4:
            counts, lane = await self._counts()
            if counts != last:
                last, since = counts, loop.time()
                self._screen.progress(counts)
            elif loop.time() - since > PATIENCE_SECONDS:
                raise BoxFailed(f"Nothing has moved for {PATIENCE_SECONDS:g} s; the lane is {lane}.")
            if sending.done():
                sending.result()
            await asyncio.sleep(LOOK_SECONDS)

    async def _counts(self) -> tuple[Counts, str]:
        """How far the records are, and how the lane is."""
        edge, lane = await self._edge()
        return (*edge, await self._applied()), lane

    async def _edge(self) -> tuple[tuple[int, int, int], str]:
        found = await self.edge.get(STATS)
        lane = found["lanes"][0]
        return (found["records"], found["processed"], lane["delivered"]), lane_state(lane)

    async def _applied(self) -> int:
        found = await self.central.get(STATS)
        return sum(int(each["count"]) for each in found["objects"] if each["remote"])

    async def _look(self) -> None:
        """Some of the records, as they lie on the central box."""
        for sample in samples.SAMPLES:
            found = [await self.central.get(f"{sample.look}/{key}") for key in sample.shown]
            rows = [
                (key, *(each.get(field) for field in sample.fields))
                for key, each in zip(sample.shown, found, strict=True)
            ]
            self._screen.table((sample.key, *sample.fields), rows)

    async def _trickle(self) -> None:
        """One more record every now and then, round about the families."""
        turns = [(sample, samples.again(sample)) for sample in samples.SAMPLES]
        while True:
            for sample, bodies in turns:
                await asyncio.sleep(TRICKLE_SECONDS)
                body = next(bodies)
                while True:
                    try:
                        await self.edge.post(sample.path, body)
                        break
                    except httpx2.TransportError:  # somebody tries what happens when a box stands still
                        await asyncio.sleep(TRICKLE_SECONDS)

    async def _watch(self) -> None:
        edge, applied, lane = (0, 0, 0), 0, ""
        while True:
            # Either may have been told to stand still; then the last that was heard is shown.
            try:
                edge, lane = await self._edge()
            except httpx2.TransportError:
                lane = "unknown: the edge box does not answer"
            with contextlib.suppress(httpx2.TransportError):
                applied = await self._applied()
            self._screen.now((*edge, applied), lane)
            await asyncio.sleep(1.0)

    def _where_to_look(self) -> Iterator[str]:
        shown = next(sample for sample in samples.SAMPLES if sample.shown)
        yield ""
        yield "Where to look"
        yield ""
        yield f"  edge     {self.edge.url}/docs"
        yield f"  central  {self.central.url}/docs"
        yield f"  logs     {self._folder}/edge.log, central.log"
        yield ""
        yield "In another shell"
        yield ""
        yield f"  EDGE={self.edge.url}"
        yield f"  EDGE_KEY={self.edge.key}"
        yield f"  CENTRAL={self.central.url}"
        yield f"  CENTRAL_KEY={self.central.key}"
        yield f'  curl -s "$CENTRAL{shown.look}?limit=3" -H "X-API-Key: $CENTRAL_KEY"'
        yield f'  curl -s "$EDGE{shown.look}/{shown.shown[0]}" -H "X-API-Key: $EDGE_KEY"'
        yield '  curl -s "$CENTRAL/contacts?all=true&limit=3" -H "X-API-Key: $CENTRAL_KEY"'
        yield '  curl -s "$EDGE/api/audience/segments?all=true" -H "X-API-Key: $EDGE_KEY"'
        yield (
            '  curl -s "$CENTRAL/knowledge-management/search" -H "X-API-Key: $CENTRAL_KEY" '
            '-d \'{"query":"blood pressure"}\''
        )
        yield f"  ingestbox status --data {self.edge.data}"
        yield f"  kill -STOP {self.central.pid}   # the central box stands still, and the lane waits for it"
        yield f"  kill -CONT {self.central.pid}   # it goes on, and what has waited arrives"
        yield ""
        yield "One more record comes every two seconds. Ctrl-C ends it"
        yield ""


def lane_state(lane: dict[str, Any]) -> str:
    """A lane's state, with its reason and how many deliveries wait."""
    reason = f" ({lane['reason']})" if lane["reason"] else ""
    waiting = f", {lane['pending']:,} waiting" if lane["pending"] > 1 else ""
    return f"{lane['state']}{reason}{waiting}"
