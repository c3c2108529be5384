"""The full text index beside the tickets: it holds what they hold, whatever is done to them."""

from __future__ import annotations

import asyncio
import random
import unicodedata
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestbox import families
from ingestbox.enrich.searched import SEARCHED, entry, folded, written
from ingestbox.errors import IngestError, StartupError
from ingestbox.families.feedback.columns import columns
from ingestbox.families.feedback.read.search import find
from ingestbox.families.feedback.read.snippet import Cutter
from ingestbox.families.feedback.read.tickets import tickets
from ingestbox.families.feedback.read.topentities import top_entities
from ingestbox.model import Caller, Role, checksum
from ingestbox.store import DATABASE, Store, engine, migrations, reindex
from ingestbox.store.engine import connect_writer
from ingestbox.store.search import COUNTED, Found, Place, newest, search
from ingestbox.store.terms import Index, parse
from ingestbox.store.unit import Tx
from tests.store.support import with_store

QUERIES = ("feedback.match", "feedback.match_count", "feedback.terms")


@dataclass(frozen=True, slots=True)
class Run:
    """Statements of a test."""

    steps: tuple[tuple[str, Mapping[str, object]], ...]
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        for query, params in self.steps:
            tx.run(query, params)


def put(
    record: dict[str, Any], *, workspace: str = "default", version: int = 1
) -> tuple[str, dict[str, object]]:
    analysis = {"sentiment": "neutral", "score": 0.0, "trend": "stable", "fields": [], "language": "vi"}
    result, payload = msgspec.json.encode(analysis), msgspec.json.encode(record)
    return "feedback.put_ticket", {
        **columns(record, analysis),
        "workspace": workspace,
        "origin": "edge",
        "object_id": record["id"],
        "version": version,
        "record_id": 0,
        "job_id": "j",
        "at_ms": version,
        "result": result,
        "record": payload,
        "crc": zlib.crc32(result + payload),
    }


async def index_of(store: Store, workspace: str = "default") -> Index:
    ((low, high),) = await store.read("feedback.ids", {"workspace": workspace})
    return Index(*QUERIES, low, high)


async def look(store: Store, q: str, limit: int = 50, after: Place | None = None) -> Found:
    return await search(store.read, await index_of(store), parse(q), limit, after)


def words_of(folder: Path) -> dict[int, set[str]]:
    """What the index holds, by ticket."""
    connection = connect_writer(folder / DATABASE)
    try:
        connection.execute("INSERT INTO ticket_words (ticket_words) VALUES ('integrity-check')")
        held: dict[int, set[str]] = {}
        for term, ticket in connection.execute("SELECT term, doc FROM ticket_terms"):
            held.setdefault(ticket, set()).add(term)
        return held
    finally:
        connection.close()


def agree(folder: Path) -> None:
    """Index and tickets say the same, word by word."""
    connection = connect_writer(folder / DATABASE)
    wanted = {}
    for number, result, record in connection.execute("SELECT id, result, record FROM tickets"):
        row = columns(msgspec.json.decode(record), msgspec.json.decode(result))
        wanted[number] = set(f"{row['title']} {row['body']}".split())
    connection.close()
    assert words_of(folder) == wanted


