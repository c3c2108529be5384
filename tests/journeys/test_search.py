"""Tickets found by their text, through the real door."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from ingestbox.model import Role
from tests.harness import BoxProcess, post_tickets, running, wait_job

TICKETS: list[dict[str, object]] = [
    {"id": "S-1", "summary": "Giao hàng chậm", "description": "Tôi rất thất vọng về chất lượng."},
    {"id": "S-2", "summary": "giao hang cham", "description": "khong dau nhung van doc duoc"},
    {"id": "S-3", "summary": "Late parcel", "description": "Đã giao hàng chậm mà shipper còn gọi."},
    {
        "id": "S-4",
        "summary": "Refund",
        "description": "The parcel was broken.",
        "comments": ["Refund please!"],
    },
    {"id": "S-5", "summary": "Đường giây nóng", "description": "Nhân viên hoà nhã, thuỷ chung."},
    {"id": "S-6", "summary": "<b>bold</b> & co", "description": 'He said "never again" (NEAR) title: x*'},
    {"id": "S-7", "summary": "你好，快递很慢", "description": "👍🏽 emoji"},
    {"id": "INV-2024/17", "summary": "Invoice wrong", "description": "see S-4 and the parcel"},
]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    with running(tmp_path_factory.mktemp("box")) as started:
        with started.client(Role.ANALYST) as client:
            wait_job(client, post_tickets(client, TICKETS)["job_id"])
        yield started


@pytest.fixture(scope="module")
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    with box.client(Role.ANALYST) as opened:
        yield opened


def search(client: httpx2.Client, q: str, **more: Any) -> dict[str, Any]:
    reply = client.get("/api/search", params={"q": q, **more})
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    scores = [hit["score"] for hit in body["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all(len(hit["snippet"]) <= 200 for hit in body["results"])
    return body


def found(client: httpx2.Client, q: str, **more: Any) -> list[str]:
    return [hit["ticket_id"] for hit in search(client, q, **more)["results"]]


@pytest.mark.parametrize(
    ("q", "ids"),
    [
        ("giao hàng chậm", ["S-1", "S-3", "S-2"]),  # as written, title first; then folded
        ("giao hang cham", ["S-2", "S-1", "S-3"]),
        (unicodedata.normalize("NFD", "giao hàng chậm"), ["S-1", "S-3", "S-2"]),
        ("GIAO HÀNG CHẬM", ["S-1", "S-3", "S-2"]),
        ("đã", ["S-3"]),
        ("da", ["S-3"]),
        ("đường", ["S-5"]),
        ("duong", ["S-5"]),
        ("hòa nhã", ["S-5"]),
        ("hoà", ["S-5"]),
        ("thủy", ["S-5"]),
        ("chất luong", ["S-1"]),
        ("parcel", ["S-3", "INV-2024/17", "S-4"]),
        ("parcel broken", ["S-4"]),
        ("parcel -broken", ["S-3", "INV-2024/17"]),
        ("hàng -cham", []),
        ('"was broken"', ["S-4"]),
        ('"broken was"', []),
        ('"never again"', ["S-6"]),
        ('"broken refund"', []),  # no phrase reaches from one text into the next
        ("refu*", ["S-4"]),
        ("chấ*", ["S-1", "S-2", "S-3"]),
        ('"the par"*', ["INV-2024/17", "S-4"]),
        ("bro", []),
        ("S-4", ["S-4", "INV-2024/17"]),
        ("INV-2024/17", ["INV-2024/17"]),
        ("2024", ["INV-2024/17"]),
        ("快递", ["S-7"]),
        ("递快", []),
        ("👍", ["S-7"]),
        ("negative", []),  # facets are not text
        (":negative", []),
        ("~giao", ["S-1", "S-2", "S-3"]),
        ("bold co", ["S-6"]),
        ("zzz", []),
    ],
)
def test_what_is_found_and_in_which_order(client: httpx2.Client, q: str, ids: list[str]) -> None:
    body = search(client, q)
    assert sorted(hit["ticket_id"] for hit in body["results"]) == sorted(ids)
    tiers = {hit["ticket_id"]: hit["score"] for hit in body["results"]}
    assert [tiers[each] for each in ids] == sorted(tiers.values(), reverse=True)
    assert body["total"] == len(ids)
    assert body["next_cursor"] is None


def test_scores_say_how_it_was_found(client: httpx2.Client) -> None:
    def scores(q: str) -> dict[str, float]:
        return {hit["ticket_id"]: hit["score"] for hit in search(client, q)["results"]}

    assert scores("giao hàng chậm") == {"S-1": 0.8, "S-3": 0.6, "S-2": 0.4}
    assert scores("giao hang cham") == {"S-2": 0.8, "S-1": 0.4, "S-3": 0.2}
    assert scores("S-4") == {"S-4": 1.0, "INV-2024/17": 0.6}


@pytest.mark.parametrize(
    "q",
    [
        '"', '""""', "NEAR(a b)", "a AND", "OR", "NOT x y", "(", ")", "a:b", "title:x", "{title}:x", "^a",
        "a^2", "a + b", "a*b*", "**", "-- a", "- a", "a\x00b", "'; DROP TABLE tickets; --", "\\", "a\nb\tc",
        "\ufffe a", "%", "_ a", "~", ". a", "é" * 900, "a " * 20, '"' + "a " * 400 + '"', "\u0301 a",
        "\U0001fae8\U0001f3fd\u200d\u2640\ufe0f a", "\ufdfa", "½", "İi",
    ],
)  # fmt: skip
def test_no_query_breaks_the_engine(client: httpx2.Client, q: str) -> None:
    for path in ("/api/search", "/v1/search"):
        reply = client.get(path, params={"q": q})
        assert reply.status_code in (200, 400), (q, reply.text)
        if reply.status_code == 400:
            assert reply.json()["code"] == "bad_parameter"


