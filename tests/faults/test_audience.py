"""Large audience batches and what can happen to them: kills at every stage, a full store, clients that go
away or come twice. A batch is there whole or not at all, and each effect happens once."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from ingestbox.families.audience.shapes import PATH
from tests.faults.ledger import check_effects, rows
from tests.harness import PATIENCE, BoxProcess, until

STORED = "SELECT COUNT(*) FROM records"
RECEIVING = "SELECT id FROM jobs WHERE state = 'receiving'"
PROCESSED = "SELECT COALESCE(SUM(processed), 0) FROM jobs"
OBJECTS = "SELECT COUNT(*) FROM objects WHERE family = 'audience' AND deleted = 0"
REMOVED = "SELECT COUNT(*) FROM objects WHERE family = 'audience' AND deleted = 1"
LEFT = ("jobs", "records", "issues", "idempotency", "audience_uploads", "audience_records", "deliveries")

ALL_SECONDS = 120.0
MANY = 10_000


def batch(count: int, prefix: str = "a") -> bytes:
    """A body of records of which none is like another."""
    records = [{"email": f"{prefix}{number}@a.example", "n": number} for number in range(count)]
    return json.dumps({"upload_name": f"{count} of {prefix[:40]}", "records": records}).encode()


def post(client: httpx2.Client, body: bytes, key: str | None = None) -> httpx2.Response:
    headers = {"Content-Type": "application/json", **({} if key is None else {"Idempotency-Key": key})}
    return client.post(PATH, content=body, headers=headers)


def under_way(call: Callable[[], object]) -> threading.Thread:
    """A call that may not live to see its answer."""

    def run() -> None:
        with contextlib.suppress(httpx2.TransportError):
            call()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def number(box: BoxProcess, sql: str) -> int:
    ((found,),) = rows(box.data, sql)
    return int(found)


def at_once(box: BoxProcess, sql: str, least: int) -> int:
    """Waits without a pause until a number is reached: what follows does within milliseconds."""
    end = time.monotonic() + PATIENCE
    while (found := number(box, sql)) < least:
        assert time.monotonic() < end, sql
    return found


def left(box: BoxProcess) -> dict[str, int]:
    """What there is of anything that a batch becomes."""
    counts = {table: number(box, f"SELECT COUNT(*) FROM {table}") for table in LEFT}
    return {table: count for table, count in counts.items() if count}


def uploads(client: httpx2.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(PATH).raise_for_status().json()["uploads"]
    return found


def whole(client: httpx2.Client, upload_id: str) -> dict[str, Any]:
    """An upload once it is processed."""

    def processed() -> bool:
        (upload,) = [each for each in uploads(client) if each["upload_id"] == upload_id]
        return bool(upload["rows_processed"] == upload["rows_received"])

    until(processed, f"{upload_id} is processed", ALL_SECONDS)
    found: dict[str, Any] = client.get(f"{PATH}/{upload_id}").raise_for_status().json()
    return found


def firsts(upload: dict[str, Any]) -> list[str | None]:
    return [result["_duplicate_of"] for result in upload["results"]]


def test_a_batch_cut_while_it_comes_never_was_and_one_cut_while_it_is_processed_goes_on(
    own_box: BoxProcess,
) -> None:
    box, body = own_box.start(), batch(MANY)
    client = box.client()
    sender = under_way(lambda: post(client, body, "one"))
    at_once(box, STORED, 1)
    box.kill()
    sender.join()
    client.close()
    assert rows(box.data, RECEIVING), "the batch was in before it could be cut"
    assert 0 < number(box, STORED) < MANY
    box.start()
    with box.client() as client:
        assert uploads(client) == []
        until(lambda: not left(box), "what there is of it goes")
        first = post(client, body, "one")
        assert first.status_code == 200, first.text
    for least in (500, MANY // 2):
        at_once(box, PROCESSED, least)
        box.kill()
        assert number(box, PROCESSED) < MANY, "all was processed before it could be cut"
        box.start()
    with box.client() as client:
        again = post(client, body, "one")
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["Idempotency-Replayed"] == "true"
        (upload,) = uploads(client)
        found = whole(client, upload["upload_id"])
        assert found["records"] == json.loads(body)["records"]
        assert [each["_email"] for each in found["results"]] == [each["email"] for each in found["records"]]
        assert firsts(found) == [None] * MANY
    assert box.stop() == 0
    assert check_effects(box.data) == {"records": MANY, "superseded": 0, "deliveries": MANY}
    found_at = f"SELECT COUNT(*) FROM audience_records WHERE object_id = '{upload['upload_id']}/' || place"
    assert number(box, OBJECTS) == number(box, found_at) == MANY


def test_a_deletion_and_what_it_means_for_duplicates_are_carried_out_whatever_is_killed(
    own_box: BoxProcess,
) -> None:
    count, box = 3_000, own_box.start()
    with box.client() as client:
        first = post(client, batch(count)).json()["upload_id"]
        assert firsts(whole(client, first)) == [None] * count
        second = post(client, batch(count)).json()["upload_id"]
        assert firsts(whole(client, second)) == [f"{first}/{index}" for index in range(count)]
    client = box.client()
    call = under_way(lambda: client.delete(f"{PATH}/{first}"))
    at_once(box, REMOVED, 300)
    box.kill()
    call.join()
    client.close()
    assert number(box, OBJECTS) > count, "all was removed before it could be cut"
    retold = f"SELECT COUNT(*) FROM objects WHERE object_id LIKE '{second}/%' AND version > 1"
    for least in (100, 1_000):
        box.start()
        with box.client() as client:
            assert client.get(f"{PATH}/{first}").status_code == 404
            assert client.delete(f"{PATH}/{first}").status_code == 404
        at_once(box, retold, least)
        box.kill()
    box.start()
    with box.client() as client:
        until(lambda: number(box, retold) == count, "all duplicates are told anew", ALL_SECONDS)
        assert firsts(whole(client, second)) == [None] * count
        until(lambda: number(box, "SELECT COUNT(*) FROM departed") == 0, "nothing is left to be told")
        (upload,) = uploads(client)
        assert upload["upload_id"] == second
    assert number(box, OBJECTS) == count
    ops = "SELECT op, version, COUNT(*) FROM deliveries WHERE object_id LIKE '{}/%' GROUP BY op, version"
    assert set(rows(box.data, ops.format(first))) == {("put", 1, count), ("delete", 2, count)}
    assert set(rows(box.data, ops.format(second))) == {("put", 1, count), ("put", 2, count)}
    kept = "SELECT DISTINCT CAST(payload AS TEXT), state FROM records WHERE state <> 'done'"
    assert rows(box.data, kept) == [('{"_note":"Deleted with its upload"}', "discarded")]


def test_a_full_store_refuses_a_large_batch_whole(tmp_path: Path) -> None:
    box = BoxProcess(tmp_path / "box", config="[store]\nmax_mb = 5\n").start()
    try:
        with box.client() as client:
            body = batch(8_000, f"of-a-store-that-has-little-room-{'x' * 400}-")
            reply = post(client, body, "one")
            assert (reply.status_code, reply.json()["code"]) == (507, "storage_full"), reply.text
            assert "retry-after" in reply.headers
            assert uploads(client) == []
            assert not left(box), "something is left behind"
        assert box.stop() == 0
        box.configure("")
        box.start()
        with box.client() as client:
            assert post(client, body, "one").status_code == 200
    finally:
        box.close()


def half(box: BoxProcess, body: bytes, size: int) -> socket.socket:
    """A connection over which so many bytes of a request's body have come."""
    address = urlsplit(box.url)
    assert address.hostname is not None and address.port is not None
    connection = socket.create_connection((address.hostname, address.port), timeout=PATIENCE)
    head = f"POST {PATH} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {box.token()}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body[:size])
    return connection


