"""Near-duplicates: what is nearly the same is linked, from both sides, as long as it is there."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.enrich.fingerprint import BANDS, VERSION, Fingerprint, fingerprint
from ingestbox.families.knowledge import near
from ingestbox.model import Role
from ingestbox.store import DATABASE, ReadTx, Store
from ingestbox.store.engine import connect_writer
from tests.families.knowledge.deciding import issue, poor, resolve
from tests.families.knowledge.support import People, article, content, taken, text
from tests.harness import BoxProcess, until
from tests.store import apart
from tests.store.support import with_store
from tests.web.v1.support import Json

EARLY, LATE = "2024-01-16T08:00:00Z", "2024-03-16T08:00:00Z"


def links(client: httpx2.Client, content_id: str) -> dict[str, Json]:
    return {each["content_id"]: each for each in content(client, content_id)["near_duplicates"]}


def changed(
    number: int, last: str = "Cập nhật: nên đo huyết áp thêm một lần vào buổi tối, 2 giờ sau ăn."
) -> str:
    """A text that is nearly the same as `text(number, sentences=12)`."""
    return f"{text(number, sentences=12)}\n\n{last}"


def test_what_is_nearly_the_same_is_linked_from_both_sides(people: People) -> None:
    one = taken(people.crawler, article(1, content=text(1, sentences=12)))
    other = taken(people.crawler, article(2, content=changed(1)))
    alone = taken(people.crawler, article(3, content=text(3, sentences=12)))
    elsewhere = taken(people.stranger, article(1, content=changed(1)))
    assert links(people.crawler, alone) == {}
    assert links(people.stranger, elsewhere) == {}
    (there,), (here,) = links(people.crawler, one).values(), links(people.crawler, other).values()
    assert (there["content_id"], here["content_id"]) == (other, one)
    assert 0.6 < there["similarity"] == here["similarity"] < 1
    assert there["title"] == "Hướng dẫn chăm sóc sức khỏe 2"
    assert there["source_url"] == "https://moh.gov.vn/article/2"
    assert not there["newer_version"]
    assert not here["newer_version"]


@pytest.mark.parametrize("order", [(EARLY, LATE), (LATE, EARLY)])
def test_of_one_page_what_was_crawled_later_is_newer(people: People, order: tuple[str, str]) -> None:
    first = taken(people.crawler, article(1, content=text(1, sentences=12), crawled_at=order[0]))
    second = taken(people.crawler, article(1, content=changed(1), crawled_at=order[1]))
    late, early = (second, first) if order[1] == LATE else (first, second)
    assert links(people.crawler, early)[late]["newer_version"]
    assert not links(people.crawler, late)[early]["newer_version"]


def test_a_crawler_whose_clock_is_ahead_has_what_came_now(people: People) -> None:
    ahead = taken(
        people.crawler, article(1, content=text(1, sentences=12), crawled_at="2999-01-01T00:00:00Z")
    )
    after = taken(people.crawler, article(1, content=changed(1), crawled_at="2998-01-01T00:00:00Z"))
    assert links(people.crawler, ahead)[after]["newer_version"]


def bands(box: BoxProcess, content_id: str) -> tuple[str, list[str]]:
    """An article's fingerprint and the bands in the index."""
    rows = apart.rows(
        box.data / DATABASE,
        "SELECT a.fingerprint, b.number, lower(hex(b.value)) FROM knowledge_articles AS a "
        f"LEFT JOIN knowledge_bands AS b ON b.article = a.id "
        f"WHERE a.object_id = '{content_id}' ORDER BY b.number",
    )
    assert [row[1] for row in rows] in ([None], list(range(BANDS))) or not rows
    return (rows[0][0], [row[2] for row in rows]) if rows else ("", [])


def test_the_index_has_the_bands_of_the_fingerprint_and_follows_it(box: BoxProcess) -> None:
    with box.client(Role.ADMIN, workspace="near-bands") as admin:
        address = "nguyen.near@personal-mail.example"
        one = taken(admin, article(1, content=text(1, sentences=12).replace(", ", f" {address}, ")))
        before, found = bands(box, one)
        assert before == content(admin, one)["result"]["fingerprint"]
        assert found == Fingerprint(before).bands
        erasure = admin.post("/v1/erasures", json={"email": address}).json()["erasure_id"]
        until(lambda: admin.get(f"/v1/erasures/{erasure}").json()["state"] == "done", "it is erased")
        until(lambda: bands(box, one)[0] != before, "it has another fingerprint")
        after, found = bands(box, one)
        assert after == content(admin, one)["result"]["fingerprint"]
        assert found == Fingerprint(after).bands


def test_what_is_given_up_is_no_longer_linked(box: BoxProcess) -> None:
    with box.client(Role.ADMIN, workspace="near-given-up") as admin:
        kept = taken(admin, poor(1, source_url="https://a.example/1"))
        gone = taken(admin, poor(2, source_url="https://a.example/2"))
        assert list(links(admin, kept)) == [gone]
        (row,) = apart.rows(
            box.data / DATABASE, f"SELECT id FROM knowledge_articles WHERE object_id = '{gone}'"
        )
        assert resolve(admin, issue(admin, gone)["id"], "discard").status_code == 200
        until(lambda: links(admin, kept) == {}, "the link goes")
        left = apart.rows(
            box.data / DATABASE, f"SELECT COUNT(*) FROM knowledge_bands WHERE article = {row[0]}"
        )
        assert left == [(0,)]


