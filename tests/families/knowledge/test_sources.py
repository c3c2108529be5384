"""Sources at the door of a real box: made, changed, counted, removed, and told in the trail."""

from __future__ import annotations

import concurrent.futures
from typing import Any

import httpx2
import pytest

from ingestbox.families.knowledge.shapes import PATH
from ingestbox.families.knowledge.sources.frequency import FrequencyError, every_ms
from tests.families.knowledge.deciding import issue, poor, resolve
from tests.families.knowledge.support import BULK, UPLOAD, People, article, bulk, refused, status, taken, wait

SOURCES = f"{PATH}/sources"

HOSPITAL = {
    "id": "bach-mai",
    "name": "Bach Mai Hospital",
    "base_url": "https://benhvienbachmai.vn",
    "type": "hospital",
    "language": "vi",
    "crawl_frequency": "daily",
    "selectors": {"content": ".article-content", "title": [".article-title", "h1"]},
}


def made(client: httpx2.Client, **members: object) -> dict[str, Any]:
    """A source that is there now."""
    reply = client.post(SOURCES, json={**HOSPITAL, **members})
    assert reply.status_code == 200, reply.text
    source: dict[str, Any] = reply.json()["source"]
    return source


def listed(client: httpx2.Client, **params: Any) -> list[dict[str, Any]]:
    reply = client.get(SOURCES, params=params)
    assert reply.status_code == 200, reply.text
    assert reply.json()["success"] is True
    sources: list[dict[str, Any]] = reply.json()["sources"]
    return sources


def test_a_source_is_made_read_changed_and_removed(people: People) -> None:
    admin, crawler = people.admin, people.crawler
    source = made(admin)
    assert source == {**source, **HOSPITAL, "status": "active", "total_content": 0, "last_crawl": None}
    assert listed(crawler) == [source] == [crawler.get(f"{SOURCES}/bach-mai").json()["source"]]
    changed = admin.put(f"{SOURCES}/bach-mai", json={**source, "name": "Bạch Mai", "crawl_frequency": "PT6H"})
    assert changed.status_code == 200, changed.text
    assert changed.json()["source"] == {
        **source,
        "name": "Bạch Mai",
        "crawl_frequency": "PT6H",
        "updated_at": changed.json()["source"]["updated_at"],
    }
    kept = admin.put(f"{SOURCES}/bach-mai", json={"status": "disabled"}).json()["source"]
    assert (kept["status"], kept["name"], kept["selectors"]) == (
        "disabled",
        "Bạch Mai",
        HOSPITAL["selectors"],
    )
    assert listed(crawler, status="disabled") == [kept]
    assert listed(crawler, status="active") == []
    gone = admin.delete(f"{SOURCES}/bach-mai")
    assert gone.json() == {"success": True, "id": "bach-mai", "message": "The source is deleted."}
    for reply in (
        admin.delete(f"{SOURCES}/bach-mai"),
        admin.put(f"{SOURCES}/bach-mai", json={"name": "x"}),
        crawler.get(f"{SOURCES}/bach-mai"),
    ):
        refused(reply, 404, "source_not_found")


def test_each_change_is_in_the_trail_and_no_other(people: People) -> None:
    admin = people.admin
    made(admin, selectors={})
    made(admin, selectors={})  # just as it is
    admin.put(f"{SOURCES}/bach-mai", json={"name": HOSPITAL["name"]}).raise_for_status()  # so it is called
    admin.put(f"{SOURCES}/bach-mai", json={"name": "Other"}).raise_for_status()
    admin.delete(f"{SOURCES}/bach-mai").raise_for_status()
    lines = admin.get("/v1/audit", params={"object": "source"}).json()["audit"]
    assert [line["action"] for line in lines] == ["source.remove", "source.change", "source.create"]
    assert (lines[1]["before"]["name"], lines[1]["after"]["name"]) == (HOSPITAL["name"], "Other")