@pytest.mark.parametrize(
    ("q", "says"),
    [
        ("", "what to search"),
        ("  ", "what to search"),
        (None, "what to search"),
        ("!?", "a letter or a digit"),
        ("-giao", "that is to be there"),
        ("a" * 1_001, "1,000 characters"),
        ("a " * 21, "20 words"),
    ],
)
def test_what_cannot_be_searched_is_said(client: httpx2.Client, q: str | None, says: str) -> None:
    reply = client.get("/api/search", params={} if q is None else {"q": q})
    assert reply.status_code == 400
    assert says in reply.json()["detail"]
    problem = client.get("/v1/search", params={} if q is None else {"q": q})
    assert problem.status_code == 400
    assert problem.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("ticket_id", ["!!!", "-neg", '"', "*", '"quoted"', " blank ", "\u0301"])
def test_a_ticket_is_found_by_an_id_that_has_no_word(box: BoxProcess, ticket_id: str) -> None:
    with box.client(Role.ANALYST, workspace="ids") as client:
        wait_job(client, post_tickets(client, [{"id": ticket_id, "summary": "its own summary"}])["job_id"])
        body = search(client, ticket_id)
        hit = {"ticket_id": ticket_id, "snippet": "its own summary", "score": 1.0}
        assert (body["results"], body["total"], body["next_cursor"]) == ([hit], 1, None)


def test_snippets_show_the_match(client: httpx2.Client) -> None:
    long = " ".join(f"word{number}" for number in range(400)) + " cái KIM trong đống rơm " + "after " * 100
    wait_job(client, post_tickets(client, [{"id": "L-1", "summary": "hay", "description": long}])["job_id"])
    for q in ("kim", "đống rơm", "dong rom", '"dong rom"', "dốn* rom"):
        (hit,) = [hit for hit in search(client, q)["results"] if hit["ticket_id"] == "L-1"] or [None]
        if q.startswith("dốn"):
            assert hit is not None
        assert "cái KIM trong đống rơm" in hit["snippet"], q
        assert hit["snippet"].startswith("… ") and hit["snippet"].endswith(" …")
        assert len(hit["snippet"]) <= 200
        inner = hit["snippet"].removeprefix("… ").removesuffix(" …")
        assert set(inner.split()) <= set(long.split())  # whole words
    (hit,) = search(client, "bold")["results"]
    assert hit["snippet"] == "<b>bold</b> & co"  # plain text, as it was sent


def test_pages_go_on_without_gap_or_repeat(client: httpx2.Client) -> None:
    records: list[dict[str, object]] = [
        {"id": f"P-{number}", **({"summary": "trang"} if number % 3 else {"description": "một tráng lớn"})}
        for number in range(60)
    ]
    wait_job(client, post_tickets(client, records)["job_id"])
    for path, name in (("/api/search", "ticket_id"), ("/v1/search", "id")):
        whole = client.get(path, params={"q": "trang", "limit": 500}).json()
        assert whole["total"] == 60 and len(whole["results"]) == 60 and whole["next_cursor"] is None
        for limit in (1, 7, 40, 59, 60):
            pages: list[Any] = []
            cursor = None
            while True:
                params = {"q": "trang", "limit": limit, **({"cursor": cursor} if cursor else {})}
                body = client.get(path, params=params).json()
                assert len(body["results"]) <= limit
                assert body["total"] == 60
                pages += body["results"]
                cursor = body["next_cursor"]
                if cursor is None:
                    break
            assert [hit[name] for hit in pages] == [hit[name] for hit in whole["results"]], (path, limit)
    first = client.get("/v1/search", params={"q": "P-7", "limit": 1}).json()
    assert [hit["id"] for hit in first["results"]] == ["P-7"]
    for cursor in ("x", "", "W10=", "eyJhIjoxfQ==", "WzksMSwxXQ==", "WzAsLTEsMV0="):
        for path in ("/api/search", "/v1/search"):
            assert client.get(path, params={"q": "trang", "cursor": cursor}).status_code == 400, cursor


