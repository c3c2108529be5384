"""How far content is, as its sender asks."""

from __future__ import annotations

import time

import httpx2
import pytest

from ingestbox.families.knowledge.batches import parent_of
from ingestbox.families.knowledge.status import StatusItem, item_of
from tests.families.knowledge.support import (
    STATUS,
    People,
    article,
    bulk,
    faults,
    refused,
    status,
    text,
    upload,
    wait,
)


def test_the_answer_is_the_documented_one(crawler: httpx2.Client) -> None:
    answer = bulk(crawler, "b", [article(1), article(2)])
    said = wait(crawler, batch_id="b")
    assert said == {
        "success": True,
        "batch_id": "b",
        "overall_status": "completed",
        "total_items": 2,
        "completed": 2,
        "processing": 0,
        "queued": 0,
        "failed": 0,
        "items": said["items"],
    }
    assert [item["content_id"] for item in said["items"]] == [item["content_id"] for item in answer["items"]]
    for item in said["items"]:
        assert set(item) == {"content_id", "status", "vector_id", "processing_time", "quality_score"}
        assert item["status"] == "completed"
        assert item["vector_id"].startswith("vec_")
        assert 0 <= item["processing_time"] < 60
        assert 0 < item["quality_score"] <= 1


def test_a_batch_is_the_sum_of_its_chunks(people: People) -> None:
    client = people.crawler
    for number in (1, 2, 10):
        bulk(client, f"crawl_chunk_{number}", [article(number)])
    bulk(client, "crawl", [article(20)])
    bulk(client, "crawl_chunk_x", [article(21)])
    bulk(client, "other_chunk_1", [article(22)])
    assert wait(client, batch_id="crawl")["total_items"] == 4
    assert [status(client, batch_id=f"crawl_chunk_{n}")["total_items"] for n in (1, 2, 10, "x")] == [
        1,
        1,
        1,
        1,
    ]
    assert status(client, batch_id="other")["total_items"] == 1
    refused(people.stranger.get(STATUS, params={"batch_id": "crawl"}), 404, "content_not_found")
    for unknown in ("craw", "crawl_chunk_3", "crawl_chunk_"):
        refused(client.get(STATUS, params={"batch_id": unknown}), 404, "content_not_found")


@pytest.mark.parametrize(
    ("name", "parent"),
    [
        ("a_chunk_1", "a"),
        ("a_chunk_0099", "a"),
        ("a_chunk_1_chunk_2", "a_chunk_1"),
        ("a_chunk_", "a_chunk_"),
        ("_chunk_1", "_chunk_1"),
        ("a_chunk_1x", "a_chunk_1x"),
        ("a_chunk_١", "a_chunk_١"),
        ("a\nb_chunk_1", "a\nb"),
        ("a", "a"),
    ],
)
def test_what_a_chunk_is_of(name: str, parent: str) -> None:
    assert parent_of(name) == parent


