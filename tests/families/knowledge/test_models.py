"""Vectors by a server, and a change of model: the old index serves until the new one is complete."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.enrich.embedding import hashed
from ingestbox.families.knowledge.shapes import PATH
from ingestbox.store import DATABASE
from tests.families.knowledge.embedder import Embedder
from tests.families.knowledge.support import UNLIMITED, article, taken, text
from tests.harness import BoxProcess, running, until


@pytest.fixture
def server() -> Iterator[Embedder]:
    made = Embedder()
    yield made
    made.close()


def config(server: Embedder) -> str:
    return (
        f'{UNLIMITED}[work]\nchildren = 1\n[enrich.embeddings]\nurl = "{server.url}"\nmodel = "acme-1"\n'
        'token = "sesame"\ntimeout_seconds = 5\n'
    )


def rows(box: BoxProcess, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """What is in the box's database now."""
    connection = sqlite3.connect(f"file:{box.data / DATABASE}?mode=ro", uri=True)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


def models(box: BoxProcess) -> dict[str, tuple[str, int]]:
    """Each model by its state, with how many vectors there are of it."""
    return {
        state: (name, count)
        for state, name, count in rows(
            box,
            "SELECT state, name, (SELECT COUNT(*) FROM knowledge_signs WHERE model = m.id) "
            "FROM knowledge_models AS m",
        )
    }


def passages(box: BoxProcess) -> int:
    return int(rows(box, "SELECT COUNT(*) FROM knowledge_passages")[0][0])


def find(client: httpx2.Client, query: str) -> dict[str, Any]:
    reply = client.post(f"{PATH}/search", json={"query": query, "top_k": 5})
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def doctor(client: httpx2.Client) -> dict[str, str]:
    reply = client.get("/v1/doctor")
    assert reply.status_code == 200, reply.text
    return {each["check"]: each["message"] for each in reply.json()["findings"]}


def unindexed(box: BoxProcess) -> float:
    """What metrics say of how many articles wait for vectors."""
    with box.client() as client:
        text = client.get("/metrics").raise_for_status().text
    (found,) = re.findall(r"^ingestbox_knowledge_articles_unindexed (\S+)$", text, re.MULTILINE)
    return float(found)


def test_a_server_makes_the_vectors_and_a_model_is_changed_while_the_old_one_serves(
    tmp_path: Path, server: Embedder
) -> None:
    """Built in first, then a server, with a kill in the middle of the change."""
    items = [article(number, content=text(number, sentences=90)) for number in range(6)]
    with running(tmp_path, config=UNLIMITED) as box:
        with box.client() as client:
            for item in items:
                taken(client, item)
            assert find(client, "huyết áp")["model"] == hashed.MODEL
        built_in = passages(box)
        assert models(box) == {"serving": (hashed.MODEL, built_in)}
        assert box.stop() == 0

        server.gate.clear()
        box.configure(config(server))
        box.start()
        until(lambda: server.asked, "the server is asked")
        with box.client() as client:
            found = find(client, "huyết áp")
            assert (found["model"], found["vector"]) == (hashed.MODEL, True)
            assert found["results"]
        answered = iter(range(100))

        def slow(body: dict[str, Any]) -> tuple[int, Any]:
            if next(answered) == 2:  # two probes and a slice: the next one waits
                server.gate.clear()
            return server.good(body)

        server.reply = slow
        server.gate.set()
        until(lambda: models(box).get("building", ("", 0))[1] > 0, "some are made")
        assert 0 < unindexed(box) <= len(items)
        box.kill()
        assert models(box)["serving"] == (hashed.MODEL, built_in)
        assert 0 < models(box)["building"][1] < built_in

        server.reply = server.good
        server.gate.set()
        box.start()
        until(lambda: models(box) == {"serving": ("http/acme-1", built_in)}, "it serves, the old one is gone")
        assert rows(box, "SELECT COUNT(*) FROM knowledge_vectors") == [(built_in,)]
        assert set(server.paths) == {"/v1/embeddings"}
        assert {each["authorization"] for each in server.headers} == {"Bearer sesame"}
        assert {each["model"] for each in server.asked} == {"acme-1"}
        with box.client() as client:
            assert find(client, "huyết áp")["model"] == "http/acme-1"
            assert unindexed(box) == 0
            taken(client, article(7))
            until(
                lambda: models(box)["serving"][1] == passages(box) > built_in, "the new one has its vectors"
            )
            said = doctor(client)
        assert said["indexing"] == "articles are searched by http/acme-1 (48)"
        assert said["vectors"].startswith("compared by sqlite-vec ")


