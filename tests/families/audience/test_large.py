"""As many records as a batch may have, in one request: all of them come back as they were sent, the box stays
small, and others are answered meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from ingestbox.families.audience.shapes import PATH
from tests.families.audience.support import person, send
from tests.harness import BoxProcess, until

MOST, MOST_BYTES = 50_000, 5 * 1_048_576
"""The defaults of MAX_BATCH_SIZE and of the most that a body may have."""

MOST_MB = 250
ALL_SECONDS = 180.0

NAMES = ("Anna", "João", "Hương", 'Zoé "Z"', "O\\u2019Neill", "Tom 👍")
KINDS = 10


class _Upload(msgspec.Struct):
    records: list[msgspec.Raw]
    results: list[dict[str, object]]
    rows_received: int
    rows_stored: int
    rows_processed: int
    fields: list[str]


def record(number: int) -> bytes:
    """The JSON of one of ten kinds; the last two of ten are duplicates of the first two."""
    name, kind = NAMES[number % len(NAMES)].replace('"', '\\"'), number % KINDS
    ten = number - kind
    return (
        f'{{"business_email":"b{number}@firm{number % 99}.example","first_name":"{name}"}}',
        f'{{ "email" : "e{number}@gmail.com", "n": {number}.50 }}',
        f'{{"personal_email":"p{number}@mailinator.com","tags":["a",{{"b":[null,true]}}]}}',
        f'{{"domain":"d{number}.example","revenue":{number}000000000000000000}}',
        f'{{"company_domain":"c{number}.example","city":"Hải Phòng","note":""}}',
        f'{{"email":"no address {number}","first_name":"{name}"}}',
        f'{{"first_name":null,"email":"x{number}@Baerwald.EXAMPLE","business_email":""}}',
        f'{{"email":"t{number}@t.example","text":"{"long " * 6}"}}',
        f'{{"email":"B{ten}@FIRM{ten % 99}.example"}}',
        f'{{"personal_email":" e{ten + 1}@gmail.com "}}',
    )[kind].encode()


FIELDS = ["business_email", "first_name", "email", "n", "personal_email", "tags", "domain", "revenue"]
FIELDS += ["company_domain", "city", "note", "text"]


def duplicate_of(upload_id: str, number: int) -> str | None:
    """The record that it is a duplicate of."""
    kind = number % KINDS
    return None if kind < KINDS - 2 else f"{upload_id}/{number - KINDS + 2}"


@pytest.fixture
def small_box(tmp_path: Path) -> Iterator[BoxProcess]:
    """A box of which the memory is its own: one that is forked has that of the tests too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TESTS_FORK", "0")
        box = BoxProcess(tmp_path / "box").start()
    try:
        yield box
    finally:
        box.close()


def test_fifty_thousand_records_of_all_kinds_in_one_request(small_box: BoxProcess) -> None:
    records = [record(number) for number in range(MOST)]
    body = b'{"upload_name":"All kinds","records":[%s]}' % b",".join(records)
    assert 0.5 * MOST_BYTES < len(body) < MOST_BYTES
    # As large as it may be: what stands between members is no part of a record.
    body += b" " * (MOST_BYTES - len(body))
    with small_box.client() as client, small_box.client() as other:
        reply, between = _posted_among_others(client, other, body)
        assert reply.status_code == 200, reply.text
        told = reply.json()
        assert (told["rows_received"], told["message"]) == (MOST, "Batch upload successful")
        assert between, "nobody else was answered while the batch was taken in"
        upload_id = told["upload_id"]
        until(lambda: _state(client, upload_id) == "completed", "all is processed", ALL_SECONDS)
        upload = msgspec.json.decode(client.get(f"{PATH}/{upload_id}").content, type=_Upload)
        assert upload.records == [msgspec.Raw(each) for each in records]
        assert (upload.rows_received, upload.rows_stored, upload.rows_processed) == (MOST, MOST, MOST)
        assert upload.fields == FIELDS
        found = [each["_duplicate_of"] for each in upload.results]
        assert found == [duplicate_of(upload_id, number) for number in range(MOST)]
        shown = ("_email", "_email_valid", "_domain", "_free_mail", "_disposable")
        assert [[each[name] for name in shown] for each in upload.results[:7]] == [
            ["b0@firm0.example", True, "firm0.example", False, False],
            ["e1@gmail.com", True, None, True, False],
            ["p2@mailinator.com", True, None, False, True],
            [None, None, "d3.example", False, False],
            [None, None, "c4.example", False, False],
            ["no address 5", False, None, False, False],
            ["x6@baerwald.example", True, "baerwald.example", False, False],
        ]
        assert _csv_lines(client, upload_id) == 1 + MOST
        stats = client.get("/v1/stats").json()
        assert stats["open_issues"] == 0
    assert _most_mb(small_box) < MOST_MB


def _posted_among_others(
    client: httpx2.Client, other: httpx2.Client, body: bytes
) -> tuple[httpx2.Response, int]:
    """The answer to a batch, and how often others were answered between its last byte and its answer."""
    replies: list[httpx2.Response] = []
    sent: list[float] = []

    def parts() -> Iterator[bytes]:
        yield body[:-1]
        sent.append(time.monotonic())
        yield body[-1:]

    def call() -> None:
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        replies.append(client.post(PATH, content=parts(), headers=headers))

    sender = threading.Thread(target=call)
    sender.start()
    between = 0
    while sender.is_alive():
        began = time.monotonic()
        assert other.get("/health").status_code == 200
        assert send(other, [person(0)], "small").status_code == 200
        between += bool(sent) and began > sent[0] and sender.is_alive()
    return replies[0], between


def _state(client: httpx2.Client, upload_id: str) -> str:
    return str(client.get(f"/v1/jobs/{upload_id}").raise_for_status().json()["state"])


def _csv_lines(client: httpx2.Client, upload_id: str) -> int:
    with client.stream("GET", f"{PATH}/{upload_id}.csv") as reply:
        assert reply.status_code == 200
        return sum(part.count(b"\n") for part in reply.iter_raw())


def _most_mb(box: BoxProcess) -> float:
    """The most memory that the box's own process ever had, without its children."""
    assert box.process is not None
    status = Path(f"/proc/{box.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
