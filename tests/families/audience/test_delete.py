"""An upload is deleted: nobody sees it any more, nothing of its texts stays, upstream is told, and no other
upload loses anything; in whatever state it was, and whatever stops the box meanwhile."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.families.audience.shapes import PATH
from ingestbox.store import DATABASE
from ingestbox.store.engine import connect_reader
from tests.families.audience.support import People, person, post, read, refused, send
from tests.harness import BoxProcess, running, until

Json = dict[str, Any]

SEGMENTS = "/api/audience/segments"

DONE = {"status": "success", "message": "Batch upload deleted successfully"}
REASON = "The upload was deleted."
SECRET = "Zarathustra"
"""Stands in every record, and nowhere else."""


def secret(number: int, **members: object) -> Json:
    return {**person(number, **members), "last_name": f"{SECRET} {number}"}


def rows(box: BoxProcess, sql: str, *values: object) -> list[tuple[Any, ...]]:
    connection = connect_reader(box.data / DATABASE)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


def processed(client: httpx2.Client, upload_id: str) -> Json:
    """The first of its records, once there is a result of each."""

    def known() -> Json | None:
        upload = read(client, upload_id, limit=1)
        return upload if upload["rows_processed"] == upload["rows_stored"] else None

    return until(known, f"upload {upload_id} is processed")


def segment(client: httpx2.Client, upload_id: str, **members: object) -> str:
    reply = client.post(f"{PATH}/{upload_id}/segments", json=members)
    assert reply.status_code in (200, 201), reply.text
    made: str = reply.json()["segment"]["segment_id"]
    return made


def delete(client: httpx2.Client, upload_id: str) -> None:
    reply = client.delete(f"{PATH}/{upload_id}")
    assert (reply.status_code, reply.json()) == (200, DONE)


def gone(client: httpx2.Client, upload_id: str) -> None:
    """Nobody sees it, and it cannot be deleted again."""
    for method, ending in (("GET", ""), ("GET", ".csv"), ("GET", ".ndjson"), ("DELETE", "")):
        refused(client.request(method, f"{PATH}/{upload_id}{ending}"), 404, "Batch upload not found")
    assert upload_id not in [each["upload_id"] for each in client.get(PATH).json()["uploads"]]


def nothing_left(box: BoxProcess, upload_id: str, count: int) -> None:
    """Nothing is stored of it but blanks, tombstones, and the lines that tell of these."""
    ((job_id,),) = rows(box, "SELECT id FROM jobs WHERE public_id = ?", upload_id)
    span = (job_id << 24, job_id + 1 << 24)
    found = rows(box, "SELECT key, state, CAST(payload AS TEXT) FROM records WHERE id >= ? AND id < ?", *span)
    assert set(found) <= {("", "discarded", '{"_note":"Deleted with its upload"}')}
    assert not rows(box, "SELECT 1 FROM audience_records WHERE id >= ? AND id < ?", *span)
    assert not rows(box, "SELECT 1 FROM audience_uploads WHERE public_id = ?", upload_id)
    assert not rows(box, "SELECT 1 FROM job_deletions")
    assert not rows(box, "SELECT 1 FROM issues WHERE job_id = ? AND resolved_ms IS NULL", job_id)
    assert not rows(box, "SELECT 1 FROM bulk_changes WHERE record_id >= ? AND record_id < ?", *span)
    assert not rows(box, "SELECT 1 FROM objects WHERE object_id LIKE ? AND deleted = 0", f"{upload_id}/%")
    columns = "state, error, total, processed, issues, discarded, warnings, owner"
    (job,) = rows(box, f"SELECT {columns} FROM jobs WHERE id = ?", job_id)
    assert job == ("cancelled", REASON, count, count, 0, count, "[]", None)


def told(box: BoxProcess, upload_id: str) -> Counter[str]:
    """How many puts and tombstones there are; each tombstone is the last that is said of its object."""
    lines = rows(
        box,
        "SELECT object_id, op, version FROM deliveries WHERE object_id LIKE ? ORDER BY seq",
        f"{upload_id}/%",
    )
    last = {object_id: (op, version) for object_id, op, version in lines}
    versions = Counter(object_id for object_id, _, _ in lines)
    assert last == {object_id: ("delete", count) for object_id, count in versions.items()}
    return Counter(op for _, op, _ in lines)


def sound(box: BoxProcess) -> None:
    """The doctor finds nothing."""
    with box.client() as operator:
        findings = operator.get("/v1/doctor").raise_for_status().json()["findings"]
    assert not [each for each in findings if not each["ok"]]


def test_a_processed_upload_goes_with_all_that_it_brought(box: BoxProcess, people: People) -> None:
    anna = people.anna
    upload_id = post(anna, [secret(0, email=5), *(secret(number) for number in range(1, 400))])
    kept = post(anna, [person(number) for number in range(900, 903)])
    for each in (upload_id, kept):
        processed(anna, each)
    ((warnings,),) = rows(box, "SELECT warnings FROM jobs WHERE public_id = ?", upload_id)
    assert "email is no text" in warnings
    segments = [
        segment(anna, upload_id, name="rule"),
        segment(anna, upload_id, name="list", frozen=True),
        segment(anna, upload_id, name="told", forward=True),
    ]
    other = segment(anna, kept, name="kept")
    delete(anna, upload_id)
    gone(anna, upload_id)
    assert not anna.get(SEGMENTS).json()["segments"][1:]
    assert [anna.get(f"{SEGMENTS}/{each}").status_code for each in (*segments, other)] == [404, 404, 404, 200]
    ops = rows(box, "SELECT op, kind FROM deliveries WHERE object_id = ? ORDER BY seq", segments[2])
    assert ops == [("put", "segment"), ("delete", "segment")]
    ((left,),) = rows(box, "SELECT COUNT(*) FROM audience_segments WHERE upload_id = ?", upload_id)
    assert left == 0
    nothing_left(box, upload_id, 400)
    assert told(box, upload_id) == {"put": 400, "delete": 400}
    assert len(read(anna, kept)["records"]) == 3
    job = people.admin.get(f"/v1/jobs/{upload_id}", params={"all": "true"}).json()
    assert (job["state"], job["error"]) == ("cancelled", REASON)
    (line,) = people.admin.get("/v1/audit", params={"action": "job.delete"}).json()["audit"]
    assert (line["object_id"], line["before"], line["after"]) == (
        upload_id,
        {"state": "completed"},
        {"state": "cancelled"},
    )
    assert line["actor"].startswith("local:anna-")
    sound(box)


def test_nothing_can_be_done_with_its_job_any_more(people: People) -> None:
    anna, admin, everybodys = people.anna, people.admin, {"all": "true"}
    reply = send(anna, [secret(1), {"last_name": SECRET}, {"n": 1}], params={"mode": "partial"})
    upload_id = reply.json()["upload_id"]
    processed(anna, upload_id)
    issues = {"job": upload_id, **everybodys}
    waiting = admin.get("/v1/issues", params=issues).json()["issues"]
    assert len(waiting) == 2
    delete(anna, upload_id)
    assert not admin.get("/v1/issues", params={**issues, "state": "open"}).json()["issues"]
    for each in waiting:
        said = admin.get(f"/v1/issues/{each['id']}", params=everybodys).json()
        assert (said["message"], said["resolution"]) == ("Deleted with its record.", "cancel")
        patch = admin.patch(f"/v1/records/{each['record']}", params=everybodys, json={"email": "a@x.example"})
        assert patch.status_code == 409, patch.text
        retry = admin.post(f"/v1/issues/{each['id']}/resolve", params=everybodys, json={"action": "retry"})
        assert retry.status_code in (400, 409, 422), retry.text
    for which in ("issues", "all"):
        again = admin.post(f"/v1/jobs/{upload_id}/reprocess", params={**everybodys, "records": which})
        assert (again.status_code, again.json()["code"]) == (409, "job_cancelled")
    cancelled = admin.post(f"/v1/jobs/{upload_id}/cancel", params=everybodys)
    assert (cancelled.status_code, cancelled.json()["error"]) == (200, REASON)
    text = admin.get(f"/v1/jobs/{upload_id}/errors.csv", params={**everybodys, "rows": "all"}).text
    assert len(text.splitlines()) == 4
    assert SECRET not in text
    records = admin.get(f"/v1/jobs/{upload_id}/records", params=everybodys).text
    assert SECRET not in records
    assert "test1@example.com" not in records


@pytest.mark.parametrize("wait", ["", "running", "some"])
def test_what_is_being_processed_does_not_count_any_more(
    box: BoxProcess, anna: httpx2.Client, wait: str
) -> None:
    upload_id = post(anna, [secret(number) for number in range(3_000)])

    def under_way() -> bool:
        ((state, processed),) = rows(box, "SELECT state, processed FROM jobs WHERE public_id = ?", upload_id)
        return wait == "" or (state == "running" and (wait == "running" or processed > 0))

    until(under_way, f"the job is {wait}")
    delete(anna, upload_id)
    gone(anna, upload_id)
    nothing_left(box, upload_id, 3_000)
    after = post(anna, [person(1)])
    processed(anna, after)  # whoever had it in hand is at the next one
    nothing_left(box, upload_id, 3_000)
    lines = told(box, upload_id)
    assert lines["put"] == lines["delete"]
    sound(box)


def test_so_it_is_with_what_is_processed_again(box: BoxProcess, people: People) -> None:
    upload_id = post(people.anna, [secret(number) for number in range(2_000)])
    processed(people.anna, upload_id)
    again = people.admin.post(
        f"/v1/jobs/{upload_id}/reprocess", params={"all": "true"}, json={"records": "all"}
    )
    assert again.status_code in (200, 202), again.text
    delete(people.anna, upload_id)
    gone(people.anna, upload_id)
    nothing_left(box, upload_id, 2_000)
    lines = told(box, upload_id)
    assert (lines["delete"], lines["put"] >= 2_000) == (2_000, True)
    assert not rows(box, "SELECT 1 FROM job_changes")
    sound(box)


def test_a_file_goes_with_its_upload(box: BoxProcess, anna: httpx2.Client) -> None:
    """Also one whose rows are not all in yet."""
    lines = "".join(f"test{number}@example.com,{SECRET} {number}\n" for number in range(20_000))
    reply = anna.post(
        f"{PATH}/file",
        files={"file": ("leads.csv", f"business_email,last_name\n{lines}".encode(), "text/csv")},
    )
    assert reply.status_code == 200, reply.text
    upload_id = reply.json()["upload_id"]
    delete(anna, upload_id)
    gone(anna, upload_id)
    nothing_left(box, upload_id, 20_000)
    which = "(SELECT id FROM jobs WHERE public_id = ?)"
    ((error, left),) = rows(
        box, f"SELECT error, removed_ms IS NULL FROM files WHERE job_id = {which}", upload_id
    )
    assert (error, left) == (REASON, 0)
    after = post(anna, [person(1)])
    processed(anna, after)
    nothing_left(box, upload_id, 20_000)
    sound(box)


def test_duplicates_elsewhere_are_looked_at_again(box: BoxProcess, anna: httpx2.Client) -> None:
    uploads = []
    for _ in range(3):
        uploads.append(post(anna, [person(1), person(2)]))
        processed(anna, uploads[-1])
    alone = post(anna, [person(2)])
    single = post(anna, [person(50)])
    assert processed(anna, single)["results"][0]["_duplicate_of"] is None
    again = post(anna, [person(50)])
    assert processed(anna, again)["results"][0]["_duplicate_of"] == f"{single}/0"
    assert processed(anna, alone)["results"][0]["_duplicate_of"] == f"{uploads[0]}/1"
    first, second, third = uploads

    def duplicates(upload_id: str) -> list[str | None]:
        return [each and each["_duplicate_of"] for each in read(anna, upload_id)["results"]]

    assert duplicates(third) == [f"{first}/0", f"{first}/1"]
    delete(anna, first)
    wanted = [f"{second}/0", f"{second}/1"]
    until(lambda: duplicates(second) == [None, None] and duplicates(third) == wanted, "others are the first")
    until(lambda: duplicates(alone) == wanted[1:], "the last one has heard of it")
    nothing_left(box, first, 2)
    sound(box)


def test_of_many_who_delete_one_succeeds(box: BoxProcess, anna: httpx2.Client) -> None:
    upload_id = post(anna, [secret(number) for number in range(600)])
    processed(anna, upload_id)
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda _: anna.delete(f"{PATH}/{upload_id}"), range(6)))
    assert Counter(reply.status_code for reply in replies) == {200: 1, 404: 5}
    nothing_left(box, upload_id, 600)
    assert told(box, upload_id) == {"put": 600, "delete": 600}
    ((lines,),) = rows(box, "SELECT COUNT(*) FROM audit WHERE object_id = ?", upload_id)
    assert lines == 1


def test_a_repeat_of_the_batch_is_answered_as_it_was(box: BoxProcess, anna: httpx2.Client) -> None:
    headers = {"Idempotency-Key": "the-same"}
    first = send(anna, [secret(1)], headers=headers)
    upload_id = first.json()["upload_id"]
    delete(anna, upload_id)
    again = send(anna, [secret(1)], headers=headers)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert again.json() == first.json()
    gone(anna, upload_id)
    assert not [row for row in rows(box, "SELECT body FROM idempotency") if SECRET in str(row)]


def test_a_client_that_goes_away_stops_nothing(box: BoxProcess, anna: httpx2.Client) -> None:
    upload_id = post(anna, [secret(number) for number in range(3_000)])
    processed(anna, upload_id)
    host, _, port = box.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port))) as connection:
        head = [
            f"DELETE {PATH}/{upload_id} HTTP/1.1",
            f"Host: {host}",
            f"Authorization: {anna.headers['authorization']}",
        ]
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        until(lambda: anna.get(f"{PATH}/{upload_id}?limit=1").status_code == 404, "it is gone")
    until(lambda: not rows(box, "SELECT 1 FROM job_deletions"), "all is removed")
    nothing_left(box, upload_id, 3_000)


def begun(anna: httpx2.Client, path: str) -> socket.socket:
    """An answer that begins, to a client that takes little at a time."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.connect((anna.base_url.host, anna.base_url.port))
    head = (f"GET {path} HTTP/1.1", "Host: box", f"Authorization: {anna.headers['authorization']}", "", "")
    connection.sendall("\r\n".join(head).encode())
    assert connection.recv(64).startswith(b"HTTP/1.1 200")
    return connection


