"""What every lane has delivered goes after a time; what one of them has not never does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestbox.config import Store as StoreSettings
from ingestbox.store import ReadTx, Store, records, retention
from ingestbox.store.health import size
from ingestbox.store.retention import KEPT_PAGES, RemoveLines, Retention
from ingestbox.store.unit import Tx
from tests.forward.support import HeldClock, opened

DAYS = 30
DAY_MS = 86_400_000
HOUR = 3_600.0


@dataclass(frozen=True, slots=True)
class Line:
    """A delivery that is so many days old (before zero: made while the clock was ahead)."""

    age: int = 40
    op: str = "put"
    origin: str = ""
    size: int = 10


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane that is done up to `cursor`, has refused lines in these states, and sent these ahead."""

    cursor: int = 0
    state: str = "running"
    parked: dict[int, str] = field(default_factory=dict)
    fresh: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Lay:
    """A store with just these lines, numbered from 1, and these lanes."""

    lines: list[Line]
    lanes: list[Lane]
    now_ms: int
    weight: int = 100

    def apply(self, tx: Tx) -> None:
        run = tx._connection.execute
        for table in ("deliveries", "parked", "lanes", "became", "series_minutes"):
            run(f"DELETE FROM {table}")
        run("UPDATE box SET purged_seq = 0, purged_lines = 0, purged_bytes = 0, purged_ms = NULL")
        for seq, line in enumerate(self.lines, 1):
            at_ms = self.now_ms - line.age * DAY_MS
            run(
                "INSERT INTO deliveries (seq, epoch, op, workspace, family, kind, object_id, version,"
                " record_id, at_ms, line, crc, origin)"
                " VALUES (?, 'e', ?, 'default', 'feedback', 'ticket', ?, 1, ?, ?, ?, 0, ?)",
                (seq, line.op, f"T-{seq}", seq, at_ms, b"x" * line.size, line.origin),
            )
        for number, lane in enumerate(self.lanes):
            first, last = lane.fresh or (None, None)
            run(
                "INSERT INTO lanes (name, url, state, since_ms, enqueued, cursor, fresh_first, fresh_last)"
                " VALUES (?, 'http://upstream', ?, 1, 0, ?, ?, ?)",
                (f"lane{number}", lane.state, lane.cursor, first, last),
            )
            for seq, state in lane.parked.items():
                run(
                    "INSERT INTO parked (lane, seq, code, message, at_ms, state)"
                    " VALUES (?, ?, 'no', 'no', 1, ?)",
                    (f"lane{number}", seq, state),
                )


async def seqs(store: Store) -> list[int]:
    return await store.read_with(
        lambda tx: [row[0] for row in tx._connection.execute("SELECT seq FROM deliveries ORDER BY seq")]
    )


