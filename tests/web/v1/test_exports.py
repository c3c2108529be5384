"""`/v1/jobs/{id}/errors.csv` and `/v1/records/{id}/history`: where records went, as a file and as a story."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import httpx2
import pytest

from ingestbox.model import Role
from ingestbox.spreadsheet import unguarded
from ingestbox.store import DATABASE
from ingestbox.store.engine import connect_writer
from ingestbox.web.v1 import exports
from ingestbox.web.v1.exports import OF_ROWS, PIECE_ROWS
from tests.harness import BoxProcess, post_tickets, ticket, wait_job
from tests.web.v1.imports import person, row, upload
from tests.web.v1.support import Json, everything, get, partial, post, refused, waiting


@pytest.fixture(scope="module")
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    with box.client() as client:
        yield client


def table(reply: httpx2.Response) -> list[dict[str, str]]:
    """The lines of a file by the names of their columns; of two columns of a name the first."""
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.text.startswith("\ufeff")
    header, *lines = csv.reader(io.StringIO(reply.text[1:], newline=""))
    assert all(len(line) == len(header) for line in lines)
    return [dict(reversed(list(zip(header, line, strict=True)))) for line in lines]


def test_the_records_that_wait_are_a_file(client: httpx2.Client) -> None:
    records: list[Json] = [
        ticket(1, id="e-1"),
        {"id": "=e-2", "summary": " ", "tags": ["a", "b"], "phone": "+84 905"},
        {"id": "e-3", "summary": "", "note": "=HYPERLINK(1)", "empty": None, "key": "mine"},
    ]
    job = post_tickets(client, records, params={"mode": "partial"})["job_id"]
    wait_job(client, job)
    reply = client.get(f"/v1/jobs/{job}/errors.csv")
    assert reply.headers["content-disposition"].startswith('attachment; filename="3-records-errors.csv"')
    second, third = table(reply)
    assert [second[name] for name in ("index", "line", "state", "code", "field")] == [
        "1",
        "",
        "issue",
        "text_required",
        "summary",
    ]
    assert second["message"]
    assert (second["key"], second["tags"], second["phone"]) == ("'=e-2", '["a","b"]', "'+84 905")
    assert (third["note"], third["empty"], third["tags"]) == ("'=HYPERLINK(1)", "", "")
    assert [unguarded(third[name]) for name in ("id", "note")] == ["e-3", "=HYPERLINK(1)"]
    every = table(client.get(f"/v1/jobs/{job}/errors.csv", params={"rows": "all"}))
    assert [each["state"] for each in every] == ["done", "issue", "issue"]
    assert every[0]["summary"] == records[0]["summary"]
    assert every[0]["code"] == every[0]["message"] == ""
    refused(client.get(f"/v1/jobs/{job}/errors.csv", params={"rows": "some"}), 400, "bad_parameter")


def test_what_is_resolved_is_in_the_file_no_more(client: httpx2.Client) -> None:
    job = partial(client, "solved", good=1, bad=2)
    first, _ = waiting(client, job)
    post(client, f"/v1/issues/{first['id']}/resolve", {"action": "discard"})
    assert len(table(client.get(f"/v1/jobs/{job}/errors.csv"))) == 1
    whole = table(client.get(f"/v1/jobs/{job}/errors.csv", params={"rows": "all"}))
    assert [each["code"] for each in whole if each["state"] == "discarded"] == [""]


def test_a_file_of_many_pieces_is_whole(client: httpx2.Client) -> None:
    count = 2 * PIECE_ROWS + 3
    records = [{"id": f"p-{n}", "summary": " ", f"m{n % 7}": n} for n in range(count)]
    records.append(ticket(1, id="p-good"))
    job = post_tickets(client, records, params={"mode": "partial"})["job_id"]
    found = table(client.get(f"/v1/jobs/{job}/errors.csv"))
    assert [each["key"] for each in found] == [f"p-{n}" for n in range(count)]
    assert [each[f"m{n % 7}"] for n, each in enumerate(found)] == [str(n) for n in range(count)]


def test_what_has_no_column_is_told_as_json(client: httpx2.Client) -> None:
    wide = {"id": "wide", "summary": " ", **{f"c{n}": n for n in range(exports.MOST_COLUMNS + 5)}}
    job = post_tickets(client, [ticket(1, id="narrow"), wide], params={"mode": "partial"})["job_id"]
    (found,) = table(client.get(f"/v1/jobs/{job}/errors.csv"))
    assert len(found) <= exports.MOST_COLUMNS + len(OF_ROWS) + 1
    assert f'"c{exports.MOST_COLUMNS + 4}":' in found["record"]


def test_a_damaged_record_says_so_in_the_file(box: BoxProcess, client: httpx2.Client) -> None:
    job = partial(client, "dented", good=1, bad=2)
    first = waiting(client, job)[-1]["record"]
    connection = connect_writer(box.data / DATABASE)
    try:
        connection.execute("UPDATE records SET payload = X'7B7D7D' WHERE id = ?", (int(first),))
    finally:
        connection.close()
    found = table(client.get(f"/v1/jobs/{job}/errors.csv"))
    assert [each["code"] for each in found].count("damaged") == 1


def test_contacts_come_in_the_columns_of_their_file(box: BoxProcess) -> None:
    with person(box, "ida", Role.UPLOADER, Role.EDITOR) as ida:
        job = upload(ida, "own columns", [row("ok@example.com"), row("broken")])
        reply = ida.get(f"/v1/jobs/{job['id']}/errors.csv")
        (found,) = table(reply)
        assert list(found) == ["errors", "status", "company", "last_name", "first_name", "email"]
        assert (found["email"], found["status"]) == ("broken", "ISSUE")
        assert "own columns-errors.csv" in reply.headers["content-disposition"]
        assert len(table(ida.get(f"/v1/jobs/{job['id']}/errors.csv", params={"rows": "all"}))) == 2
    with box.client() as other:
        refused(other.get(f"/v1/jobs/{job['id']}/errors.csv"), 404, "job_not_found")
        assert table(other.get(f"/v1/jobs/{job['id']}/errors.csv", params={"all": "true"}))


def test_who_may_only_upload_gets_the_files_of_their_own_jobs(box: BoxProcess, client: httpx2.Client) -> None:
    job = partial(client, "not-mine")
    record = waiting(client, job)[0]["record"]
    with person(box, "una", Role.UPLOADER) as una, box.client(Role.INGEST) as ingest:
        for path in (f"/v1/jobs/{job}/errors.csv", f"/v1/records/{record}/history"):
            assert una.get(path).status_code == 404
            refused(ingest.get(path), 403, "forbidden")
        own = upload(una, "unas", [row("una-ok@example.com"), row("una-broken")])["id"]
        assert len(table(una.get(f"/v1/jobs/{own}/errors.csv"))) == 1
        lone = everything(una, f"/v1/jobs/{own}/records", "records", state="issue")[0]["id"]
        assert get(una, f"/v1/records/{lone}/history") == {"history": [], "whole": True}


def test_the_story_of_a_record(client: httpx2.Client) -> None:
    job = partial(client, "story")
    issue = waiting(client, job)[0]
    path = f"/v1/records/{issue['record']}"
    assert client.patch(path, json={"summary": "A great product"}).status_code == 200
    wait_job(client, job)
    post(client, f"/v1/jobs/{job}/reprocess", records="all")
    wait_job(client, job)
    found = get(client, f"{path}/history")
    assert found["whole"] is True
    assert [each["action"] for each in found["history"]] == ["job.reprocess", "record.edit"]
    assert found["history"][1]["after"]["summary"] == "A great product"
    other = get(client, f"/v1/jobs/{job}/records")["records"][0]["id"]
    assert [each["action"] for each in get(client, f"/v1/records/{other}/history")["history"]] == [
        "job.reprocess"
    ]
    refused(client.get("/v1/records/9/history"), 404, "not_found")
    refused(client.get("/v1/records/x/history"), 404, "not_found")


def test_what_a_record_became_and_what_was_told_of_it(box: BoxProcess, client: httpx2.Client) -> None:
    job = post_tickets(client, [ticket(1, id="became-1"), ticket(2, id="became-2")])["job_id"]
    wait_job(client, job)
    first, second = get(client, f"/v1/jobs/{job}/records")["records"]
    assert [each["result"]["object_id"] for each in (first, second)] == ["became-1", "became-2"]
    assert first["result"]["current"] is True
    assert first["line"] is None
    again = post_tickets(client, [ticket(3, id="became-1")])["job_id"]
    wait_job(client, again)
    first = get(client, f"/v1/jobs/{job}/records")["records"][0]
    assert (first["result"]["version"], first["result"]["current"]) == (1, False)
    told = everything(client, "/v1/deliveries", "deliveries", record=first["id"], limit=1)
    assert [(each["object_id"], each["version"], each["record"]) for each in told] == [
        ("became-1", 1, first["id"])
    ]
    assert get(client, "/v1/deliveries", record="999")["deliveries"] == []
    refused(client.get("/v1/deliveries", params={"record": "x"}), 400, "bad_parameter")
    with box.client(workspace="elsewhere") as other:
        assert get(other, "/v1/deliveries", record=first["id"])["deliveries"] == []


def test_a_row_of_a_file_says_its_line(client: httpx2.Client) -> None:
    text = b'id,summary\n"a\nb",fine\nc,\n'
    job = client.post("/api/upload", files={"file": ("lines.csv", text)}).json()["job_id"]
    wait_job(client, job)
    found = get(client, f"/v1/jobs/{job}/records")["records"]
    assert found[1]["line"] == 4
    assert table(client.get(f"/v1/jobs/{job}/errors.csv"))[0]["line"] == "4"
