"""Articles that are processed once more, or corrected: one object, a version further each time, and what was
taken in follows."""

from __future__ import annotations

import httpx2

from ingestbox.families.knowledge.shapes import PATH
from tests.families.knowledge.deciding import issue, job_of, record_of, resolve, told
from tests.families.knowledge.support import (
    UPLOAD,
    People,
    article,
    bulk,
    content,
    status,
    taken,
    text,
    upload,
    wait,
)
from tests.harness import until
from tests.web.v1.support import Json, get


def versions(people: People, content_id: str, count: int) -> list[Json]:
    """The lines about content, once there are so many."""

    def enough() -> list[Json] | None:
        lines = told(people.admin, content_id)
        return lines if len(lines) >= count else None

    return until(enough, f"{content_id} is told {count} times")


def again(people: People, content_id: str) -> httpx2.Response:
    job = job_of(people.admin, content_id)["id"]
    return people.admin.post(f"/v1/jobs/{job}/reprocess", params={"records": "all"})


def test_what_is_told_is_what_is_read(people: People) -> None:
    found = taken(people.crawler, article(1))
    (line,) = versions(people, found, 1)
    body = content(people.crawler, found)
    assert (line["kind"], line["id"], line["version"]) == ("article", found, 1)
    assert (line["record"], line["result"]) == (body["record"], body["result"])
    assert "vectors" not in line["result"]


def test_processing_again_makes_a_version_of_the_same(people: People) -> None:
    found = taken(people.crawler, article(2))
    before = content(people.crawler, found)
    assert again(people, found).status_code < 300
    lines = versions(people, found, 2)
    assert [line["version"] for line in lines] == [1, 2]
    assert lines[0]["result"] == lines[1]["result"]
    after = content(people.crawler, found)
    assert (after["vector_id"], after["result"]) == (before["vector_id"], before["result"])
    assert status(people.crawler, source_id="ministry-health")["total_items"] == 1
    reply = people.crawler.post(UPLOAD, json=article(2))
    assert (reply.status_code, reply.json()["content_id"]) == (200, found)


def test_what_was_taken_in_follows_a_correction(people: People) -> None:
    """An item that could not be taken is corrected into another address, text and source."""
    bulk(people.crawler, "one", [{**article(3), "content": "short"}])
    wait(people.crawler, batch_id="one")
    (waits,) = get(people.admin, "/v1/issues", state="open")["issues"]
    found = f"km_content_{waits['record']}"
    good = article(4, source_id="another")
    patch = {name: good[name] for name in ("content", "source_id", "source_url", "title")}
    assert resolve(people.admin, waits["id"], "edit", patch=patch).status_code == 200
    (line,) = versions(people, found, 1)
    assert line["record"]["source_url"] == good["source_url"]
    body = content(people.crawler, found)
    assert (body["source_id"], body["source_url"]) == ("another", good["source_url"])
    (item,) = status(people.crawler, source_id="another")["items"]
    assert (item["content_id"], item["status"]) == (found, "completed")
    assert status(people.crawler, batch_id="one")["overall_status"] == "completed"
    # The text that is there now is a duplicate; what it was before is not.
    same = people.crawler.post(UPLOAD, json=good)
    assert (same.status_code, same.json()["content_id"]) == (200, found)
    # What it came as is known again, and makes no second issue.
    (again,) = bulk(people.crawler, "two", [{**article(3), "content": "short"}])["items"]
    assert (again["status"], again["content_id"]) == ("rejected", found)
    assert get(people.admin, "/v1/issues", state="open")["issues"] == []
    upload(people.crawler, article(3))
    counted = {
        each["id"]: each["total_content"] for each in get(people.crawler, f"{PATH}/sources")["sources"]
    }
    assert counted["ministry-health"] == 1


def test_nothing_is_corrected_into_what_is_there_already(people: People) -> None:
    good = article(4)
    found = taken(people.crawler, good)
    bulk(people.crawler, "three", [{**article(5), "content": "short"}])
    (waits,) = get(people.admin, "/v1/issues", state="open")["issues"]
    patch = {"content": f" {str(good['content']).upper()}"}
    reply = resolve(people.admin, waits["id"], "edit", patch=patch)
    assert (reply.status_code, reply.json()["code"]) == (409, "duplicate_content"), reply.text
    assert reply.json()["detail"] == f"The same text is there already, as {found}."
    assert issue(people.admin, f"km_content_{waits['record']}")["id"] == waits["id"]
    page = people.admin.get(f"/v1/records/{waits['record']}").json()
    assert page["payload"]["content"] == "short"
    patch = {"content": text(6)}
    assert resolve(people.admin, waits["id"], "edit", patch=patch).status_code == 200
    same = people.crawler.post(UPLOAD, json=article(6, source_url=article(5)["source_url"]))
    assert same.json()["content_id"] == f"km_content_{waits['record']}"  # before it is processed


def test_a_failed_one_keeps_its_reason_and_waits(people: People) -> None:
    bulk(people.crawler, "two", [{"source_url": "https://moh.gov.vn/6"}])
    wait(people.crawler, batch_id="two")
    (waits,) = get(people.admin, "/v1/issues", state="open")["issues"]
    found = f"km_content_{waits['record']}"
    assert record_of(found) == waits["record"]
    assert issue(people.admin, found)["held"] is False
    (item,) = status(people.crawler, batch_id="two")["items"]
    assert (item["status"], bool(item["error"])) == ("failed", True)
