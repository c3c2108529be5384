"""A central box keeps what other boxes found out about articles, and makes nothing of it but what they are
searched by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from ingestbox.families.knowledge.process import process
from ingestbox.families.knowledge.shapes import PATH
from ingestbox.model import Chunk, Item, Role, delivery_digest
from tests.families.audience.edge import Edge
from tests.families.knowledge.deciding import issue, poor, resolve
from tests.families.knowledge.support import UNLIMITED, article, content, taken
from tests.harness import BoxProcess, running, until
from tests.web.v1.support import Json, get

CENTRAL = f"{UNLIMITED}[knowledge]\nauto_register_sources = false\n"


@dataclass(frozen=True)
class Boxes:
    """An edge box that sends to a central one, and administrators of both."""

    central: BoxProcess
    here: httpx2.Client
    there: httpx2.Client

    @property
    def box(self) -> str:
        """What the edge is called."""
        name: str = get(self.here, "/v1/stats")["box"]
        return name


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boxes]:
    folder: Path = tmp_path_factory.mktemp("boxes")
    with running(folder / "central", config=CENTRAL) as central:
        token = central.token(Role.FORWARDER, subject="edge")
        lane = f'[[lanes]]\nname = "central"\nurl = "{central.url}/v1/sync/batches"\ntoken = "{token}"\n'
        with (
            running(folder / "edge", config=f"{UNLIMITED}{lane}") as edge,
            edge.client(Role.ADMIN) as here,
            central.client(Role.ADMIN) as there,
        ):
            yield Boxes(central, here, there)


def arrived(boxes: Boxes, content_id: str, **params: str) -> Json:
    """Content at the central box, once it is there."""

    def seen() -> Json | None:
        reply = boxes.there.get(f"{PATH}/content/{content_id}", params=params)
        return reply.json() if reply.status_code == 200 else None

    return until(seen, f"{content_id} is at the central box")


def lines(*items: dict[str, object]) -> list[Json]:
    """Lines as a box would send them, with the results that it would have found."""
    made = []
    for number, item in enumerate(items):
        record = msgspec.json.encode(item)
        (outcome,) = process(Chunk("knowledge", [Item(number, "u", record)], 7, "p"))
        assert outcome.put is not None
        made.append(line(outcome.put.id, record, outcome.put.result))
    return made


def line(object_id: str, record: bytes, result: bytes, **members: Any) -> Json:
    return {
        "op": "put",
        "version": 1,
        "workspace": "default",
        "family": "knowledge",
        "kind": "article",
        "id": object_id,
        "owner": "local:somebody",
        "job_id": "j",
        "at": "2026-03-01T12:00:00.000Z",
        "hash": delivery_digest(record, result),
        "record": msgspec.Raw(record),
        "result": msgspec.Raw(result),
        "lineage": {"file": "b", "row": 0, "rules": "1"},
        **members,
    }


def test_an_article_is_read_there_as_it_is_here(boxes: Boxes) -> None:
    found = taken(boxes.here, article(1))
    there = arrived(boxes, found)
    here = content(boxes.here, found)
    assert there["box"] == boxes.box
    for name in ("record", "result", "quality_score", "title", "source_url", "status"):
        assert there[name] == here[name], name
    # What another box knows of sources is that box's: none is made of what it sends.
    assert get(boxes.there, f"{PATH}/sources")["sources"] == []


def test_what_is_held_arrives_once_it_is_accepted(boxes: Boxes) -> None:
    held, other = taken(boxes.here, poor(2)), taken(boxes.here, article(3))
    waits = issue(boxes.here, held)
    arrived(boxes, other)
    assert boxes.there.get(f"{PATH}/content/{held}").status_code == 404
    assert resolve(boxes.here, waits["id"], "accept").status_code == 200
    assert arrived(boxes, held)["quality_score"] < 0.5


def test_what_is_held_and_given_up_was_never_there(boxes: Boxes) -> None:
    held = taken(boxes.here, poor(4))
    assert resolve(boxes.here, issue(boxes.here, held)["id"], "discard").status_code == 200
    arrived(boxes, taken(boxes.here, article(5)))
    assert boxes.there.get(f"{PATH}/content/{held}").status_code == 404
    (lane,) = get(boxes.here, "/v1/stats")["lanes"]
    assert (lane["parked"], lane["state"]) == (0, "running")


def test_the_same_again_and_what_is_no_article(boxes: Boxes) -> None:
    edge = Edge(boxes.central, "default")
    first, second = lines(article(6), article(7))
    edge.tells(first, second)
    assert edge.again(1, first, second)["rejected"] == []
    there = arrived(boxes, first["id"], box=edge.box)
    assert (there["box"], there["title"]) == (edge.box, article(6)["title"])
    record, result = bytes(first["record"]), bytes(first["result"])
    wrong = [
        line("km_content_900", record, b"{}"),
        line("km_content_901", b"{}", result),
    ]
    answer = edge.send(*wrong)
    assert len(answer["rejected"]) == 2
    for each in wrong:
        assert boxes.there.get(f"{PATH}/content/{each['id']}").status_code == 404
    more = msgspec.json.decode(result) | {"of_a_newer_version": [1]}
    newer = line(first["id"], record, msgspec.json.encode(more), version=2)
    edge.tells(newer)
    until(
        lambda: "of_a_newer_version" in arrived(boxes, first["id"], box=edge.box)["result"],
        "the newer version is there",
    )