def test_a_read_that_is_under_way_is_cut_off(anna: httpx2.Client) -> None:
    """Nobody takes a part of it for the whole."""
    upload_id = post(anna, [secret(number, pad="x" * 2_300) for number in range(2_000)])
    processed(anna, upload_id)
    with contextlib.ExitStack() as stack:
        replies = [
            stack.enter_context(begun(anna, f"{PATH}/{upload_id}{ending}"))
            for ending in ("", ".csv", ".ndjson")
        ]
        delete(anna, upload_id)
        for reply in replies:
            received = b""
            while piece := reply.recv(65_536):
                received = received[-8:] + piece
            assert not received.endswith(b"0\r\n\r\n")


def test_upstream_ends_without_it(tmp_path: Path) -> None:
    """Lines that wait are delivered, and the tombstones after them."""
    with running(tmp_path / "central") as central, central.client() as above:
        key = above.post("/v1/keys", json={"name": "edge", "roles": ["forwarder"]}).json()["key"]
        url = f"{central.url}/v1/sync/batches"
        lane = f'[[lanes]]\nname = "up"\nurl = "{url}"\ntoken = "{key}"\nbackoff_seconds = 0.02\n'
        with running(tmp_path / "edge", config=lane) as edge, edge.client() as client:
            upload_id = post(client, [secret(number) for number in range(700)])
            kept = post(client, [person(901)])
            until(lambda: read(client, upload_id)["rows_processed"] > 0, "there is something to deliver")
            delete(client, upload_id)
            processed(client, kept)

            def drained() -> bool:
                (state,) = client.get("/v1/stats").json()["lanes"]
                return bool(state["pending"] == 0 and state["delivered"] == state["enqueued"] > 0)

            until(drained, "all is delivered")
            uploads = above.get(PATH, params={"all": "true"}).json()["uploads"]
            assert [each["upload_id"] for each in uploads] == [kept]
            assert not rows(
                central, "SELECT 1 FROM audience_records WHERE object_id LIKE ?", f"{upload_id}/%"
            )
            nothing_left(edge, upload_id, 700)
            told(edge, upload_id)
            sound(edge)
            sound(central)


