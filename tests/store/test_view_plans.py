"""What the tables of the console read: by an index, in its order, with a million rows as with a thousand, and
for a deep page no more than for the first."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from ingestbox import families
from ingestbox.errors import IngestError
from ingestbox.families.contacts.fields import key_of
from ingestbox.families.contacts.process import ContactResult, project
from ingestbox.model import Caller, Role
from ingestbox.route import Reply
from ingestbox.store import DATABASE, ReadTx, load_queries, migrations
from ingestbox.store.engine import connect_writer, sqlite3
from ingestbox.store.queries import Queries
from tests.store.test_tickets import Row

ROWS = 6_000
OWNER = "user:1"

SORTS = {
    "contacts.found": "a page",
    "feedback.tickets_in": "a page of each of a few parts",
    "feedback.tickets_naming": "a page of each of a few parts",
    "feedback.tickets_found": "what full text has found, which is limited",
    "feedback.entity": "one entity of each kind",
    "feedback.top_entities": "a page of each kind",
    "feedback.sums": "a few dozen rows",
    "knowledge.list_page": "a page",
}
"""These sort a few pages, however many rows there are."""

SMALL = (
    *("CONSTANT ROW", "(subquery"),  # one row, and what full text has counted
    "contact_tallies",  # a row an owner
    "found",  # the ids of a page
    *(
        "contacts USING COVERING INDEX contacts_not_indexed",
        "tickets USING COVERING INDEX tickets_not_indexed",
    ),
    *("i USING INDEX issues_held", "i USING COVERING INDEX issues_held"),  # what waits for a person
)
"""What may be walked through; of the last two, what waits, and only whether something does."""

ASKED: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("/contacts", {}),
    ("/contacts", {"q": "anna"}),
    ("/contacts", {"q": "an*"}),
    ("/contacts", {"company": "Company 3"}),
    ("/contacts", {"import": "7"}),
    ("/contacts", {"since": "2020-01-01"}),
    ("/contacts", {"q": "anna", "company": "Company 3", "import": "7", "since": "2020-01-01"}),
    ("/contacts", {"all": "true"}),
    ("/contacts", {"all": "true", "q": "anna"}),
    ("/contacts/companies", {}),
    ("/contacts/{contact_id}", {}),
    ("/api/tickets", {}),
    ("/api/tickets", {"sentiment": "negative"}),
    ("/api/tickets", {"language": "vi", "start_date": "1970-01-01"}),
    ("/api/tickets", {"entity": "Berlin"}),
    ("/api/tickets", {"entity": "Berlin", "label": "LOCATION", "sentiment": "positive"}),
    ("/api/tickets", {"q": "late"}),
    ("/api/tickets", {"q": "late", "entity": "Berlin", "sentiment": "positive"}),
    ("/api/tickets", {"order": "arrival"}),
    ("/api/tickets", {"order": "arrival", "sentiment": "negative", "entity": "Berlin"}),
    ("/api/tickets", {"order": "arrival", "q": "late"}),
    ("/api/tickets/{ticket_id:path}", {}),
    ("/api/sentiment/overview", {}),
    ("/api/dashboard/metrics", {}),
    ("/api/entities/top", {}),
    ("/knowledge-management/content", {}),
    ("/knowledge-management/content", {"language": "vi", "min_quality": "0.5"}),
    ("/knowledge-management/content", {"source_id": "moh", "published_from": "2020-01-01"}),
    ("/knowledge-management/content/{content_id}", {}),
    ("/knowledge-management/sources", {}),
    ("/knowledge-management/sources/{source_id:path}", {}),
)


class Box:
    """A store whose reads are noted: which, and how many steps of the engine they took."""

    def __init__(self, connection: sqlite3.Connection, queries: Queries) -> None:
        self._connection = connection
        self._queries = queries
        self.names: set[str] = set()
        self.steps = 0
        self._tx = ReadTx(connection, self)  # type: ignore[arg-type]  # it names what is asked

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return self._queries[name]

    def now_ms(self) -> int:
        return 1_700_000_000_000

    async def read(self, query: str, params: Mapping[str, object]) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._counted(lambda: self._tx.all(query, params))
        return found

    async def read_with(self, function: Callable[[ReadTx], Any]) -> Any:
        return self._counted(lambda: function(self._tx))

    def _counted(self, work: Callable[[], Any]) -> Any:
        def step() -> int:
            self.steps += 1
            return 0

        self._connection.set_progress_handler(step, 1)
        try:
            return work()
        finally:
            self._connection.set_progress_handler(None, 1)

    def ask(self, path: str, query: Mapping[str, str], **parts: str) -> Any:
        """What a route answers to an administrator."""
        (route,) = [
            each
            for family in families.load().values()
            for each in family.routes
            if (each.method, each.path) == ("GET", path)
        ]
        caller = Caller(OWNER, "default", frozenset({Role.ADMIN}))
        ask = SimpleNamespace(caller=caller, query=query, path=parts, box=self)

        async def main() -> Reply:
            reply: Reply = await route.handler(ask)
            return reply

        return asyncio.run(main()).body


def put_contact(number: int) -> dict[str, object]:
    cells = ContactResult(f"p{number}@example.com", "Anna", f"Lee {number}", f"Company {number % 10}")
    result = b'{"email":"%s","first_name":"Anna","last_name":"Lee %d","company":"%s"}' % (
        cells.email.encode(),
        number,
        cells.company.encode(),
    )
    return {
        **project("contact", b"{}", result),
        "email_key": key_of(cells.email),
        "workspace": "default",
        "origin": "",
        "owner": OWNER,
        "object_id": str((7 << 24) + number),
        "version": 1,
        "record_id": (7 << 24) + number,
        "job": 7,
        "at_ms": 1_600_000_000_000 + number,
        "contact_crc": zlib.crc32(result),
    }


def filled(path: Path, rows: int) -> Box:
    """A store with so many contacts and tickets, without statistics."""
    connection = connect_writer(path / DATABASE)
    migrations.migrate(connection, 1)
    queries = load_queries({name: family.queries for name, family in families.load().items()})
    puts: dict[str, Callable[[int], Mapping[str, object]]] = {
        "contacts.put_contact": put_contact,
        "feedback.put_ticket": lambda number: Row(
            ("positive", "negative", "neutral")[number % 3],
            ("vi", "en")[number % 2],
            updated_ms=1_600_000_000_000 + number * 1000,
            entities=[("LOCATION", "Berlin")] if number % 4 == 0 else [],
        ).params(("default", f"t{number}", "")),
    }
    connection.execute("BEGIN")
    for name, make in puts.items():
        for number in range(rows):
            connection.execute(queries[name].sql, queries[name].bind(make(number)))
    connection.execute("COMMIT")
    return Box(connection, queries)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Box:
    return filled(tmp_path_factory.mktemp("few"), 600)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Box:
    return filled(tmp_path_factory.mktemp("many"), ROWS)


@pytest.fixture(scope="module")
def asked(few: Box) -> set[str]:
    """The queries that the routes of all tables run."""
    few.names.clear()
    for path, query in ASKED:
        with contextlib.suppress(IngestError):  # the records of these tickets were never there
            few.ask(
                path, query, contact_id="5", ticket_id="t5", content_id="km_content_16777216", source_id="moh"
            )
    assert len(few.names) > 25
    return set(few.names)


def test_every_route_of_a_view_is_looked_at() -> None:
    shown: set[str] = set()
    for family in families.load().values():
        for view in family.views:
            shown |= {view.path, view.item.path, *(each.path for each in view.facets if each.path)}
            shown |= {*(each.path for each in view.figures), *(each.path for each in view.charts)}
    assert shown <= {path.replace(":path", "") for path, _ in ASKED}


def plan_of(connection: sqlite3.Connection, box: Box, name: str) -> list[str]:
    query = box[name]
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query.sql}", [1] * len(query.names))]


STATISTICS: tuple[int | None, ...] = (None, 1_000, 1_000_000)


def planners(path: Path) -> Iterator[sqlite3.Connection]:
    """The same empty store, thought to have no statistics, a thousand rows a table, and a million."""
    connection = connect_writer(path / DATABASE)
    migrations.migrate(connection, 1)
    indexes = connection.execute("SELECT tbl_name, name FROM sqlite_master WHERE type = 'index'").fetchall()
    connection.execute("ANALYZE")
    connection.close()
    for rows in STATISTICS:
        connection = connect_writer(path / DATABASE)
        connection.execute("DELETE FROM sqlite_stat1")
        if rows is not None:
            for table, index in indexes:
                width = len(connection.execute(f"PRAGMA index_info({index})").fetchall())
                each = [max(1, rows // 10 ** (2 * place)) for place in range(1, width)]
                stat = " ".join(map(str, [rows, *each, 1][: width + 1]))
                connection.execute("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", (table, index, stat))
        connection.close()
        connection = connect_writer(path / DATABASE)  # statistics are read when a connection opens
        connection.execute("ANALYZE sqlite_master") if rows is not None else None
        yield connection
        connection.close()


def test_a_million_rows_are_read_as_a_thousand_are(tmp_path: Path, few: Box, asked: set[str]) -> None:
    plans = [{name: plan_of(connection, few, name) for name in asked} for connection in planners(tmp_path)]
    assert len(plans) == 3
    for name in sorted(asked):
        for other in plans:
            assert other[name] == plans[0][name], name
        plan = plans[0][name]
        scans = [
            line
            for line in plan
            if line.startswith("SCAN")
            and "VIRTUAL TABLE INDEX" not in line
            and not line.removeprefix("SCAN ").startswith(SMALL)
        ]
        assert not scans, (name, plan)
        walks = [
            line for line in plan if "VIRTUAL TABLE INDEX" in line and "INDEX 0:" in line and "M" not in line
        ]
        assert not walks, (name, plan)  # full text without words, or a list of all words
        sorts = [line for line in plan if "TEMP B-TREE" in line]
        assert bool(sorts) <= (name in SORTS), (name, plan)


WALKS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("/contacts", "contacts", {}),
    ("/contacts", "contacts", {"all": "true"}),
    ("/contacts", "contacts", {"q": "anna"}),
    ("/contacts", "contacts", {"company": "Company 3"}),
    ("/contacts", "contacts", {"since": "2020-09-01"}),
    ("/api/tickets", "results", {}),
    ("/api/tickets", "results", {"sentiment": "negative"}),
    ("/api/tickets", "results", {"entity": "Berlin"}),
    ("/api/tickets", "results", {"order": "arrival"}),
)


def steps(box: Box, path: str, items: str, query: Mapping[str, str], deep: int) -> int:
    """What a page takes after so many rows were read."""
    cursor: str | None = None
    read = 0
    while True:
        before = box.steps
        asked = {**query, "limit": "20", **({"cursor": cursor} if cursor else {})}
        body = msgspec.to_builtins(box.ask(path, asked))
        read += len(body[items])
        cursor = body.get("next_cursor")
        if cursor is None or read >= deep:
            assert read >= min(deep, 20)
            return box.steps - before


@pytest.mark.parametrize(("path", "items", "query"), WALKS, ids=str)
def test_a_deep_page_costs_what_the_first_does(
    many: Box, path: str, items: str, query: dict[str, str]
) -> None:
    first = steps(many, path, items, query, 20)
    assert steps(many, path, items, query, 500) < first * 1.3 + 300


COUNTED = ("q", "company", "since")
"""With these the hits are counted, to a limit of hits and of time."""


@pytest.mark.parametrize(
    ("path", "items", "query"), [each for each in WALKS if not set(COUNTED) & set(each[2])], ids=str
)
def test_a_page_of_many_rows_costs_what_one_of_few_does(
    few: Box, many: Box, path: str, items: str, query: dict[str, str]
) -> None:
    small, large = (steps(box, path, items, query, 20) for box in (few, many))
    assert large < small * 1.3 + 100
