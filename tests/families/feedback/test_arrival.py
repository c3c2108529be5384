"""Tickets in the order of arrival: each exactly once to who reads to the end, whatever is sent meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from ingestbox.model import Role
from tests.harness import BoxProcess, post_tickets, ticket, wait_job

COUNT = 120


@pytest.fixture(scope="module")
def analyst(box: BoxProcess) -> Iterator[httpx2.Client]:
    """An analyst of a workspace with COUNT tickets."""
    with box.client(Role.ANALYST, Role.INGEST, workspace="arrival") as client:
        post(client, range(COUNT))
        yield client


def post(client: httpx2.Client, numbers: range) -> None:
    records = [
        ticket(n, summary=f"Ticket {n} from Hà Nội was {'great' if n % 2 else 'terrible'}") for n in numbers
    ]
    wait_job(client, post_tickets(client, records)["job_id"])


def walked(client: httpx2.Client, between: Any = None, **query: str) -> list[str]:
    """The ids on all pages; `between` is called after each."""
    seen: list[str] = []
    cursor: str | None = None
    while True:
        part = client.get(
            "/api/tickets",
            params={"order": "arrival", "limit": "7", **query, **({"cursor": cursor} if cursor else {})},
        )
        body = part.raise_for_status().json()
        seen += [each["ticket_id"] for each in body["results"]]
        cursor = body["next_cursor"]
        if cursor is None:
            return seen
        if between is not None:
            between(len(seen))


FILTERS: tuple[dict[str, str], ...] = (
    {},
    {"sentiment": "negative"},
    {"language": "en"},
    {"entity": "ha noi"},
    {"q": "great"},
    {"q": "great", "sentiment": "positive"},
    {"q": "ticket", "entity": "Hà Nội", "start_date": "2020-01-01"},
    {"start_date": "2020-01-01", "end_date": "2120-01-01"},
    {"end_date": "2020-01-01"},
    {"entity": "nowhere"},
)


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_it_has_what_the_usual_order_has(analyst: httpx2.Client, filters: dict[str, str]) -> None:
    usual = analyst.get("/api/tickets", params={"limit": "500", **filters}).json()
    seen = walked(analyst, **filters)
    assert len(seen) == len(set(seen))
    assert set(seen) == {each["ticket_id"] for each in usual["results"]}
    first = analyst.get("/api/tickets", params={"order": "arrival", "limit": "500", **filters}).json()
    assert first["total"] == usual["total"] or "total_is" in first


def test_tickets_that_are_sent_again_meanwhile_come_once(analyst: httpx2.Client) -> None:
    def again(seen: int) -> None:
        if seen % 28 == 0:
            post(analyst, range(0, COUNT, 9))  # some that were seen, and some that were not
            post(analyst, range(1000 + seen, 1003 + seen))  # and new ones

    expected = [f"T-{n}" for n in reversed(range(COUNT))]
    assert walked(analyst, again) == expected
    assert (
        analyst.get("/api/tickets", params={"limit": "1"}).json()["results"][0]["ticket_id"] not in expected
    )


@pytest.mark.parametrize("cursor", ["!", "WzFd!", "WzAsMV0=", "W10=", "Wy0xXQ==", "WzFlMzBd"])
def test_a_cursor_that_is_none_is_refused(analyst: httpx2.Client, cursor: str) -> None:
    answer = analyst.get("/api/tickets", params={"order": "arrival", "cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_parameter")


def test_another_order_is_refused(analyst: httpx2.Client) -> None:
    assert analyst.get("/api/tickets", params={"order": "size"}).status_code == 400


def test_a_workspace_without_tickets_has_none(box: BoxProcess) -> None:
    with box.client(Role.ANALYST, workspace="nothing-arrived") as client:
        assert walked(client) == []


def test_a_ticket_names_its_record(analyst: httpx2.Client, box: BoxProcess) -> None:
    body = analyst.get("/api/tickets/T-5").json()
    record = analyst.get(f"/v1/records/{body['record_id']}").raise_for_status().json()
    assert (record["key"], record["job"]) == ("T-5", body["job_id"])
