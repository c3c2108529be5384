"""Many articles in one request: each decided about by itself, none of them twice."""

from __future__ import annotations

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from ingestbox.families.knowledge import decode
from ingestbox.families.knowledge.check import TYPES
from ingestbox.families.knowledge.hashing import in_child
from ingestbox.families.knowledge.shapes import PATH
from tests.families.audience.support import turns_of
from tests.families.knowledge import support
from tests.families.knowledge.support import (
    BULK,
    People,
    article,
    bulk,
    content,
    faults,
    refused,
    status,
    text,
    upload,
    wait,
)
from tests.families.knowledge.test_uploads import jobs
from tests.faults.ledger import rows
from tests.harness import BoxProcess, until


def without_source(number: int, **fields: object) -> dict[str, object]:
    return {name: value for name, value in article(number, **fields).items() if name != "source_id"}


def statuses(answer: dict[str, Any]) -> list[str]:
    return [item["status"] for item in answer["items"]]


def test_the_answer_is_the_documented_one(crawler: httpx2.Client) -> None:
    items = [without_source(1), without_source(2, content_type="regulation")]
    answer = bulk(crawler, "batch_20240116_001", items)
    ids = [item["content_id"] for item in answer["items"]]
    assert len(set(ids)) == 2
    assert answer == {
        "success": True,
        "batch_id": "batch_20240116_001",
        "total_items": 2,
        "accepted_items": 2,
        "rejected_items": 0,
        "status": "processing",
        "processing_estimate": answer["processing_estimate"],
        "items": [
            {"source_url": f"https://moh.gov.vn/article/{n}", "content_id": ids[n - 1], "status": "accepted"}
            for n in (1, 2)
        ],
    }


def test_an_items_own_source_goes_before_the_batchs(crawler: httpx2.Client) -> None:
    items = [without_source(1), {"source_id": None, **without_source(2)}, article(3, source_id="own")]
    ids = [
        item["content_id"] for item in bulk(crawler, "b", items, body={"source_id": "the batch's"})["items"]
    ]
    found = [content(crawler, each) for each in ids]
    assert [each["source_id"] for each in found] == ["the batch's", "the batch's", "own"]
    assert [each["record"]["source_id"] for each in found] == ["the batch's", "the batch's", "own"]
    assert {**found[0]["record"], "source_id": None} == {**without_source(1), "source_id": None}
    assert [status(crawler, source_id=each)["total_items"] for each in ("the batch's", "own")] == [2, 1]
    (item,) = bulk(crawler, "c", [without_source(4)], body={"source_id": None})["items"]
    assert item["details"] == [{"field": "source_id", "error": "source_id is required"}]


def test_blanks_around_a_source_are_not_of_its_name(crawler: httpx2.Client) -> None:
    items = [without_source(1), article(2, source_id="\u3000moh\n")]
    ids = [item["content_id"] for item in bulk(crawler, "b", items, body={"source_id": " moh "})["items"]]
    wait(crawler, batch_id="b")
    assert [content(crawler, each)["source_id"] for each in ids] == ["moh", "moh"]
    (source,) = crawler.get(f"{PATH}/sources").raise_for_status().json()["sources"]
    assert (source["id"], source["total_content"]) == ("moh", 2)


