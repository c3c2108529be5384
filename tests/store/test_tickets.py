"""Tickets with all that is counted and found by them: exact after any puts, replacements and removals."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ingestbox import families
from ingestbox.clock import SystemClock
from ingestbox.config import Limits
from ingestbox.config import Store as StoreSettings
from ingestbox.families.feedback.columns import LANGUAGES, counted, entity_key
from ingestbox.families.feedback.read.period import DAY_MS
from ingestbox.families.feedback.read.tickets import SENTIMENTS, Filters
from ingestbox.store import DATABASE, Store, load_queries, migrations, tallies
from ingestbox.store.engine import connect_writer, sqlite3
from ingestbox.store.unit import Tx

QUERIES = families.load()["feedback"].queries

OF_THE_TEST = """
-- name: all_days
SELECT workspace, day, sentiment, language, tickets, points FROM ticket_days
WHERE tickets <> 0 OR points <> 0;
-- name: all_totals
SELECT workspace, sentiment, language, tickets FROM ticket_totals WHERE tickets <> 0;
-- name: all_entities
SELECT workspace, key, label, tickets FROM entities;
-- name: all_named
SELECT t.workspace, t.ticket_id, t.origin, e.key, n.sentiment, n.language, n.updated_ms
FROM ticket_entities AS n
LEFT JOIN entities AS e ON e.id = n.entity LEFT JOIN tickets AS t ON t.id = n.ticket;
-- name: all_ids
SELECT id, workspace, ticket_id, origin FROM tickets;
-- name: texts
SELECT key, text FROM entities WHERE workspace = :workspace;
"""

EVERYTHING = {"from_ms": -(10**15), "before_ms": 10**15, "before_id": 0, "limit": 10_000}
PLACES = ("Hà Nội", "Ha Noi", "HÀ NỘI", "Huế", "Đà Nẵng", "Berlin", "Saigon")
TIMES = (-62_135_596_800_000, -DAY_MS, -1, 0, 1, DAY_MS - 1, DAY_MS, 1_800_000_000_000, 253_402_300_799_999)

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Row:
    """A ticket as it is put."""

    sentiment: str = "neutral"
    language: str | None = None
    score: float = 0.0
    updated_ms: int = 0
    entities: Sequence[tuple[str, str]] = ()

    @property
    def day(self) -> int:
        return self.updated_ms // DAY_MS

    @property
    def counted(self) -> dict[str, str]:
        return counted([{"label": label, "text": text} for label, text in self.entities])

    def params(self, key: Key) -> dict[str, object]:
        workspace, ticket_id, origin = key
        return {
            "workspace": workspace,
            "origin": origin,
            "object_id": ticket_id,
            "version": 1,
            "record_id": 0,
            "job_id": "job",
            "summary": ticket_id,
            "sentiment": self.sentiment,
            "score": self.score,
            "trend": "stable",
            "language": self.language,
            "at_ms": self.updated_ms,
            "result": b"{}",
            "record": None,
            "crc": 0,
            "entities": json.dumps(self.counted),
            "title": ticket_id,
            "body": "",
        }


@dataclass(frozen=True)
class Change:
    """A unit of the test: puts and removals in one transaction; one that `fails` changes nothing."""

    steps: Sequence[tuple[Key, Row | None]]
    fails: bool = False
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        for key, row in self.steps:
            params = (row or Row()).params(key)
            tx.run(f"feedback.{'put' if row else 'remove'}_ticket", params)
        if self.fails:
            raise LookupError


def within(folder: Path, body: Callable[[Store], Coroutine[Any, Any, None]]) -> None:
    """Runs `body(store)` on a store that also knows the queries of the test."""
    queries = folder / "queries.sql"
    queries.write_text(QUERIES.read_text("utf-8") + OF_THE_TEST)

    async def main() -> None:
        async with AsyncExitStack() as stack:
            store = await Store.open(
                folder,
                stack,
                families={"feedback": queries},
                settings=StoreSettings(),
                limits=Limits(),
                clock=SystemClock(),
            )
            await body(store)

    asyncio.run(main())


async def assert_counted(store: Store, tickets: dict[Key, Row]) -> None:
    """All that the triggers keep is what a count of the tickets comes to."""
    days: Counter[tuple[object, ...]] = Counter()
    points: Counter[tuple[object, ...]] = Counter()
    totals: Counter[tuple[object, ...]] = Counter()
    entities: Counter[tuple[object, ...]] = Counter()
    named = set()
    for key, row in tickets.items():
        cell = (row.sentiment, row.language or "")
        days[key[0], row.day, *cell] += 1
        points[key[0], row.day, *cell] += round(row.score * 10_000)
        totals[key[0], *cell] += 1
        for entity in row.counted:
            entities[key[0], entity, entity.partition(" ")[0]] += 1
            named.add((*key, entity, *cell, row.updated_ms))
    assert set(await store.read("feedback.all_days")) == {(*k, n, points[k]) for k, n in days.items()}
    assert set(await store.read("feedback.all_totals")) == {(*k, n) for k, n in totals.items()}
    assert set(await store.read("feedback.all_entities")) == {(*k, n) for k, n in entities.items()}
    found = await store.read("feedback.all_named")
    assert set(found) == named
    assert len(found) == len(named)


async def assert_listed(store: Store, tickets: dict[Key, Row], workspace: str, filters: Filters) -> None:
    """A list in pages of 7, with its total, is what a filter of the tickets gives."""
    wanted = {
        key
        for key, row in tickets.items()
        if key[0] == workspace
        and filters.sentiment in (None, row.sentiment)
        and filters.language in (None, row.language)
        and filters.period.first <= row.day <= filters.period.last
        and (filters.entity is None or entity_key(filters.label or "", filters.entity) in row.counted)
    }
    scope = {
        "workspace": workspace,
        "cells": filters.cells,
        "sentiment": filters.sentiment,
        "language": filters.language,
        "first_day": filters.period.first,
        "last_day": filters.period.last,
        "from_ms": filters.period.first * DAY_MS,
        "until_ms": (filters.period.last + 1) * DAY_MS,
    }
    query, total = "tickets_in", "ticket_total_between"
    if filters.entity is not None:
        rows = await store.read("feedback.entity", {"workspace": workspace, "keys": filters.keys})
        query, total = "tickets_naming", "naming_total"
        scope["entity"] = rows[0][0] if rows else 0
    assert (await store.read(f"feedback.{total}", scope))[0][0] == len(wanted)
    seen: list[Key] = []
    place, order = ((filters.period.last + 1) * DAY_MS, 0), []
    while rows := await store.read(
        f"feedback.{query}", {**scope, "before_ms": place[0], "before_id": place[1], "limit": 7}
    ):
        order += [(row[6], row[8]) for row in rows]
        seen += [(workspace, row[0], row[1]) for row in rows]
        place = order[-1]
    assert order == sorted(order, reverse=True)
    assert len(seen) == len(wanted)
    assert set(seen) == wanted


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_put_replaced_and_removed_all_counts_are_exact(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)

    def row() -> Row:
        return Row(
            chance.choice(SENTIMENTS),
            chance.choice([*LANGUAGES, None]),
            chance.choice([0.0, 0.1, -0.3333, 1.0, -1.0, chance.uniform(-1, 1)]),
            chance.choice(TIMES) if chance.random() < 0.5 else chance.randrange(3 * DAY_MS),
            [
                (chance.choice(["LOCATION", "PERSON"]), chance.choice(PLACES))
                for _ in range(chance.randrange(4))
            ],
        )

    def key() -> Key:
        return (
            chance.choice(["a", "b"]),
            f"T-{chance.randrange(30)}",
            chance.choice(["", "", "box1", "box2"]),
        )

    async def body(store: Store) -> None:
        tickets: dict[Key, Row] = {}
        for _ in range(25):
            steps = [(key(), row() if chance.random() < 0.75 else None) for _ in range(chance.randrange(12))]
            change = Change(steps, fails=chance.random() < 0.2)
            if change.fails:
                with pytest.raises(LookupError):
                    await store.write(change)
            else:
                await store.write(change)
                for at, put in steps:
                    if put is None:
                        tickets.pop(at, None)
                    else:
                        tickets[at] = put
            await assert_counted(store, tickets)
        assert await tallies.differences(store) == []
        ids = {tuple(at): number for number, *at in await store.read("feedback.all_ids")}
        assert set(ids) == set(tickets)
        assert {(at[0], number >> 40) for at, number in ids.items()} in (
            {("a", 1), ("b", 2)},
            {("a", 2), ("b", 1)},
        )
        for workspace in ("a", "b", "c"):
            for sentiment in (None, *SENTIMENTS):
                for language in (None, "vi"):
                    filters = Filters(sentiment, language)
                    await assert_listed(store, tickets, workspace, filters)
                    within_days = Filters(sentiment, language, period=type(filters.period)(0, 1))
                    await assert_listed(store, tickets, workspace, within_days)
                    named = Filters(sentiment, language, "ha nội", "LOCATION")
                    await assert_listed(store, tickets, workspace, named)
        await store.write(Change([(at, None) for at in tickets]))
        await assert_counted(store, {})

    within(tmp_path, body)


def test_an_entity_is_shown_with_its_marks_and_goes_with_its_last_ticket(tmp_path: Path) -> None:
    async def texts(store: Store) -> dict[str, str]:
        return dict(await store.read("feedback.texts", {"workspace": "a"}))

    async def body(store: Store) -> None:
        for number, text in enumerate(("ha noi", "HÀ NỘI", "Hà Nội")):
            await store.write(Change([(("a", f"{number}", ""), Row(entities=[("LOCATION", text)]))]))
        assert await texts(store) == {"LOCATION ha noi": "HÀ NỘI"}
        await store.write(Change([(("a", "0", ""), Row(entities=[("PERSON", "Lan")]))]))
        assert await texts(store) == {"LOCATION ha noi": "HÀ NỘI", "PERSON lan": "Lan"}
        await store.write(Change([(("a", "1", ""), None), (("a", "2", ""), Row())]))
        assert await texts(store) == {"PERSON lan": "Lan"}

    within(tmp_path, body)


def test_a_ticket_of_every_workspace_and_box_stays_apart(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        rows = {
            (workspace, "T-1", origin): Row(entities=[("PERSON", "Lan")])
            for workspace in ("a", "b")
            for origin in ("", "box1", "box2")
        }
        await store.write(Change(list(rows.items())))
        await assert_counted(store, rows)
        page = {"workspace": "a", **EVERYTHING}
        assert [row[1] for row in await store.read("feedback.tickets", page)] == ["box2", "box1", ""]

    within(tmp_path, body)


def test_tickets_of_the_schema_before_are_numbered_listed_and_counted(tmp_path: Path) -> None:
    before = [
        ("b", "T-1", "", "positive", 0.5, "improving", 5),
        ("a", "T-2", "", "negative", -0.25, "stable", DAY_MS),
        ("a", "T-1", "", "negative", -0.5, "declining", DAY_MS + 1),
        ("a", "T-1", "box", "neutral", 0.0, "stable", -1),
        ("a", "odd", "box", "what", 7, "up", 0),
        ("a", "none", "box", None, None, None, 0),
        ("a", "text", "box", 5, "high", 5, 0),
    ]
    connection = connect_writer(tmp_path / DATABASE)
    everything = migrations.known()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(migrations, "known", lambda: everything[:7])
            assert migrations.migrate(connection, 1) == 7
        connection.executemany(
            "INSERT INTO tickets (workspace, ticket_id, origin, sentiment, score, trend, updated_ms, version,"
            " record_id, job_id, summary, result, record, crc)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 3, 9, 'job', 'summary', x'7b7d', x'00', 77)",
            before,
        )
        assert migrations.migrate(connection, 2) == len(everything) - 7
        kept = connection.execute(
            "SELECT version, record_id, job_id, summary, result, record, crc FROM tickets"
        ).fetchall()
        assert kept == [(3, 9, "job", "summary", b"{}", b"\0", 77)] * len(before)
    finally:
        connection.close()

    async def body(store: Store) -> None:
        ids = {number: tuple(at) for number, *at in await store.read("feedback.all_ids")}
        first = 1 << 40  # in order of workspace, time and id
        assert ids == {
            first + 1: ("a", "T-1", "box"),
            first + 2: ("a", "none", "box"),
            first + 3: ("a", "odd", "box"),
            first + 4: ("a", "text", "box"),
            first + 5: ("a", "T-2", ""),
            first + 6: ("a", "T-1", ""),
            2 * first + 1: ("b", "T-1", ""),
        }
        tickets = {
            ("b", "T-1", ""): Row("positive", None, 0.5, 5),
            ("a", "T-2", ""): Row("negative", None, -0.25, DAY_MS),
            ("a", "T-1", ""): Row("negative", None, -0.5, DAY_MS + 1),
            ("a", "T-1", "box"): Row("neutral", None, 0.0, -1),
            ("a", "odd", "box"): Row("neutral", None, 1.0, 0),
            ("a", "none", "box"): Row("neutral", None, 0.0, 0),
            ("a", "text", "box"): Row("neutral", None, 0.0, 0),
        }
        await assert_counted(store, tickets)
        await assert_listed(store, tickets, "a", Filters())
        change = {
            ("a", "T-1", ""): Row("positive", "vi", 0.9, 7, [("PERSON", "Lan")]),
            ("a", "new", ""): Row(),
        }
        await store.write(Change([*change.items(), (("a", "odd", "box"), None)]))
        tickets = {**tickets, **change}
        del tickets["a", "odd", "box"]
        await assert_counted(store, tickets)
        newest = max(number for number, at in ids.items() if at[0] == "a") + 1
        assert (newest, "a", "new", "") in await store.read("feedback.all_ids")

    within(tmp_path, body)


def test_numbers_that_are_wrong_are_found(tmp_path: Path) -> None:
    async def fill(store: Store) -> None:
        row = Row("positive", "vi", 0.5, 5, [("PERSON", "Lan")])
        await store.write(Change([(("a", "1", ""), row), (("a", "2", ""), row)]))
        assert await tallies.differences(store) == []

    async def examine(store: Store) -> None:
        assert await tallies.differences(store) == [
            "wrong tickets: a 0 positive vi 3 9000",
            "missing tickets: a 0 positive vi 2 10000",
            "wrong totals: a positive vi 4",
            "missing totals: a positive vi 3",
            "wrong entities: a PERSON lan 5",
            "missing entities: a PERSON lan 2",
        ]

    within(tmp_path, fill)
    connection = connect_writer(tmp_path / DATABASE)
    connection.execute("UPDATE ticket_days SET tickets = 3, points = 9000")
    connection.execute("UPDATE ticket_totals SET tickets = 4")
    connection.execute("UPDATE entities SET tickets = 5")
    connection.close()
    within(tmp_path, examine)


PLANS = {
    "tickets": ["tickets_newest (workspace=? AND updated_ms>? AND updated_ms<?)"],
    "tickets_in": ["tickets_listed (workspace=? AND sentiment=? AND language=? AND updated_ms>? AND"],
    "tickets_naming": ["PRIMARY KEY (entity=? AND sentiment=? AND language=? AND updated_ms>? AND"],
    "naming_total": [
        "PRIMARY KEY (entity=? AND sentiment=? AND language=? AND updated_ms>? AND updated_ms<?)"
    ],
    "ticket_total": ["ticket_totals USING PRIMARY KEY (workspace=?)"],
    "ticket_total_between": ["ticket_days USING PRIMARY KEY (workspace=? AND day>? AND day<?)"],
    "days": ["ticket_days USING PRIMARY KEY (workspace=? AND day>? AND day<?)"],
    "sums": ["ticket_days USING PRIMARY KEY (workspace=? AND day>? AND day<?)"],
    "entity": ["entities_by_key (workspace=? AND key=?)"],
    "top_entities": ["entities_top (workspace=? AND label=?)"],
}
SORTED = ("tickets_in", "tickets_naming", "entity", "top_entities", "sums")
"""These sort what a few pages hold, or a dozen rows."""


@pytest.fixture(scope="module")
def planner(tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    connection = connect_writer(tmp_path_factory.mktemp("plans") / DATABASE)
    migrations.migrate(connection, 1)
    return connection


@pytest.mark.parametrize("name", PLANS)
def test_reads_go_by_an_index(planner: sqlite3.Connection, name: str) -> None:
    """However many tickets there are, a page reads its own, and what is sorted are a few pages."""
    query = load_queries({"feedback": QUERIES})[f"feedback.{name}"]
    plan = [row[3] for row in planner.execute(f"EXPLAIN QUERY PLAN {query.sql}", [1] * len(query.names))]
    for part in PLANS[name]:
        assert any(part in line for line in plan), plan
    scans = [line for line in plan if line.startswith("SCAN") and "VIRTUAL TABLE INDEX 1:" not in line]
    assert not scans, plan
    sorts = [line for line in plan if "TEMP B-TREE" in line]
    assert len(sorts) == (name in SORTED), plan
