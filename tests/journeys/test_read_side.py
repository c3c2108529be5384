"""What tickets come to: lists with filters, single tickets, sentiments by day, entities, the dashboard."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from ingestbox.families.feedback.columns import entity_key
from ingestbox.model import Role
from tests.forward.support import ticket_line
from tests.harness import BoxProcess, post_tickets, running, until, wait_job

Json = dict[str, Any]

RECORDS: list[Json] = [
    {
        "id": "vi-1",
        "summary": "Giao hàng quá chậm ở Hà Nội",
        "description": "Tôi rất thất vọng, nhân viên ở Hà Nội thái độ tệ. Mất 500.000đ.",
        "comments": ["15/Mar/25 10:30 AM;Lan Anh;Đã hoàn tiền, cảm ơn shop rất nhiều!", " "],
        "shop": 7,
    },
    {"id": "vi-2", "summary": "Sản phẩm rất tốt, tôi rất hài lòng", "description": "Mua ở Đà Nẵng, giá rẻ."},
    {"id": "vi-3", "summary": "giao hang o Ha Noi cham qua, that vong"},
    {"id": "vi-4", "summary": "Địa chỉ của tôi là 12 phố Huế, HÀ NỘI."},
    {
        "id": "en-1",
        "summary": "I love this product, it is excellent!",
        "description": "John Smith from the shop in Berlin was wonderful. Write to me: ann@example.com",
        "comments": ["Terrible, I hate the new version."],
    },
    {
        "id": "en-2",
        "summary": "Terrible service, I hate it.",
        "description": "It cost $20 and broke at once.",
    },
    {"id": "en-3", "summary": "The parcel is on the table.", "description": "ann@example.com"},
    {"id": "en-4", "summary": "The app crashes in Berlin, awful.", "description": None},
]


@pytest.fixture(scope="module")
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    """An analyst of a workspace with the records above, twenty times over."""
    with box.client(Role.ANALYST, workspace="read") as opened:
        for copy in range(20):
            records = [{**record, "id": f"{record['id']}-{copy}"} for record in RECORDS]
            wait_job(opened, post_tickets(opened, records)["job_id"])
        yield opened


def get(client: httpx2.Client, path: str, **params: Any) -> Json:
    found: Json = client.get(path, params=params).raise_for_status().json()
    return found


def everything(client: httpx2.Client, limit: int = 500, **params: Any) -> list[Json]:
    """A list of tickets, read page by page; each page has the same total, which is how many there are."""
    found: list[Json] = []
    totals = set()
    cursor: Json = {}
    while True:
        page = get(client, "/api/tickets", limit=limit, **params, **cursor)
        assert len(page["results"]) <= limit
        found += page["results"]
        totals.add(page["total"])
        if page["next_cursor"] is None:
            assert totals == {len(found)}
            return found
        cursor = {"cursor": page["next_cursor"]}


def bodies(client: httpx2.Client) -> list[Json]:
    """Every ticket of a workspace, read by itself."""
    return [get(client, f"/api/tickets/{line['ticket_id']}") for line in everything(client)]


def names(body: Json, entity: str, label: str) -> bool:
    """Whether a ticket names it, however it is written."""
    key = entity_key(label, entity)
    return any(entity_key(each["label"], each["text"]) == key for each in body["entities"])


def test_a_ticket_is_read_back_with_its_whole_analysis(client: httpx2.Client) -> None:
    found = get(client, "/api/tickets/vi-1-3")
    sent = RECORDS[0]
    assert {name: found[name] for name in ("summary", "description", "comments")} == {
        name: sent[name] for name in ("summary", "description", "comments")
    }
    assert found["extra"] == {"shop": 7}
    assert found["language"] == "vi"
    assert [(each["field"], each.get("comment_number")) for each in found["fields"]] == [
        ("summary", None),
        ("description", None),
        ("comment", 1),
    ]
    assert found["fields"][2]["author"] == "Lan Anh"
    assert found["fields"][2]["at"].startswith("2025-03-15T10:30")
    assert all(0 <= each["confidence"] <= 1 and each["language"] == "vi" for each in found["fields"])
    for each in found["entities"]:
        assert sent[each["field"]][each["start"] : each["end"]] == each["text"]
    assert names(found, "hà nội", "LOCATION")
    assert found["keywords"]
    assert set(found["steps"]) == {"language", "sentiment", "entities", "keywords"}
    line = next(each for each in everything(client) if each["ticket_id"] == "vi-1-3")
    assert line == {name: found[name] for name in line}
    assert set(line) == {"ticket_id", "summary", "sentiment", "score", "trend", "language", "updated_at"}
    english = get(client, "/api/tickets/en-1-3")
    assert (english["language"], english["fields"][0]["sentiment"]) == ("en", "positive")
    assert english["fields"][2]["sentiment"] == "negative"
    assert names(english, "ann@example.com", "EMAIL")


def test_every_filter_leaves_exactly_its_tickets(client: httpx2.Client) -> None:
    every = bodies(client)
    today = datetime.now(UTC).date()
    assert [each["ticket_id"] for each in every] == [
        each["ticket_id"] for each in sorted(every, key=lambda each: each["updated_at"], reverse=True)
    ]
    seen = Counter[str]()
    for sentiment in (None, "positive", "negative", "neutral"):
        for language in (None, "vi", "en", "other"):
            for entity, label in ((None, None), ("ha noi", None), ("Hà Nội", "location"), ("Berlin", None)):
                params = {"sentiment": sentiment, "language": language, "entity": entity, "label": label}
                given: Json = {name: value for name, value in params.items() if value is not None}
                found = [each["ticket_id"] for each in everything(client, limit=7, **given)]
                assert found == [
                    each["ticket_id"]
                    for each in every
                    if sentiment in (None, each["sentiment"])
                    and language in (None, each["language"])
                    and (entity is None or names(each, entity, "LOCATION"))
                ], given
                seen[str(given)] = len(found)
                within = {"start_date": today - timedelta(1), "end_date": f"{today}T12:00:00+07:00", **given}
                assert [each["ticket_id"] for each in everything(client, **within)] == found
                before = {"end_date": today - timedelta(2), **given}
                assert everything(client, **before) == []
    # There was something to tell apart.
    assert seen["{}"] == 160
    for some in ("{'language': 'vi'}", "{'language': 'en'}", "{'entity': 'ha noi'}", "{'entity': 'Berlin'}"):
        assert 20 <= seen[some] < 160, some
    for sentiment in ("positive", "negative"):
        assert 20 <= seen[str({"sentiment": sentiment})] < 160


def test_the_overview_counts_what_the_tickets_say(client: httpx2.Client) -> None:
    counts = Counter(each["sentiment"] for each in everything(client))
    today = datetime.now(UTC).date()
    whole = {name: counts[name] for name in ("positive", "negative", "neutral")}
    for params in (
        {},
        {"start_date": today - timedelta(1)},
        {"end_date": today + timedelta(1)},
        {"start_date": f"{today - timedelta(1)}T00:00:00Z", "end_date": today},
    ):
        found = get(client, "/api/sentiment/overview", **params)
        assert found["sentiment_distribution"] == whole
        days = found["sentiment_trend"]
        assert {name: sum(day[name] for day in days) for name in whole} == whole
        assert [day["date"] for day in days] == sorted({day["date"] for day in days})
    assert len(get(client, "/api/sentiment/overview")["sentiment_trend"]) == 30
    for name in whole:
        found = get(client, "/api/sentiment/overview", sentiment_type=name)
        only = {each: whole[each] if each == name else 0 for each in whole}
        assert found["sentiment_distribution"] == only
        assert {each: sum(day[each] for day in found["sentiment_trend"]) for each in whole} == only
    none = get(client, "/api/sentiment/overview", end_date="2001-01-31", start_date="2001-01-01")
    assert none["sentiment_distribution"] == {"positive": 0, "negative": 0, "neutral": 0}
    assert none["sentiment_trend"] == [
        {"date": f"2001-01-{day:02}", "positive": 0, "negative": 0, "neutral": 0} for day in range(1, 32)
    ]


def test_the_top_entities_are_counted_once_a_ticket(client: httpx2.Client) -> None:
    counts: Counter[str] = Counter()
    for body in bodies(client):
        counts.update({entity_key(each["label"], each["text"]) for each in body["entities"]})
    found = get(client, "/api/entities/top", limit=500)["results"]
    assert {entity_key(each["label"], each["text"]): each["count"] for each in found} == counts
    assert [each["count"] for each in found] == sorted(counts.values(), reverse=True)
    assert get(client, "/api/entities/top", limit=3)["results"] == found[:3]
    places = get(client, "/api/entities/top", label="Location")["results"]
    assert places == [each for each in found if each["label"] == "LOCATION"]
    assert counts["LOCATION ha noi"] >= 40  # with its marks and in capitals, named once or twice
    assert "Hà Nội" in [each["text"] for each in places]


def test_a_ticket_that_is_sent_again_moves_to_the_top_with_all_its_counts(box: BoxProcess) -> None:
    with box.client(Role.ANALYST, workspace="again") as client:
        records = [{"id": f"T-{number:02}", "summary": "Great, I love it!"} for number in range(30)]
        wait_job(client, post_tickets(client, records)["job_id"])
        first = get(client, "/api/tickets", limit=10)
        assert get(client, "/api/sentiment/overview")["sentiment_distribution"]["positive"] == 30
        changed = {"id": "T-03", "summary": "Terrible, I hate it. Write to bob@example.com!"}
        wait_job(client, post_tickets(client, [changed])["job_id"])
        rest = []
        cursor = first["next_cursor"]
        while cursor is not None:
            page = get(client, "/api/tickets", limit=10, cursor=cursor)
            assert page["total"] == 30
            rest += [each["ticket_id"] for each in page["results"]]
            cursor = page["next_cursor"]
        # The walk goes on as if nothing had happened, but for the one that has left its place.
        assert [each["ticket_id"] for each in first["results"]] + rest == [
            f"T-{number:02}" for number in reversed(range(30)) if number != 3
        ]
        assert everything(client)[0]["ticket_id"] == "T-03"
        assert get(client, "/api/tickets", sentiment="negative")["total"] == 1
        assert get(client, "/api/sentiment/overview")["sentiment_distribution"] == {
            "positive": 29,
            "negative": 1,
            "neutral": 0,
        }
        emails = get(client, "/api/entities/top", label="EMAIL")["results"]
        assert emails == [{"text": "bob@example.com", "label": "EMAIL", "count": 1}]
        wait_job(client, post_tickets(client, [{**changed, "summary": "Great, I love it!"}])["job_id"])
        assert get(client, "/api/sentiment/overview")["sentiment_distribution"]["positive"] == 30
        assert get(client, "/api/entities/top")["results"] == []


def test_a_cursor_of_other_filters_is_a_place_like_any(client: httpx2.Client) -> None:
    every = everything(client)
    page = get(client, "/api/tickets", limit=50, language="vi")
    place = [each["ticket_id"] for each in every].index(page["results"][-1]["ticket_id"])
    found = get(client, "/api/tickets", limit=500, sentiment="neutral", cursor=page["next_cursor"])
    assert found["results"] == [each for each in every[place + 1 :] if each["sentiment"] == "neutral"]


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/api/tickets", {"sentiment": "sad"}),
        ("/api/tickets", {"sentiment": ""}),
        ("/api/tickets", {"language": "fr"}),
        ("/api/tickets", {"label": "PLANET"}),
        ("/api/tickets", {"limit": "0"}),
        ("/api/tickets", {"start_date": "2026-02-30"}),
        ("/api/tickets", {"start_date": "2026-03-01", "end_date": "2026-02-01"}),
        ("/api/tickets", {"cursor": ""}),
        ("/api/tickets", {"cursor": "nonsense"}),
        *(
            ("/api/tickets", {"cursor": base64.urlsafe_b64encode(text.encode()).decode()})
            for text in (
                "[1]",
                "[1,0]",
                "[1,-5]",
                "[1,2,3]",
                "[1.5,2]",
                f"[1,{10**30}]",
                f"[{-(10**30)},1]",
                "{}",
            )
        ),
        ("/api/sentiment/overview", {"start_date": "01/02/2026"}),
        ("/api/sentiment/overview", {"start_date": "20260102"}),
        ("/api/sentiment/overview", {"start_date": "٢٠٢٦-01-01"}),
        ("/api/sentiment/overview", {"end_date": "2026-01-01 and more"}),
        ("/api/sentiment/overview", {"end_date": "0000-01-01"}),
        ("/api/sentiment/overview", {"sentiment_type": "all"}),
        ("/api/sentiment/overview", {"start_date": "2026-03-01", "end_date": "2026-02-28"}),
        ("/api/sentiment/overview", {"start_date": "2000-01-01", "end_date": "2026-01-01"}),
        ("/api/entities/top", {"label": "PLANET"}),
        ("/api/entities/top", {"limit": "501"}),
        ("/api/dashboard/metrics", {"start_date": "yesterday"}),
        ("/api/dashboard/metrics", {"start_date": "2026-03-01", "end_date": "2026-02-28"}),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_sentence(
    client: httpx2.Client, path: str, params: Mapping[str, str]
) -> None:
    reply = client.get(path, params=params)
    assert (reply.status_code, reply.json()["code"]) == (400, "bad_parameter"), reply.text
    assert any(name in reply.json()["detail"] for name in params), reply.text


def deliver(client: httpx2.Client, box: str, lines: Sequence[Json]) -> Json:
    """Sends lines as another box would; returns the answer."""
    text = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
    seqs = [line["seq"] for line in lines]
    headers = {
        "Content-Type": "application/x-ndjson",
        "Content-Digest": f"sha-256=:{digest}:",
        "Ingestbox-Box": box,
        "Ingestbox-Epoch": "e1",
        "Ingestbox-After": str(seqs[0] - 1),
        "Ingestbox-Seq": f"{seqs[0]}-{seqs[-1]}",
    }
    found: Json = client.post("/v1/sync/batches", content=text, headers=headers).raise_for_status().json()
    return found


def analysed(sentiment: str, score: float, language: str, *entities: tuple[str, str]) -> Json:
    """A result as a box of this version makes it."""
    return {
        "sentiment": sentiment,
        "score": score,
        "trend": "stable",
        "language": language,
        "fields": [{"field": "summary", "sentiment": sentiment, "confidence": 0.5, "language": language}],
        "entities": [
            {"text": text, "label": label, "field": "summary", "start": 0, "end": len(text)}
            for label, text in entities
        ],
        "keywords": [],
        "steps": {"sentiment": "http"},
    }


OLD: Json = {
    "sentiment": "neutral",
    "score": 0,
    "trend": "stable",
    "fields": [{"field": "summary", "sentiment": "neutral", "confidence": 1}],
}
"""A result of the first version."""


def on(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T23:59:59.999+00:00").timestamp() * 1000)


def test_what_other_boxes_send_is_listed_and_counted_by_its_day(tmp_path: Path) -> None:
    one = [
        ("2026-01-01", "A", analysed("positive", 0.5, "vi", ("LOCATION", "Huế"))),
        ("2026-01-03", "B", analysed("negative", -0.8, "en", ("LOCATION", "Berlin"), ("LOCATION", "HUẾ"))),
        ("2026-01-03", "C", analysed("negative", -0.4, "vi", ("ORGANIZATION", "Shopee"))),
        ("2025-12-30", "D", analysed("positive", 1, "other")),
    ]
    two = [("2026-01-02", "A", analysed("neutral", 0.1, "vi", ("LOCATION", "hue"))), ("2026-01-03", "E", OLD)]
    period = {"start_date": "2026-01-01", "end_date": "2026-01-03"}
    with (
        running(tmp_path / "central") as central,
        central.client(Role.ANALYST) as client,
        central.client(Role.FORWARDER) as sender,
    ):
        for box, sent in (("box1", one), ("box2", two)):
            lines = [
                ticket_line(box, "e1", seq, object_id=name, at_ms=on(day), result=result)
                for seq, (day, name, result) in enumerate(sent, start=1)
            ]
            assert deliver(sender, box, lines)["accepted"] == len(lines)
        assert [(each["ticket_id"], each["box"], each["updated_at"][:10]) for each in everything(client)] == [
            ("E", "box2", "2026-01-03"),
            ("C", "box1", "2026-01-03"),
            ("B", "box1", "2026-01-03"),
            ("A", "box2", "2026-01-02"),
            ("A", "box1", "2026-01-01"),
            ("D", "box1", "2025-12-30"),
        ]
        assert [each["ticket_id"] for each in everything(client, end_date="2026-01-01")] == ["A", "D"]
        for box, day in (("box1", "2026-01-01"), ("box2", "2026-01-02")):
            found = get(client, "/api/tickets/A", box=box)
            assert (found["box"], found["updated_at"][:10]) == (box, day)
        assert client.get("/api/tickets/A", params={"box": "box3"}).status_code == 404
        assert [each["ticket_id"] for each in everything(client, entity="HUE")] == ["B", "A", "A"]
        old = get(client, "/api/tickets/E")
        assert (old["language"], old["entities"], old["keywords"], old["steps"]) == (None, [], [], {})
        assert old["fields"] == [{**OLD["fields"][0], "language": None}]
        assert everything(client, language="en")[0]["ticket_id"] == "B"
        found = get(client, "/api/sentiment/overview", **period)
        assert found["sentiment_trend"] == [
            {"date": "2026-01-01", "positive": 1, "negative": 0, "neutral": 0},
            {"date": "2026-01-02", "positive": 0, "negative": 0, "neutral": 1},
            {"date": "2026-01-03", "positive": 0, "negative": 2, "neutral": 1},
        ]
        assert get(client, "/api/entities/top")["results"] == [
            {"text": "Huế", "label": "LOCATION", "count": 3},
            {"text": "Berlin", "label": "LOCATION", "count": 1},
            {"text": "Shopee", "label": "ORGANIZATION", "count": 1},
        ]
        metrics = get(client, "/api/dashboard/metrics", **period)
        assert metrics == {
            "period": {**period, "days": 3},
            "previous_period": {"start_date": "2025-12-29", "end_date": "2025-12-31", "days": 3},
            "tickets": {"count": 5, "previous_count": 1, "change": 4, "change_percent": 400.0},
            "sentiment": {
                "positive": figure(1, 0.2, 1, 1.0, 0, -80.0),
                "negative": figure(2, 0.4, 0, 0.0, 2, 40.0),
                "neutral": figure(2, 0.4, 0, 0.0, 2, 40.0),
            },
            "average_score": {"value": -0.12, "previous": 1.0, "change": -1.12},
            "languages": {"vi": 3, "en": 1, "other": 0, "unknown": 1},
            "open_issues": 0,
            "jobs_running": 0,
            "jobs_queued": 0,
        }

        # A newer version moves everything that is counted, an older one nothing.
        newer = ticket_line(
            "box1",
            "e1",
            5,
            version=2,
            object_id="B",
            at_ms=on("2026-01-01"),
            result=analysed("positive", 0, "vi"),
        )
        assert deliver(sender, "box1", [newer])["accepted"] == 1
        late = ticket_line("box1", "e1", 6, version=1, object_id="B", at_ms=on("2026-01-02"))
        assert deliver(sender, "box1", [late])["accepted"] == 1
        assert get(client, "/api/sentiment/overview", **period)["sentiment_trend"] == [
            {"date": "2026-01-01", "positive": 2, "negative": 0, "neutral": 0},
            {"date": "2026-01-02", "positive": 0, "negative": 0, "neutral": 1},
            {"date": "2026-01-03", "positive": 0, "negative": 1, "neutral": 1},
        ]
        assert [each["count"] for each in get(client, "/api/entities/top")["results"]] == [2, 1]

        # The box's own tickets and people's work are counted with them; another workspace has nothing.
        job = post_tickets(
            client, [{"id": "own", "summary": "Great!"}, {"id": "bad"}], params={"mode": "partial"}
        )
        wait_job(client, job["job_id"])
        assert get(client, "/api/tickets")["total"] == 7
        now = get(client, "/api/dashboard/metrics")
        assert (now["tickets"]["count"], now["open_issues"]) == (1, 1)
        assert now["period"]["end_date"] == datetime.now(UTC).date().isoformat()
        with central.client(Role.ANALYST, workspace="elsewhere") as other:
            assert get(other, "/api/tickets")["total"] == 0
            assert get(other, "/api/entities/top")["results"] == []
            assert get(other, "/api/dashboard/metrics", **period)["tickets"]["count"] == 0


def figure(
    count: int, share: float, previous: int, previous_share: float, change: int, points: float
) -> Json:
    return {
        "count": count,
        "share": share,
        "previous_count": previous,
        "previous_share": previous_share,
        "change": change,
        "change_points": points,
    }


def test_a_result_that_nobody_could_be_shown_is_not_taken(tmp_path: Path) -> None:
    good = analysed("neutral", 0, "en", ("PERSON", "Ann"))
    field, entity = good["fields"][0], good["entities"][0]
    bad: list[tuple[Json | None, Json]] = [
        (None, {**good, "sentiment": "glad"}),
        (None, {**good, "score": 1.01}),
        (None, {**good, "score": "0"}),
        (None, {**good, "trend": None}),
        (None, {**good, "language": 5}),
        (None, {**good, "fields": [{**field, "confidence": 2}]}),
        (None, {**good, "fields": [{**field, "field": "title"}]}),
        (None, {**good, "fields": ["summary"]}),
        (None, {**good, "entities": [{**entity, "text": None}]}),
        (None, {**good, "entities": [{**entity, "start": -1}]}),
        (None, {**good, "entities": {}}),
        (None, {**good, "keywords": [1]}),
        (None, {**good, "steps": ["http"]}),
        ({"id": "x", "summary": 5}, good),
        ({"id": "x", "summary": "x", "comments": "none"}, good),
        ({"id": "x", "summary": "x", "comments": [1]}, good),
    ]
    # What a later version may add is no reason.
    fine = [good, {**good, "language": "fr", "mood": 1, "entities": [{**entity, "label": "EVENT", "x": 1}]}]
    with (
        running(tmp_path / "central") as central,
        central.client(Role.ANALYST) as client,
        central.client(Role.FORWARDER) as sender,
    ):
        given = [*bad, *((None, result) for result in fine)]
        lines = [
            ticket_line("box1", "e1", seq, record=record, result=result)
            for seq, (record, result) in enumerate(given, start=1)
        ]
        answer = deliver(sender, "box1", lines)
        assert [(each["seq"], each["code"]) for each in answer["rejected"]] == [
            (seq, "record_invalid") for seq in range(1, len(bad) + 1)
        ]
        assert answer["accepted"] == len(fine)
        assert [each["language"] for each in everything(client)] == ["other", "en"]
        assert get(client, "/api/entities/top")["results"] == [{"text": "Ann", "label": "PERSON", "count": 1}]


def all_delivered(client: httpx2.Client) -> bool:
    (lane,) = get(client, "/v1/stats")["lanes"]
    return bool(lane["delivered"] == len(RECORDS))


def test_two_boxes_come_together_in_a_central_one(tmp_path: Path) -> None:
    with running(tmp_path / "central") as central, central.client(Role.ADMIN) as there:
        lane = f'[[lanes]]\nname = "up"\nurl = "{central.url}/v1/sync/batches"\n'
        lane += f'token = "{central.token(Role.FORWARDER)}"\n'
        sides: list[list[Json]] = []
        for name in ("hanoi", "saigon"):
            with running(tmp_path / name, config=lane) as edge, edge.client(Role.ADMIN) as here:
                wait_job(here, post_tickets(here, RECORDS)["job_id"])
                until(functools.partial(all_delivered, here), "all is delivered")
                sides.append(bodies(here))
                top = get(here, "/api/entities/top", limit=500)["results"]
                overview = get(here, "/api/sentiment/overview")
        boxes = {each["box"] for each in everything(there)}
        assert len(boxes) == 2
        assert get(there, "/api/tickets")["total"] == 2 * len(RECORDS)
        for sentiment in ("positive", "negative", "neutral"):
            count = sum(each["sentiment"] == sentiment for side in sides for each in side)
            assert get(there, "/api/tickets", sentiment=sentiment)["total"] == count
        assert get(there, "/api/entities/top", limit=500)["results"] == [
            {**each, "count": 2 * each["count"]} for each in top
        ]
        both = get(there, "/api/sentiment/overview")["sentiment_distribution"]
        assert both == {name: 2 * count for name, count in overview["sentiment_distribution"].items()}
        body = get(there, "/api/tickets/vi-1")
        assert body.pop("box") in boxes
        (edge_body,) = (each for each in sides[0] if each["ticket_id"] == "vi-1")
        assert "record_id" not in body  # the record is on the box that it came from
        del edge_body["record_id"]
        for volatile in ("updated_at", "job_id"):
            body.pop(volatile), edge_body.pop(volatile)
        assert body == edge_body
