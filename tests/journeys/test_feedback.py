"""A record on its way through the program: posted, stored, analysed, delivered to a second box, found."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.model import Role
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job


@pytest.fixture(scope="module")
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    with box.client(Role.ANALYST) as opened:
        yield opened


def jobs_count(client: httpx2.Client) -> int:
    return len(client.get("/api/jobs", params={"limit": 500}).json()["results"])


def test_a_batch_is_taken_analysed_and_read_back(client: httpx2.Client) -> None:
    records: list[dict[str, object]] = [
        ticket(1),
        {"id": 2, "summary": None, "description": "Terrible, I hate it.", "comments": ["Now it is great!"]},
        {"id": "three/with ünïcode & ?", "description": "fine", "priority": {"level": 1.50}},
    ]
    answer = post_tickets(client, records)
    assert set(answer) == {"job_id", "status_url", "message", "record_count"}
    assert answer["message"] == "Data ingestion started"
    assert answer["record_count"] == 3
    assert answer["status_url"] == f"/api/job/{answer['job_id']}"
    job = wait_job(client, answer["job_id"])
    assert (job["status"], job["total_records"], job["records_processed"], job["progress"]) == (
        "completed",
        3,
        3,
        1,
    )
    assert (job["source"], job["source_type"], job["file_name"]) == ("json_api", "json_api", "3-records.json")
    assert job["sentiment_records"] == 3
    assert job["errors"] == [] and job["warnings"] == [] and job["error"] is None
    assert job["submitted_at"] <= job["started_at"] <= job["completed_at"]
    assert job["duration"] >= 0
    found = client.get("/api/tickets/2").json()
    assert found["description"] == "Terrible, I hate it."
    assert [field["sentiment"] for field in found["fields"]] == ["negative", "positive"]
    assert found["trend"] == "improving"
    assert client.get("/api/tickets/three%2Fwith%20%C3%BCn%C3%AFcode%20%26%20%3F").json()["extra"] == {
        "priority": {"level": 1.5}
    }


def test_the_job_lists(client: httpx2.Client) -> None:
    ids = [post_tickets(client, [ticket(10 + number)])["job_id"] for number in range(3)]
    for job_id in ids:
        wait_job(client, job_id)
    listed = client.get("/api/jobs", params={"limit": 3}).json()
    assert [job["job_id"] for job in listed["results"]] == ids[::-1]
    assert listed["count"] == 3
    assert client.get("/api/jobs", params={"status": "completed", "limit": 2}).json()["count"] == 2
    assert client.get("/api/jobs", params={"status": "failed"}).json()["results"] == []
    for parameters in ({"limit": "0"}, {"limit": "501"}, {"limit": "x"}, {"status": "done"}):
        assert client.get("/api/jobs", params=parameters).status_code == 400


def test_a_later_intake_replaces_the_ticket_whole(client: httpx2.Client) -> None:
    wait_job(client, post_tickets(client, [ticket(20, extra_field=1)])["job_id"])
    wait_job(client, post_tickets(client, [{"id": "T-20", "summary": "second"}])["job_id"])
    found = client.get("/api/tickets/T-20").json()
    assert (found["summary"], found["description"], found["extra"]) == ("second", None, {})


def test_the_last_of_one_id_in_a_batch_wins(client: httpx2.Client) -> None:
    job = wait_job(
        client,
        post_tickets(client, [ticket(30), {"id": "T-30", "summary": "last"}, ticket(31)])["job_id"],
    )
    assert (job["status"], job["records_processed"]) == ("completed", 3)
    assert [(notice["code"], notice["index"]) for notice in job["warnings"]] == [("duplicate_id", 0)]
    assert client.get("/api/tickets/T-30").json()["summary"] == "last"


def test_partial_acceptance_keeps_the_rejected_as_issues(client: httpx2.Client) -> None:
    response = client.post(
        "/api/data-ingest?mode=partial", json={"records": [ticket(40), {"id": "T-41"}, ticket(42)]}
    )
    body = response.json()
    assert [outcome["outcome"] for outcome in body["outcomes"]] == ["accepted", "rejected", "accepted"]
    assert body["record_count"] == 3
    job = wait_job(client, body["job_id"])
    assert (job["status"], job["records_processed"]) == ("completed", 3)
    assert [(error["index"], error["field"]) for error in job["errors"]] == [(1, "summary")]
    assert client.get("/api/tickets/T-41").status_code == 404


def test_nothing_is_stored_on_a_refusal(client: httpx2.Client) -> None:
    before = jobs_count(client)
    bodies: list[bytes] = [
        b"",
        b"nonsense",
        b'{"records": []}',
        json.dumps({"records": [ticket(50), {"id": "T-51"}]}).encode(),
        json.dumps({"records": [ticket(number) for number in range(1001)]}).encode(),
        b'{"records": [{"id": "T-50", "summary": "x", "n": 1e999}]}',
        b'{"records": [{"id": "T-50", "summary": "x", "n": "\\ud800"}]}',
        b'{"records": [{"id": "T-50", "summary": "\xff"}]}',
        b'{"records": [{"id": "T-50", "summary": "x"}], "other": NaN}',
        b'{"records": [{"id": "T-50", "summary": "x", "n": ' + b"[" * 70 + b"]" * 70 + b"}]}",
    ]
    for body in bodies:
        response = client.post("/api/data-ingest", content=body, headers={"Content-Type": "application/json"})
        assert response.status_code in (400, 422), (body[:60], response.text)
        assert {"detail", "code", "request_id"} <= set(response.json())
    assert client.get("/api/tickets/T-50").status_code == 404
    assert jobs_count(client) == before


def test_every_fault_is_listed(client: httpx2.Client) -> None:
    response = client.post(
        "/api/data-ingest", json={"records": [ticket(60), {"summary": 5}, {"id": "T-62"}, "text"]}
    )
    assert response.status_code == 422
    body = response.json()
    assert body["detail"].startswith("3 of 4 records are not valid; the first: record 1, field id: ")
    assert [(error["index"], error.get("field"), error["code"]) for error in body["errors"]] == [
        (1, "id", "id_required"),
        (1, "summary", "wrong_type"),
        (2, "summary", "text_required"),
        (3, None, "wrong_type"),
    ]


def test_compressed_bodies_are_the_same_request(client: httpx2.Client) -> None:
    body = json.dumps({"records": [ticket(70)]}).encode()
    key = {"Idempotency-Key": "compressed", "Content-Type": "application/json"}
    first = client.post("/api/data-ingest", content=body, headers=key)
    for coding, packed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        again = client.post("/api/data-ingest", content=packed, headers={**key, "Content-Encoding": coding})
        assert again.content == first.content
        assert again.headers["Idempotency-Replayed"] == "true"


def test_an_idempotency_key_makes_one_job(client: httpx2.Client) -> None:
    before = jobs_count(client)
    body = {"records": [ticket(80)]}

    def send(_: int) -> httpx2.Response:
        return client.post("/api/data-ingest", json=body, headers={"Idempotency-Key": "once"})

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(24)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    taken = [answer for answer in answers if answer.status_code == 200]
    assert len({answer.content for answer in taken}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in taken) == 1
    assert jobs_count(client) == before + 1
    other = client.post(
        "/api/data-ingest", json={"records": [ticket(81)]}, headers={"Idempotency-Key": "once"}
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    for bad in ("", "x" * 256):
        refused = client.post("/api/data-ingest", json=body, headers={"Idempotency-Key": bad})
        assert refused.status_code == 400


def test_a_refused_request_does_not_use_its_key_up(client: httpx2.Client) -> None:
    key = {"Idempotency-Key": "later"}
    assert client.post("/api/data-ingest", json={"records": []}, headers=key).status_code == 422
    assert client.post("/api/data-ingest", json={"records": [ticket(90)]}, headers=key).status_code == 200


def test_keys_of_two_callers_do_not_meet(box: BoxProcess, client: httpx2.Client) -> None:
    key = {"Idempotency-Key": "shared"}
    first = client.post("/api/data-ingest", json={"records": [ticket(95)]}, headers=key)
    token = box.token(Role.INGEST, subject="somebody else")
    second = client.post(
        "/api/data-ingest",
        json={"records": [ticket(96)]},
        headers={**key, "Authorization": f"Bearer {token}"},
    )
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["job_id"] != second.json()["job_id"]


def test_workspaces_do_not_see_each_other(box: BoxProcess, client: httpx2.Client) -> None:
    job_id = post_tickets(client, [ticket(100)])["job_id"]
    wait_job(client, job_id)
    with box.client(Role.ANALYST, workspace="elsewhere") as other:
        response = other.get(f"/api/job/{job_id}")
        assert (response.status_code, response.json()["detail"]) == (404, "Job not found")
        assert other.get("/api/jobs").json()["results"] == []
        assert other.get("/api/tickets/T-100").status_code == 404
        wait_job(other, post_tickets(other, [{"id": "T-100", "summary": "mine"}])["job_id"])
        assert other.get("/api/tickets/T-100").json()["summary"] == "mine"
    assert client.get("/api/tickets/T-100").json()["summary"] != "mine"


@pytest.mark.parametrize(
    ("roles", "write", "read"),
    [
        ((Role.INGEST,), 200, 403),
        ((Role.ANALYST,), 200, 200),
        ((Role.ADMIN,), 200, 200),
        ((Role.UPLOADER,), 403, 403),
        ((Role.FORWARDER,), 403, 403),
    ],
)
def test_roles(box: BoxProcess, roles: tuple[Role, ...], write: int, read: int) -> None:
    with box.client(*roles) as caller:
        assert caller.post("/api/data-ingest", json={"records": [ticket(110)]}).status_code == write
        assert caller.get("/api/tickets").status_code == read
        assert caller.get("/api/jobs").status_code == 200  # any authenticated caller


def test_tickets_are_paged_newest_first(box: BoxProcess) -> None:
    with box.client(Role.ANALYST, workspace="paged") as caller:
        records = [{"id": f"P{number:03}", "summary": "x"} for number in range(25)]
        wait_job(caller, post_tickets(caller, records)["job_id"])
        seen: list[str] = []
        cursor: dict[str, Any] = {}
        while True:
            page = caller.get("/api/tickets", params={"limit": 10, **cursor}).json()
            assert page["total"] == 25
            seen += [each["ticket_id"] for each in page["results"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert seen == [record["id"] for record in reversed(records)]
        assert caller.get("/api/tickets", params={"cursor": "nonsense"}).status_code == 400
        assert caller.get("/api/tickets", params={"cursor": "WyIiLDFd"}).status_code == 400


def test_a_large_batch_enters_in_chunks_and_is_one_job(client: httpx2.Client) -> None:
    records = [ticket(number, filler="x" * 5_000) for number in range(2_000, 3_000)]
    key = {"Idempotency-Key": "large"}
    answer = post_tickets(client, records, headers=key)
    assert post_tickets(client, records, headers=key) == answer
    job = wait_job(client, answer["job_id"])
    assert (job["status"], job["records_processed"]) == ("completed", 1000)


def test_clients_that_go_away_leave_whole_jobs_or_none(box: BoxProcess) -> None:
    """Each sends a batch, the large ones entering in chunks, and hangs up without waiting for the answer."""
    address = ("127.0.0.1", int(box.url.rpartition(":")[2]))
    with box.client(Role.ANALYST, workspace="cancelled") as caller:
        authorization = caller.headers["Authorization"]
        for number in range(40):
            size = 5_000 if number % 4 == 0 else 10  # characters; a thousand records of 5,000 are 5 MB
            count = 1000 if number % 4 == 0 else 7
            records = [{"id": f"C{number}-{n}", "summary": "x" * size} for n in range(count)]
            body = json.dumps({"records": records}).encode()
            head = (
                f"POST /api/data-ingest HTTP/1.1\r\nHost: box\r\nAuthorization: {authorization}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            with socket.create_connection(address) as connection:
                connection.sendall(head.encode() + (body if number % 3 else body[: len(body) // 2]))
        wait_job(caller, post_tickets(caller, [ticket(1)])["job_id"])  # the writer is free, nothing is open

        def quiet() -> list[dict[str, Any]] | None:
            jobs: list[dict[str, Any]] = caller.get("/api/jobs", params={"limit": 500}).json()["results"]
            with box.client() as admin:
                receiving = admin.get("/v1/stats").json()["jobs"]["receiving"]
            ended = all(job["status"] == "completed" for job in jobs)
            return jobs if ended and not receiving else None

        jobs = until(quiet, "every job that came in is done, and none is half in")
        assert {job["total_records"] for job in jobs} <= {1, 7, 1000}
        assert len(jobs) > 1  # some were whole when their client went, and were taken
        assert all(job["records_processed"] == job["total_records"] for job in jobs)
        assert caller.get("/api/tickets").json()["total"] == sum(job["total_records"] for job in jobs)


def test_records_reach_a_second_box_once(tmp_path: Path) -> None:
    with running(tmp_path / "central") as central:
        forwarder = central.token(Role.FORWARDER)
        lanes = f'[[lanes]]\nname = "central"\nurl = "{central.url}/v1/sync/batches"\ntoken = "{forwarder}"\n'
        with (
            running(tmp_path / "edge", config=lanes) as edge,
            edge.client() as here,
            central.client() as there,
        ):
            records = [ticket(number) for number in range(300)]
            wait_job(here, post_tickets(here, records)["job_id"])
            wait_job(here, post_tickets(here, [ticket(7, summary="the newest")])["job_id"])

            def arrived() -> dict[str, Any] | None:
                boxes = there.get("/v1/sync/boxes").json()["boxes"]
                return boxes[0] if boxes and boxes[0]["last_seq"] == 301 else None

            sender = until(arrived, "all deliveries arrive")
            assert sender["gaps"] == []
            assert there.get("/api/tickets").json()["total"] == 300
            for number in (0, 7, 299):
                assert there.get(f"/api/tickets/T-{number}").json()["summary"] == (
                    "the newest" if number == 7 else records[number]["summary"]
                )
            mine, theirs = here.get("/api/tickets/T-3").json(), there.get("/api/tickets/T-3").json()
            assert theirs.pop("box") == sender["box"]
            assert mine.pop("record_id")  # the record is on this box alone
            mine.pop("updated_at"), theirs.pop("updated_at")
            assert theirs == mine
            (lane,) = here.get("/v1/stats").json()["lanes"]
            assert (lane["enqueued"], lane["delivered"], lane["pending"], lane["parked"]) == (301, 301, 0, 0)
            for side in (here, there):
                report = side.get("/v1/doctor").json()
                assert report["ok"], report
