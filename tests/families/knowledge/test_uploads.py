"""One article at a time: taken once, whatever its sender repeats."""

from __future__ import annotations

import gzip
import json
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from ingestbox.families.knowledge.shapes import PATH
from tests.families.knowledge import support
from tests.families.knowledge.deciding import issue, record_of, resolve
from tests.families.knowledge.support import (
    UNLIMITED,
    UPLOAD,
    People,
    article,
    bulk,
    content,
    refused,
    status,
    text,
    upload,
    wait,
)
from tests.harness import BoxProcess, running
from tests.web.v1.support import get


def jobs(people: People) -> int:
    """How many jobs of knowledge the workspace has."""
    reply = people.admin.get("/v1/jobs", params={"family": "knowledge", "limit": 500})
    return len(reply.raise_for_status().json()["jobs"])


def test_the_answer_is_the_documented_one(crawler: httpx2.Client) -> None:
    reply = crawler.post(UPLOAD, json=article(1))
    assert reply.status_code == 200
    body = reply.json()
    assert body == {
        "success": True,
        "content_id": body["content_id"],
        "status": "queued_for_processing",
        "message": "Content uploaded successfully",
        "processing_estimate": body["processing_estimate"],
    }
    assert body["content_id"].removeprefix("km_content_").isdigit()


def test_the_same_again_from_the_same_address_is_the_first_one(people: People) -> None:
    first = upload(people.crawler, article(1))
    assert upload(people.second, article(1, title="Another title")) == first
    assert jobs(people) == 1
    assert status(people.crawler, since="2024-01-01")["total_items"] == 1


def test_blanks_around_an_address_make_it_no_other_one(crawler: httpx2.Client) -> None:
    item = article(5, source_url=" https://moh.gov.vn/article/5\n")
    first = upload(crawler, item)
    wait(crawler, content_id=first)
    assert upload(crawler, item) == first
    assert upload(crawler, article(5)) == first


def test_texts_are_the_same_whatever_their_letters_are_made_of(crawler: httpx2.Client) -> None:
    written = unicodedata.normalize("NFC", text(2))
    first = upload(crawler, article(2, content=written))
    apart = unicodedata.normalize("NFD", written)
    assert apart != written
    for other in (apart, written.upper(), written.replace(" ", "\n\t ") + "  "):
        assert upload(crawler, article(2, content=other)) == first


def test_the_same_text_from_another_address_is_refused_with_the_first(crawler: httpx2.Client) -> None:
    first = upload(crawler, article(3))
    reply = crawler.post(UPLOAD, json=article(3, source_url="https://elsewhere.vn/3"))
    assert refused(reply, 409, "duplicate_content")["content_id"] == first


def test_workspaces_do_not_know_each_others_texts(people: People) -> None:
    first = upload(people.crawler, article(4))
    assert upload(people.stranger, article(4, source_url="https://elsewhere.vn/4")) != first
    refused(people.stranger.get(f"{PATH}/content/{first}"), 404, "content_not_found")
    refused(people.stranger.get(support.STATUS, params={"content_id": first}), 404, "content_not_found")


def test_a_key_gives_its_answer_again_also_of_a_repeat_that_made_no_job(people: People) -> None:
    client, headers = people.crawler, {"Idempotency-Key": "k"}
    first = client.post(UPLOAD, json=article(5), headers=headers)
    again = client.post(UPLOAD, json=article(5), headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.content == first.content
    other = client.post(UPLOAD, json=article(6), headers=headers)
    assert refused(other, 422, "idempotency_mismatch")
    repeat = client.post(UPLOAD, json=article(5), headers={"Idempotency-Key": "l"})
    assert repeat.json()["content_id"] == first.json()["content_id"]
    assert "Idempotency-Replayed" not in repeat.headers
    more = client.post(UPLOAD, json=article(5), headers={"Idempotency-Key": "l"})
    assert more.headers["Idempotency-Replayed"] == "true"
    refused(
        client.post(UPLOAD, json=article(6), headers={"Idempotency-Key": "l"}), 422, "idempotency_mismatch"
    )
    assert jobs(people) == 1


def test_of_many_at_the_same_moment_one_is_taken(people: People) -> None:
    headers = people.crawler.headers

    def post(_: int) -> str:
        return upload(people.crawler, article(7), headers=headers)

    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(post, range(24)))
    assert len(found) == 1
    assert jobs(people) == 1