def test_who_goes_away_leaves_nothing_or_all(own_box: BoxProcess) -> None:
    box, body = own_box.start(), batch(MANY)
    with box.client() as client:
        half(box, body, len(body) // 2).close()
        assert post(client, batch(1, "b")).status_code == 200
        (upload,) = uploads(client)
        assert upload["rows_received"] == 1
        # With its last byte on its way nobody can take it back.
        connection = half(box, body, len(body))
        at_once(box, STORED, 2)
        connection.close()
        until(lambda: len(uploads(client)) == 2 and not rows(box.data, RECEIVING), "the batch is there")
        assert uploads(client)[0]["rows_received"] == MANY
        assert number(box, STORED) == MANY + 1


def test_two_at_once_are_one_under_one_key_and_duplicates_without(own_box: BoxProcess) -> None:
    count, box = 3_000, own_box.start()

    def two(body: bytes, key: str | None) -> list[httpx2.Response]:
        together = threading.Barrier(2)

        def send(_: int) -> httpx2.Response:
            with box.client() as client:
                client.get("/healthz")  # connected before both start together
                together.wait()
                return post(client, body, key)

        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(send, range(2)))

    body = batch(count)
    replies = two(body, "one")
    statuses = sorted(reply.status_code for reply in replies)
    assert statuses in ([200, 409], [200, 200]), statuses
    refused = [reply for reply in replies if reply.status_code == 409]
    assert all(reply.json()["code"] == "request_in_progress" for reply in refused)
    assert all(int(reply.headers["Retry-After"]) >= 1 for reply in refused)
    with box.client() as client:
        (upload,) = uploads(client)
        taken = {reply.content for reply in replies if reply.status_code == 200}
        assert taken == {post(client, body, "one").content}
        assert firsts(whole(client, upload["upload_id"])) == [None] * count
        body = batch(count, "b")
        assert [reply.status_code for reply in two(body, None)] == [200, 200]
        one, other, _ = uploads(client)
        assert _told_apart(whole(client, one["upload_id"]), whole(client, other["upload_id"])) == count


def _told_apart(one: dict[str, Any], other: dict[str, Any]) -> int:
    """At how many places one record is the first, and the other one names it."""
    found = 0
    for index, said in enumerate(zip(firsts(one), firsts(other), strict=True)):
        here, there = f"{one['upload_id']}/{index}", f"{other['upload_id']}/{index}"
        found += said in ((None, here), (there, None))
    return found