def test_index_and_tickets_agree_through_puts_replacements_and_deletion(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        steps = [
            put({"id": f"t{number}", "summary": f"số {number} đẹp", "comments": ["a"]})
            for number in range(300)
        ]
        await store.write(Run(tuple(steps)))
        await store.write(
            Run(tuple(put({"id": f"t{n}", "summary": "mới"}, version=2) for n in range(0, 300, 3)))
        )
        await store.write(Run((put({"id": "t1", "summary": "khác"}, workspace="other"),)))

    with_store(tmp_path, body)
    agree(tmp_path)
    connection = connect_writer(tmp_path / DATABASE)
    connection.execute("DELETE FROM tickets WHERE ticket_id LIKE 't1%'")
    connection.close()
    agree(tmp_path)
    assert len(words_of(tmp_path)) == 189

    async def after(store: Store) -> None:
        assert (await look(store, "số", 500)).total == sum(n % 3 > 0 and str(n)[0] != "1" for n in range(300))
        assert (await look(store, "khác")).total == 0

    with_store(tmp_path, after)


def test_what_is_undone_is_not_found(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await store.write(Run((put({"id": "kept", "summary": "kept"}),)))
        with pytest.raises(KeyError):
            await store.write(Run((put({"id": "kept", "summary": "undone"}, version=2), ("no.such", {}))))
        assert (await look(store, "undone")).total == 0
        assert (await look(store, "kept")).total == 1

    with_store(tmp_path, body)
    agree(tmp_path)


def test_common_words_are_counted_to_a_limit_and_paged_newest_first(tmp_path: Path) -> None:
    many = COUNTED + 200

    async def body(store: Store) -> None:
        for start in range(0, many, 500):
            some = [put({"id": f"c{n}", "summary": "chung"}) for n in range(start, min(start + 500, many))]
            await store.write(Run(tuple(some)))
        first = await look(store, "chung", 10)
        assert (first.total, first.exact) == (COUNTED, False)
        assert [hit.id for hit in first.hits] == sorted((hit.id for hit in first.hits), reverse=True)
        place, seen = None, []
        while True:
            page = await look(store, "chung", 500, place)
            seen += [hit.id for hit in page.hits]
            if (place := page.place) is None:
                break
        assert len(seen) == len(set(seen)) == many
        assert page.total == many
        listed, below, total, exact = await newest(store.read, await index_of(store), parse("chung"), 20)
        assert listed == seen[:20] and below == listed[-1] and (total, exact) == (COUNTED, False)
        again, *_ = await newest(
            store.read, await index_of(store), parse("chung"), 20, below, ["neutral", "vi"]
        )
        assert again == seen[20:40]
        assert (await newest(store.read, await index_of(store), parse("chung"), 20, None, ["negative"]))[
            0
        ] == []

    with_store(tmp_path, body)


def test_pages_of_any_length_come_to_the_same_list(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        texts = ["xa", "xá", "yb"]
        await store.write(Run(tuple(put({"id": f"s{n}", "summary": texts[n % 3]}) for n in range(100))))
        for limit in (1, 3, 7, 8, 100):
            place, seen = None, []
            while True:
                page = await look(store, "xa", limit, place)
                assert page.total == 67 and page.exact
                seen += [hit.id & 0xFFFF for hit in page.hits]
                if (place := page.place) is None:
                    break
            assert seen == [n for n in range(100, 0, -1) if n % 3 == 1] + [
                n for n in range(100, 0, -1) if n % 3 == 2
            ]

    with_store(tmp_path, body)


def test_of_very_many_the_newest_are_ranked_first_and_none_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestbox.store.search.WINDOW", 10)
    texts = [{"summary": "xa"}, {"summary": "y", "description": "xa"}, {"summary": "xá"}, {"summary": "no"}]

    async def body(store: Store) -> None:
        await store.write(Run(tuple(put({"id": f"s{n}", **texts[n % 4]}) for n in range(100))))
        orders = []
        for limit in (1, 3, 10, 11, 75, 100):
            place, seen = None, []
            while True:
                page = await look(store, "xa", limit, place)
                assert page.total == 75 and len(page.hits) <= limit
                seen += [(hit.id & 0xFFFF, hit.score) for hit in page.hits]
                if (place := page.place) is None:
                    break
            orders.append(seen)
        assert all(order == orders[0] for order in orders)
        assert len({number for number, _ in orders[0]}) == len(orders[0]) == 75
        first = orders[0][:10]
        assert [score for _, score in first] == sorted((score for _, score in first), reverse=True)
        assert min(number for number, _ in first) > max(number for number, _ in orders[0][10:])

    with_store(tmp_path, body)


def test_however_tiers_are_looked_up_the_order_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestbox.store.search.SECONDS", 60)
    words = ["xa", "xá", "yb", "ýb", "z", "xà"]
    chance = random.Random(7)

    def text() -> str:
        return " ".join(chance.choices(words, k=chance.randrange(1, 6)))

    def tier(record: dict[str, Any], q: str) -> int | None:
        """What the tiers mean, said once more: of words, and of what they are without their marks."""
        title = f"{record['id']} {record['summary']}".split()
        whole = [*title, *record["description"].split()]

        def bare(some: list[str]) -> set[str]:
            return {"".join(folded(written(each))) for each in some}

        wanted = q.split()
        if set(wanted) <= set(whole):
            return 0 if set(wanted) <= set(title) else 1
        if bare(wanted) <= bare(whole):
            return 2 if bare(wanted) <= bare(title) else 3
        return None

    records = [{"id": f"s{n}", "summary": text(), "description": text()} for n in range(300)]

    async def body(store: Store) -> None:
        await store.write(Run(tuple(map(put, records))))
        for q in ("xa", "xá", "xa yb", "xá yb", "xá ýb z", "z xa yb", "xà xá", "s7 xa"):
            tiers = [(tier(record, q), -number) for number, record in enumerate(records, 1)]
            wanted = [-number for found, number in sorted(t for t in tiers if t[0] is not None)]
            for step in (1, 50, 10_000):
                for near in (0, 40, 1 << 40):
                    monkeypatch.setattr("ingestbox.store.search.STEP", step)
                    monkeypatch.setattr("ingestbox.store.search.NEAR", near)
                    monkeypatch.setattr("ingestbox.store.search.NEAR_IN_TITLE", near)
                    found = await look(store, q, 500)
                    assert [hit.id & 0xFFFF for hit in found.hits] == wanted, q
                    assert (found.total, found.exact) == (len(wanted), True)

    with_store(tmp_path, body)


def test_words_that_are_nowhere_together_are_looked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestbox.store.search.STEP", 5)
    asked: list[Mapping[str, object]] = []

    async def body(store: Store) -> None:
        await store.write(
            Run(tuple(put({"id": f"s{n}", "summary": ["one", "two"][n % 2]}) for n in range(100)))
        )

        async def read(query: str, params: Mapping[str, object]) -> list[tuple[Any, ...]]:
            asked.append(params)
            return await store.read(query, params)

        found = await search(read, await index_of(store), parse("one two"), 50)
        assert (found.hits, found.total, found.exact, found.place) == ([], 0, True, None)
        assert len(asked) == 2  # a step, and all the rest

    with_store(tmp_path, body)


def test_a_search_that_takes_long_gives_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestbox.store.search.WINDOW", 10)
    monkeypatch.setattr("ingestbox.store.search.COUNTED", 40)
    monkeypatch.setattr("ingestbox.store.search.SECONDS", -1)

    async def body(store: Store) -> None:
        await store.write(Run(tuple(put({"id": f"s{n}", "summary": "đó"}) for n in range(100))))
        page = await look(store, "đó", 50)
        assert not page.exact and 0 < len(page.hits) < 50 and page.place is not None
        seen = {hit.id for hit in page.hits}
        while page.place is not None:
            page = await look(store, "đó", 50, page.place)
            seen |= {hit.id for hit in page.hits}
        assert len(seen) == 100
        page = await look(store, "nothing", 50)
        assert page.hits == [] and page.place is None and page.exact

    with_store(tmp_path, body)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store")

    async def body(store: Store) -> None:
        await store.write(
            Run((put({"id": "T-1", "summary": "a b c", "description": "Đã giao x*y (z) 1/2"}),))
        )

    with_store(path, body)
    return path


def test_no_text_at_all_is_wrong_to_the_engine(folder: Path) -> None:
    piece = st.one_of(
        st.text(max_size=12),
        st.sampled_from(
            [
                '"',
                "*",
                "-",
                " ",
                "(",
                ")",
                ":",
                "^",
                "+",
                "{",
                "}",
                "AND",
                "NOT",
                "NEAR(",
                "a",
                "~",
                "\0",
                "'",
            ]
        ),
    )

    async def body(store: Store) -> None:
        loop = asyncio.get_running_loop()

        @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(piece, max_size=8).map("".join))
        def every(q: str) -> None:
            try:
                terms = parse(q)
                asyncio.run_coroutine_threadsafe(look(store, q), loop).result(30)
            except IngestError as error:
                assert error.code == "bad_parameter"
                return
            Cutter(terms).cut([q, None, "x", ""])

        await asyncio.to_thread(every)

    with_store(folder, body)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_a_text_finds_itself(text: str) -> None:
    """Index and query are cut alike: composed or not, in capitals or not, whole or word by word."""
    words = written(text)
    (line,) = entry([[text]])
    held = line.split()
    assert set(words) <= set(held)
    for form in ("NFC", "NFD"):
        other = unicodedata.normalize(form, text)
        assert folded(written(other)) == folded(words) or any(unicodedata.combining(c) > 0 for c in text)
    bare = folded(words)
    assert folded(bare) == bare
    if [word for word in words if word != "."] != bare:
        assert {f"~{word}" for word in bare} <= set(held)
    assert not any(c in word for word in words for c in '"~:. ')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("T-1042", ["t", "1042"]),
        ("don't", ["don", "t"]),
        ("a_b.c@d", ["a", "b", "c", "d"]),
        ("hoà Hoá khoẻ thuỷ quý", ["hòa", "hóa", "khỏe", "thủy", "qúy"]),
        ("toàn tòan", ["tòan", "tòan"]),
        ("tie\u0302\u0301ng", ["tiếng"]),
        ("快递 ok", ["快", "递", "ok"]),
        ("👍🏽❤️", ["👍", "❤"]),
        ("हिन्दी", ["हिन्दी"]),
        ("so\u00adft\u200b", ["soft"]),
        ("x" * 100, ["x" * 64]),
        ("", []),
        ("!?…", []),
    ],
)
def test_how_a_text_is_cut(text: str, words: list[str]) -> None:
    assert written(text) == words