@pytest.mark.soak  # short: test_vectors.py, where the chore meets a server that is down
def test_articles_that_come_while_the_server_is_away_are_found_and_get_its_vectors_later(
    tmp_path: Path, server: Embedder
) -> None:
    with running(tmp_path, config=config(server)) as box, box.client() as client:
        taken(client, article(1))
        until(lambda: models(box) == {"serving": ("http/acme-1", passages(box))}, "it serves")
        before = passages(box)
        server.reply = lambda _: (503, b"")
        wanted = taken(client, article(2, content=text(2) + "\n\nThuốc hiếm tên là zyloprim."))
        found = find(client, "zyloprim")
        assert [each["content_id"] for each in found["results"]] == [wanted]
        assert found["indexing"] is True
        assert unindexed(box) == 1
        assert models(box) == {"serving": ("http/acme-1", before)}
        server.reply = server.good
        box.kill()
        box.start()
        until(lambda: models(box) == {"serving": ("http/acme-1", passages(box))}, "it has its vectors")
        assert passages(box) > before
        assert "indexing" not in find(client, "zyloprim")
        assert unindexed(box) == 0


@pytest.mark.soak  # the server is left alone for half a minute after each failure
def test_an_article_that_the_server_refuses_does_not_keep_the_others_waiting(
    tmp_path: Path, server: Embedder
) -> None:
    def picky(body: dict[str, Any]) -> tuple[int, Any]:
        refused = any("zyloprim" in each for each in body["input"])
        return (400, {"error": "no"}) if refused else server.good(body)

    with running(tmp_path, config=UNLIMITED) as box:
        with box.client() as client:
            for number in range(3):
                taken(client, article(number))
            taken(client, article(3, content=text(3) + "\n\nThuốc hiếm tên là zyloprim."))
        assert box.stop() == 0
        server.reply = picky
        box.configure(config(server))
        box.start()
        until(lambda: models(box).get("serving", ("", 0))[0] == "http/acme-1", "it serves", 120)
        served = models(box)["serving"][1]
        assert 0 < served < passages(box)
        with box.client() as client:
            assert len(find(client, "zyloprim")["results"]) > 0


@pytest.mark.soak  # short: test_vectors.py, where the chore is cut off anywhere
def test_a_long_article_is_made_whole_in_the_background_and_goes_whole(tmp_path: Path) -> None:
    """Over a thousand passages; the box is killed while it is at them."""
    long = "\n\n".join(text(number, sentences=40) for number in range(40))
    with running(tmp_path, config=UNLIMITED) as box, box.client() as client:
        taken(client, article(1, content=long))
        until(lambda: passages(box) > 60, "the background has begun")
        box.kill()
        box.start()
        (expected,) = rows(box, "SELECT passages FROM knowledge_indexed")[0]
        assert expected > 100
        until(lambda: models(box) == {"serving": (hashed.MODEL, expected)}, "all have vectors")
        assert passages(box) == expected
        assert rows(box, "SELECT COUNT(*), COUNT(DISTINCT place), MAX(place) FROM knowledge_passages") == [
            (expected, expected, expected - 1)
        ]
        assert rows(box, "SELECT COUNT(*) FROM knowledge_words_docsize") == [(expected,)]
        until(lambda: "indexing" not in find(client, "huyết áp"), "it says that it is done")


def test_a_file_of_word_vectors_is_looked_up(tmp_path: Path) -> None:
    words = ["benh", "viện", "thuốc", "huyết", "áp", "tiêm", "chủng", "muối", "răng", "miệng"]
    lines = [
        f"{word} " + " ".join("1" if n == place else "0.1" for n in range(12))
        for place, word in enumerate(words)
    ]
    source = tmp_path / "model.vec"
    source.write_text(f"{len(words)} 12\n" + "\n".join(lines) + "\n")
    settings = f'{UNLIMITED}[enrich.embeddings]\nmodel_path = "{source}"\n'
    with running(tmp_path / "box", config=settings) as box, box.client() as client:
        taken(client, article(1))
        until(lambda: models(box).get("serving", ("", 0))[1] == passages(box) > 0, "it has vectors")
        name = models(box)["serving"][0]
        assert name.startswith("word-vectors/")
        assert find(client, "huyết áp")["model"] == name
        assert box.stop() == 0
        source.unlink()  # what was made of it is enough
        box.start()
        assert find(client, "huyết áp")["model"] == name
