"""Whatever order lines come in, cut and repeated: gaps are found and heal, and the newest word stands."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestbox.model import delivery_digest
from ingestbox.store import chain, senders
from ingestbox.store.chain import Hole, Link, cover
from ingestbox.store.senders import LEFT_BEHIND_MS
from tests.forward.support import HeldClock, opened, ticket_line
from tests.forward.test_receiver import Central

T = TypeVar("T")

_boxes = (f"box{number}" for number in itertools.count(1))
LIGHT = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


class Held:
    """A central box for all examples of this module; each example is about boxes of its own."""

    def __init__(self, runner: asyncio.Runner, central: Central, clock: HeldClock) -> None:
        self._runner = runner
        self.central = central
        self.clock = clock

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    clock = HeldClock()
    stack = AsyncExitStack()
    with asyncio.Runner() as runner:
        store = runner.run(stack.enter_async_context(opened(tmp_path_factory.mktemp("central"), clock)))
        yield Held(runner, Central(store), clock)
        runner.run(stack.aclose())


async def send(
    central: Central, box: str, name: str, after: int, lines: list[dict[str, Any]], until: int = 0
) -> dict[str, Any]:
    """A batch of a lane; with `until` it ends there, by a skip if no line of the lane does."""
    if until and (not lines or lines[-1]["seq"] < until):
        lines = [*lines, {"box": box, "epoch": "e1", "seq": until, "op": "skip"}]
    headers = {"ingestbox-box": box, "ingestbox-lane": name}
    return await central.send(lines, after=after, headers=headers)


@st.composite
def journeys(draw: st.DrawFn) -> tuple[dict[str, list[int]], list[tuple[str, int, int]]]:
    """Lanes with the seqs that each has (filters leave holes), and batches of them in the order of arrival:
    (lane, from, to) in the lane's own list; some are lost, some come twice, some ahead of their turn."""
    newest = draw(st.integers(1, 40))
    lanes = {}
    for name in draw(st.sampled_from((["one"], ["one", "two"], ["one", "two", "three"]))):
        seqs = sorted(draw(st.sets(st.integers(1, newest), min_size=1)))
        lanes[name] = seqs
    cut = []
    for name, seqs in lanes.items():
        edges = sorted(draw(st.sets(st.integers(1, len(seqs)), max_size=8)) | {0, len(seqs)})
        cut += [(name, start, end) for start, end in itertools.pairwise(edges)]
        more = draw(st.lists(st.tuples(st.integers(0, len(seqs) - 1), st.integers(1, 9)), max_size=3))
        cut += [(name, start, min(start + size, len(seqs))) for start, size in more]
    sent = draw(st.permutations(cut))
    return lanes, [each for each in sent if draw(st.integers(0, 3))]


@LIGHT
@given(journey=journeys())
def test_gaps_are_found_and_heal_and_nothing_counts_twice(
    held: Held, journey: tuple[dict[str, list[int]], list[tuple[str, int, int]]]
) -> None:
    lanes, sent = journey
    box = next(_boxes)

    def line(seq: int) -> dict[str, Any]:
        return ticket_line(box, "e1", seq)

    async def test() -> None:
        central, accepted, came = held.central, 0, 0
        for name, start, end in sent:
            seqs = lanes[name]
            after = seqs[start - 1] if start else 0
            reply = await send(central, box, name, after, [line(seq) for seq in seqs[start:end]])
            accepted, came = accepted + reply["accepted"], came + end - start
            assert reply["accepted"] + reply["duplicate"] == end - start
        # Every lane's last batch again, as a lane sends it that lost the answer; then all that is missing.
        for name, seqs in lanes.items():
            reply = await send(central, box, name, seqs[-2] if len(seqs) > 1 else 0, [line(seqs[-1])])
            accepted += reply["accepted"]
            for _ in range(200):
                if not reply["missing"]:
                    break
                after, first = reply["missing"][0]
                wanted = [line(seq) for seq in seqs if after < seq < first]
                reply = await send(central, box, name, after, wanted[:7], 0 if len(wanted) > 7 else first - 1)
                accepted += reply["accepted"]
            assert reply["missing"] == []
        everything = {seq for seqs in lanes.values() for seq in seqs}
        assert accepted == len(everything)
        (found,) = [each for each in await central.boxes() if each["box"] == box]
        assert (found["last_seq"], found["gaps"], found["reused"]) == (max(everything), [], 0)
        assert {(each["lane"], each["last_seq"]) for each in found["lanes"]} == {
            (name, seqs[-1]) for name, seqs in lanes.items()
        }

    held.run(test())