def test_each_item_is_decided_about_by_itself(people: People) -> None:
    client = people.crawler
    first = upload(client, article(1))
    items: list[Any] = [
        article(2),
        article(1),
        article(1, source_url="https://elsewhere.vn"),
        article(3, content="short", language="xx"),
        5,
        article(2),
        article(4),
    ]
    answer = bulk(client, "mixed", items)
    assert statuses(answer) == [
        "accepted", "duplicate", "rejected", "rejected", "rejected", "duplicate", "accepted",
    ]  # fmt: skip
    assert (answer["total_items"], answer["accepted_items"], answer["rejected_items"]) == (7, 4, 3)
    said = answer["items"]
    assert said[1]["content_id"] == said[2]["content_id"] == first
    assert said[5]["content_id"] == said[0]["content_id"]
    assert [each.get("error") for each in said[2:5]] == [
        "duplicate_content", "validation_failed", "validation_failed",
    ]  # fmt: skip
    assert [each["field"] for each in said[3]["details"]] == ["content", "language"]
    assert said[3]["message"] == "Content too short (minimum 100 characters)"
    assert said[4]["source_url"] == ""
    done = wait(client, batch_id="mixed")
    assert (done["total_items"], done["completed"], done["failed"]) == (5, 3, 2)
    assert done["overall_status"] == "completed_with_errors"
    issues = people.admin.get("/v1/issues", params={"family": "knowledge"}).json()["issues"]
    assert len(issues) == 2, "what is not valid waits for a person"
    before = jobs(people)
    again = bulk(client, "mixed", items)
    assert statuses(again) == [
        "duplicate", "duplicate", "rejected", "rejected", "rejected", "duplicate", "duplicate",
    ]  # fmt: skip
    assert [each["content_id"] for each in again["items"]] == [each["content_id"] for each in said]
    assert jobs(people) == before, "a pure repeat makes none"
    assert wait(client, batch_id="mixed") == done
    assert len(people.admin.get("/v1/issues", params={"family": "knowledge"}).json()["issues"]) == 2


def test_all_rejected_is_an_answer_and_the_batch_is_known(crawler: httpx2.Client) -> None:
    upload(crawler, article(1))
    answer = bulk(crawler, "none", [article(1, source_url="https://elsewhere.vn")])
    assert (answer["accepted_items"], answer["rejected_items"]) == (0, 1)
    said = status(crawler, batch_id="none")
    assert (said["total_items"], said["overall_status"], said["items"]) == (0, "completed", [])


def test_what_comes_again_in_another_batch_is_in_both(people: People) -> None:
    bulk(people.crawler, "one", [article(1), article(2)])
    assert statuses(bulk(people.second, "two", [article(2)])) == ["duplicate"]
    assert statuses(bulk(people.second, "three", [article(2), article(3)])) == ["duplicate", "accepted"]
    assert [status(people.crawler, batch_id=each)["total_items"] for each in ("one", "two", "three")] == [
        2,
        1,
        2,
    ]
    assert jobs(people) == 2


def test_a_key_gives_its_answer_again(crawler: httpx2.Client) -> None:
    body, headers = {"batch_id": "k", "items": [article(1)]}, {"Idempotency-Key": "k"}
    first = crawler.post(BULK, json=body, headers=headers)
    again = crawler.post(BULK, json=body, headers=headers)
    assert again.content == first.content
    repeat = crawler.post(BULK, json=body, headers={"Idempotency-Key": "l"})
    assert statuses(repeat.json()) == ["duplicate"]
    other = {**body, "batch_id": "m"}
    refused(crawler.post(BULK, json=other, headers={"Idempotency-Key": "l"}), 422, "idempotency_mismatch")


@pytest.mark.parametrize(
    ("body", "field", "error"),
    [
        ({"batch_id": None}, "batch_id", "batch_id is required"),
        ({"batch_id": " "}, "batch_id", "batch_id must have 1 to 255 characters"),
        ({"batch_id": "x" * 256}, "batch_id", "batch_id must have 1 to 255 characters"),
        ({"batch_id": 5}, "batch_id", "batch_id must be text"),
        ({"source_id": 5}, "source_id", "source_id must be text"),
        ({"items": None}, "items", "items must be a list of objects"),
        ({"items": {}}, "items", "items must be a list of objects"),
        ({"items": []}, "items", "items cannot be empty"),
        ({"items": [{}] * 1_001}, "items", "items has more than 1000: send them in several requests"),
    ],
)
def test_what_is_no_batch_is_refused(
    crawler: httpx2.Client, body: dict[str, object], field: str, error: str
) -> None:
    sent = {"batch_id": "b", "source_id": "s", "items": [article(1)], **body}
    assert faults(crawler.post(BULK, json=sent)) == [(field, error)]


def test_every_fault_of_the_batch_is_told(crawler: httpx2.Client) -> None:
    assert [field for field, _ in faults(crawler.post(BULK, json={}))] == ["batch_id", "items"]
    assert faults(crawler.post(BULK, json=[])) == [("", "The body must be an object with batch_id and items")]


