"""`DELETE /jobs/{id}`: an import is given up, and its file may come again."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from ingestbox.model import Role
from ingestbox.store import DATABASE
from ingestbox.store.engine import connect_writer
from tests.families.contacts.person import (
    BAD,
    Person,
    check_counts,
    is_refused,
    line,
    public_id,
    stored,
    trail,
)
from tests.harness import BoxProcess, running, until

REFUSED = "Job can only be cancelled if status is PENDING, NEEDS_REVIEW, or FAILED. Current status: "


def states(box: BoxProcess, job_id: int) -> Counter[str]:
    rows = stored(box, "SELECT state, COUNT(*) FROM records WHERE id >> 24 = ? GROUP BY state", job_id)
    return Counter(dict(rows))


def test_the_answer_is_the_documented_one_and_its_repeat_too(anna: Person) -> None:
    job_id, _ = anna.imported(BAD, line(2))
    for _ in range(3):
        answer = anna.client.delete(f"/jobs/{job_id}")
        assert answer.status_code == 200
        assert answer.json() == {"message": f"Job {job_id} cancelled successfully", "job_id": job_id}
    (told,) = trail(anna.box, "job", public_id(anna.box, job_id))
    assert (told["actor"], told["action"]) == (f"local:{anna.subject}", "job.cancel")
    assert (told["before"], told["after"]) == ({"state": "review"}, {"state": "cancelled"})


def test_it_is_gone_but_for_v1(anna: Person, box: BoxProcess) -> None:
    job_id, _ = anna.imported(BAD, line(2, email="d@x.org"), line(3, email="D@x.org"), line(4))
    (gone, issue) = (anna.issues(job_id)[0], anna.issues(job_id)[-1])
    anna.client.delete(f"/jobs/{job_id}").raise_for_status()
    assert anna.client.get(f"/jobs/{job_id}").status_code == 404
    assert anna.client.get("/jobs").json() == {"jobs": [], "total": 0}
    assert anna.client.get("/issues").json()["issues"] == []
    assert anna.client.get(f"/issues/{gone['issue_id']}").status_code == 404
    assert anna.put_row(job_id, 1, company="New").status_code == 404
    assert anna.put_issue(issue["issue_id"], issue_resolved=True).status_code == 404
    shown = anna.client.get(f"/v1/jobs/{public_id(box, job_id)}").raise_for_status().json()
    assert shown["state"] == "cancelled"
    assert shown["counts"] == {"pending": 0, "finished": 0, "issue": 0, "discarded": 4}
    assert states(box, job_id) == {"discarded": 4}
    check_counts(box, job_id)
    assert stored(box, "SELECT open_issues, live FROM staged_jobs WHERE job_id = ?", job_id) == [(0, 0)]
    assert anna.contacts() == {}


def test_issues_whose_first_row_does_not_wait_are_closed_too(anna: Person, box: BoxProcess) -> None:
    """The first row was given up, another one corrected: what is open of them ends with the import."""
    job_id, _ = anna.imported(*(line(number, email="d@x.org", company=f"C{number}") for number in (1, 2, 3)))
    anna.put_row(job_id, 1, status="DISCARD")
    anna.put_row(job_id, 2, email="e@x.org", status="READY")
    anna.put_row(job_id, 3, status="DISCARD")
    anna.put_issue(anna.issues(job_id)[0]["issue_id"], issue_resolved=False)
    assert anna.job(job_id)["job_issue_count"] == 1
    anna.client.delete(f"/jobs/{job_id}").raise_for_status()
    check_counts(box, job_id)
    assert stored(box, "SELECT resolution, resolved_by FROM issues WHERE job_id = ?", job_id) == [
        ("cancel", f"local:{anna.subject}")
    ]


def test_content_and_name_are_free_again(anna: Person) -> None:
    first, _ = anna.imported(BAD, name="people.csv")
    content = b"email,first_name,last_name,company\n" + BAD.encode() + b"\n"
    for name, body in (("people.csv", content + b"\n"), ("other.csv", content)):
        answer = anna.client.post("/jobs/upload", files={"file": (name, body, "text/csv")})
        is_refused(answer, 409, "already_imported")
    anna.client.delete(f"/jobs/{first}").raise_for_status()
    again, job = anna.imported(BAD, name="people.csv")
    assert again > first
    assert job["job_status"] == "NEEDS_REVIEW"


def test_a_completed_import_is_not_cancelled(anna: Person) -> None:
    job_id, _ = anna.imported(line(1))
    is_refused(anna.client.delete(f"/jobs/{job_id}"), 400, "job_not_cancellable", f"{REFUSED}COMPLETED")
    assert set(anna.contacts()) == {"p1@example.com"}
    assert trail(anna.box, "job", public_id(anna.box, job_id)) == []


def test_only_editors_cancel_and_only_their_own(anna: Person, box: BoxProcess) -> None:
    job_id, _ = anna.imported(BAD)
    for role in (Role.UPLOADER, Role.ANALYST, Role.INGEST, Role.FORWARDER):
        reader = Person(box, role, subject=anna.subject)
        is_refused(reader.client.delete(f"/jobs/{job_id}"), 403, "forbidden")
    admin = Person(box, Role.ADMIN)
    for other in (Person(box), admin, Person(box, Role.ADMIN, subject=anna.subject, workspace="other")):
        sentence = f"Job {job_id} not found or you don't have access to it"
        is_refused(other.client.delete(f"/jobs/{job_id}"), 404, "job_not_found", sentence)
    assert anna.job(job_id)["job_status"] == "NEEDS_REVIEW"
    assert admin.client.delete(f"/jobs/{job_id}?all=true").status_code == 200


def held(box: BoxProcess, sql: str, *values: object) -> None:
    """Changes the store while the box is down."""
    box.stop()
    connection = connect_writer(box.data / DATABASE)
    connection.execute(sql, values)
    connection.close()
    box.start()


def test_what_is_queued_or_has_failed_is_cancelled_and_what_is_processed_is_not(tmp_path: Path) -> None:
    with running(tmp_path) as box:
        anna = Person(box, subject="anna")
        failed, _ = anna.imported(BAD)
        queued, _ = anna.imported(BAD, line(2))
        held(box, "UPDATE jobs SET state = 'failed', error = 'x' WHERE id = ?", failed)
        held(
            box,
            "UPDATE jobs SET state = 'queued', retry_ms = submitted_ms + 1800000 WHERE id = ?",
            queued,
        )
        anna = Person(box, subject="anna")
        assert [anna.job(each)["job_status"] for each in (failed, queued)] == ["FAILED", "PENDING"]
        for each in (failed, queued):
            assert anna.client.delete(f"/jobs/{each}").status_code == 200
            check_counts(box, each)
        held_one, _ = anna.imported(BAD, line(3))
        for child in box.children():
            os.kill(child, signal.SIGSTOP)
        try:
            anna.client.post(f"/jobs/{held_one}/reprocess").raise_for_status()
            until(lambda: anna.job(held_one)["job_status"] == "PROCESSING", "the job is processed")
            answer = anna.client.delete(f"/jobs/{held_one}")
            is_refused(answer, 400, "job_not_cancellable", f"{REFUSED}PROCESSING")
        finally:
            for child in box.children():
                os.kill(child, signal.SIGCONT)
        assert anna.settled(held_one)["job_status"] == "NEEDS_REVIEW"
        assert anna.client.delete(f"/jobs/{held_one}").status_code == 200


def test_an_import_whose_contacts_are_half_made_is_processed(tmp_path: Path) -> None:
    """However the worker lost it: what it has begun it finishes first."""
    with running(tmp_path) as box:
        anna = Person(box, subject="anna")
        job_id, _ = anna.imported(BAD)
        box.stop()
        connection = connect_writer(box.data / DATABASE)
        connection.execute(
            "UPDATE jobs SET state = 'queued', retry_ms = submitted_ms + 1800000 WHERE id = ?", (job_id,)
        )
        connection.execute("UPDATE staged_jobs SET phase = 'consolidating' WHERE job_id = ?", (job_id,))
        connection.close()
        box.start()
        anna = Person(box, subject="anna")
        assert anna.job(job_id)["job_status"] == "PROCESSING"
        answer = anna.client.delete(f"/jobs/{job_id}")
        is_refused(answer, 400, "job_not_cancellable", f"{REFUSED}PROCESSING")
        is_refused(anna.client.post(f"/jobs/{job_id}/reprocess"), 409, "job_active")


def test_of_a_worker_and_a_cancel_one_is_first(anna: Person, box: BoxProcess) -> None:
    """Reprocess and cancel at once, many times: the import is cancelled, or it is told that it cannot be."""
    for number in range(15):
        job_id, _ = anna.imported(line(1, email=f"bad {number}"), line(2, email=f"x{number}@x.org"))

        def call(which: int, job_id: int = job_id) -> httpx2.Response:
            path = f"/jobs/{job_id}"
            return anna.client.delete(path) if which else anna.client.post(f"{path}/reprocess")

        with ThreadPoolExecutor(2) as pool:
            _, cancelled = pool.map(call, (0, 1))
        ((state,),) = until(
            lambda job_id=job_id: stored(  # type: ignore[misc]
                box, "SELECT state FROM jobs WHERE id = ? AND state NOT IN ('queued', 'running')", job_id
            ),
            "the job rests",
        )
        if cancelled.status_code == 200:
            assert state == "cancelled"
            assert set(states(box, job_id)) == {"discarded"}
        else:
            is_refused(cancelled, 400, "job_not_cancellable", REFUSED)
            assert state == "review"
        check_counts(box, job_id)


def test_a_kill_in_the_middle_of_it_changes_nothing_of_its_end(tmp_path: Path) -> None:
    rows = 12_000
    with running(tmp_path) as box:
        anna = Person(box, subject="anna")
        lines = [line(n, email=f"bad {n}" if n % 4 == 0 else f"q{n}@x.org") for n in range(rows)]
        job_id, job = anna.imported(*lines)
        assert job["job_issue_count"] == rows // 4
        position = "SELECT position FROM job_changes WHERE job_id = ? AND position > ?"
        reached = 0
        for _ in range(3):

            def delete(anna: Person = anna) -> None:
                with contextlib.suppress(httpx2.TransportError):
                    anna.client.delete(f"/jobs/{job_id}")

            asking = threading.Thread(target=delete)
            asking.start()
            ((reached,),) = until(
                lambda reached=reached: stored(box, position, job_id, reached),  # type: ignore[misc]
                "some rows are given up",
            )
            box.kill()
            asking.join()
            assert 0 < states(box, job_id)["discarded"] < rows
            check_counts(box, job_id)
            box.start()
            anna = Person(box, subject="anna")
            assert anna.client.get(f"/jobs/{job_id}").status_code == 404
            if stored(box, "SELECT 1 FROM job_changes WHERE job_id = ?", job_id) == []:
                break
        until(lambda: not stored(box, "SELECT 1 FROM job_changes"), "housekeeping takes it to its end")
        assert states(box, job_id) == {"discarded": rows}
        check_counts(box, job_id)
        assert stored(box, "SELECT COUNT(*) FROM issues WHERE resolved_ms IS NULL") == [(0,)]
        assert anna.client.delete(f"/jobs/{job_id}").status_code == 200
        assert len(trail(box, "job", public_id(box, job_id))) == 1
