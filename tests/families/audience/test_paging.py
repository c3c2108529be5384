"""An upload with its records: whole or in parts, as they were sent, with what was found out beside each."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from ingestbox.families.audience.shapes import PATH
from ingestbox.store import DATABASE
from ingestbox.store.engine import connect_writer
from tests.families.audience.support import People, person, post, read, refused, send, wait_processed
from tests.harness import BoxProcess, until

Json = dict[str, Any]

MANY = 2_300
"""More than two reads take, so that the answer is sent while it is read."""

AS_SENT = (
    b'{ "business_email" : "a@example.com",\t"n" : 1.0e3, "caf\\u00e9":"\xc3\xa9" }',
    b'{"domain":"example.com","n":12345678901234567890.10,"n":[ ],"":null}',
    b'{"email":"B@Example.com","records":[],"results":[],"indexes":[],"_email":"mine"}',
)


def paged(client: httpx2.Client, upload_id: str, limit: int, cursor: str | None = None) -> Json:
    return read(client, upload_id, limit=limit, **({} if cursor is None else {"cursor": cursor}))


def test_an_upload_is_as_documented(anna: httpx2.Client) -> None:
    sent = b'{"upload_name":"\\"records\\":[]","records":[' + b", ".join(AS_SENT) + b"]}"
    reply = anna.post(PATH, content=sent, headers={"Content-Type": "application/json"})
    upload_id = reply.json()["upload_id"]
    whole = wait_processed(anna, upload_id)
    assert {name: whole[name] for name in whole if name not in ("records", "results", "created_at")} == {
        "status": "success",
        "upload_id": upload_id,
        "upload_name": '"records":[]',
        "indexes": [0, 1, 2],
        "fields": [
            "business_email",
            "n",
            "café",
            "domain",
            "",
            "email",
            "records",
            "results",
            "indexes",
            "_email",
        ],
        "rows_received": 3,
        "upload_status": "uploaded",
        "rows_stored": 3,
        "rows_processed": 3,
    }
    text = anna.get(f"{PATH}/{upload_id}").content
    assert b'"records":[' + b",".join(AS_SENT) + b"]" in text
    emails = [each["_email"] for each in whole["results"]]
    assert emails == ["a@example.com", None, "b@example.com"]
    head = anna.head(f"{PATH}/{upload_id}")
    assert (head.status_code, head.content) == (200, b"")


def test_a_long_one_is_whole_and_can_be_had_in_parts(anna: httpx2.Client) -> None:
    sent = [person(number, n=number) for number in range(MANY)]
    upload_id = post(anna, sent)
    wait_processed(anna, upload_id)
    reply = anna.get(f"{PATH}/{upload_id}")
    assert "content-length" not in reply.headers  # nobody builds it in memory
    assert reply.headers["content-type"] == "application/json"
    whole = reply.json()
    assert (whole["records"], whole["indexes"]) == (sent, list(range(MANY)))
    assert [each["_email"] for each in whole["results"]] == [each["business_email"] for each in sent]
    assert "next_cursor" not in whole
    assert list(whole) == list(read(anna, post(anna, sent[:1])))  # a short one is made in another way
    assert anna.head(f"{PATH}/{upload_id}").content == b""
    cursor, found, results, parts = None, [], [], 0
    while cursor is not None or not parts:
        part = paged(anna, upload_id, 500, cursor)
        assert len(part["records"]) == len(part["results"]) == len(part["indexes"])
        cursor, parts = part["next_cursor"], parts + 1
        found += part["records"]
        results += part["results"]
    assert (found, results, parts) == (sent, whole["results"], 5)


def test_a_cursor_survives_records_that_join_later(people: People) -> None:
    records = [person(number) for number in range(6)]
    records[1] = records[4] = {"first_name": "Nobody"}
    reply = send(people.anna, records, params={"mode": "partial"})
    upload_id = reply.json()["upload_id"]
    wait_processed(people.anna, upload_id)
    first = paged(people.anna, upload_id, 2)
    assert (first["indexes"], first["rows_stored"], first["rows_received"]) == ([0, 2], 4, 6)
    assert wait_processed(people.anna, upload_id)["records"] == [records[n] for n in (0, 2, 3, 5)]
    issues = people.admin.get("/v1/issues", params={"job": upload_id, "all": "true"}).json()["issues"]
    for each in issues:
        repair(people.admin, each["record"])
    until(lambda: read(people.anna, upload_id)["rows_processed"] == 6, "all joined")
    rest = paged(people.anna, upload_id, 5, first["next_cursor"])
    assert (rest["indexes"], rest["next_cursor"]) == ([3, 4, 5], None)
    assert rest["records"][1] == {"first_name": "Nobody", "email": "now@example.com"}
    assert read(people.anna, upload_id)["indexes"] == [0, 1, 2, 3, 4, 5]


def repair(admin: httpx2.Client, record: str) -> None:
    reply = admin.patch(
        f"/v1/records/{record}",
        params={"all": "true"},
        headers={"Content-Type": "application/merge-patch+json"},
        content=json.dumps({"email": "now@example.com"}),
    )
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize("query", [{"cursor": "x"}, {"limit": "5", "cursor": "LTE="}])
def test_a_cursor_that_is_none_is_refused(anna: httpx2.Client, query: dict[str, str]) -> None:
    reply = anna.get(f"{PATH}/{post(anna, [person(1)])}", params=query)
    refused(reply, 400, "cursor must be a next_cursor of this list.")


def test_so_is_a_limit(anna: httpx2.Client) -> None:
    reply = anna.get(f"{PATH}/{post(anna, [person(1)])}", params={"limit": "501"})
    refused(reply, 400, "limit must be a whole number from 1 to 500.")


SPOIL = (
    ("records", "payload = REPLACE(CAST(payload AS TEXT), 'Person', 'Parson')", 1),
    ("records", "key = key || 'x'", 2),
    ("audience_records", "result = REPLACE(CAST(result AS TEXT), 'example', 'exemple')", 3),
)
"""What happens to the record at which index."""


@pytest.mark.parametrize("count", [5, MANY])
def test_what_is_damaged_is_not_served_as_good(box: BoxProcess, anna: httpx2.Client, count: int) -> None:
    """Neither a record nor a result; and the lists stay parallel, also in a long answer."""
    upload_id = post(anna, [person(n) for n in range(count)])
    wait_processed(anna, upload_id)
    connection = connect_writer(box.data / DATABASE)
    for table, change, index in SPOIL:
        which = f"(SELECT id + {index} FROM (SELECT id << 24 AS id FROM jobs WHERE public_id = ?))"
        connection.execute(f"UPDATE {table} SET {change} WHERE id = {which}", (upload_id,))
    connection.close()
    whole = read(anna, upload_id)
    assert whole["damaged"] == [1, 2, 3]
    assert whole["records"] == [None if n in (1, 2) else person(n) for n in range(count)]
    assert [n for n, each in enumerate(whole["results"]) if each is None] == [3]
    assert len(whole["results"]) == count
    assert paged(anna, upload_id, 2)["damaged"] == [1]
    lines = [json.loads(line) for line in anna.get(f"{PATH}/{upload_id}.ndjson").text.splitlines()]
    assert [each.get("_damaged") for each in lines[:5]] == [None, True, True, True, None]
    assert ("business_email" in lines[1], lines[3]["_email"]) == (False, None)
    header, *rows = anna.get(f"{PATH}/{upload_id}.csv").text.split("\r\n")[:5]
    assert header.endswith(",_damaged")
    assert [row.endswith(",true") for row in rows] == [False, True, True, True]
