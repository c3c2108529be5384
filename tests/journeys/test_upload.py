"""A file of feedback from POST to tickets: all of its rows, whatever they are, and whatever happens to it."""

from __future__ import annotations

import csv
import io
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.harness import BoxProcess, running, until, wait_job
from tests.journeys.upstream import upstream
from tests.tabular.support import text_cell, workbook
from tests.web.v1.support import counts, everything, get, held, post, settled, states, under_way, waiting

Json = dict[str, Any]

ONE_CHILD = "[work]\nchildren = 1\nchunk_records = 20\n"
ROWS = 20_000


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    with running(tmp_path_factory.mktemp("box"), config=ONE_CHILD) as started:
        yield started


@pytest.fixture(scope="module")
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    with box.client() as opened:
        yield opened


def table(header: Sequence[str], rows: Iterable[Sequence[str]], delimiter: str = ",") -> bytes:
    """A file as a spreadsheet writes it."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()


def tickets(prefix: str, count: int, first: int = 0) -> list[list[str]]:
    return [[f"{prefix}-{n}", f"Ticket {n}", "The delivery was late."] for n in range(first, first + count)]


HEADER = ("id", "summary", "description")


def upload(client: httpx2.Client, name: str, content: bytes) -> Json:
    """The answer to a file that is taken."""
    reply = client.post("/api/upload", files={"file": (name, content)})
    assert reply.status_code == 200, reply.text
    answer: Json = reply.json()
    return answer


def outcome(client: httpx2.Client, answer: Json, seconds: float = 60.0) -> Json:
    """The job at its end, every row of which has become something."""
    job = wait_job(client, answer["job_id"], seconds)
    assert job["total_rows"] == answer["file_info"]["rows"] == job["file"]["rows"]
    assert job["records_processed"] == job["total_rows"]
    assert job["progress"] == 1.0
    pending, *_ = counts(get(client, f"/v1/jobs/{answer['job_id']}"))
    assert pending == 0
    return job


def ticket(client: httpx2.Client, ticket_id: str) -> Json:
    return get(client, f"/api/tickets/{ticket_id}")


def test_an_english_file_is_analysed_and_delivered_with_all_its_columns(tmp_path: Path) -> None:
    rows = [
        ["A-1", "Late", "I am very disappointed, the delivery was terribly late.", "", "north"],
        ["A-2", "Great", "Excellent quality, I love it!", "02/Jan/26 10:15 AM;ann;Thank you so much!", ""],
    ]
    lane = '[[lanes]]\nname = "up"\nurl = "{}"\nbackoff_seconds = 0.02\n'
    with (
        upstream() as server,
        running(tmp_path, config=lane.format(server.url)) as box,
        box.client() as client,
    ):
        answer = upload(
            client, "tickets.csv", table(["Ticket ID", "Subject", "Message", "Comment", "Region"], rows)
        )
        job = outcome(client, answer)
        assert (job["status"], job["errors"], job["warnings"]) == ("completed", [], [])
        assert job["sentiment_records"] == 2
        first, second = ticket(client, "A-1"), ticket(client, "A-2")
        assert (first["sentiment"], second["sentiment"]) == ("negative", "positive")
        assert first["extra"] == {"Region": "north"}
        assert second["comments"] == ["02/Jan/26 10:15 AM;ann;Thank you so much!"]
        assert first["job_id"] == answer["job_id"]
        until(lambda: sum(len(each.lines) for each in server.taken) == 2, "both are delivered")
        line = next(line for each in server.taken for line in each.lines if line["id"] == "A-1")
        assert line["record"] == {
            "id": "A-1",
            "summary": "Late",
            "description": rows[0][2],
            "Region": "north",
        }
        assert line["lineage"] == {"file": "tickets.csv", "row": 0, "rules": line["lineage"]["rules"]}


VIETNAMESE = [
    ["V-1", "Giao hàng chậm", "Tôi rất thất vọng, giao hàng quá chậm và nhân viên thô lỗ."],
    ["V-2", "Tuyệt vời", "Sản phẩm rất tốt, giao hàng nhanh, tôi rất hài lòng!"],
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_vietnamese_file_is_read_as_it_was_written(client: httpx2.Client, encoding: str) -> None:
    content = table(["Mã", "Tiêu đề", "Nội dung"], VIETNAMESE, delimiter=";").decode()
    answer = upload(client, "góp ý.csv", content.encode(encoding))
    info = answer["file_info"]
    assert (info["filename"], info["delimiter"]) == ("góp ý.csv", ";")
    assert info["text_columns"] == ["Tiêu đề", "Nội dung"]
    assert outcome(client, answer)["status"] == "completed"
    for ticket_id, summary, description in VIETNAMESE:
        found = ticket(client, ticket_id)
        assert (found["summary"], found["description"]) == (summary, description)
    assert [ticket(client, each[0])["sentiment"] for each in VIETNAMESE] == ["negative", "positive"]


def test_a_workbook_is_read_too(client: httpx2.Client) -> None:
    rows = [HEADER, ("X-1", "Late", "It came late."), ("X-2", "Tốt", "Rất tốt")]
    xml = "".join(
        f'<row r="{number}">'
        + "".join(text_cell(f"{'ABC'[place]}{number}", cell) for place, cell in enumerate(row))
        + "</row>"
        for number, row in enumerate(rows, 1)
    )
    answer = upload(client, "tickets.xlsx", workbook([("Feedback", xml)]))
    assert answer["file_info"]["rows"] == 2
    job = outcome(client, answer)
    assert (job["status"], job["file"]["sheet"]) == ("completed", "Feedback")
    assert ticket(client, "X-2")["description"] == "Rất tốt"


def test_a_large_file_is_there_whole(client: httpx2.Client, tmp_path: Path) -> None:
    with running(tmp_path) as box, box.client() as own:
        answer = upload(own, "large.csv", table(("id", "text"), ([f"L-{n}", "ok"] for n in range(ROWS))))
        assert answer["file_info"]["rows"] == ROWS
        job = under_way(own, answer["job_id"])
        shown = get(own, f"/api/job/{answer['job_id']}")
        assert 0 < shown["file"]["loaded"] < ROWS
        assert shown["records_processed"] <= shown["file"]["loaded"]
        assert job["total"] == ROWS
        got = get(own, f"/v1/jobs/{answer['job_id']}/records", limit=5)
        assert [each["key"] for each in got["records"]] == [f"L-{n}" for n in range(5)]
        ended = outcome(own, answer, 400)
        assert (ended["status"], ended["sentiment_records"]) == ("completed", ROWS)
        assert get(own, "/api/tickets", limit=1)["total"] == ROWS
        assert get(own, "/v1/doctor")["ok"]


def test_rows_that_are_not_valid_wait_with_their_lines_and_go_on_when_corrected(
    client: httpx2.Client,
) -> None:
    content = (
        b"id,summary,description,region\n"  # 1
        b"B-1,Late,It came late.,north\n"  # 2
        b"B-2,,,south\n"  # 3: no text
        b"B-3,a,b,c,d,e\n"  # 4: too many cells
        + b"x"
        * 101  # 5: the id is too long
        + b",Late,It came late.,west\n"
        b'B-5,"Two\nlines",Fine,east\n'  # 6 and 7
        b",Fine,No id,\n"  # 8
    )
    answer = upload(client, "bad.csv", content)
    info, job_id = answer["file_info"], answer["job_id"]
    assert (info["rows"], info["refused"]) == (6, 1)
    job = outcome(client, answer)
    assert job["status"] == "completed"
    assert [(each["index"], each["message"].partition(":")[0]) for each in job["errors"]] == [
        (1, "line 3"),
        (2, "line 4"),
        (3, "line 5"),
    ]
    assert [each["code"] for each in job["errors"]][::2] == ["text_required", "id_length"]
    assert states(client, job_id) == ["done", "issue", "issue", "issue", "done", "done"]
    made = f"{info['sha256'][:16]}-6"
    assert ticket(client, made)["description"] == "No id"
    blank, ragged, long = waiting(client, job_id)

    record = get(client, blank["links"]["record"])
    assert record["payload"] == {
        "id": "B-2",
        "summary": "",
        "description": "",
        "region": "south",
        "_row": {"line": 3, "row": 2},
    }
    assert get(client, ragged["links"]["record"])["payload"]["_row"]["raw"] == "B-3,a,b,c,d,e"
    for issue, patch in (
        (blank, {"summary": "Late again", "_row": None}),
        (ragged, {"id": "B-3", "description": "It came late."}),
        (long, {"id": "B-4"}),
    ):
        reply = client.patch(issue["links"]["record"], json=patch)
        assert reply.status_code == 200, reply.text
    until(lambda: set(states(client, job_id)) == {"done"}, "all are processed")
    assert ticket(client, "B-2")["extra"] == {"region": "south"}
    assert ticket(client, "B-3")["description"] == "It came late."
    assert ticket(client, "B-4")["extra"]["region"] == "west"
    assert counts(settled(client, job_id)) == (0, 6, 0, 0)


def test_a_file_with_nothing_to_process_fails_and_says_so(client: httpx2.Client) -> None:
    answer = upload(client, "blank.csv", table(HEADER, [["N-1", "", ""], ["N-2", " ", ""]]))
    job = outcome(client, answer)
    assert (job["status"], len(job["errors"])) == ("failed", 2)
    assert job["error"] == "No record could be processed; see errors."


def test_of_an_id_that_comes_twice_the_later_row_wins_and_the_job_says_so(client: httpx2.Client) -> None:
    rows = [*tickets("D", 1_500), ["D-3", "Again", "far below"], ["D-1499", "Again", "just below"]]
    answer = upload(client, "twice.csv", table(HEADER, rows))
    job = outcome(client, answer)
    (notice,) = job["warnings"]
    assert notice["code"] == "duplicate_id"
    assert notice["message"].startswith("2 rows have an id")
    assert notice["index"] == 3
    assert ticket(client, "D-3")["description"] == "far below"
    assert ticket(client, "D-1499")["description"] == "just below"
    found = Counter(states(client, answer["job_id"]))
    assert found == {"done": 1_501, "superseded": 1}


def test_the_same_file_again_replaces_its_own_tickets(client: httpx2.Client) -> None:
    content = table(["text"], [["good"], ["bad"]])
    first, second = (upload(client, name, content) for name in ("one.csv", "two.csv"))
    for answer in (first, second):
        outcome(client, answer)
    stem = first["file_info"]["sha256"][:16]
    for number in (1, 2):
        assert ticket(client, f"{stem}-{number}")["job_id"] == second["job_id"]


def test_two_files_at_once_are_both_there(client: httpx2.Client) -> None:
    answers: dict[str, Json] = {}

    def send(name: str) -> None:
        answers[name] = upload(client, f"{name}.csv", table(HEADER, tickets(name, 2_000)))

    senders = [threading.Thread(target=send, args=(name,)) for name in ("P", "Q")]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    for answer in answers.values():
        assert outcome(client, answer)["sentiment_records"] == 2_000


def test_a_cancelled_job_gives_up_what_is_not_loaded_yet(box: BoxProcess, client: httpx2.Client) -> None:
    answer = upload(client, "cancel.csv", table(HEADER, tickets("C", 20_000)))
    under_way(client, answer["job_id"])
    with held(box):
        job = post(client, f"/v1/jobs/{answer['job_id']}/cancel")
    assert job["state"] == "cancelled"
    pending, finished, issue, discarded = counts(get(client, f"/v1/jobs/{answer['job_id']}"))
    assert (pending, issue) == (0, 0)
    assert finished + discarded == 20_000
    assert discarded > 0
    shown = get(client, f"/api/job/{answer['job_id']}")
    assert (shown["status"], shown["progress"]) == ("failed", 1.0)
    assert shown["file"]["loaded"] < 20_000
    assert get(client, "/v1/doctor")["ok"]


def test_a_file_can_be_processed_again(client: httpx2.Client) -> None:
    answer = upload(client, "again.csv", table(HEADER, [*tickets("R", 40), ["R-x", "", ""]]))
    outcome(client, answer)
    post(client, f"/v1/jobs/{answer['job_id']}/reprocess", records="all")
    job = settled(client, answer["job_id"])
    assert counts(job) == (0, 40, 1, 0)
    assert outcome(client, answer)["sentiment_records"] == 40


@pytest.mark.parametrize("harm", ["gone", "shorter", "changed"])
def test_a_file_that_is_gone_or_damaged_fails_its_job_with_the_reason(
    box: BoxProcess, client: httpx2.Client, harm: str
) -> None:
    rows = 20_000
    answer = upload(client, "harm.csv", table(HEADER, tickets(f"H-{harm}", rows)))
    under_way(client, answer["job_id"])
    with held(box):
        (path,) = [
            each
            for each in (box.data / "files").iterdir()
            if each.stat().st_size == answer["file_info"]["size"]
            and f"H-{harm}-0,".encode() in each.read_bytes()
        ]
        if harm == "gone":
            path.unlink()
        elif harm == "shorter":
            os.truncate(path, path.stat().st_size - 1)
        else:
            with path.open("r+b") as file:
                file.seek(path.stat().st_size // 2)
                file.write(b"X")
    job = outcome(client, answer)
    assert job["status"] == "failed"
    assert job["error"].startswith("The uploaded file cannot be read any more: ")
    assert job["error"].endswith("rows were not read; send it again.")
    assert job["file"]["error"] == job["error"]
    _, finished, issue, discarded = counts(get(client, f"/v1/jobs/{answer['job_id']}"))
    assert (finished, issue, discarded) == (job["file"]["loaded"], 0, rows - job["file"]["loaded"])
    assert 0 < finished < rows
    there = [each["ticket_id"] for each in everything(client, "/api/tickets", "results", limit=500)]
    assert sum(each.startswith(f"H-{harm}-") for each in there) == finished
    findings = get(client, "/v1/doctor")["findings"]
    assert {each["check"] for each in findings if not each["ok"]} == {"files"}


def test_a_file_is_kept_for_as_long_as_is_set(tmp_path: Path) -> None:
    with running(tmp_path, config="[store]\nfile_days = 0\n") as box, box.client() as client:
        answer = upload(client, "kept.csv", table(HEADER, tickets("K", 3)))
        outcome(client, answer)
        assert get(client, f"/api/job/{answer['job_id']}")["file"]["kept"]
        box.stop()
    with running(tmp_path, config="[store]\nfile_days = 0\n") as box, box.client() as client:
        until(lambda: not list((box.data / "files").iterdir()), "the file goes")
        assert not get(client, f"/api/job/{answer['job_id']}")["file"]["kept"]