class Opened:
    """A store that stays open among the examples of a test, with a clock that is held."""

    def __init__(self, runner: asyncio.Runner, store: Store, clock: HeldClock) -> None:
        self._runner = runner
        self.store = store
        self.clock = clock

    def run(self, body: Callable[[], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            return await body()

        return self._runner.run(main())

    def purged(self, lines: list[Line], lanes: list[Lane], **chosen: Any) -> list[int]:
        """What is left of such a store after a round."""

        async def body() -> list[int]:
            await self.store.write(Lay(lines, lanes, self.clock.now_ms()))
            chosen.setdefault("min_free_mb", 0)
            await Retention(self.store, StoreSettings(delivered_days=DAYS, **chosen)).remove()
            return await seqs(self.store)

        left: list[int] = self.run(body)
        return left


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    clock = HeldClock()
    with asyncio.Runner() as runner:
        context = opened(tmp_path_factory.mktemp("store"), clock)
        try:
            yield Opened(runner, runner.run(context.__aenter__()), clock)
        finally:
            runner.run(context.__aexit__(None, None, None))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few lines are many pages and units."""
    monkeypatch.setattr(retention, "PAGE", 3)
    monkeypatch.setattr(retention, "UNIT_LINES", 2)


def test_what_all_lanes_have_goes_and_what_is_young_stays(held: Opened) -> None:
    lines = [Line(31)] * 7 + [Line(29)] * 2
    assert held.purged(lines, [Lane(9), Lane(8)]) == [8, 9]


def test_a_lane_that_is_behind_keeps_its_lines(held: Opened) -> None:
    lines = [Line()] * 9
    assert held.purged(lines, [Lane(9), Lane(4)]) == [5, 6, 7, 8, 9]
    assert held.purged(lines, [Lane(9), Lane(4, "off")]) == [5, 6, 7, 8, 9]
    assert held.purged(lines, [Lane(9), Lane(0, "paused")]) == list(range(1, 10))
    # What went ahead of its turn is beyond the cursor, with what is behind it.
    assert held.purged(lines, [Lane(3, fresh=(8, 9))]) == [4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("state", ["parked", "again", "discarded"])
def test_a_refused_line_stays(held: Opened, state: str) -> None:
    assert held.purged([Line()] * 7, [Lane(7), Lane(7, parked={2: state, 6: state})]) == [2, 6]


def test_zero_days_keep_all(held: Opened) -> None:
    async def body() -> None:
        await held.store.write(Lay([Line(5_000)] * 3, [Lane(3)], held.clock.now_ms()))
        removed = await Retention(held.store, StoreSettings(delivered_days=0)).remove()
        assert removed.lines == 0 and await seqs(held.store) == [1, 2, 3]

    held.run(body)


def test_without_a_lane_lines_wait_for_one_while_there_is_room(held: Opened) -> None:
    lines = [Line()] * 4 + [Line(1)]
    assert held.purged(lines, []) == [1, 2, 3, 4, 5]
    # No disk has so much.
    assert held.purged(lines, [], min_free_mb=1 << 40) == [5]


def test_lines_from_a_clock_that_was_ahead_are_as_old_as_the_next_ones(held: Opened) -> None:
    lines = [Line(40), *[Line(-400)] * 8, Line(39), Line(-3), Line(20), Line(-400)]
    assert held.purged(lines, [Lane(13)]) == [11, 12, 13]


def test_it_goes_on_where_it_was_and_rests_at_the_end(held: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ROUND_LINES", 3)

    async def body() -> None:
        await held.store.write(Lay([Line()] * 7 + [Line(29)], [Lane(8)], held.clock.now_ms()))
        keeper = Retention(held.store, StoreSettings(delivered_days=DAYS))
        assert [(await keeper.remove()).lines for _ in range(4)] == [3, 3, 1, 0]
        held.clock.advance(2 * 86_400.0)
        assert (await keeper.remove()).lines == 1
        assert await seqs(held.store) == []
        kept = await held.store.read_with(retention.kept)
        assert (kept.purged_seq, kept.purged_lines, kept.purged_bytes) == (8, 8, 80)
        assert kept.oldest_seq is None and kept.purged_ms == held.clock.now_ms()

        await held.store.write(Lay([Line()] * 2, [Lane(2)], held.clock.now_ms()))
        assert (await keeper.remove()).lines == 0, "it has just looked"
        held.clock.advance(HOUR)
        assert (await keeper.remove()).lines == 2

    held.run(body)


def test_what_changed_since_it_was_looked_at_is_kept(held: Opened) -> None:
    """A replay, or a refusal of what was sent again, comes between the look and the removal."""

    async def body() -> None:
        lanes = [Lane(3), Lane(9, parked={2: "parked"})]
        await held.store.write(Lay([Line()] * 9, lanes, held.clock.now_ms()))
        removed = await held.store.write(RemoveLines(range(1, 10), 0, 1))
        assert removed.lines == 2 and await seqs(held.store) == [2, *range(4, 10)]

    held.run(body)


def test_a_lane_that_is_off_and_keeps_lines_is_named(held: Opened) -> None:
    async def named(lanes: list[Lane]) -> str | None:
        await held.store.write(Lay([Line()] * 5, lanes, held.clock.now_ms()))
        return (await held.store.read_with(retention.kept)).held_by

    async def body() -> None:
        assert await named([Lane(3), Lane(2, "off")]) == "lane1"
        assert await named([Lane(1), Lane(2, "off")]) is None
        assert await named([Lane(5), Lane(5, "off")]) is None
        assert await named([]) is None

    held.run(body)


def test_what_a_record_became_is_told_without_its_line(held: Opened) -> None:
    def all_of_them(tx: ReadTx) -> list[records.Became | None]:
        return [records.became(tx, record) for record in range(1, 5)]

    async def body() -> None:
        lines = [Line(), Line(op="delete"), Line(origin="another"), Line(1)]
        await held.store.write(Lay(lines, [Lane(4)], held.clock.now_ms()))
        before = await held.store.read_with(all_of_them)
        await Retention(held.store, StoreSettings(delivered_days=DAYS)).remove()
        assert await seqs(held.store) == [4]
        after = await held.store.read_with(all_of_them)
        assert before[0] is not None and before[3] is not None
        assert after == [before[0], None, None, before[3]]

    held.run(body)


LINES = st.lists(
    st.builds(Line, st.sampled_from([-400, -1, 0, 29, 31, 400]), st.sampled_from(["put", "delete"])),
    max_size=14,
)
LANES = st.lists(
    st.builds(
        Lane,
        st.integers(0, 15),
        st.sampled_from(["running", "retrying", "paused", "off"]),
        st.dictionaries(st.integers(1, 14), st.sampled_from(["parked", "again", "discarded"]), max_size=4),
        st.none() | st.tuples(st.integers(1, 14), st.integers(1, 14)),
    ),
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(LINES, LANES)
def test_an_undelivered_line_never_goes(held: Opened, lines: list[Line], lanes: list[Lane]) -> None:
    left = set(held.purged(lines, lanes))
    behind = min((lane.cursor for lane in lanes), default=0)
    refused = {seq for lane in lanes for seq in lane.parked}
    for seq, line in enumerate(lines, 1):
        needed = seq > behind or seq in refused
        if needed or 0 <= line.age < DAYS:
            assert seq in left, (seq, line, "was removed")
        elif (
            line.age > DAYS
        ):  # a younger one before it, of a clock that was set back, is where a look may end
            end = any(0 <= each.age < DAYS for each in lines[:seq])
            assert end or seq not in left, (seq, line, "was kept")
        elif seq not in left:  # of the future: an old one came after it
            later = next(each for each in lines[seq:] if each.age >= 0)
            assert later.age > DAYS, (seq, line, "may be young")


def test_free_pages_go_back_to_the_disk(held: Opened) -> None:
    async def body() -> None:
        store = held.store
        await store.write(Lay([Line(size=1_000_000)] * 20, [Lane(20)], held.clock.now_ms()))
        assert await store.fold()
        large, at_first = await store.read_with(size), store.path.stat().st_size
        keeper = Retention(store, StoreSettings(delivered_days=DAYS))
        assert (await keeper.remove()).size == 20_000_000
        assert (await store.read_with(size)).total == large.total
        while await keeper.give_back():
            pass
        small = await store.read_with(size)
        assert small.used < large.used - 19_000_000
        assert small.free <= KEPT_PAGES * small.page
        assert store.path.stat().st_size == small.total < at_first - 15_000_000

    held.run(body)


def test_a_new_store_can_give_pages_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as store:
            ((mode,),) = await store.read_with(
                lambda tx: tx._connection.execute("PRAGMA auto_vacuum").fetchall()
            )
            assert mode == 2  # incremental

    asyncio.run(main())