def test_only_administrators_of_the_workspace_manage_its_sources(people: People) -> None:
    made(people.admin)
    for client in (people.crawler, people.uploader, people.analyst):
        refused(client.post(SOURCES, json=HOSPITAL), 403, "forbidden")
        refused(client.put(f"{SOURCES}/bach-mai", json={}), 403, "forbidden")
        refused(client.delete(f"{SOURCES}/bach-mai"), 403, "forbidden")
    refused(people.analyst.get(SOURCES), 403, "forbidden")
    assert [len(listed(each)) for each in (people.crawler, people.uploader, people.stranger)] == [1, 1, 0]
    refused(people.stranger.get(f"{SOURCES}/bach-mai"), 404, "source_not_found")


def test_a_repeat_makes_no_second_one_and_another_one_is_refused(people: People) -> None:
    admin = people.admin
    first = made(admin)
    assert made(admin) == first
    refused(admin.post(SOURCES, json={**HOSPITAL, "name": "Other"}), 409, "source_exists")
    key = {"Idempotency-Key": "make-it-once"}
    body = {**HOSPITAL, "id": "second"}
    one = admin.post(SOURCES, json=body, headers=key)
    admin.put(f"{SOURCES}/second", json={"name": "Other"}).raise_for_status()
    again = admin.post(SOURCES, json=body, headers=key)
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (one.json(), "true")
    refused(admin.post(SOURCES, json={**body, "name": "x"}, headers=key), 422, "idempotency_mismatch")
    assert [each["id"] for each in listed(admin)] == ["second", "bach-mai"]


def test_of_many_at_once_one_is_made(people: People) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        bodies = [{**HOSPITAL, "name": f"Name {number}"} for number in range(8)]
        codes = [each.status_code for each in pool.map(lambda b: people.admin.post(SOURCES, json=b), bodies)]
    assert sorted(codes) == [200] + [409] * 7
    assert len(listed(people.admin)) == 1


def test_every_fault_is_told(people: People) -> None:
    body: dict[str, Any] = {
        "id": "x" * 256,
        "name": "  ",
        "base_url": "http://user:secret@site.vn/",
        "type": "A B",
        "language": "Vietnamese",
        "crawl_frequency": "1s",
        "selectors": {"content": ["p"] * 21, "title": [1], "date": " ", "body": "p"},
        "status": "gone",
    }
    told = refused(people.admin.post(SOURCES, json=body), 400, "validation_failed")
    fields = [each["field"] for each in told["details"]]
    assert sorted(fields) == sorted(
        [
            *("id", "name", "base_url", "type", "language", "crawl_frequency", "status"),
            *(f"selectors.{name}" for name in ("content", "title", "date", "body")),
        ]
    )
    assert "secret" not in str(told)
    for body in ({}, [], {"id": "a"}, {"id": None, "name": None}):  # type: ignore[assignment]
        refused(people.admin.post(SOURCES, json=body), 400, "validation_failed")
    told = refused(people.admin.post(SOURCES, json={"id": "validate", "name": "x"}), 400, "validation_failed")
    assert told["details"] == [
        {"field": "id", "error": "id cannot be validate: at that address sources are looked at"}
    ]
    made(people.admin)
    refused(people.admin.put(f"{SOURCES}/bach-mai", json={"selectors": 3}), 400, "validation_failed")
    for params in ({"limit": "0"}, {"cursor": "x"}, {"status": "gone"}):
        refused(people.admin.get(SOURCES, params=params), 400, "validation_failed")


