"""What lanes take, count and go past: the sums are right whatever a filter leaves out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ingestbox.errors import IngestError
from ingestbox.store import DATABASE, Store, deliveries, lanes, migrations, series
from ingestbox.store.engine import connect_writer
from ingestbox.store.lanes import (
    Advance,
    MarkFresh,
    OpenLane,
    ParkAgain,
    Parked,
    RemoveLane,
    Takes,
    cursor,
    open_lanes,
    remove_lane,
    replay,
    rows,
)
from ingestbox.store.lanes import (
    status as lanestatus,
)
from ingestbox.store.lanes.counting import count as rows_count
from ingestbox.store.parked import DecideParked, SentAgain
from ingestbox.store.series import Flow
from ingestbox.store.sight import Sight
from ingestbox.store.unit import Tx
from tests.store.laning import (
    ACT,
    CONTACT,
    GONE,
    NORTH,
    RELAYED,
    TICKET,
    Sort,
    drain,
    make,
    numbers,
    start,
    status,
    step,
)
from tests.store.support import plan_of, with_store
from tests.store.test_series import take_in

ALL = (TICKET, GONE, NORTH, CONTACT, RELAYED)


def check(folder: Path, body: Callable[[Store], Awaitable[None]]) -> None:
    with_store(folder, body)


@pytest.mark.parametrize(
    ("takes", "wanted"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"families": ["contacts"]}, [4]),
        ({"families": ["contacts", "feedback"], "ops": ["put"]}, [1, 3, 4, 5]),
        ({"kinds": ["ticket"], "relay": False}, [1, 2, 3]),
        ({"workspaces": ["north"]}, [3]),
        ({"ops": ["delete"]}, [2]),
        ({"relay": False}, [1, 2, 3, 4]),
        ({"families": ["nothing"]}, []),
    ],
)
def test_a_lane_has_what_it_takes_and_nothing_else(
    tmp_path: Path, takes: dict[str, Any], wanted: list[int]
) -> None:
    async def body(store: Store) -> None:
        await make(store, *ALL)
        await start(store, "central", **takes)  # what was there before it
        assert (await numbers(store))[::2] == (len(wanted), len(wanted), 0)
        await make(store, *ALL)  # and what comes then
        both = [*wanted, *(seq + 5 for seq in wanted)]
        assert await numbers(store) == (len(both), 0, len(both), 0, 0)
        assert (await status(store)).pending_bytes == sum(12 + (seq == 10) for seq in both)
        assert await drain(store, lines=2) == both
        assert await numbers(store) == (len(both), len(both), 0, 0, 0)
        assert (await status(store)).pending_bytes == 0
        assert (await lanes.position(store, "central")).cursor == 10

    check(tmp_path, body)


def test_a_page_tells_how_far_it_looked_and_whether_there_is_more(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central", families=["contacts"])
        await make(store, TICKET, CONTACT, TICKET, CONTACT, TICKET)

        async def read(after: int, **caps: Any) -> tuple[tuple[int, ...], int, bool] | None:
            page = await lanes.pending(store, "central", after, **{"lines": 9, "size": 999, **caps})
            return None if page is None else (page.seqs, page.through, page.more)

        assert await read(0) == ((2, 4), 5, False)  # not full: all was looked at
        assert await read(0, lines=1) == ((2,), 2, True)
        assert await read(0, size=1) == ((2,), 2, True)
        assert await read(0, size=26) == ((2, 4), 5, False)
        assert await read(0, until=3) == ((2,), 3, False)
        assert await read(4) == ((), 5, False)
        assert await read(5) is None
        filled = await lanes.again(store, "central", store.identity.epoch, 2, 5, lines=9, size=999)
        assert filled is not None
        assert (filled.seqs, filled.more) == ((4,), False)
        assert await lanes.again(store, "central", store.identity.epoch, 2, 4, lines=9, size=999) is None

    check(tmp_path, body)


@pytest.mark.parametrize("everything", [False, True])
def test_a_page_of_a_lane_that_leaves_nothing_out_keeps_to_its_caps(tmp_path: Path, everything: bool) -> None:
    async def body(store: Store) -> None:
        await start(store, "central")
        await make(store, TICKET, CONTACT, TICKET)
        assert (await lanes.position(store, "central")).everything

        async def read(after: int, **caps: Any) -> tuple[tuple[int, ...], int, bool] | None:
            caps = {"lines": 9, "size": 999, "everything": everything, **caps}
            page = await lanes.pending(store, "central", after, **caps)
            return None if page is None else (page.seqs, page.through, page.more)

        assert await read(0) == ((1, 2, 3), 3, False)
        assert await read(0, lines=2) == ((1, 2), 2, True)
        assert await read(0, size=1) == ((1,), 1, True)
        assert await read(0, size=25) == ((1,), 1, True)
        assert await read(0, size=26) == ((1, 2), 2, True)
        assert await read(1, until=2) == ((2,), 2, False)
        assert await read(3) is None
        filled = await lanes.again(store, "central", store.identity.epoch, 0, 4, lines=9, size=26)
        assert filled is not None
        assert (filled.seqs, filled.more) == ((1, 2), True)

    check(tmp_path, body)


def test_a_read_looks_at_so_much_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursor, "SCAN", 10)
    monkeypatch.setattr(cursor, "SCANS", 3)
    monkeypatch.setattr(lanestatus, "LOOK", 10)

    async def body(store: Store) -> None:
        await start(store, "central", families=["contacts"])
        await make(store, *[TICKET] * 35, at_ms=100)
        await make(store, CONTACT, *[TICKET] * 20, CONTACT, at_ms=200)
        found = await status(store)  # the oldest is not older than the first that was not looked at
        assert (found.pending, found.oldest_ms, found.imbalance) == (2, 100, 0)
        page = await step(store)
        assert page is not None
        assert (page.seqs, page.through, page.more) == ((), 30, True)
        assert (await status(store)).oldest_ms == 200
        page = await step(store)
        assert page is not None
        assert (page.seqs, page.through, page.more) == ((36,), 40, True)  # the scan ended, nothing else
        assert await drain(store) == [57]
        assert await numbers(store) == (2, 2, 0, 0, 0)

    check(tmp_path, body)


def test_epochs_and_what_is_gone_between(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central", families=["contacts"])
        await make(store, CONTACT, TICKET, CONTACT, TICKET, CONTACT)
        await store.write(Do(lambda tx: tx.run("box.renew", {"box": "b1", "epoch": "e2"})))
        await make(store, TICKET, CONTACT)
        pages = [await step(store) for _ in range(3)]
        assert [None if page is None else page.seqs for page in pages] == [(1, 3, 5), (7,), None]
        assert pages[0] is not None
        assert pages[0].more
        place = await lanes.position(store, "central")
        assert (place.chain_epoch, place.chain_seq, place.cursor) == ("e2", 7, 7)

    check(tmp_path, body)


@dataclass(frozen=True, slots=True)
class Reword:
    """A line is another one, as an erasure makes it."""

    seq: int
    crc: int
    weight: int = 2

    def apply(self, tx: Tx) -> None:
        said = {"seq": self.seq, "line": b"short", "crc": 0, "object_id": "x", "was_crc": self.crc}
        assert tx.run("erasures.rewrite_delivery", said) == 1


class Do:
    weight = 5

    def __init__(self, work: Callable[[Tx], object]) -> None:
        self.work = work

    def apply(self, tx: Tx) -> None:
        self.work(tx)


def test_a_lane_that_is_off_counts_on_and_comes_back_to_its_place(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central", families=["contacts"])
        await make(store, CONTACT, TICKET)
        await drain(store)
        await start(store)
        assert (await status(store)).state == "off"
        await make(store, CONTACT, TICKET, CONTACT)
        assert await numbers(store) == (3, 1, 2, 0, 0)
        await start(store, "central", families=["contacts"])
        assert (await status(store)).state == "running"
        assert await numbers(store) == (3, 1, 2, 0, 0)
        assert await drain(store) == [3, 5]

    check(tmp_path, body)


def test_a_lane_that_takes_something_else_is_counted_anew_from_its_place(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central", families=["contacts"])
        await make(store, *[CONTACT, TICKET] * 3)
        await step(store, lines=2, park=[3])  # 1 is delivered, 3 refused
        assert await numbers(store) == (3, 1, 1, 1, 0)
        await start(store, "central")
        assert await numbers(store) == (5, 1, 3, 1, 0)
        assert (await status(store)).pending_bytes == 36
        assert (await status(store)).families == ()
        assert await drain(store) == [4, 5, 6]
        await make(store, TICKET, CONTACT)
        await start(store, "central", families=["feedback"])
        assert await numbers(store) == (6, 4, 1, 1, 0)
        before = await status(store)
        await start(store, "central", families=["feedback", "feedback"])  # that is the same
        assert await status(store) == before
        assert await drain(store) == [7]

    check(tmp_path, body)


def test_what_is_refused_behind_its_place_is_not_counted_as_pending(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central")
        await make(store, *[CONTACT, TICKET] * 3)
        await step(store, park=[2, 3])
        await replay(store, "central", ACT, from_seq=1)
        await start(store, "central", families=["contacts"])
        assert await numbers(store) == (4, 0, 2, 2, 0)
        assert (await status(store)).pending_bytes == 24
        assert await drain(store) == [1, 5]

    check(tmp_path, body)


def test_bytes_that_are_not_known_exactly_end_with_the_last_line(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central", families=["contacts"])
        await make(store, CONTACT, CONTACT, TICKET)
        for seq, left in ((1, 24), (2, 0)):
            assert await store.write(Advance("central", "e", seq - 1, seq, seq, 1, 0, [], 1))
            assert (await status(store)).pending_bytes == left
        await drain(store)
        await make(store, CONTACT)
        assert (await status(store)).pending_bytes == 12

    check(tmp_path, body)


def test_what_is_made_while_a_start_counts_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "UNIT_PAGE", 4)
    made: list[int] = []
    counting = rows_count

    async def count(store: Store, *rest: Any) -> Any:
        found = await counting(store, *rest)
        if len(made) < 2:  # too much for the unit, then just enough
            made.append(1)
            await make(store, *[CONTACT, TICKET] * (5 if len(made) == 1 else 1))
        return found

    monkeypatch.setattr(rows, "count", count)
    monkeypatch.setattr("ingestbox.store.lanes.counting.UNIT_PAGE", 4)

    async def body(store: Store) -> None:
        await make(store, CONTACT, TICKET)
        await start(store, "central", families=["contacts"])
        assert len(made) == 2
        assert await numbers(store) == (7, 0, 7, 0, 0)

    check(tmp_path, body)


def test_refused_lines_stay_in_the_sums_whatever_becomes_of_them(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central", families=["feedback"])
        await make(store, *[TICKET, CONTACT] * 5)
        await step(store, park=[1, 3, 5])
        assert await numbers(store) == (5, 2, 0, 3, 0)
        assert await store.write(ParkAgain("central", [Parked(7, "no", ""), Parked(1, "no", "")], 2)) == 1
        assert await numbers(store) == (5, 1, 0, 4, 0)
        await store.write(DecideParked("central", [1], "discarded", ACT, "old"))
        await store.write(DecideParked("central", [3, 7], "again", ACT))
        await store.write(SentAgain("central", [3, 7], [], 3))
        assert await numbers(store) == (5, 3, 0, 1, 1)

    check(tmp_path, body)


def test_charts_count_what_a_lane_delivers_and_nothing_that_it_leaves_out(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central", workspaces=["north"])
        await make(store, *[TICKET, NORTH, Sort("north", "contacts", "contact"), NORTH, TICKET])
        await step(store, park=[4])
        await drain(store)
        found = await store.read_with(lambda tx: series.read(tx, Sight("north"), 0, 600, 60))
        assert found == {("feedback", 60): Flow(delivered=1), ("contacts", 60): Flow(delivered=1)}
        assert not await store.read_with(lambda tx: series.read(tx, Sight("default"), 0, 600, 60))
        # What is refused when it fills a gap had been delivered; what is taken after all is, then.
        await store.write(ParkAgain("central", [Parked(2, "no", "")], 60_000))
        await store.write(DecideParked("central", [4], "again", ACT))
        await store.write(SentAgain("central", [4], [], 120_000))
        found = await store.read_with(lambda tx: series.read(tx, Sight("north"), 0, 600, 60))
        assert series.total(found.values()) == Flow(delivered=3)
        # A lane that is forgotten delivers nothing.
        await start(store)
        await remove_lane(store, "central", ACT)
        assert await store.read_with(lambda tx: series.read(tx, Sight("north"), 0, 600, 60)) == found

    check(tmp_path, body)


def test_a_lane_that_is_off_is_forgotten_with_what_it_could_not_deliver(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central", "other")
        assert await take_in(store, 1) == 1  # the first delivery is of its record
        await make(store, *[TICKET] * 400)
        await drain(store, park=range(1, 400, 2))
        assert await store.read("parked.of_record", {"record_id": 1 << 24}) == [("central", 1)]
        with pytest.raises(IngestError, match="lane_configured"):
            await remove_lane(store, "central", ACT)
        with pytest.raises(IngestError, match="not_found"):
            await remove_lane(store, "nobody", ACT)
        await start(store, "other")
        assert not await store.write(RemoveLane("central", ACT))  # a part, and the box is killed here
        assert (await numbers(store))[3] == 50
        assert await store.read("parked.of_record", {"record_id": 1 << 24}) == []
        await remove_lane(store, "central", ACT)
        assert [each.name for each in await lanes.overview(store)] == ["other"]
        assert not await store.read("lanes.some_parked", {"lane": "central", "limit": 9})
        trail = await store.read_with(lambda tx: [row[4] for row in tx.all("audit.page_everywhere", AUDIT)])
        assert trail == ["lane.remove"]
        await start(store, "central", "other")  # a lane of that name is a new one
        assert await numbers(store) == (400, 0, 400, 0, 0)

    check(tmp_path, body)


AUDIT = {
    **dict.fromkeys(("workspace", "actor", "action", "object", "object_id")),
    "workspace": "*",
    "below": 1 << 60,
    "scan": 99,
    "limit": 99,
    "since_ms": 0,
    "until_ms": 1 << 60,
}


def test_wrong_sums_are_told(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central", families=["contacts"])
        await make(store, *[CONTACT, TICKET] * 3)
        await store.write(Do(lambda tx: tx.run("lanes.undeliver", {"name": "central", "n": 2})))
        (balance,) = await lanes.balances(store)
        assert not balance.holds
        assert (await status(store)).imbalance == 2
        await store.write(Do(lambda tx: tx.run("lanes.undeliver", {"name": "central", "n": -6})))
        found = await status(store)
        assert (found.pending, found.imbalance) == (0, -4)

    check(tmp_path, body)


def test_a_line_that_an_erasure_rewords_changes_what_is_pending_in_bytes(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await start(store, "central", families=["contacts"])
        await make(store, *[CONTACT, TICKET] * 3)
        await step(store, lines=1)
        before = (await status(store)).pending_bytes
        for seq in (1, 2, 3):  # delivered; not the lane's; pending
            crc = (await store.read("deliveries.one", {"seq": seq}))[0][-1]
            await store.write(Reword(seq, crc))
        assert (await status(store)).pending_bytes == before - 12 + 5

    check(tmp_path, body)


def test_lanes_of_an_older_store_take_everything_and_know_about_how_much_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect_writer(tmp_path / DATABASE)
    everything = migrations.known()
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "known", lambda: everything[:17])
        migrations.migrate(connection, 1)
    connection.execute("INSERT INTO box VALUES (1, 'b1', 'e1', 5, 1, 1)")
    for seq in range(1, 5):
        row = (seq, "e1", "put", "default", "feedback", "ticket", f"T-{seq}", 1, 1, 1, b"x" * 100, 0)
        connection.execute(f"INSERT INTO deliveries VALUES ({', '.join('?' * 12)})", row)
    lane, line = ("central", "", 2, 4, 1, 1), ("central", 2, "no", "", 1)
    columns = "name, url, cursor, enqueued, delivered, since_ms"
    connection.execute(f"INSERT INTO lanes ({columns}) VALUES (?, ?, ?, ?, ?, ?)", lane)
    connection.execute("INSERT INTO parked (lane, seq, code, message, at_ms) VALUES (?, ?, ?, ?, ?)", line)
    connection.close()

    async def body(store: Store) -> None:
        assert (store.identity.box, store.identity.epoch) == ("b1", "e1")
        assert await numbers(store) == (4, 1, 2, 1, 0)
        assert (await status(store)).pending_bytes == 200
        await start(store, "central")
        await make(store, TICKET)
        assert await numbers(store) == (5, 1, 3, 1, 0)

    check(tmp_path, body)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("lanes.pending", "SEARCH d USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("lanes.again", "SEARCH d USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("lanes.taken", "SEARCH deliveries USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("lanes.lines", "SEARCH d USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("lanes.count_taken", "SEARCH deliveries USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("lanes.count_delivered", "SEARCH d USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("lanes.count_all_delivered", "SEARCH deliveries USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("lanes.count_parked", "SEARCH p USING PRIMARY KEY (lane=? AND seq>? AND seq<?)"),
        ("lanes.oldest", "SEARCH d USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("lanes.made_since", "SEARCH deliveries USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ],
)
def test_reads_go_by_the_key(tmp_path: Path, query: str, wanted: str) -> None:
    plan = plan_of(tmp_path, query)
    assert any(wanted in line for line in plan), plan
    assert not any("ORDER BY" in line for line in plan), plan


def test_a_delivery_tells_its_state_in_the_lanes_that_take_it(tmp_path: Path) -> None:
    sight = Sight(None)

    async def body(store: Store) -> None:
        takes = {"all": Takes(), "contacts": Takes(families=["contacts"]), "puts": Takes(ops=["put"])}
        await open_lanes(store, [OpenLane(name, "u", each) for name, each in takes.items()], 1)
        await make(store, TICKET, CONTACT, GONE, CONTACT, TICKET)
        await step(store, "all", lines=3, park=[1, 3])
        await step(store, "contacts", lines=1)

        async def seqs(lane: str, state: deliveries.State) -> list[int]:
            found, _ = await store.read_with(lambda tx: deliveries.listed(tx, sight, lane, state, 99, 9))
            assert all(each.lanes[lane] == state for each in found)
            return [each.seq for each in found]

        found, _ = await store.read_with(lambda tx: deliveries.listed(tx, sight, None, None, 99, 9))
        assert {each.seq: dict(each.lanes) for each in found} == {
            1: {"all": "parked", "puts": "pending"},
            2: {"all": "delivered", "contacts": "delivered", "puts": "pending"},
            3: {"all": "parked"},
            4: {"all": "pending", "contacts": "pending", "puts": "pending"},
            5: {"all": "pending", "puts": "pending"},
        }
        assert await seqs("contacts", "delivered") == [2]
        assert await seqs("contacts", "pending") == [4]
        assert await seqs("puts", "pending") == [5, 4, 2, 1]
        assert await seqs("all", "parked") == [3, 1]
        # Sent back, and from both ends: what is refused stays refused, what went ahead is delivered.
        await replay(store, "all", ACT, from_seq=1)
        await store.write(MarkFresh("all"))
        await make(store, CONTACT)
        assert await store.write(Advance("all", "e", 5, 6, 6, 1, 12, [], 1, fresh=True))
        assert await seqs("all", "pending") == [5, 4, 2]
        assert await seqs("all", "delivered") == [6]
        assert await seqs("all", "parked") == [3, 1]

    check(tmp_path, body)
