"""A lane that is sent back: what goes again, what does not, and that the sums stay right."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ingestbox.errors import IngestError
from ingestbox.store import Store, lanes
from ingestbox.store.lanes import (
    Advance,
    HoldLane,
    MarkFresh,
    Replayed,
    Takes,
    counting,
    replay,
    replays,
)
from ingestbox.store.parked import DecideParked, SentAgain
from ingestbox.store.unit import Tx
from tests.store.laning import (
    ACT,
    CONTACT,
    TICKET,
    drain,
    first_time,
    make,
    numbers,
    parked,
    start,
    status,
    step,
)
from tests.store.support import with_store
from tests.store.test_lanes import AUDIT, Do


def check(folder: Path, body: Callable[[Store], Awaitable[None]]) -> None:
    with_store(folder, body)


async def purge(store: Store, *seqs: int) -> None:
    """What is old enough goes."""

    def work(tx: Tx) -> None:
        for seq in seqs:
            tx._connection.execute("DELETE FROM deliveries WHERE seq = ?", (seq,))

    await store.write(Do(work))


def test_a_lane_goes_back_and_delivers_again_but_for_what_it_parked(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central", "other", families=["feedback"])
        await make(store, *[TICKET, CONTACT] * 5)  # 1 3 5 7 9
        await step(store, lines=4, park=[3])
        await drain(store, "other")
        assert await numbers(store) == (5, 3, 1, 1, 0)
        done = await replay(store, "central", ACT, from_seq=2)
        assert done == Replayed("central", wanted=2, from_seq=2, until=7, lines=2, purged=0)
        assert await numbers(store) == (5, 1, 3, 1, 0)
        assert (await status(store)).pending_bytes == 36
        place = await lanes.position(store, "central")
        assert (place.cursor, place.replays, place.replay_until, place.chain_seq) == (1, 1, 7, 1)
        assert (await status(store)).replay_until == 7
        assert await drain(store, lines=2) == [5, 7, 9]
        assert await numbers(store) == (5, 4, 0, 1, 0)
        assert (await status(store)).replay_until is None
        assert await numbers(store, "other") == (5, 5, 0, 0, 0)

    check(tmp_path, body)


def test_twice_in_a_row_and_on_hold(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central")
        await make(store, *[TICKET] * 10)
        await drain(store)
        await store.write(HoldLane("central", ACT))
        assert (await replay(store, "central", ACT, from_seq=6)).lines == 5
        assert (await replay(store, "central", ACT, from_seq=4)).lines == 2
        nothing = await replay(store, "central", ACT, from_seq=4)  # that is where it is
        assert nothing == Replayed("central", 4, None, 3, 0, 0)
        place = await lanes.position(store, "central")
        assert (place.cursor, place.replays, place.replay_until) == (3, 2, 10)
        assert await numbers(store) == (10, 3, 7, 0, 0)
        assert (await status(store)).state == "paused"
        assert await drain(store) == [4, 5, 6, 7, 8, 9, 10]
        trail = [row for row in await store.read("audit.page_everywhere", AUDIT) if row[4] == "lane.replay"]
        assert [(row[3], row[6], row[8]) for row in reversed(trail)] == [
            ("local:ann", "central", b'{"from_seq":"6","until_seq":"10","lines":5,"purged":0}'.decode()),
            ("local:ann", "central", b'{"from_seq":"4","until_seq":"5","lines":2,"purged":0}'.decode()),
        ]

    check(tmp_path, body)


def test_a_refused_line_that_is_taken_before_the_lane_comes_to_it_again(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central", families=["feedback", "contacts"])
        await make(store, *[TICKET, CONTACT] * 3)
        await step(store, park=[1, 3, 4])
        await start(store, "central", families=["feedback"])
        await replay(store, "central", ACT, from_seq=2)
        assert await numbers(store) == (6, 2, 1, 3, 0)
        await store.write(DecideParked("central", [1, 3, 4], "again", ACT))
        await store.write(SentAgain("central", [1, 3, 4], [], 2))  # the lane takes no 4 any more
        assert await numbers(store) == (6, 4, 2, 0, 0)
        assert await drain(store) == [3, 5]
        assert await numbers(store) == (6, 6, 0, 0, 0)

    check(tmp_path, body)


def test_what_lies_ahead_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central")
        await make(store, *[TICKET] * 4)
        await step(store, lines=2)
        before = await lanes.position(store, "central")
        for wanted in (4, 99):
            with pytest.raises(IngestError, match="validation_failed") as refused:
                await replay(store, "central", ACT, from_seq=wanted)
            assert refused.value.faults[0].field == "from_seq"
        with pytest.raises(IngestError, match="not_found"):
            await replay(store, "nobody", ACT, from_seq=1)
        assert (await replay(store, "central", ACT, from_seq=3)).from_seq is None
        assert await lanes.position(store, "central") == before

    check(tmp_path, body)


def test_what_is_gone_stays_delivered(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central", families=["feedback"])
        await make(store, *[TICKET, CONTACT] * 5)
        await step(store, park=[1])
        await purge(store, 2, 3, 4, 6)  # what is parked stays
        done = await replay(store, "central", ACT, from_seq=2)
        assert done == Replayed("central", wanted=2, from_seq=5, until=10, lines=3, purged=4)
        assert (await lanes.position(store, "central")).cursor == 4
        assert await numbers(store) == (5, 1, 3, 1, 0)
        assert await drain(store) == [5, 7, 9]
        assert await numbers(store) == (5, 4, 0, 1, 0)
        await purge(store, 5, 7, 8, 9, 10)
        done = await replay(store, "central", ACT, from_seq=2)
        assert done == Replayed("central", wanted=2, from_seq=None, until=10, lines=0, purged=9)

    check(tmp_path, body)


def test_from_a_time_also_when_the_clock_jumped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "PAGE", 2)

    async def body(store: Store) -> None:
        await start(store, "central")
        for at_ms in (100, 100, 200, 900, 150, 300, 300):  # the fourth when the clock was ahead
            await make(store, TICKET, at_ms=at_ms)
        await drain(store)
        found = {}
        for since in (0, 100, 101, 250, 901):
            found[since] = (await replay(store, "central", ACT, from_ms=since)).from_seq
            await drain(store)
        assert found == {0: 1, 100: 1, 101: 3, 250: 4, 901: None}
        assert await numbers(store) == (7, 7, 0, 0, 0)

    check(tmp_path, body)


def test_a_lane_that_works_from_both_ends_ends_that(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central", families=["feedback"])
        await make(store, *[TICKET, CONTACT] * 10)
        await step(store, lines=3)  # 1 3 5
        assert await store.write(MarkFresh("central")) == 21
        assert await store.write(MarkFresh("central")) is None
        await make(store, *[TICKET, CONTACT] * 4)
        assert await ahead(store, lines=2, park=[23]) == (21, 23)
        assert await numbers(store) == (14, 4, 9, 1, 0)
        assert (await lanes.position(store, "central")).cursor == 5
        done = await replay(store, "central", ACT, from_seq=3)
        assert done == Replayed("central", wanted=3, from_seq=3, until=23, lines=3, purged=0)
        place = await lanes.position(store, "central")
        assert (place.fresh_first, place.replay_until) == (None, 23)
        assert await numbers(store) == (14, 1, 12, 1, 0)
        assert (await status(store)).pending_bytes == 4 * 12 + 8 * 13
        assert await drain(store) == [*range(3, 23, 2), 25, 27]
        assert await numbers(store) == (14, 13, 0, 1, 0)

    check(tmp_path, body)


def test_what_went_ahead_is_not_sent_again_when_the_lane_comes_to_it(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central")
        await make(store, *[TICKET] * 6)
        await step(store, lines=1)
        await store.write(MarkFresh("central"))
        await make(store, *[TICKET] * 4)
        assert await ahead(store, lines=3) == (7, 8, 9)
        assert await numbers(store) == (10, 4, 6, 0, 0)
        assert await drain(store, lines=3) == [2, 3, 4, 5, 6, 10]
        place = await lanes.position(store, "central")
        assert (place.cursor, place.fresh_first) == (10, None)
        assert await numbers(store) == (10, 10, 0, 0, 0)

    check(tmp_path, body)


def test_the_chain_goes_on_where_the_epoch_begins(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central", families=["feedback"])
        await make(store, *[TICKET, CONTACT, CONTACT] * 2)  # 1, 4
        first = store.identity.epoch
        await store.write(Do(lambda tx: tx.run("box.renew", {"box": store.identity.box, "epoch": "e2"})))
        await make(store, *[TICKET, CONTACT] * 2)  # 7, 9
        await drain(store)
        chains = []
        for wanted in (9, 7, 6, 3, 1):
            await replay(store, "central", ACT, from_seq=wanted)
            place = await lanes.position(store, "central")
            chains.append((place.chain_epoch, place.chain_seq))
            await drain(store)
        assert chains == [("e2", 8), ("e2", 0), (first, 5), (first, 2), (first, 0)]

    check(tmp_path, body)


@pytest.mark.parametrize(("last", "again"), [("little", 12), ("back", 4)])
def test_a_lane_that_moves_while_a_replay_counts_is_counted_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str, again: int
) -> None:
    """It sends on by more than a unit may count; then a little, or another replay sends it back."""
    monkeypatch.setattr(counting, "UNIT_PAGE", 3)
    moves = ["on", last]
    writing = Store.write

    async def write(store: Store, unit: object, **rest: bool) -> object:
        if isinstance(unit, lanes.Replay) and moves:
            move = moves.pop(0)
            if move == "back":
                before = await counting.count(store, Takes(), replays.start(6), 12)
                await writing(store, lanes.Replay("central", 6, before, None, ACT, 0))
            else:
                await step(store, lines=8 if move == "on" else 1)
        return await writing(store, unit, **rest)  # type: ignore[arg-type]

    async def body(store: Store) -> None:
        await start(store, "central")
        await make(store, *[TICKET] * 20)
        await step(store, lines=4)
        with monkeypatch.context() as patch:
            patch.setattr(Store, "write", write)
            done = await replay(store, "central", ACT, from_seq=2)
        assert (done.lines, moves) == (again, [])
        assert await numbers(store) == (20, 1, 19, 0, 0)
        assert await drain(store) == list(range(2, 21))

    check(tmp_path, body)


def test_lines_that_a_wider_filter_takes_now_are_new_to_the_lane(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central", families=["feedback"])
        await make(store, TICKET, *[CONTACT] * 5)
        await drain(store)
        await start(store, "central")
        assert (await replay(store, "central", ACT, from_seq=1)).lines == 6
        assert await numbers(store) == (6, 0, 6, 0, 0)

    check(tmp_path, body)


async def ahead(store: Store, *, lines: int, park: list[int] | None = None) -> tuple[int, ...]:
    """A batch of the fresh end."""
    place = await lanes.position(store, "central")
    assert place.fresh_last is not None
    page = await lanes.pending(store, "central", place.fresh_last, lines=lines, size=10**9)
    assert page is not None
    told = first_time(page)
    refused = parked(page, park or [])
    unit = Advance(
        "central", page.epoch, place.fresh_last, page.seqs[-1], page.through, *told, refused, 1, fresh=True
    )
    assert await store.write(unit)
    assert not await store.write(unit)
    return page.seqs
