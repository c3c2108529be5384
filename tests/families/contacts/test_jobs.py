"""Imports as their owner sees them: every member, in order, counted, and gone once cancelled."""

from __future__ import annotations

import pytest

from ingestbox.families.contacts.family import FAMILY
from ingestbox.families.contacts.jobs import status_of
from ingestbox.store import load_queries
from tests.families.contacts.person import Person, is_refused, line, public_id, stored
from tests.harness import BoxProcess

MEMBERS = {
    "job_id",
    "job_created_at",
    "job_user_id",
    "job_original_filename",
    "job_s3_object_key",
    "job_status",
    "job_total_rows",
    "job_processed_rows",
    "job_issue_count",
    "job_process_start",
    "job_process_end",
    "job_error",
}


def test_a_job_says_all_that_is_known_of_it_and_no_more(box: BoxProcess) -> None:
    ann = Person(box)
    job_id, job = ann.imported(line(1), line(2, email="nobody"), name="Kontakte März.csv")
    assert set(job) == MEMBERS
    assert job["job_id"] == job_id
    assert job["job_user_id"] == f"local:{ann.subject}"
    assert job["job_original_filename"] == "Kontakte März.csv"
    assert (box.data / job["job_s3_object_key"]).read_bytes().startswith(b"email,first_name")
    assert job["job_status"] == "NEEDS_REVIEW"
    assert (job["job_total_rows"], job["job_processed_rows"], job["job_issue_count"]) == (2, 2, 1)
    assert job["job_created_at"] <= job["job_process_start"] <= job["job_process_end"]
    assert job["job_error"] is None
    assert ann.put_row(job_id, 2, email="somebody@example.com").status_code == 200
    done = ann.reprocessed(job_id)
    assert (done["job_status"], done["job_processed_rows"], done["job_issue_count"]) == ("COMPLETED", 2, 0)


def test_the_list_has_the_newest_first_and_counts_all_of_them(box: BoxProcess) -> None:
    ann = Person(box)
    assert ann.client.get("/jobs").json() == {"jobs": [], "total": 0}
    ids = [ann.upload(line(n)) for n in range(5)]
    for job_id in ids:
        ann.settled(job_id)
    whole = ann.client.get("/jobs").json()
    assert [job["job_id"] for job in whole["jobs"]] == ids[::-1]
    assert whole["jobs"][0] == ann.job(ids[-1])
    assert (whole["total"], "next_cursor" in whole) == (5, False)
    found: list[int] = []
    query: dict[str, str | int] = {"limit": 2}
    while True:
        part = ann.client.get("/jobs", params=query).json()
        assert part["total"] == 5
        found += [job["job_id"] for job in part["jobs"]]
        if "next_cursor" not in part:
            break
        query["cursor"] = part["next_cursor"]
    assert found == ids[::-1]


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "cursor=x", "cursor=MA==", "all=yes"])
def test_what_is_no_part_of_a_list_is_refused(box: BoxProcess, query: str) -> None:
    ann = Person(box)
    for path in ("/jobs", "/issues", "/contacts"):
        is_refused(ann.client.get(f"{path}?{query}"), 400, "bad_parameter", query.partition("=")[0])


def test_a_cancelled_job_is_gone_with_its_issues(box: BoxProcess) -> None:
    ann = Person(box)
    kept, _ = ann.imported(line(1))
    job_id, _ = ann.imported(line(2, email=""))
    issue = ann.issues(job_id)[0]["issue_id"]
    assert ann.client.delete(f"/jobs/{job_id}").status_code == 200
    listed = ann.client.get("/jobs").json()
    assert ([job["job_id"] for job in listed["jobs"]], listed["total"]) == ([kept], 1)
    sentence = f"Job {job_id} not found or you don't have access to it"
    for path in (f"/jobs/{job_id}", f"/issues/job/{job_id}", f"/jobs/{job_id}/errors.csv"):
        is_refused(ann.client.get(path), 404, "job_not_found", sentence)
    is_refused(ann.client.get(f"/issues/{issue}"), 404, "not_found")
    assert ann.client.get("/issues").json() == {
        "issues": [],
        "total": 0,
        "resolved_count": 0,
        "unresolved_count": 0,
    }
    assert ann.client.get(f"/v1/jobs/{public_id(box, job_id)}").json()["state"] == "cancelled"


def test_an_undone_job_stays_completed_and_says_when(box: BoxProcess) -> None:
    ann = Person(box)
    job_id, job = ann.imported(line(1))
    assert "undone_at" not in job
    assert ann.client.post(f"/jobs/{job_id}/undo").status_code == 200
    undone = ann.job(job_id)
    assert undone["job_status"] == "COMPLETED"
    assert undone["undone_at"] >= job["job_process_end"]


@pytest.mark.parametrize("job", ["0", "01", "x", "-1", "1.0", "99999999999999999999", "%31%30%30%30%30"])
def test_what_is_no_job_of_this_box_is_not_found(box: BoxProcess, job: str) -> None:
    ann = Person(box)
    for path in (f"/jobs/{job}", f"/issues/job/{job}", f"/jobs/{job}/errors.csv"):
        is_refused(ann.client.get(path), 404, "job_not_found", "not found or you don't have access to it")
    is_refused(ann.client.get(f"/issues/{job}"), 404, "not_found", "not found or you don't have access to it")


def test_a_job_that_waits_for_its_turn_is_not_at_its_beginning() -> None:
    assert status_of("queued", "loading") == "PENDING"
    assert status_of("queued", "checking") == "PENDING"
    assert status_of("queued", "turn") == status_of("queued", "consolidating") == "PROCESSING"
    assert status_of("running", "loading") == "PROCESSING"


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("jobs_mine", "s USING INDEX staged_listed (workspace=? AND family=? AND owner=? AND job_id<?)"),
        ("jobs_total_mine", "COVERING INDEX staged_listed (workspace=? AND family=? AND owner=?)"),
        ("jobs_total_here", "COVERING INDEX staged_of_workspace (workspace=? AND family=?)"),
        ("issue_jobs_mine", "staged_listed (workspace=? AND family=? AND owner=?)"),
        ("issue_jobs_mine", "SEARCH i USING INDEX issues_keyed (job_id=? AND id<?)"),
        ("issue_ids", "INDEX issues_keyed (job_id=? AND id<?)"),
        ("owned", "contacts_of_owner (workspace=? AND owner=? AND id>? AND id<?)"),
        ("owners_mine", "contacts_of_owner (workspace=? AND owner=?)"),
        ("import_size", "COVERING INDEX contacts_by_import (import_id=? AND id>?)"),
        ("with_email_mine", "contacts_by_email (workspace=? AND owner=? AND email_key=?)"),
        ("with_email_here", "contacts_elsewhere_by_email (email_key=? AND workspace=?)"),
        ("elsewhere", "contacts_elsewhere (workspace=? AND id>? AND id<?)"),
        ("hiding", "staged_hiding (family=?)"),
    ],
)
def test_what_is_read_is_found_by_its_whole_key(box: BoxProcess, query: str, wanted: str) -> None:
    """However much there is of other people's, none of it is gone over."""
    statement = load_queries({"contacts": FAMILY.queries})[f"contacts.{query}"]
    plan = [
        row[3] for row in stored(box, f"EXPLAIN QUERY PLAN {statement.sql}", *(1 for _ in statement.names))
    ]
    assert any(wanted in step for step in plan), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan
