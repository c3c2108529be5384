"""`ingestbox send --family knowledge` to a real box: its chunks, and what became of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.cli.support import Answer, Ran, Request, Upstream, ingestbox
from tests.harness import BoxProcess, running

STATUS = "/knowledge-management/content/status"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A box that lets as much in a minute as comes, and minds little of quality."""
    config = "[rates]\nknowledge_bulk = 0\nknowledge_read = 0\n[knowledge]\nlow_quality = 0.2\n"
    with running(tmp_path_factory.mktemp("box"), config=config) as started:
        yield started


@pytest.fixture(scope="module")
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    with box.client() as client:
        yield client


def send(box: BoxProcess, folder: Path, *more: str, stdin: bytes = b"") -> Ran:
    at = ("--data", str(box.data), "--config", str(box.folder / "ingestbox.toml"))
    return ingestbox("send", "--family", "knowledge", *more, *at, cwd=folder, stdin=stdin)


def article(number: int, **members: object) -> dict[str, object]:
    body = f"Ward {number} opens at seven. Patients of ward {number} bring their card and wait to be called. "
    return {
        "source_id": "clinic",
        "source_url": f"https://clinic.example/wards/{number}",
        "title": f"Ward {number}",
        "content": body * 3,
        "language": "en",
        **members,
    }


def lines(records: Sequence[object]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in records)


def status(client: httpx2.Client, batch: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(STATUS, params={"batch_id": batch}).raise_for_status().json()
    return found


def test_a_batch_goes_in_chunks_and_is_summed_up(
    box: BoxProcess, client: httpx2.Client, tmp_path: Path
) -> None:
    every = [article(number) for number in range(120)]
    (tmp_path / "wards.ndjson").write_bytes(lines(every))
    ran = send(box, tmp_path, "wards.ndjson", "--wait")
    assert ran.code == 0, ran
    told = ran.out.splitlines()
    assert told[0] == "wards: 120 completed, 0 failed, 0 of low quality, 0 duplicates"
    assert told[1].startswith("120 records in 3 uploads, ")
    assert [status(client, f"wards_chunk_{n}")["total_items"] for n in (1, 2, 3)] == [50, 50, 20]
    assert status(client, "wards")["completed"] == 120
    again = send(box, tmp_path, "wards.ndjson", "--json").json()
    assert (again["repeated_jobs"], again["ok"], again["batches"]) == (3, True, [])
    anew = send(
        box, tmp_path, "wards.ndjson", "--again", "--gzip", "--name", "again", "--wait", "--json"
    ).json()
    assert anew["batches"] == [
        {"batch_id": "again", "completed": 120, "failed": 0, "low_quality": [], "duplicates": 120}
    ]


def test_what_is_not_taken_is_said_where_it_lies(
    box: BoxProcess, client: httpx2.Client, tmp_path: Path
) -> None:
    first = article(500)
    items = [first, article(501, content="short"), {**first, "source_url": "https://clinic.example/copy"}, 5]
    without = {name: value for name, value in article(502).items() if name != "source_id"}
    body = {"batch_id": "ignored", "source_id": "of-the-document", "items": [*items, without]}
    (tmp_path / "some.json").write_text(json.dumps(body, indent=1))
    ran = send(box, tmp_path, "some.json", "--wait")
    assert ran.code == 1
    assert "some.json, record 2: Content too short (minimum 100 characters)" in ran.err
    assert "some.json, record 3: " in ran.err
    assert "some.json, record 4: It is not an object." in ran.err
    assert ran.out.startswith("some: 2 completed, 0 failed, 0 of low quality, 0 duplicates\n")
    ids = [each["content_id"] for each in status(client, "some")["items"] if each["status"] == "completed"]
    found = [client.get(f"/knowledge-management/content/{each}").raise_for_status().text for each in ids]
    assert sum('"of-the-document"' in each for each in found) == 1


def test_articles_of_low_quality_are_named_and_no_failure(box: BoxProcess, tmp_path: Path) -> None:
    bad = article(700, title="x", content="zz " * 60, source_id="nobody", language="vi")
    (tmp_path / "poor.json").write_text(json.dumps([bad, article(701)]))
    ran = send(box, tmp_path, "poor.json", "--wait", "--json")
    assert ran.code == 0, ran
    (batch,) = ran.json()["batches"]
    assert (batch["completed"], batch["failed"]) == (2, 0)
    (low,) = batch["low_quality"]
    assert low["place"] == "poor.json, record 1"
    assert low["message"].startswith("Quality 0.1")


def test_rows_of_a_file_are_articles(box: BoxProcess, client: httpx2.Client, tmp_path: Path) -> None:
    columns = "source_id,source_url,title,content,language,author,tags,metadata.reviewed,authority_score,area"
    texts = [article(number)["content"] for number in (900, 901)]
    first = f'clinic,https://clinic.example/1,"Rows, first","{texts[0]}",en,Dr. Le,a; b,yes,70,North'
    second = f'clinic,https://clinic.example/2,Second,"{texts[1]}",,,,,high,'
    (tmp_path / "rows.csv").write_text("\n".join((columns, first, second)))
    ran = send(box, tmp_path, "rows.csv", "--wait", "--json")
    assert ran.code == 1, ran
    (refused,) = ran.json()["refused"]
    assert refused["place"] == "rows.csv, line 3"
    assert "authority_score" in refused["message"]
    (item,) = [each for each in status(client, "rows")["items"] if each["status"] == "completed"]
    found = client.get(f"/knowledge-management/content/{item['content_id']}").raise_for_status().json()
    text = json.dumps(found)
    for part in ('"tags": ["a", "b"]', '"reviewed": "yes"', '"authority_score": 70', '"area": "North"'):
        assert part in text
    (tmp_path / "none.csv").write_text("title,content\na,b\n")
    ran = send(box, tmp_path, "none.csv")
    assert ran.code == 1
    assert "none.csv cannot be sent: it has no column source_url." in ran.err


def test_a_box_that_says_later_is_asked_later(tmp_path: Path) -> None:
    answers = [429, 503, 200]

    def respond(request: Request) -> Answer:
        code = answers.pop(0)
        if code != 200:
            body = {"success": False, "error": "rate_limit_exceeded", "message": "Too many requests"}
            return Answer(code, body, {"Retry-After": "0"})
        items = [{"source_url": "u", "status": "accepted", "content_id": "km_content_16777216"}]
        return Answer(body={"success": True, "batch_id": "one", "items": items})

    (tmp_path / "one.json").write_text(json.dumps([article(1)]))
    with Upstream(respond).running() as server:
        at = ("--url", server.url, "--token", "any")
        ran = ingestbox("send", "--family", "knowledge", "one.json", *at, "--json", cwd=tmp_path)
        assert ran.code == 0, ran
        bodies = {request.body for request in server.posts()}
        keys = {request.headers["idempotency-key"] for request in server.posts()}
    assert (len(server.posts()), len(bodies), len(keys)) == (3, 1, 1)
    assert json.loads(bodies.pop())["batch_id"] == "one"
    assert "Too many requests" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a.json", "--name", " "), "--name has 1 to 150 characters"),
        (("a.json", "a.json", "--name", "both"), "--name is for one file"),
        (("a.json", "--mapping", "a=b"), "--mapping is for contacts and audience"),
        (("a.json", "--partial"), "are taken anyway"),
    ],
)
def test_what_has_no_meaning_is_refused_in_words(
    box: BoxProcess, tmp_path: Path, arguments: Sequence[str], said: str
) -> None:
    (tmp_path / "a.json").write_text(json.dumps([article(1)]))
    ran = send(box, tmp_path, *arguments)
    assert ran.code != 0
    assert said in ran.err, ran.err
    assert "Traceback" not in ran.err