def test_the_list_comes_in_parts_when_asked(people: People) -> None:
    for number in range(5):
        made(people.admin, id=f"source-{number}")
    whole = [each["id"] for each in listed(people.admin)]
    assert whole == [f"source-{number}" for number in (4, 3, 2, 1, 0)]
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    while True:
        page = people.admin.get(SOURCES, params=params).json()
        seen += [each["id"] for each in page["sources"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert seen == whole


def test_what_is_taken_in_is_counted_and_keeps_its_source_from_being_deleted(people: People) -> None:
    admin, crawler = people.admin, people.crawler
    source_id = "báo mới/sức khoẻ"
    crawled = "2026-01-05T08:15:00Z"
    first = article(1, source_id=source_id, crawled_at=crawled)
    crawler.post(UPLOAD, json=first).raise_for_status()
    crawler.post(UPLOAD, json=first).raise_for_status()  # again: no second content
    (source,) = listed(crawler)
    assert (source["id"], source["status"], source["total_content"]) == (source_id, "unconfigured", 1)
    assert source["last_heard"] is not None
    assert (source["type"], source["crawl_frequency"], source["quiet"]) == ("unknown", "unknown", False)
    assert source["last_crawl"] == "2026-01-05T08:15:00.000Z"
    late = article(2, source_id=source_id, crawled_at="2199-01-01T00:00:00Z")  # its clock is wrong
    bulk = {"batch_id": f"b-{people.workspace}", "source_id": source_id, "items": [late]}
    assert crawler.post(BULK, json=bulk).json()["accepted_items"] == 1
    (source,) = listed(crawler)
    assert source["total_content"] == 2
    assert crawled < source["last_crawl"] < "2190"
    path = f"{SOURCES}/b%C3%A1o%20m%E1%BB%9Bi%2Fs%E1%BB%A9c%20kho%E1%BA%BB"
    assert "disabled" in refused(admin.delete(path), 409, "source_has_content")["message"]
    configured = admin.post(SOURCES, json={"id": source_id, "name": "Báo mới", "type": "news"}).json()[
        "source"
    ]
    assert (configured["status"], configured["total_content"]) == ("active", 2)
    assert configured["created_at"] == source["created_at"]
    admin.put(path, json={"status": "disabled"}).raise_for_status()
    crawler.post(UPLOAD, json=article(3, source_id=source_id)).raise_for_status()  # still taken
    assert [each["total_content"] for each in listed(crawler)] == [3]


def test_what_is_not_kept_keeps_no_source(people: People) -> None:
    admin, crawler = people.admin, people.crawler
    admin.post(SOURCES, json={"id": "moh", "name": "Ministry"}).raise_for_status()
    given_up = taken(crawler, poor(1, source_id="moh"))
    bad = {**article(2, source_id="moh"), "content": "short"}
    (waits,) = [each["content_id"] for each in bulk(crawler, "b", [bad])["items"]]
    assert [each["total_content"] for each in listed(crawler)] == [1]
    refused(admin.delete(f"{SOURCES}/moh"), 409, "source_has_content")
    resolve(admin, issue(admin, given_up)["id"], "discard").raise_for_status()
    assert [each["total_content"] for each in listed(crawler)] == [0]
    assert status(crawler, source_id="moh")["failed"] == 2
    admin.delete(f"{SOURCES}/moh").raise_for_status()
    # What is corrected is kept, and its source is there again.
    patch = {"content": article(2)["content"]}
    resolve(admin, issue(admin, waits)["id"], "edit", patch=patch).raise_for_status()
    wait(crawler, content_id=waits)
    assert [(each["id"], each["total_content"]) for each in listed(crawler)] == [("moh", 1)]


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("hourly", 1),
        ("daily", 24),
        ("weekly", 168),
        ("monthly", 744),
        ("6h", 6),
        ("90 min", 1.5),
        ("2d", 48),
        ("1w", 168),
        ("PT6H", 6),
        ("P1D", 24),
        ("P2W", 336),
        ("P1DT12H30M", 36.5),
        ("PT90M", 1.5),
    ],
)
def test_a_frequency_comes_to_a_time(text: str, hours: float) -> None:
    assert every_ms(text) == hours * 3_600_000


@pytest.mark.parametrize(
    "text",
    ["", "Daily", "often", "0h", "1m", "4m", "400d", "P", "PT", "P1M", "P1Y", "PT1S", "-1h", "1h30", "１h"],
)
def test_what_says_no_time_is_no_frequency(text: str) -> None:
    with pytest.raises(FrequencyError):
        every_ms(text)