def test_by_source_and_since_it_is_newest_first_and_comes_in_parts(people: People) -> None:
    client = people.crawler
    first = upload(client, article(0, source_id="late"))
    wait(client, content_id=first)
    ids = [upload(client, article(number, source_id="late")) for number in range(1, 5)]
    upload(client, article(9, source_id="other"))
    said = wait(client, source_id="late")
    assert [item["content_id"] for item in said["items"]] == [*reversed(ids), first]
    assert "next_cursor" not in said
    found, cursor = [], ""
    while True:
        page = status(client, source_id="late", limit=2, **({"cursor": cursor} if cursor else {}))
        assert page["total_items"] == 5, "sums are of all"
        found += [item["content_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
    assert found == [*reversed(ids), first]
    assert status(client, since="2020-01-01T00:00:00Z")["total_items"] == 6
    assert status(client, since="2020-01-01T07:00:00 07:00")["total_items"] == 6, (
        "a plus that was not escaped"
    )
    assert status(client, since="2999-01-01")["total_items"] == 0
    assert status(client, source_id="late", since="2999-01-01")["total_items"] == 0
    bulk(client, "narrowed", [article(1, source_id="late"), article(9, source_id="other")])
    assert status(client, batch_id="narrowed", source_id="late")["total_items"] == 1
    assert status(client, batch_id="narrowed", since="2999-01-01")["total_items"] == 0
    parts = status(client, batch_id="narrowed", limit=1)
    more = status(client, batch_id="narrowed", limit=1, cursor=parts["next_cursor"])
    assert len({parts["items"][0]["content_id"], more["items"][0]["content_id"]}) == 2
    newest = status(client, limit=1)["next_cursor"]
    for params in ({"batch_id": "narrowed", "cursor": newest}, {"cursor": parts["next_cursor"]}):
        faults(client.get(STATUS, params=params))  # of a list in another order
    assert status(client)["total_items"] == 6, "everything there is"
    refused(client.get(STATUS, params={"source_id": "nobody"}), 404, "source_not_found")
    for name in ("content_id", "batch_id", "source_id"):
        assert client.get(STATUS, params={name: ""}).status_code == 404


@pytest.mark.parametrize(
    "params",
    [
        {"since": "yesterday"},
        {"since": ""},
        {"since": "2020-01-01", "limit": "0"},
        {"since": "2020-01-01", "limit": "501"},
        {"since": "2020-01-01", "cursor": "no"},
        {"since": "2020-01-01", "cursor": "WzEsMl0"},
        {"since": "2020-01-01", "cursor": "Wy0xLC0xXQ=="},
    ],
)
def test_what_is_no_question_is_refused(crawler: httpx2.Client, params: dict[str, str]) -> None:
    faults(crawler.get(STATUS, params=params))


def test_what_was_given_up_has_failed_and_what_is_repaired_completes(people: People) -> None:
    client = people.crawler
    bulk(client, "b", [article(1), article(2, content="short"), article(3, content="short")])
    assert wait(client, batch_id="b")["failed"] == 2
    issues = people.admin.get("/v1/issues", params={"family": "knowledge"}).json()["issues"]
    given_up, repaired = issues
    reply = people.admin.post(f"/v1/issues/{given_up['id']}/resolve", json={"action": "discard"})
    assert reply.status_code == 200, reply.text
    reply = people.admin.patch(f"/v1/records/{repaired['record']}", json={"content": text(77)})
    assert reply.status_code == 200, reply.text
    said = wait(client, batch_id="b")
    assert (said["completed"], said["failed"], said["overall_status"]) == (2, 1, "completed_with_errors")
    (failed,) = [item for item in said["items"] if item["status"] == "failed"]
    assert failed["error"] == "Content too short (minimum 100 characters)"


def _row(record: str, job: str, issue: str | None = None, article: int | None = 5) -> tuple[object, ...]:
    done = None if article is None else 4_200
    return 1 << 24, 1_000, done, record, job, article, 0.5, issue


@pytest.mark.parametrize(
    ("row", "state", "error", "held"),
    [
        (_row("pending", "queued", article=None), "queued_for_processing", None, False),
        (_row("pending", "running", article=None), "processing", None, False),
        (_row("pending", "cancelled", article=None), "failed", "It was cancelled.", False),
        (_row("done", "completed"), "completed", None, False),
        (_row("issue", "completed", '["Low quality",1]'), "completed", "Low quality", True),
        (_row("issue", "failed", '["Processing failed",0]', None), "failed", "Processing failed", False),
        (_row("issue", "failed", '["Processing failed",0]'), "failed", "Processing failed", False),
        (_row("discarded", "failed", None, None), "failed", "It was given up.", False),
    ],
)
def test_states_of_records_are_told_in_the_words_of_the_crawler(
    row: tuple[object, ...], state: str, error: str | None, held: bool
) -> None:
    item: StatusItem = item_of(row)
    assert (item.status, item.error or None, item.held or False) == (state, error, held)


def test_thousands_of_items_are_told_at_once(people: People) -> None:
    client = people.crawler
    for chunk in range(2):
        items = [
            article(n, content=text(n, sentences=2)) for n in range(chunk * 1_000, chunk * 1_000 + 1_000)
        ]
        assert bulk(client, f"many_chunk_{chunk}", items)["accepted_items"] == 1_000
    began = time.monotonic()
    said = status(client, batch_id="many")
    assert time.monotonic() - began < 2
    assert (said["total_items"], len(said["items"])) == (2_000, 2_000)
    assert len({item["content_id"] for item in said["items"]}) == 2_000
    assert said["completed"] + said["processing"] + said["failed"] == 2_000