def test_gzip_is_taken(crawler: httpx2.Client) -> None:
    body = gzip.compress(json.dumps(article(8, content=text(8, sentences=400))).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    reply = crawler.post(UPLOAD, content=body, headers=headers)
    assert reply.status_code == 200, reply.text


def test_who_may_not_is_told_so(people: People, box: BoxProcess) -> None:
    refused(people.analyst.post(UPLOAD, json=article(9)), 403, "forbidden")
    assert upload(people.uploader, article(9))
    headers = {"Authorization": "Bearer of-nobody"}
    reply = httpx2.post(f"{box.url}{UPLOAD}", json=article(9), headers=headers, trust_env=False, verify=False)
    refused(reply, 401, "authentication_failed")


def test_content_is_read_with_what_was_found_out(people: People) -> None:
    item = article(10, language=None, metadata=None)
    content_id = upload(people.crawler, item)
    wait(people.crawler, content_id=content_id)
    body = content(people.second, content_id)
    assert (body["status"], body["language"], body["content_type"]) == ("completed", "vi", "article")
    assert body["crawled_at"] == body["taken_at"], "made where it is not said"
    assert body["result"]["text"] == body["record"]["content"]
    assert body["vector_id"].startswith("vec_")
    assert body["quality_score"] == body["result"]["quality_score"]
    assert 0 <= body["processing_time"] < 60
    assert content(people.admin, content_id, all="true")["content_id"] == content_id
    reply = people.crawler.get(f"{PATH}/content/{content_id}", params={"all": "true"})
    refused(reply, 403, "forbidden")
    for unknown in ("km_content_1", "km_content_999999999999", "7", f"{content_id}0"):
        refused(people.crawler.get(f"{PATH}/content/{unknown}"), 404, "content_not_found")
    refused(
        people.crawler.get(f"{PATH}/content/{content_id}", params={"box": "b1"}), 404, "content_not_found"
    )


def test_sources_are_not_made_known_where_that_is_off_and_too_large_is_told(tmp_path: Path) -> None:
    config = f"{UNLIMITED}[knowledge]\nauto_register_sources = false\n[limits]\nknowledge_mb = 1\n"
    with running(tmp_path / "box", config=config) as box, support.people(box) as people:
        client = people.crawler
        body = refused(client.post(UPLOAD, json=article(1)), 404, "source_not_found")
        assert body["details"][0]["field"] == "source_id"
        for _ in range(2):  # what was refused before is not kept twice
            (item,) = bulk(client, "b", [article(1)])["items"]
            assert (item["status"], item["error"]) == ("rejected", "source_not_found")
        said = status(client, batch_id="b")
        assert (said["total_items"], said["failed"], said["overall_status"]) == (1, 1, "failed")
        assert jobs(people) == 1
        # Once its source is known it is taken, however it is called; what waited closes itself.
        waits = item["content_id"]
        assert issue(people.admin, waits)["code"] == "source_not_found"
        people.admin.post(f"{PATH}/sources", json={"id": "moh", "name": "Ministry"}).raise_for_status()
        (item,) = bulk(client, "c", [article(1, source_id="moh", crawled_at=None)])["items"]
        assert (item["status"], item["content_id"] != waits) == ("accepted", True)
        closed = issue(people.admin, waits, "resolved")
        comment = f"It came again as {item['content_id']}"
        assert (closed["resolution"], closed["resolved_by"]) == ("superseded", "system")
        assert closed["comment"] == comment
        wait(client, batch_id="c")
        for said in (status(client, batch_id="b"), status(client)):
            assert (said["total_items"], said["completed"]) == (1, 1)
            assert said["items"][0]["content_id"] == item["content_id"]
        (said,) = status(client, content_id=waits)["items"]
        assert (said["status"], said["error"]) == ("failed", comment)
        job = get(people.admin, f"/v1/jobs/{get(people.admin, f'/v1/records/{record_of(waits)}')['job']}")
        assert (job["counts"]["issue"], job["counts"]["finished"]) == (0, 1)
        # Somebody may try it again, too: then it is what was taken.
        (item,) = bulk(client, "d", [article(2, source_id="new")])["items"]
        tried = issue(people.admin, item["content_id"])["id"]
        assert resolve(people.admin, tried, "retry").status_code == 200
        assert upload(client, article(2, source_id="moh")) == item["content_id"]
        wait(client, content_id=item["content_id"])
        assert upload(client, article(2, source_id="moh")) == item["content_id"]
        large = client.post(UPLOAD, json=article(1, content="x" * 1_048_576))
        refused(large, 413, "content_too_large")
