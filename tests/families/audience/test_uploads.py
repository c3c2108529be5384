"""The list of uploads: whose it is, in which order, in parts, and how it stays quick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox import families
from ingestbox.families.audience.shapes import PATH
from ingestbox.store import DATABASE, load_queries
from ingestbox.store.engine import connect_writer
from tests.families.audience.support import People, person, post, refused, send, wait_processed
from tests.harness import BoxProcess
from tests.store.support import with_store

Json = dict[str, Any]

MANY = 14
WIDE = [f"{number:03}".ljust(2_000, "x") for number in range(100)]
"""So many uploads with such fields are more than two reads of the list take: it is sent while it is read."""


def listed(client: httpx2.Client, **params: Any) -> Json:
    reply = client.get(PATH, params=params)
    assert reply.status_code == 200, reply.text
    found: Json = reply.json()
    return found


def names(found: Json) -> list[str]:
    return [each["upload_name"] for each in found["uploads"]]


def test_an_upload_in_the_list_is_as_documented(anna: httpx2.Client) -> None:
    upload_id = post(anna, [person(1), {"domain": "x.example", "n": 1}], "first one")
    reply = send(anna, [person(2), {}, {"first_name": "Nobody"}], "second", params={"mode": "partial"})
    second = reply.json()["upload_id"]
    for each in (upload_id, second):
        wait_processed(anna, each)
    found = listed(anna)
    assert set(found) == {"status", "uploads", "total"}
    assert (found["status"], found["total"]) == ("success", 2)
    newest, oldest = found["uploads"]
    created = oldest.pop("created_at")
    assert created.endswith("Z")
    assert oldest == {
        "upload_id": upload_id,
        "upload_name": "first one",
        "rows_received": 2,
        "status": "uploaded",
        "fields": ["business_email", "first_name", "last_name", "domain", "n"],
        "rows_stored": 2,
        "rows_processed": 2,
    }
    counts = [newest[name] for name in ("upload_id", "rows_received", "rows_stored", "rows_processed")]
    assert counts == [second, 3, 1, 1]


def test_each_sees_their_own_and_administrators_who_ask_everybodys(box: BoxProcess, people: People) -> None:
    post(people.anna, [person(1)], "anna's")
    post(people.boris, [person(1)], "boris's")
    post(people.admin, [person(1)], "ada's")
    post(people.stranger, [person(1)], "elsewhere")
    assert names(listed(people.anna)) == ["anna's"]
    assert names(listed(people.admin)) == ["ada's"]
    found = listed(people.admin, all="true")
    assert (names(found), found["total"]) == (["ada's", "boris's", "anna's"], 3)
    owners = [each["owner"] for each in found["uploads"]]
    assert len(set(owners)) == 3
    refused(people.anna.get(PATH, params={"all": "true"}), 403, "all=true needs the role admin.")
    refused(people.anna.get(PATH, params={"all": "yes"}), 400, "all must be true or false.")
    with box.client() as operator:
        everywhere = names(listed(operator, all="true", limit=4))
    assert everywhere == ["elsewhere", "ada's", "boris's", "anna's"]


def test_a_long_list_is_whole_and_can_be_had_in_parts(anna: httpx2.Client) -> None:
    for number in range(MANY):
        post(anna, [{"domain": "x.example"}], f"u{number}", body={"fields": WIDE})
    wanted = [f"u{number}" for number in reversed(range(MANY))]
    reply = anna.get(PATH)
    assert "content-length" not in reply.headers  # nobody builds it in memory
    assert reply.headers["content-type"] == "application/json"
    whole = reply.json()
    assert (names(whole), whole["total"], whole["status"]) == (wanted, MANY, "success")
    assert "next_cursor" not in whole
    assert {tuple(each["fields"]) for each in whole["uploads"]} == {tuple(WIDE)}
    part = listed(anna, limit=5)
    parts = names(part)
    post(anna, [{"domain": "x.example"}], "meanwhile")
    while part["next_cursor"] is not None:
        part = listed(anna, limit=5, cursor=part["next_cursor"])
        assert part["total"] == MANY + 1
        parts += names(part)
    assert parts == wanted  # what came meanwhile is before the first part


@pytest.mark.parametrize("cursor", ["x", "", "MTA", "LTE=", "MDE=", "4pyT", "OTk5OTk5" * 4])
def test_a_cursor_that_is_none_is_refused(anna: httpx2.Client, cursor: str) -> None:
    message = "cursor must be a next_cursor of this list."
    refused(anna.get(PATH, params={"cursor": cursor}), 400, message)


@pytest.mark.parametrize("limit", ["0", "501", "-1", "ten", ""])
def test_so_is_a_limit(anna: httpx2.Client, limit: str) -> None:
    refused(anna.get(PATH, params={"limit": limit}), 400, "limit must be a whole number from 1 to 500.")


PLANS = {
    "uploads_mine": "USING INDEX audience_uploads_of_owner (workspace=? AND owner=? AND id<?)",
    "uploads_here": "USING INDEX audience_uploads_by_workspace (workspace=? AND id<?)",
    "uploads_everywhere": "USING INTEGER PRIMARY KEY (rowid<?)",
    "count_mine": "USING COVERING INDEX audience_uploads_of_owner (workspace=? AND owner=?)",
    "count_here": "USING COVERING INDEX audience_uploads_by_workspace (workspace=?)",
    "records": "SEARCH r USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "results": "SEARCH a USING INTEGER PRIMARY KEY (rowid=?)",
    "records_from": "USING INDEX audience_records_elsewhere (upload=? AND place>?)",
    "records_from_among": "USING INDEX audience_records_elsewhere (upload=? AND place=?)",
    "of_job_record": "SEARCH audience_records USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
}
"""How what may be long is found."""

SMALL = ("SCAN CONSTANT ROW", "SCAN given VIRTUAL TABLE INDEX 1:")


def test_what_may_be_long_is_read_by_an_index(tmp_path: Path) -> None:
    async def nothing(_: object) -> None: ...

    with_store(tmp_path, nothing)
    queries = load_queries({"audience": families.load()["audience"].queries})
    connection = connect_writer(tmp_path / DATABASE)
    try:
        for query, index in PLANS.items():
            statement = queries[f"audience.{query}"]
            rows = connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}", [1] * len(statement.names))
            plan = [row[3] for row in rows if row[3] not in SMALL]
            assert any(index in step for step in plan), plan
            assert not any("TEMP B-TREE" in step or step.startswith("SCAN") for step in plan), plan
    finally:
        connection.close()