def test_a_replaced_ticket_is_found_by_its_new_words_alone(client: httpx2.Client) -> None:
    wait_job(
        client, post_tickets(client, [{"id": "R-1", "summary": "oldword", "comments": ["cũ kỹ"]}])["job_id"]
    )
    assert found(client, "oldword") == found(client, "cu ky") == ["R-1"]
    wait_job(client, post_tickets(client, [{"id": "R-1", "summary": "newword"}])["job_id"])
    assert found(client, "oldword") == found(client, "cu ky") == found(client, "oldw*") == []
    assert found(client, "newword") == found(client, "R-1") == ["R-1"]


def test_a_workspace_finds_its_own_alone(box: BoxProcess, client: httpx2.Client) -> None:
    with box.client(Role.ANALYST, workspace="other") as other:
        assert search(other, "parcel") == {"results": [], "total": 0, "next_cursor": None}
        wait_job(other, post_tickets(other, [{"id": "S-4", "summary": "their parcel"}])["job_id"])
        body = search(other, "parcel")
        assert (body["total"], body["next_cursor"], "total_is" in body) == (1, None, False)
        (hit,) = body["results"]
        assert (hit["ticket_id"], hit["snippet"]) == ("S-4", "their parcel")
        assert search(other, "parc*")["total"] == search(other, "S-4")["total"] == 1
    assert search(client, "their")["total"] == 0


def test_a_text_of_a_megabyte_is_searched_to_its_limit(client: httpx2.Client) -> None:
    text = "đầu " + "giữa " * 150_000 + "cuối"
    record: dict[str, object] = {"id": "M-1", "summary": "mega", "description": text}
    wait_job(client, post_tickets(client, [record])["job_id"])
    assert found(client, "mega giữa") == ["M-1"]
    assert found(client, "mega cuối") == []
    (hit,) = search(client, '"đầu giữa"')["results"]
    assert hit["snippet"] == "mega"  # too long to be read for it


def test_v1_searches_every_family(client: httpx2.Client) -> None:
    body = client.get("/v1/search", params={"q": "broken", "family": "feedback"}).json()
    assert body == {
        "results": [
            {
                "family": "feedback",
                "kind": "ticket",
                "id": "S-4",
                "snippet": "The parcel was broken.",
                "score": 0.6,
            }
        ],
        "total": 1,
        "next_cursor": None,
    }
    assert client.get("/v1/search", params={"q": "broken", "family": "nothing"}).status_code == 400


def test_a_beginning_of_too_many_words_is_refused(client: httpx2.Client) -> None:
    words = " ".join(f"qx{number:03d}" for number in range(250))
    wait_job(client, post_tickets(client, [{"id": "W-1", "summary": "many", "description": words}])["job_id"])
    reply = client.get("/api/search", params={"q": "qx*"})
    assert reply.status_code == 400
    assert "begin with `qx`" in reply.json()["detail"]
    assert found(client, "qx0*") == found(client, "qx00*") == found(client, "qx24*") == ["W-1"]


def test_the_list_of_tickets_is_filtered_by_text(client: httpx2.Client) -> None:
    records: list[dict[str, object]] = [
        {"id": f"Q-{number}", "summary": f"lọc {'terrible awful' if number % 2 else 'great, I love it'}"}
        for number in range(20)
    ]
    wait_job(client, post_tickets(client, records)["job_id"])
    wait_job(client, post_tickets(client, [records[0]])["job_id"])  # sent again: it moves to the top

    def listed(**params: str | int) -> dict[str, Any]:
        body: dict[str, Any] = client.get("/api/tickets", params=params).raise_for_status().json()
        return body

    whole = listed(q="loc")
    assert whole["total"] == len(whole["results"]) == 20
    assert whole["results"][0]["ticket_id"] == "Q-0"
    bad = listed(q="lọc", sentiment="negative")
    assert {each["sentiment"] for each in bad["results"]} == {"negative"}
    negative = sum(each["sentiment"] == "negative" for each in whole["results"])
    assert bad["total"] == len(bad["results"]) == negative > 0
    pages, cursor = [], None
    while True:
        page = listed(q="loc", limit=3, **({"cursor": cursor} if cursor else {}))
        pages += page["results"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert pages == whole["results"]
    assert listed(q="loc", start_date="2001-01-01", end_date="2001-01-02") == {
        "results": [],
        "total": 0,
        "next_cursor": None,
    }
    assert listed(q="loc", start_date="2001-01-01")["total"] == 20
    assert listed(q="loc great")["total"] == 10
    assert listed(q="loc", entity="Nobody Known")["total"] == 0
    for q in ("", "!", "x" * 1001):
        reply = client.get("/api/tickets", params={"q": q})
        assert (reply.status_code, reply.json()["code"]) == (400, "bad_parameter")