@pytest.mark.parametrize(
    ("good", "waiting", "least"),
    [
        (2_000, 0, 1_000),
        (1, 15_000, -1),
        pytest.param(3_000, 0, 1, marks=pytest.mark.soak),
        pytest.param(3_000, 0, 2_500, marks=pytest.mark.soak),
        pytest.param(1, 15_000, -5_000, marks=pytest.mark.soak),
    ],
)
def test_a_kill_in_the_middle_loses_nothing(own_box: BoxProcess, good: int, waiting: int, least: int) -> None:
    """`least`: so many objects are gone when it comes, or (below 0) so many records are blanks."""
    box = own_box.start()
    records = [*(secret(number) for number in range(good)), *({"last_name": SECRET} for _ in range(waiting))]
    with box.client() as client:
        upload_id = send(client, records, params={"mode": "partial"}).json()["upload_id"]
        kept = post(client, [person(901)])
        for each in (upload_id, kept):
            processed(client, each)

        def call() -> None:
            with contextlib.suppress(httpx2.TransportError):
                client.delete(f"{PATH}/{upload_id}")

        def far_enough() -> bool:
            query = "records WHERE state = 'discarded'" if least < 0 else "deliveries WHERE op = 'delete'"
            ((count,),) = rows(box, f"SELECT COUNT(*) FROM {query}")
            return bool(count >= abs(least))

        thread = threading.Thread(target=call)
        thread.start()
        until(far_enough, "it is under way")
        box.kill()
        thread.join()
    assert rows(box, "SELECT 1 FROM job_deletions"), "it was at its end already"
    box.start()
    with box.client() as client:
        gone(client, upload_id)
        until(lambda: not rows(box, "SELECT 1 FROM job_deletions"), "all is removed")
        nothing_left(box, upload_id, good + waiting)
        assert told(box, upload_id) == {"put": good, "delete": good}
        assert len(read(client, kept)["records"]) == 1
    sound(box)