def test_the_first_characters_count_and_no_half_word() -> None:
    title, body = entry([["x" * 10], ["word " * (SEARCHED // 5) + "last"]], ["neutral"])
    assert title == "x" * 10 + " :neutral"
    assert "last" not in body.split() and set(body.split()) == {"word"}
    assert entry([["a" * (SEARCHED + 5), "b"]])[0].split() == ["a" * 64, "."]


def older(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store as it was before there was full text, with tickets of its own and of another box."""
    every = migrations.known()
    monkeypatch.setattr(migrations, "known", lambda: [each for each in every if each[0] < 8])
    connection = connect_writer(folder / DATABASE)
    migrations.migrate(connection, 0)
    analysis = {"sentiment": "neutral", "score": 0.0, "trend": "stable", "fields": []}
    result = msgspec.json.encode(analysis)
    for number in range(100):
        own = number % 2 == 0
        key = f"t{number}"
        record = msgspec.json.encode({"id": key, "summary": f"cũ số{number}"})
        if own:
            connection.execute(
                "INSERT INTO records (id, key, state, payload, crc) VALUES (?, ?, 'done', ?, ?)",
                (number + 1, key, record, checksum(key.encode(), record)),
            )
        crc = zlib.crc32(result if own else result + record) ^ (number == 50)
        connection.execute(
            "INSERT INTO tickets (workspace, origin, ticket_id, version, record_id, job_id, summary,"
            " sentiment, score, trend, language, updated_ms, result, record, crc)"
            " VALUES ('default', ?, ?, 1, ?, 'j', 'cũ', 'neutral', 0.0, 'stable', NULL, ?, ?, ?, ?)",
            ("" if own else "edge", key, number + 1, number, result, None if own else record, crc),
        )
    connection.close()
    monkeypatch.setattr(migrations, "known", lambda: every)


async def said(store: Store) -> list[object]:
    """What answers say of tickets that cannot be found yet; a plain list has them all."""
    asked = [
        (top_entities, {}),
        (tickets, {"q": "cũ"}),
        (tickets, {"entity": "Hà Nội"}),
        (tickets, {"sentiment": "neutral"}),
    ]
    replies = [await handler(Asking(store, query)) for handler, query in asked]  # type: ignore[arg-type]
    return [getattr(reply.body, "indexing", None) for reply in replies]


def test_an_older_store_is_indexed_slice_by_slice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older(tmp_path, monkeypatch)
    project = families.load()["feedback"].project

    async def begin(store: Store) -> None:
        assert (await look(store, "cũ")).total == 0
        assert await store.read("feedback.not_indexed") == [(1,)]
        assert await said(store) == [True, True, True, msgspec.UNSET]
        assert await reindex.go_on(store, "feedback", "ticket", project) == reindex.SLICE
        assert (await look(store, "cũ")).total == reindex.SLICE
        # One that is put anew meanwhile is not overwritten by what was read before.
        _, newer = put({"id": "t99", "summary": "mới"}, version=2)
        rows = await store.read("feedback.not_indexed_ticket", {"limit": 100, "bytes": 1 << 30})
        stale = [reindex._put("ticket", project, row) for row in rows if row[2] == "t99"]
        await store.write(Run((("feedback.put_ticket", newer),)))
        assert stale[0] is not None
        assert await store.write(reindex.PutAgain("feedback", "ticket", [stale[0]], [], 1)) == 0

    async def finish(store: Store) -> None:  # after a restart
        while await reindex.go_on(store, "feedback", "ticket", project):
            pass
        assert await store.read("feedback.not_indexed") == [(0,)]
        assert await said(store) == [msgspec.UNSET] * 4
        found = await look(store, "cũ", 500)
        assert found.total == 98  # one is damaged, one was replaced
        assert (await look(store, "mới")).total == 1
        assert (await look(store, "số98")).total == 1
        assert (await look(store, "số50")).total == 0
        times = await store.read("feedback.tickets", {
            "workspace": "default", "from_ms": 0, "before_ms": 1 << 60, "before_id": 0, "limit": 500
        })  # fmt: skip
        assert [row[6] for row in times if row[0] == "t98"] == [98]  # it is not newer for it

    with_store(tmp_path, begin)
    with_store(tmp_path, finish)


def test_a_sqlite_that_is_too_old_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [engine.is_too_old(each) for each in ("3.40.1", "3.42.0", "3.43.0", "3.53.4")] == [
        True,
        True,
        False,
        False,
    ]
    monkeypatch.setattr("ingestbox.store.version", lambda: "3.40.1")

    async def nothing(_: Store) -> None: ...

    with pytest.raises(StartupError, match=r"3\.40\.1 is too old .* pysqlite3"):
        with_store(tmp_path, nothing)


class Asking:
    """As much of a request as a search looks at."""

    def __init__(self, store: Store, query: Mapping[str, str] | None = None) -> None:
        self.box = store
        self.query = query or {}
        self.caller = Caller("ann", "default", frozenset({Role.ANALYST}))


def test_what_is_damaged_is_found_but_never_shown(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        query, good = put({"id": "good", "summary": "thấy được"})
        _, bad = put({"id": "bad", "summary": "thấy hỏng"})
        await store.write(Run(((query, good), (query, {**bad, "crc": 1}))))
        found = await find(Asking(store), "thấy", 10, None)  # type: ignore[arg-type]
        assert {hit.id: hit.snippet for hit in found.hits} == {"good": "thấy được", "bad": ""}

    with_store(tmp_path, body)