def test_large_batches_enter_in_parts_and_only_once(people: People) -> None:
    items = [article(number, content=text(number, sentences=3)) for number in range(250)]
    answer = bulk(people.crawler, "large", items)
    assert (answer["accepted_items"], len(answer["items"])) == (250, 250)
    before = jobs(people)
    again = bulk(people.crawler, "large", items)
    assert set(statuses(again)) == {"duplicate"}
    assert [each["content_id"] for each in again["items"]] == [each["content_id"] for each in answer["items"]]
    assert jobs(people) == before
    more = bulk(people.crawler, "large", [*items, article(250)])
    assert statuses(more)[-2:] == ["duplicate", "accepted"]
    assert status(people.crawler, batch_id="large")["total_items"] == 251


def test_of_copies_at_the_same_moment_one_is_taken(people: People) -> None:
    body = {"batch_id": "raced", "items": [article(n, content=text(n, sentences=3)) for n in range(150)]}
    headers = people.crawler.headers

    def post(_: int) -> httpx2.Response:
        return people.crawler.post(BULK, json=body, headers=headers)

    with ThreadPoolExecutor(4) as threads:
        replies = list(threads.map(post, range(6)))
    for reply in replies:
        if reply.status_code != 200:
            refused(reply, 409, "request_in_progress")
            assert int(reply.headers["Retry-After"]) >= 1
    assert set(statuses(bulk(people.crawler, "raced", body["items"]))) == {"duplicate"}  # type: ignore[arg-type]
    assert status(people.crawler, batch_id="raced")["total_items"] == 150
    assert jobs(people) == 1


def test_a_kill_while_a_batch_enters_loses_nothing_and_doubles_nothing(own_box: BoxProcess) -> None:
    own_box.configure(support.UNLIMITED)
    own_box.start()
    items = [article(number, content=text(number, sentences=3)) for number in range(1_000)]
    with support.people(own_box) as before:

        def send() -> None:
            with contextlib.suppress(httpx2.TransportError):
                before.crawler.post(BULK, json={"batch_id": "killed", "items": items})

        thread = threading.Thread(target=send)
        thread.start()
        until(
            lambda: rows(own_box.data, "SELECT COUNT(*) FROM knowledge_contents")[0][0] >= 100,
            "some of the batch is in the store",
        )
        own_box.kill()
        thread.join()
        own_box.start()
        headers = {"Authorization": before.crawler.headers["Authorization"]}
        with httpx2.Client(base_url=own_box.url, headers=headers, trust_env=False, verify=False) as client:
            answer = until(lambda: _taken(client, items), "the batch is taken")
            assert answer["accepted_items"] == 1_000
            ids = {item["content_id"] for item in answer["items"]}
            assert len(ids) == 1_000
            assert status(client, batch_id="killed", limit=1)["total_items"] == 1_000
            assert status(client, since="2020-01-01", limit=1)["total_items"] == 1_000


def _taken(client: httpx2.Client, items: list[dict[str, object]]) -> dict[str, Any] | None:
    reply = client.post(BULK, json={"batch_id": "killed", "items": items}, timeout=60)
    if reply.status_code == 409:  # what the kill has left is not swept away yet
        refused(reply, 409, "request_in_progress")
        return None
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def test_others_have_their_turn_while_a_large_body_is_decoded() -> None:
    items = [article(number, content=text(number % 50, sentences=200) + str(number)) for number in range(300)]
    body = json.dumps({"batch_id": "b", "items": items}, ensure_ascii=False).encode()
    asked: list[int] = []

    async def compute(function: str, data: bytes) -> bytes:
        assert function == "ingestbox.families.knowledge.hashing:in_child"
        asked.append(len(data))
        return in_child(data)

    sent, turns = turns_of(decode.bulk(body, TYPES, compute, most=1_000, most_bytes=8_388_608))
    assert len(sent.articles) == 300
    assert turns > len(body) / decode.SLICE_BYTES
    long = article(1, content=text(1, sentences=1_000))
    turns_of(decode.single(json.dumps(long).encode(), TYPES, compute))
    assert asked, "long texts are hashed in a child"
