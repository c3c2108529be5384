"""Texts through a real box: comments of trackers, from JSON and CSV; and what is hard to analyse."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.harness import post_tickets, running, wait_job

COMMENTS: Sequence[tuple[str, str, str | None, str | None]] = [
    ("15/Mar/25 12:00 AM;anna;Terrible.", "Terrible.", "2025-03-15T00:00:00", "anna"),
    ("15/Mar/25 12:30 PM;anna;Great!", "Great!", "2025-03-15T12:30:00", "anna"),
    ("5/mar/25 9:05 am;Trần Bình;Rất tốt", "Rất tốt", "2025-03-05T09:05:00", "Trần Bình"),
    ("15/MAR/25 10:30 pm;;Fine; thanks; bye", "Fine; thanks; bye", "2025-03-15T22:30:00", None),
    ("15/Mar/25 10:30 AM;anna;two\nlines", "two\nlines", "2025-03-15T10:30:00", "anna"),
    ("31/Feb/25 10:30 AM;anna;Great!", "31/Feb/25 10:30 AM;anna;Great!", None, None),
    ("slow; rude; never again", "slow; rude; never again", None, None),
    ('He said "no"; then, at 10:30 AM; he left', 'He said "no"; then, at 10:30 AM; he left', None, None),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    with running(tmp_path_factory.mktemp("box")) as box, box.client() as opened:
        yield opened


def analysis(client: httpx2.Client, ticket: str) -> dict[str, Any]:
    """Of a ticket, what was sent and what was found."""
    found: dict[str, Any] = client.get(f"/api/tickets/{ticket}").raise_for_status().json()
    its_own = ("job_id", "record_id", "ticket_id", "updated_at")
    return {name: value for name, value in found.items() if name not in its_own}


def test_trackers_comments_are_the_same_from_json_and_csv(client: httpx2.Client) -> None:
    sent = [comment for comment, *_ in COMMENTS]
    record = {"summary": "Delivery", "description": "It came late.", "comments": sent}
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(["id", "summary", "description", *["Comment"] * len(sent)])
    rows.writerow(["FILE-1", record["summary"], record["description"], *sent])
    rows.writerow(["FILE-2", record["summary"], record["description"], "15/Mar/25 10:30 AM;anna;"])
    file = {"file": ("tickets.csv", out.getvalue().encode())}
    upload = client.post("/api/upload", files=file).raise_for_status().json()
    records = [
        {**record, "id": "JSON-1"},
        {**record, "id": "JSON-2", "comments": ["15/Mar/25 10:30 AM;anna;"]},
    ]
    for job in (upload["job_id"], post_tickets(client, records)["job_id"]):
        ended = wait_job(client, job)
        assert (ended["status"], ended["errors"]) == ("completed", [])
    found = analysis(client, "JSON-1")
    assert found == analysis(client, "FILE-1")
    assert found["comments"] == sent
    fields = found["fields"][2:]
    assert [(field.get("at"), field.get("author")) for field in fields] == [
        (at, author) for _, _, at, author in COMMENTS
    ]
    assert [field["sentiment"] for field in fields[:3]] == ["negative", "positive", "positive"]
    only_a_head = analysis(client, "JSON-2")
    assert only_a_head == analysis(client, "FILE-2")
    assert [field["field"] for field in only_a_head["fields"]] == ["summary", "description"]


def test_texts_that_are_hard_to_analyse_hurt_nobody(client: httpx2.Client) -> None:
    hard: dict[str, dict[str, Any]] = {
        "a megabyte": {"description": "The parcel came late. " * 50_000},
        "a megabyte of one letter": {"description": "a" * 1_000_000},
        "a megabyte of marks": {"summary": "e" + "\u0301" * 500_000},
        "brackets": {"summary": "(" * 100_000, "description": "1/1/" * 50_000},
        "emoji": {"summary": "😀" * 50_000},
        "comments": {"summary": "x", "comments": [f"15/Mar/25 10:30 AM;anna;no. {n}" for n in range(1_000)]},
        "Russian": {"summary": "Очень плохой сервис"},
        "Arabic": {"summary": "خدمة سيئة جدا"},
        "controls": {"summary": "\u0000\u0001\u001b[31m\u202e\ufeff x"},
        "noncharacters": {"summary": "\uffff\ufdd0\U0010ffff"},
        "no word": {"summary": "!", "description": "…"},
    }
    good = [{"id": f"GOOD-{number}", "summary": "I love it!"} for number in range(50)]
    records = [*good, *({"id": name, **record} for name, record in hard.items())]
    job = wait_job(client, post_tickets(client, records)["job_id"])
    assert (job["status"], job["errors"], job["records_processed"]) == ("completed", [], len(records))
    for name, record in hard.items():
        found = analysis(client, name)
        assert {each: found[each] for each in record} == record
        assert len(found["fields"]) == len(record) - ("comments" in record) + len(record.get("comments", []))
        whole = {"summary": found["summary"], "description": found["description"]}
        for entity in found["entities"]:
            assert whole[entity["field"]][entity["start"] : entity["end"]] == entity["text"]
    assert analysis(client, "Russian")["language"] == "other"
    assert analysis(client, "a megabyte")["sentiment"] == "negative"
    assert {analysis(client, each["id"])["sentiment"] for each in good} == {"positive"}


def test_a_box_does_not_start_without_the_token_that_it_is_told_of(tmp_path: Path) -> None:
    absent = tmp_path / "absent.token"
    config = f'[enrich.sentiment]\nurl = "http://127.0.0.1:1/"\ntoken_file = "{absent}"\n'
    with pytest.raises(AssertionError, match=r"absent\.token"), running(tmp_path / "box", config=config):
        pass
