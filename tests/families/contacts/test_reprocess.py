"""`POST /jobs/{id}/reprocess`: what is staged is checked again, and becomes contacts once all is right."""

from __future__ import annotations

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingestbox.model import Role
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

RESOLVED = "All related staging records resolved during reprocessing"


def test_the_answer_is_the_documented_one(anna: Person) -> None:
    job_id, job = anna.imported(BAD)
    answer = anna.client.post(f"/jobs/{job_id}/reprocess")
    assert answer.status_code == 200
    assert answer.json() == {
        "job_id": job_id,
        "message": f"Job {job_id} queued for reprocessing",
        "s3_key": job["job_s3_object_key"],
    }
    assert (anna.box.data / job["job_s3_object_key"]).is_file()
    assert anna.settled(job_id)["job_status"] == "NEEDS_REVIEW"


def test_rows_then_issues_then_reprocess(anna: Person) -> None:
    """The order in which the existing web client calls."""
    job_id, _ = anna.imported(
        BAD, line(2, company=""), line(3, email="d@example.com"), line(4, email="D@example.com"), line(5)
    )
    for issue in anna.issues(job_id):
        for row in issue["affected_rows"]:
            number = row["row_number"]
            cells = {"email": f"n{number}@example.com", "company": "C", "status": "READY"}
            assert anna.put_row(job_id, number, **cells).status_code == 200
            check_counts(anna.box, job_id)
        assert anna.put_issue(issue["issue_id"], issue_resolved=True).status_code == 200
        check_counts(anna.box, job_id)
    assert anna.job(job_id)["job_issue_count"] == 0
    job = anna.reprocessed(job_id)
    assert (job["job_status"], job["job_issue_count"], job["job_error"]) == ("COMPLETED", 0, None)
    assert set(anna.contacts()) == {*(f"n{number}@example.com" for number in range(1, 5)), "p5@example.com"}
    assert {issue["issue_resolved_by"] for issue in anna.issues(job_id)} == {f"local:{anna.subject}"}
    check_counts(anna.box, job_id)


def test_what_is_staged_is_checked_and_given_up_rows_count_as_resolved(anna: Person) -> None:
    job_id, _ = anna.imported(
        BAD, line(2, company=""), line(3), line(4, email="D@x.org"), line(5, email="d@x.org")
    )
    anna.put_row(job_id, 1, status="DISCARD")
    anna.put_row(job_id, 2, company="C")
    anna.put_row(job_id, 5, status="DISCARD")
    assert anna.job(job_id)["job_issue_count"] == 2
    job = anna.reprocessed(job_id)
    assert (job["job_status"], job["job_issue_count"]) == ("COMPLETED", 0)
    assert set(anna.contacts()) == {"p2@example.com", "p3@example.com", "D@x.org"}
    by_system = [each for each in anna.issues(job_id) if each["issue_resolved_by"] == "system"]
    assert {each["issue_type"] for each in by_system} == {"MISSING_REQUIRED_FIELD", "DUPLICATE_EMAIL"}
    assert {each["issue_resolution_comment"] for each in by_system} == {RESOLVED}
    states = [
        row[0] for row in stored(anna.box, "SELECT state FROM records WHERE id >> 24 = ? ORDER BY id", job_id)
    ]
    assert states == ["discarded", "done", "done", "done", "discarded"]
    check_counts(anna.box, job_id)


def test_what_is_not_right_yet_waits_with_everything_else(anna: Person) -> None:
    job_id, _ = anna.imported(BAD, line(2, email="bad too"), line(3))
    anna.put_row(job_id, 1, email="ann@example.com", status="READY")
    job = anna.reprocessed(job_id)
    assert (job["job_status"], job["job_issue_count"]) == ("NEEDS_REVIEW", 1)
    assert anna.contacts() == {}
    check_counts(anna.box, job_id)


def test_a_queued_import_is_queued_once(anna: Person) -> None:
    job_id, _ = anna.imported(BAD)

    def post(_: int) -> int:
        return anna.client.post(f"/jobs/{job_id}/reprocess").status_code

    with ThreadPoolExecutor(20) as pool:
        codes = Counter(pool.map(post, range(20)))
    assert codes[200] >= 1
    assert set(codes) <= {200, 409}
    assert anna.settled(job_id)["job_status"] == "NEEDS_REVIEW"
    assert 1 <= len(trail(anna.box, "job", public_id(anna.box, job_id))) <= codes[200]
    check_counts(anna.box, job_id)


