"""Each thing that an upstream can do wrong, and after it: nothing lost, one effect each, in order, all
accounted for, and no memory taken by it."""

from __future__ import annotations

import email.utils
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.forward.support import (
    START_MS,
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
    until_async,
    upstream,
)

LINES = 1_000
IN_A_BATCH = 250
MEMORY = 24 * 1_048_576
"""Bytes that a fault may cost at its height, beside the batches in hand."""


class Ledger:
    """What an upstream has: each line that it took, in the order in which it took them first."""

    def __init__(self, server: Upstream, fault: Fault) -> None:
        self.taken: list[int] = []
        self.met = 0
        self._fault = fault
        self._known: set[int] = set()
        server.default = self._answer

    def _answer(self, request: Received) -> Answer:
        number, self.met = self.met, self.met + 1
        answer = self._fault.answer(number, request)
        if answer is None:
            self._take(request)
            return Answer()
        if answer.status < 300:
            self._take(request)  # what goes wrong is the answer alone
        return answer

    def _take(self, request: Received) -> None:
        for line in request.lines:
            if line["op"] != "skip" and line["seq"] not in self._known:
                self._known.add(line["seq"])
                self.taken.append(line["seq"])


Plan = Callable[[int, Received], Answer | None]


@dataclass(frozen=True)
class Fault:
    """What goes wrong: `answer(number of the request, request)`, None where all is well; `parked` are the
    seqs that end so."""

    name: str
    answer: Plan
    parked: Sequence[int] = ()
    settings: dict[str, Any] = field(default_factory=dict)


def first(*answers: Answer) -> Plan:
    """These answers to the first requests, one each."""
    return lambda number, _: answers[number] if number < len(answers) else None


def poisoned(status: int, *seqs: int) -> Plan:
    """Refuses whatever holds one of these lines."""

    def answer(_: int, request: Received) -> Answer | None:
        bad = set(seqs) & {line["seq"] for line in request.lines if line["op"] != "skip"}
        return Answer(status, b'{"code": "no_customer", "detail": "Unknown here."}') if bad else None

    return answer


def larger(lines: int) -> Plan:
    """Takes no more than so many lines at once."""
    return lambda _, request: Answer(413) if len(request.lines) > lines else None


IN_A_MINUTE = email.utils.formatdate(START_MS / 1000 + 60, usegmt=True)

SOME = (1, 400, 401, LINES)

FAULTS = [
    Fault("500", first(*[Answer(500)] * 5)),
    Fault("Retry-After in seconds", first(Answer(503, headers={"retry-after": "120"}))),
    Fault("Retry-After as a date", first(Answer(429, headers={"retry-after": IN_A_MINUTE}))),
    Fault("301", first(*[Answer(301, headers={"location": "http://127.0.0.1:9/"})] * 2)),
    Fault("401, then let in", first(*[Answer(401)] * 3)),
    Fault("400 for one record of 500", poisoned(400, 123), (123,), settings={"batch_lines": 500}),
    Fault(
        "422 for the first, two in a row and the last",
        poisoned(422, 1, 400, 401, LINES),
        (1, 400, 401, LINES),
    ),
    Fault("413 above a hundred lines", larger(100)),
    Fault("an answer that is cut", first(Answer(200, b'{"accepted": 250}', cut=40))),
    Fault("an answer that stops in its body", first(Answer(200, b'{"rejected": [{"seq"', framed=False))),
    Fault("an answer that never ends", first(Answer(200, endless=True), Answer(500, endless=True))),
    Fault("a connection that breaks", first(*[Answer(200, cut=0)] * 3)),
    Fault("a 200 of some other server", first(Answer(200, b"<html>ok</html>"))),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_nothing_is_lost_or_doubled_or_out_of_order(tmp_path: Path, fault: Fault) -> None:
    async def check() -> None:
        clock = HeldClock()
        settings: dict[str, Any] = {"batch_lines": IN_A_BATCH, **fault.settings}
        async with opened(tmp_path, clock) as store, upstream() as server:
            ledger = Ledger(server, fault)
            await enqueue(store, LINES)
            tracemalloc.start()
            try:
                async with forwarding(store, lane(server.url, **settings), clock=clock) as forwarder:

                    async def decided() -> bool:
                        clock.advance(1.0)  # pauses pass; no fault may be met by waiting for ever
                        forwarder.wake()
                        return (await status(store)).pending == 0

                    await until_async(decided, f"all is decided: {fault.name}")
                _, height = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            wanted = [seq for seq in range(1, LINES + 1) if seq not in fault.parked]
            assert ledger.taken == wanted, "lost, doubled or out of order"
            found = await status(store)
            assert (found.delivered, found.parked) == (len(wanted), len(fault.parked))
            assert [row[0] for row in await store.read("deliveries.parked_among", _ALL)] == (
                ["central"] * len(fault.parked)
            )
            await balanced(store)
            assert height < MEMORY

    run(check())


def test_an_upstream_that_refuses_everything_costs_twenty_lines_and_a_pause(tmp_path: Path) -> None:
    async def check() -> None:
        clock = HeldClock()
        refusing = True

        def answer(_: int, __: Received) -> Answer | None:
            return Answer(400, b"schema 7 is required") if refusing else None

        async with opened(tmp_path, clock) as store, upstream() as server:
            ledger = Ledger(server, Fault("everything", answer))
            await enqueue(store, LINES)
            async with forwarding(store, lane(server.url), clock=clock) as forwarder:

                async def paused() -> bool:
                    clock.advance(1.0)
                    forwarder.wake()
                    return forwarder.states()[0].state == "paused"

                await until_async(paused, "the lane pauses")
                found = await status(store)
                assert found.parked <= 20
                assert found.pending == LINES - found.parked, "nothing else is given up"
                refusing = False

                async def decided() -> bool:
                    clock.advance(60.0)
                    forwarder.wake()
                    return (await status(store)).pending == 0

                await until_async(decided, "the lane goes on")
                parked = (await status(store)).parked
            assert ledger.taken == list(range(parked + 1, LINES + 1))
            await balanced(store)

    run(check())


@pytest.mark.parametrize("days", [400, -400])
def test_a_clock_that_jumps_loses_nothing_and_keeps_the_order(tmp_path: Path, days: int) -> None:
    async def check() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as server:
            ledger = Ledger(server, Fault("two failures", first(Answer(503), Answer(503))))
            await enqueue(store, LINES)
            async with forwarding(store, lane(server.url, schedule="every 10 s"), clock=clock) as forwarder:

                async def failed() -> bool:
                    clock.advance(0.1)
                    forwarder.wake()
                    return ledger.met > 0

                await until_async(failed, "the first try failed")
                clock.wall_ms += days * 86_400_000  # the wall clock alone: pauses are the monotonic one's

                async def decided() -> bool:
                    clock.advance(1.0)
                    forwarder.wake()
                    return (await status(store)).pending == 0

                await until_async(decided, "all is delivered")
            assert ledger.taken == list(range(1, LINES + 1))

    run(check())


_ALL = {"lane": "central", "first": 0, "last": 1 << 60}