@LIGHT
@given(
    told=st.lists(
        st.tuples(
            st.sampled_from("AB"),  # the object
            st.integers(1, 6),  # its version
            st.sampled_from(("put", "put", "delete")),
            st.sampled_from(("e1", "e2", "e3")),
            st.booleans(),  # passed on by another box
        ),
        max_size=30,
    )
)
def test_the_newest_word_stands_in_whatever_order_it_comes(
    held: Held, told: list[tuple[str, int, str, str, bool]]
) -> None:
    box, region = next(_boxes), next(_boxes)
    seqs = itertools.count(1)
    ranks: dict[str, int] = {}
    model: dict[str, tuple[int, int, str]] = {}

    async def test() -> None:
        for name, version, op, epoch, relayed in told:
            rank = ranks.setdefault(epoch, len(ranks))
            if (rank, version) > model.get(name, (-1, 0, ""))[:2]:
                model[name] = (rank, version, op)
            by = (region, "r1") if relayed else (box, epoch)
            members: dict[str, Any] = {"origin": box, "origin_epoch": epoch} if relayed else {}
            line = ticket_line(*by, next(seqs), version=version, object_id=f"{box}-{name}", op=op, **members)
            if op == "delete":
                del line["record"], line["result"]
                line["hash"] = delivery_digest(b"", b"")
            reply = await held.central.send([line], headers={"ingestbox-box": by[0]})
            assert reply["accepted"] == 1
            stands = await held.central.tickets()
            assert {key: stands[key] for key in stands if key.startswith(f"{box}-")} == {
                f"{box}-{key}": version for key, (_, version, op) in model.items() if op == "put"
            }

    held.run(test())


def test_a_chain_in_too_many_pieces_is_kept_in_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MOST_HOLES", 5)
    tip, holes = 0, list[Hole]()
    for seq in range(2, 41, 2):
        tip, holes = cover(tip, holes, Link("x", seq - 1, seq, seq))
        assert len(holes) <= 5
        missing = {each for hole in holes for each in range(hole.after + 1, hole.until + 1)}
        assert missing >= set(range(1, seq, 2)), "what did not come is asked for"
    # All that is asked for comes: nothing is left, at once or piece by piece.
    while holes:
        hole = holes[-1]
        tip, holes = cover(tip, holes, Link("x", hole.after, hole.after + 1, hole.until))
    assert tip == 40


def test_a_gap_is_as_old_as_the_last_news_of_it(held: Held) -> None:
    box = next(_boxes)

    async def gaps() -> list[tuple[int, int, int]]:
        found = await senders.senders(held.central.store)
        return [
            (gap.after, gap.first, gap.since_ms) for each in found if each.box == box for gap in each.gaps
        ]

    async def sent(*seqs: int) -> None:
        held.clock.advance(60)
        await send(held.central, box, "one", seqs[0] - 1, [ticket_line(box, "e1", seq) for seq in seqs])

    async def test() -> None:
        await sent(1)
        await sent(10)
        noticed = held.clock.now_ms()
        await sent(11)
        assert await gaps() == [(1, 10, noticed)]
        await sent(20)
        assert await gaps() == [(1, 10, noticed), (11, 20, held.clock.now_ms())]
        await sent(2, 3)  # it is being filled
        assert await gaps() == [(3, 10, held.clock.now_ms()), (11, 20, held.clock.now_ms() - 60_000)]

    held.run(test())


def test_a_lane_that_its_box_has_no_more_is_left_behind(held: Held) -> None:
    box = next(_boxes)

    async def lanes() -> dict[str, tuple[bool, int]]:
        (found,) = [each for each in await held.central.boxes() if each["box"] == box]
        return {each["lane"]: (each["left_behind"], len(each["gaps"])) for each in found["lanes"]}

    async def test() -> None:
        await send(held.central, box, "old", 4, [ticket_line(box, "e1", 5)])
        # Nothing comes at all for long: that box is away, and so is each of its lanes.
        held.clock.advance(2 * LEFT_BEHIND_MS / 1000)
        assert await lanes() == {"old": (False, 1)}
        await send(held.central, box, "new", 0, [ticket_line(box, "e1", seq) for seq in range(1, 7)])
        assert await lanes() == {"new": (False, 0), "old": (True, 1)}
        (found,) = [each for each in await held.central.boxes() if each["box"] == box]
        assert (found["last_seq"], found["gaps"]) == (6, [[0, 5]])
        # It comes back to life with its next batch.
        await send(held.central, box, "old", 5, [ticket_line(box, "e1", 6)])
        assert await lanes() == {"new": (False, 0), "old": (False, 1)}

    held.run(test())
