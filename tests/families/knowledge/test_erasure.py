"""A person is erased from articles that name them: a mark is left, and what was found out fits the text."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from ingestbox.enrich.duplicates import text_hash
from ingestbox.model import Role
from tests.families.erasing import ErasureRoom
from tests.families.knowledge.deciding import issue, job_of, poor, record_of, resolve, told
from tests.families.knowledge.support import article, bulk, content, taken, text, upload, wait
from tests.harness import BoxProcess, until
from tests.web.v1.support import Json, get

_numbers = itertools.count(1)


class Room(ErasureRoom):
    """One in which an erasure is asked for and waited for."""

    def erase(self) -> Json:
        reply = self.client.post("/v1/erasures", json={"email": self.address})
        assert reply.status_code in (200, 202), reply.text
        path = f"/v1/erasures/{reply.json()['erasure_id']}"

        def done() -> Json | None:
            found = get(self.client, path)
            return found if found["state"] == "done" else None

        return until(done, "the erasure is done")


@pytest.fixture
def room(box: BoxProcess) -> Iterator[Room]:
    number = next(_numbers)
    with box.client(Role.ADMIN, workspace=f"erasing-{number}") as client:
        yield Room(box, client, f"erasing-{number}", f"zzanna{number}quux")


def naming(room: Room, number: int, **fields: object) -> dict[str, object]:
    """A long article that has the address in its text, in two spellings, before what it is about."""
    local = room.address.upper()
    body = f"Liên hệ {room.address} hoặc {local} để đặt lịch. {text(number, sentences=60)} {room.address}"
    given = [
        {"text": "sốt xuất huyết", "type": "disease", "confidence": 0.9},
        {"text": room.address, "type": "contact", "confidence": 1},
        {"text": f"hỏi {room.address}", "type": "contact", "confidence": 1},
    ]
    return article(number, content=body, extracted_entities=given, **fields)


def is_whole(found: Json) -> None:
    """Whether all that has a place in the text is where it says."""
    result = found["result"]
    for each in result["entities"]:
        if each["start"] is not None:
            assert result["text"][each["start"] : each["end"]].casefold() == each["text"].casefold()
    spans = result["passages"]
    assert spans[0]["start"] == 0
    assert spans[-1]["end"] == len(result["text"])


def test_nothing_of_the_person_is_left_and_the_rest_is_right(room: Room) -> None:
    item = naming(room, 1, source_url=f"https://moh.gov.vn/1?by={room.address}", title=f"Hỏi {room.address}")
    named, other = taken(room.client, item), taken(room.client, article(2))
    before, apart_ = content(room.client, named), content(room.client, other)
    hashes = room.rows("SELECT id, hash FROM knowledge_contents")
    counts = room.erase()["counts"]
    assert (counts["records"], counts["articles"]) == (1, 1)
    assert room.traces == []
    after = content(room.client, named)
    assert "@personal-mail.example" not in str(after)
    assert after["quality_score"] == before["quality_score"]
    assert after["result"]["text_hash"] == text_hash(after["record"]["content"]).hex()
    assert {each["text"] for each in after["result"]["entities"]} >= {"sốt xuất huyết"}
    assert not any(each["type"] == "contact" for each in after["result"]["entities"])
    is_whole(before)
    is_whole(after)
    assert content(room.client, other) == apart_
    lines = told(room.client, named)
    assert [(line["op"], line.get("version")) for line in lines] == [("skip", None), ("put", 2)]
    assert lines[-1]["result"] == after["result"]
    # Who crawls the page again has the same text, and does not bring it back.
    assert room.rows("SELECT id, hash FROM knowledge_contents") == hashes
    again = room.client.post("/knowledge-management/content/upload", json=item)
    assert again.status_code in (200, 409)
    assert again.json()["content_id"] == named


def test_what_is_held_stays_untold(room: Room) -> None:
    named = taken(room.client, poor(3, title=f"Hỏi {room.address}"))
    job_of(room.client, named)
    waits = issue(room.client, named)
    room.erase()
    assert room.traces == []
    assert told(room.client, named) == []
    assert content(room.client, named)["title"].startswith("Hỏi [")
    titles = room.rows(f"SELECT title FROM knowledge_articles WHERE object_id = '{named}'")
    assert [str(title).startswith("Hỏi [") for (title,) in titles] == [True]
    now = issue(room.client, named)
    assert now["id"] == waits["id"]
    resolve(room.client, now["id"], "accept")
    (line,) = until(lambda: told(room.client, named), "it is told")
    assert line["record"]["title"].startswith("Hỏi [")


def test_what_became_nothing_is_redacted_too(room: Room) -> None:
    batch = f"batch {room.address}"
    url = f"https://moh.gov.vn/2?by={room.address}"
    bulk(room.client, batch, [{"source_url": url, "title": room.address}, article(4)])
    wait(room.client, batch_id=batch)
    room.erase()
    assert room.traces == []


def test_an_article_that_waits_to_be_processed_is_redacted_before(room: Room) -> None:
    named = upload(room.client, naming(room, 5))
    room.erase()
    wait(room.client, content_id=named)
    until(lambda: room.traces == [], "nothing of it is left")
    assert record_of(named)
    is_whole(content(room.client, named))


def test_who_sends_it_again_brings_nobody_back_also_once_it_is_processed_anew(room: Room) -> None:
    """However it comes to that: processed again, accepted, or redacted before its first result."""
    done, low, early = naming(room, 6), poor(7, title=f"Hỏi {room.address}"), naming(room, 8)
    low["content"] = f"{low['content']} Hỏi {room.address}."
    names = [taken(room.client, done), taken(room.client, low), upload(room.client, early)]
    room.erase()
    wait(room.client, content_id=names[2])
    resolve(room.client, issue(room.client, names[1])["id"], "accept")
    job = job_of(room.client, names[0])["id"]
    reply = room.client.post(f"/v1/jobs/{job}/reprocess", params={"records": "all"})
    assert reply.status_code < 300, reply.text
    until(lambda: len(told(room.client, names[0])) == 3, "it is told again")
    until(lambda: told(room.client, names[1]), "what was accepted is told")
    for item, name in zip((done, low, early), names, strict=True):
        again = room.client.post("/knowledge-management/content/upload", json=item)
        assert (again.status_code, again.json()["content_id"]) == (200, name)
    until(lambda: room.traces == [], "nothing of it is left")