class Counting:
    """A transaction that counts the rows it gives."""

    def __init__(self, tx: ReadTx) -> None:
        self.tx, self.rows = tx, 0

    def all(self, query: str, params: Any = ()) -> list[tuple[Any, ...]]:
        found = self.tx.all(query, params)
        self.rows += len(found)
        return found

    def one(self, query: str, params: Any = ()) -> tuple[Any, ...] | None:
        return next(iter(self.all(query, params)), None)


def filled(folder: Path, articles: Iterable[tuple[str, str, str, int]]) -> None:
    """A new store with articles: workspace, address, fingerprint and when each was crawled."""

    async def nothing(_: Store) -> None: ...

    with_store(folder, nothing)
    connection = connect_writer(folder / DATABASE)
    try:
        connection.execute("INSERT INTO workspaces (name) VALUES ('a'), ('b')")
        connection.executemany(
            "INSERT INTO knowledge_articles (workspace, origin, object_id, version, record_id, job_id,"
            " source_id, url, title, language, type, labels, fingerprint, crawled_ms, updated_ms,"
            " result, crc)"
            " VALUES (?1, '', ?5, 1, 0, '', 's', ?2, 't', 'vi', 'article', '{}', ?3, ?4, 9, X'00', 0)",
            [(*each, f"km_content_{number}") for number, each in enumerate(articles, start=1)],
        )
        connection.commit()
    finally:
        connection.close()


def other_than(hexes: str, chance: random.Random, bands_kept: int) -> str:
    """A fingerprint that shares the first bands, and nothing else."""
    kept = len(VERSION) + 6 * bands_kept
    return hexes[:kept] + "".join(chance.choice("0123456789abcdef") for _ in range(130 - kept))


def test_a_lookup_is_bounded_however_many_are_alike(tmp_path: Path) -> None:
    chance = random.Random(3)
    mine = fingerprint(text(1, sentences=12)).hex
    copies = [("a", "https://a.example/", mine, 5)] * 300
    share = [("a", "https://b.example/", other_than(mine, chance, 2), 5) for _ in range(300)]
    strangers = [("b", "https://a.example/", mine, 5)] * 3
    filled(tmp_path, [*copies, *share, *strangers])

    def read(tx: ReadTx) -> None:
        counting: Any = Counting(tx)
        found = near.near(counting, "a", 300, limit=1_000)
        assert counting.rows <= 1 + BANDS * (near.PER_BAND + 1) + near.VERIFIED
        # Where most only share a band, those that are alike are found by the other bands.
        assert len(found) >= near.PER_BAND - 1
        assert {each.similarity for each in found} == {1.0}
        assert {int(each.content_id.removeprefix("km_content_")) for each in found} <= set(range(1, 300))
        assert len(near.near(tx, "a", 300, limit=7)) == 7
        counting.rows = 0
        assert near.newer(counting, [1, 300, 301]) == {1: 300}
        assert counting.rows <= 3 * (near.VERSIONS + 1)
        assert near.near(tx, "a", 601) == [], "of another workspace"
        assert near.near(tx, "a", 99_999) == []

    async def body(store: Store) -> None:
        await store.read_with(read)

    with_store(tmp_path, body)


def test_the_newest_of_a_page_has_no_newer_one(tmp_path: Path) -> None:
    """Whatever they say and however their clocks go, something of a page is always left to be found."""
    texts = (
        text(1, sentences=12),
        changed(1),
        changed(1, "Bổ sung bảng theo dõi."),
        text(9, sentences=12),
        "",
    )
    made = [
        ("a", url, fingerprint(each).hex, crawled)
        for url in ("https://a.example/", "https://b.example/")
        for each, crawled in itertools.product(texts, (0, 3, 9_999))
    ]
    random.Random(5).shuffle(made)
    filled(tmp_path, made)

    def read(tx: ReadTx) -> dict[int, int]:
        return near.newer(tx, range(1, len(made) + 1))

    async def body(store: Store) -> dict[int, int]:
        return await store.read_with(read)

    found = with_store(tmp_path, body)
    order = {number: (min(each[3], 9), number) for number, each in enumerate(made, start=1)}
    for older, newest in found.items():
        assert made[older - 1][1] == made[newest - 1][1]
        assert order[older] < order[newest]
    for url in ("https://a.example/", "https://b.example/"):
        versions = [number for number in order if made[number - 1][1] == url]
        assert max(versions, key=order.__getitem__) not in found
    # Two pages, each with a family of three texts, and one text apart; the empty ones are like none.
    assert len(made) - len(found) == 2 * (1 + 1 + 3)


def test_what_another_box_tells_as_a_fingerprint_does_no_harm(tmp_path: Path) -> None:
    filled(tmp_path, [("a", "u", "zz" * 65, 0), ("a", "u", "", 0), ("a", "u", "01", 0)])
    rows = apart.rows(tmp_path / DATABASE, "SELECT COUNT(*) FROM knowledge_bands")
    assert rows == [(0,)]