def test_the_trail_says_who(anna: Person) -> None:
    job_id, _ = anna.imported(BAD)
    anna.reprocessed(job_id)
    (told,) = trail(anna.box, "job", public_id(anna.box, job_id))
    assert (told["actor"], told["action"]) == (f"local:{anna.subject}", "job.reprocess")
    assert told["before"]["state"] == "review"
    assert told["after"] == {"state": "queued"}


def test_a_completed_import_is_at_its_end(anna: Person) -> None:
    job_id, _ = anna.imported(line(1))
    answer = anna.client.post(f"/jobs/{job_id}/reprocess")
    is_refused(answer, 409, "job_ended", f"Job {job_id} cannot be reprocessed: it is COMPLETED.")
    anna.client.post(f"/jobs/{job_id}/undo").raise_for_status()
    is_refused(anna.client.post(f"/jobs/{job_id}/reprocess"), 409, "job_ended")
    assert anna.contacts() == {}


def test_a_cancelled_import_is_gone(anna: Person) -> None:
    job_id, _ = anna.imported(BAD)
    anna.client.delete(f"/jobs/{job_id}").raise_for_status()
    sentence = f"Job {job_id} not found or you don't have access to it"
    is_refused(anna.client.post(f"/jobs/{job_id}/reprocess"), 404, "job_not_found", sentence)


def test_an_import_that_is_processed_is_not_queued(tmp_path: Path) -> None:
    with running(tmp_path) as box:
        anna = Person(box)
        job_id, _ = anna.imported(BAD)
        for child in box.children():
            os.kill(child, signal.SIGSTOP)
        try:
            anna.client.post(f"/jobs/{job_id}/reprocess").raise_for_status()
            until(lambda: anna.job(job_id)["job_status"] == "PROCESSING", "the job is processed")
            answer = anna.client.post(f"/jobs/{job_id}/reprocess")
            is_refused(answer, 409, "job_active", f"Job {job_id} cannot be reprocessed: it is PROCESSING.")
        finally:
            for child in box.children():
                os.kill(child, signal.SIGCONT)
        assert anna.settled(job_id)["job_status"] == "NEEDS_REVIEW"


def test_a_kill_after_the_answer_loses_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as box:
        anna = Person(box, subject="anna")
        job_id, _ = anna.imported(BAD, line(2))
        for number in range(5):
            anna.put_row(job_id, 1, email=f"ann{number}@example.com", status="READY")
            anna.put_row(job_id, 2, email="", status="READY")
            anna.client.post(f"/jobs/{job_id}/reprocess").raise_for_status()
            box.kill()
            box.start()
            anna = Person(box, subject="anna")
            assert anna.settled(job_id)["job_issue_count"] == 1
            check_counts(box, job_id)
        anna.put_row(job_id, 2, email="p2@example.com")
        assert anna.reprocessed(job_id)["job_status"] == "COMPLETED"
        assert set(anna.contacts()) == {"ann4@example.com", "p2@example.com"}


def test_only_uploaders_reprocess_and_only_their_own(anna: Person, box: BoxProcess) -> None:
    job_id, _ = anna.imported(BAD)
    for role in (Role.EDITOR, Role.ANALYST, Role.INGEST, Role.FORWARDER):
        reader = Person(box, role, subject=anna.subject)
        is_refused(reader.client.post(f"/jobs/{job_id}/reprocess"), 403, "forbidden")
    sentence = f"Job {job_id} not found or you don't have access to it"
    admin = Person(box, Role.ADMIN)
    for other in (Person(box), admin, Person(box, subject=anna.subject, workspace="other")):
        is_refused(other.client.post(f"/jobs/{job_id}/reprocess"), 404, "job_not_found", sentence)
    assert trail(box, "job", public_id(box, job_id)) == []
    assert admin.client.post(f"/jobs/{job_id}/reprocess?all=true").status_code == 200


@pytest.mark.parametrize("name", ["0", "999999999", "-1", "x"])
def test_an_import_that_is_not_there(anna: Person, name: str) -> None:
    sentence = f"Job {name} not found or you don't have access to it"
    for answer in (
        anna.client.post(f"/jobs/{name}/reprocess"),
        anna.client.post(f"/jobs/{name}/undo"),
        anna.client.delete(f"/jobs/{name}"),
    ):
        is_refused(answer, 404, "job_not_found", sentence)
