"""The list of articles: filters, pages, totals, sight."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from ingestbox.families.knowledge.shapes import PATH
from tests.families.knowledge.support import People, article, bulk, refused, taken, text, wait

LIST = f"{PATH}/content"


def listed(client: httpx2.Client, **params: str | float) -> dict[str, Any]:
    """The answer of the list."""
    reply = client.get(LIST, params=params)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    assert body["success"] is True
    return body


def titles(client: httpx2.Client, **params: str | float) -> list[str]:
    """The numbers at the end of the titles that it leaves."""
    return [each["title"].split()[-1] for each in listed(client, **params)["items"]]


def fill(crawler: httpx2.Client) -> None:
    """Six articles, 1 to 6, whose properties differ."""
    items = [
        article(1, source_id="moh", content_type="guideline", published_at="2024-01-15T10:30:00Z"),
        article(2, source_id="moh", content_type="news", published_at="2024-01-16"),
        article(3, source_id="who", language="en", published_at="2024-01-16T23:59:59+00:00"),
        article(4, source_id="who", language="en", published_at="2024-01-17T00:00:00Z"),
        article(5, source_id="moh", published_at=None),
        article(6, source_id="blog", content="x " * 70, metadata=None, published_at=None, title="6"),
    ]
    bulk(crawler, "six", items)
    wait(crawler, batch_id="six")


def test_newest_first_with_what_each_is(crawler: httpx2.Client) -> None:
    assert listed(crawler) == {"success": True, "items": [], "total": 0, "next_cursor": None}
    content_id = taken(crawler, article(1, content_type="guideline"))
    taken(crawler, article(2))
    body = listed(crawler)
    assert [each["title"][-1] for each in body["items"]] == ["2", "1"]
    assert (body["total"], body["next_cursor"], "total_is" in body) == (2, None, False)
    one = body["items"][1]
    quality = one.pop("quality_score")
    taken_at, processed_at = one.pop("taken_at"), one.pop("processed_at")
    assert 0 < quality <= 1
    assert "2020" < taken_at <= processed_at
    assert one == {
        "content_id": content_id,
        "title": "Hướng dẫn chăm sóc sức khỏe 1",
        "source_id": "ministry-health",
        "source_url": "https://moh.gov.vn/article/1",
        "content_type": "guideline",
        "language": "vi",
        "status": "completed",
        "published_at": "2024-01-15T10:30:00.000Z",
    }


def test_each_filter_leaves_what_has_it_and_all_of_it(crawler: httpx2.Client) -> None:
    fill(crawler)
    for params, wanted in (
        ({}, "654321"),
        ({"source_id": "moh"}, "521"),
        ({"source_id": "MOH"}, ""),
        ({"content_type": "news"}, "2"),
        ({"language": "en"}, "43"),
        ({"source_id": "who", "language": "vi"}, ""),
        ({"published_from": "2024-01-16"}, "432"),
        ({"published_to": "2024-01-16"}, "321"),
        ({"published_from": "2024-01-16", "published_to": "2024-01-16"}, "32"),
        ({"published_to": "2024-01-16T23:59:59Z"}, "21"),
        ({"published_from": "2024-01-15T10:30:00.001Z"}, "432"),
        ({"published_from": "", "published_to": ""}, "654321"),  # as forms send it
        ({"status": "held"}, "6"),
        ({"status": "completed"}, "54321"),
        ({"max_quality": 0.5}, "6"),
        ({"min_quality": 0.5}, "54321"),
        ({"min_quality": 0, "max_quality": 1}, "654321"),
    ):
        body = listed(crawler, **params)
        found = "".join(each["title"].split()[-1] for each in body["items"])
        assert (found, body["total"]) == (wanted, len(wanted)), params
    score = listed(crawler, status="held")["items"][0]["quality_score"]
    assert titles(crawler, min_quality=score, max_quality=score) == ["6"]  # both ends belong to it


def test_pages_have_every_article_once_while_others_arrive(crawler: httpx2.Client) -> None:
    fill(crawler)
    seen, cursor = [], None
    for number in range(3):
        body = listed(crawler, limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [each["title"].split()[-1] for each in body["items"]]
        cursor = body["next_cursor"]
        taken(crawler, article(100 + number))
    assert (seen, cursor) == (list("654321"), None)
    assert listed(crawler, limit=1)["total"] == 9


def test_what_is_given_up_is_gone(people: People) -> None:
    taken(people.crawler, article(6, content="x " * 70, metadata=None, title="6"))
    (issue,) = people.admin.get("/v1/issues").json()["issues"]
    assert titles(people.crawler, status="held") == ["6"]
    done = people.admin.post(f"/v1/issues/{issue['id']}/resolve", json={"action": "discard"})
    assert done.status_code == 200, done.text
    assert titles(people.crawler) == []


@pytest.mark.parametrize(
    "given",
    [
        "status=done",
        "min_quality=2",
        "min_quality=nan",
        "max_quality=-0.1",
        "max_quality=1_0",
        "published_from=yesterday",
        "published_to=%20",
        "limit=0",
        "limit=501",
        "cursor=x",
        "cursor=-1",
        "cursor=99999999999999999999",
    ],
)
def test_parameters_that_say_nothing_are_refused(crawler: httpx2.Client, given: str) -> None:
    refused(crawler.get(f"{LIST}?{given}"), 400, "validation_failed")


def test_it_is_of_the_workspace_for_who_may_read_it(people: People) -> None:
    taken(people.crawler, article(1, content=text(1)))
    assert titles(people.second) == titles(people.uploader) == titles(people.admin) == ["1"]
    assert titles(people.stranger) == []
    refused(people.analyst.get(LIST), 403, "forbidden")
