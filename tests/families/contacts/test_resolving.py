"""`PUT /issues/{id}`: what people say of an issue, and updating the contact that is there."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from ingestbox.model import Role
from tests.families.contacts.person import (
    BAD,
    Person,
    check_counts,
    is_refused,
    line,
    payload,
    public_id,
    staging_id,
    stored,
    trail,
)
from tests.harness import BoxProcess


def one_issue(person: Person, *lines: str) -> tuple[int, int]:
    """A job with one issue: both ids."""
    job_id, job = person.imported(*(lines or (BAD,)))
    assert (job["job_status"], job["job_issue_count"]) == ("NEEDS_REVIEW", 1)
    (issue,) = person.issues(job_id)
    return job_id, issue["issue_id"]


def existing(person: Person) -> tuple[int, int, int]:
    """A contact, and a row that has its address: the import of each, and the issue."""
    first, _ = person.imported(line(1))
    job_id, issue_id = one_issue(person, line(1, email="P1@Example.com", first_name="Paula"), line(2))
    assert person.issues(job_id)[0]["issue_type"] == "EXISTING_EMAIL"
    return first, job_id, issue_id


def test_resolving_says_when_and_by_whom_and_opening_says_neither(anna: Person) -> None:
    job_id, issue_id = one_issue(anna)
    body = anna.put_issue(issue_id, issue_resolved=True).json()
    assert body["issue_resolved"] is True
    assert body["issue_resolved_at"]
    assert body["issue_resolved_by"] == f"local:{anna.subject}"
    assert anna.job(job_id)["job_issue_count"] == 0
    check_counts(anna.box, job_id)
    body = anna.put_issue(issue_id, issue_resolved=False, issue_resolved_by="Bert").json()
    assert body["issue_resolved"] is False
    assert body["issue_resolved_at"] is body["issue_resolved_by"] is None
    assert anna.job(job_id)["job_issue_count"] == 1
    check_counts(anna.box, job_id)


def test_who_resolved_it_can_be_said(anna: Person) -> None:
    _, issue_id = one_issue(anna)
    body = anna.put_issue(issue_id, issue_resolved=True, issue_resolved_by="Bert").json()
    assert body["issue_resolved_by"] == "Bert"
    at = body["issue_resolved_at"]
    body = anna.put_issue(issue_id, issue_resolved=True).json()
    assert (body["issue_resolved_by"], body["issue_resolved_at"]) == ("Bert", at)
    body = anna.put_issue(issue_id, issue_resolved_by="Carl").json()
    assert (body["issue_resolved_by"], body["issue_resolved_at"]) == ("Carl", at)


def test_what_is_left_out_or_null_stays(anna: Person) -> None:
    _, issue_id = one_issue(anna)
    anna.put_issue(issue_id, issue_description="Mine", issue_resolution_comment="So", issue_resolved=True)
    for members in (
        {},
        {
            "issue_resolved": None,
            "issue_description": None,
            "issue_resolution_comment": None,
            "resolution": None,
        },
        {"issue_description": "", "issue_resolved_by": "", "resolution": "", "issue_key": "x", "other": 1},
    ):
        body = anna.put_issue(issue_id, **members).json()
        assert body["issue_description"] == "Mine"
        assert body["issue_resolution_comment"] == "So"
        assert body["issue_resolved"] is True
        assert body["issue_resolved_by"] == f"local:{anna.subject}"
    assert anna.put_issue(issue_id, issue_resolution_comment="").json()["issue_resolution_comment"] is None


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"issue_resolved": "yes"}, "issue_resolved"),
        ({"issue_resolved": 1}, "issue_resolved"),
        ({"issue_description": 7}, "issue_description"),
        ({"issue_resolved_by": ["x"]}, "issue_resolved_by"),
        ({"issue_resolution_comment": {}}, "issue_resolution_comment"),
        ({"resolution": True}, "resolution"),
        ({"resolution": "merge"}, "resolution"),
        ({"resolution": "update_existing"}, "resolution"),  # it is no EXISTING_EMAIL
        ({"resolution": "update_existing", "issue_resolved": False}, "resolution"),
    ],
)
def test_what_cannot_be_is_named_and_changes_nothing(
    anna: Person, members: dict[str, object], field: str
) -> None:
    _, issue_id = one_issue(anna)
    before = anna.client.get(f"/issues/{issue_id}").json()
    is_refused(anna.put_issue(issue_id, **members), 422, "validation_failed", field)
    assert anna.client.get(f"/issues/{issue_id}").json() == before


def test_the_trail_has_each_change_once(anna: Person) -> None:
    _, issue_id = one_issue(anna)
    long = {"issue_description": "x" * 500}
    for _ in range(3):
        anna.put_issue(issue_id, issue_resolved=True, issue_resolution_comment="Called them", **long)
    (told,) = trail(anna.box, "issue", issue_id)
    assert told["actor"] == f"local:{anna.subject}"
    assert told["action"] == "issue.edit"
    assert told["request_id"]
    assert {name for name, was in told["before"].items() if was is None} == {
        "comment",
        "resolved_ms",
        "resolved_by",
        "resolution",
    }
    assert told["after"]["message"] == "x" * 200 + "…"
    assert told["after"]["comment"] == "Called them"
    assert told["after"]["resolved_by"] == f"local:{anna.subject}"


def test_the_tag_of_an_issue_is_told_and_counts(anna: Person) -> None:
    _, issue_id = one_issue(anna)
    read = anna.client.get(f"/issues/{issue_id}").headers["etag"]
    first = anna.put_issue(issue_id, {"If-Match": read}, issue_resolution_comment="One")
    assert first.status_code == 200
    assert first.headers["etag"] != read
    assert anna.client.get(f"/issues/{issue_id}").headers["etag"] == first.headers["etag"]
    is_refused(anna.put_issue(issue_id, {"If-Match": read}, issue_resolved=True), 412, "precondition_failed")
    weak = {"If-Match": f"W/{first.headers['etag']}"}
    is_refused(anna.put_issue(issue_id, weak, issue_resolved=True), 412, "precondition_failed")
    assert anna.client.get(f"/issues/{issue_id}").json()["issue_resolved"] is False
    second = anna.put_issue(issue_id, {"If-Match": first.headers["etag"]}, issue_resolved=True)
    assert second.status_code == 200


def test_the_tag_of_an_issue_changes_when_its_rows_resolve_it(anna: Person) -> None:
    job_id, issue_id = one_issue(anna)
    read = anna.client.get(f"/issues/{issue_id}").headers["etag"]
    anna.put_row(job_id, 1, status="DISCARD")
    is_refused(anna.put_issue(issue_id, {"If-Match": read}, issue_resolved=False), 412, "precondition_failed")


def test_of_fifty_who_read_the_same_one_is_first(anna: Person) -> None:
    job_id, issue_id = one_issue(anna)
    read = anna.client.get(f"/issues/{issue_id}").headers["etag"]

    def put(number: int) -> httpx2.Response:
        answer: httpx2.Response = anna.put_issue(
            issue_id, {"If-Match": read}, issue_resolved=True, issue_resolution_comment=str(number)
        )
        return answer

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(put, range(50)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 49}
    assert len(trail(anna.box, "issue", issue_id)) == 1
    check_counts(anna.box, job_id)


def test_fifty_who_open_and_close_leave_the_counts_right(anna: Person) -> None:
    job_id, issue_id = one_issue(anna)

    def put(number: int) -> int:
        answer: httpx2.Response = anna.put_issue(issue_id, issue_resolved=number % 2 == 0)
        return answer.status_code

    with ThreadPoolExecutor(50) as pool:
        assert Counter(pool.map(put, range(50))) == {200: 50}
    check_counts(anna.box, job_id)


def test_resolved_without_a_fix_is_open_again_after_the_next_check(anna: Person) -> None:
    job_id, issue_id = one_issue(anna)
    anna.put_issue(issue_id, issue_resolved=True)
    job = anna.reprocessed(job_id)
    assert (job["job_status"], job["job_issue_count"]) == ("NEEDS_REVIEW", 1)
    (issue,) = anna.issues(job_id)
    assert issue["issue_id"] == issue_id
    assert issue["issue_resolved"] is False
    check_counts(anna.box, job_id)


def test_an_existing_contact_is_updated(anna: Person) -> None:
    first, job_id, issue_id = existing(anna)
    before = anna.contacts()["p1@example.com"]
    body = anna.put_issue(issue_id, resolution="update_existing").json()
    assert body["issue_resolved"] is True
    assert body["issue_resolved_by"] == f"local:{anna.subject}"
    assert body["affected_rows"][0]["staging_status"] == "READY"
    assert anna.job(job_id)["job_issue_count"] == 0
    assert payload(anna.box, job_id, 1)["_update"] == str(staging_id(first, 1))
    check_counts(anna.box, job_id)
    assert anna.contacts()["p1@example.com"] == before
    assert anna.reprocessed(job_id)["job_status"] == "COMPLETED"
    after = anna.contacts()
    assert set(after) == {"P1@Example.com", "p2@example.com"}
    assert after["P1@Example.com"]["contact_id"] == before["contact_id"]
    assert after["P1@Example.com"]["contact_first_name"] == "Paula"
    assert after["P1@Example.com"]["contact_created_at"] == before["contact_created_at"]


def test_a_repeat_of_the_update_changes_nothing(anna: Person) -> None:
    _, job_id, issue_id = existing(anna)
    for _ in range(3):
        answer = anna.put_issue(issue_id, issue_resolved=True, resolution="update_existing")
        assert answer.status_code == 200
    assert len(trail(anna.box, "issue", issue_id)) == 1
    (told,) = trail(anna.box, "record", staging_id(job_id, 1))
    assert told["after"]["state"] == "pending"
    check_counts(anna.box, job_id)


def test_the_update_is_taken_back(anna: Person) -> None:
    _, job_id, issue_id = existing(anna)
    anna.put_issue(issue_id, resolution="update_existing")
    body = anna.put_issue(issue_id, issue_resolved=False).json()
    assert body["affected_rows"][0]["staging_status"] == "ISSUE"
    assert "_update" not in payload(anna.box, job_id, 1)
    check_counts(anna.box, job_id)
    assert anna.reprocessed(job_id)["job_status"] == "NEEDS_REVIEW"


def test_another_address_makes_it_no_update(anna: Person) -> None:
    _, job_id, issue_id = existing(anna)
    anna.put_issue(issue_id, resolution="update_existing")
    anna.put_row(job_id, 1, email="P1@EXAMPLE.COM", company="New")  # the same address
    assert "_update" in payload(anna.box, job_id, 1)
    anna.put_row(job_id, 1, email="paula@example.com")
    assert "_update" not in payload(anna.box, job_id, 1)
    assert anna.reprocessed(job_id)["job_status"] == "COMPLETED"
    assert set(anna.contacts()) == {"p1@example.com", "p2@example.com", "paula@example.com"}


def test_the_contact_may_be_gone(anna: Person) -> None:
    first, job_id, issue_id = existing(anna)
    assert anna.client.post(f"/jobs/{first}/undo").status_code == 200
    answer = anna.put_issue(issue_id, resolution="update_existing")
    is_refused(answer, 409, "nothing_to_update", "gone")
    assert anna.job(job_id)["job_issue_count"] == 1
    assert anna.reprocessed(job_id)["job_status"] == "COMPLETED"
    assert anna.contacts()["P1@Example.com"]["contact_first_name"] == "Paula"


def test_the_contact_may_go_after_the_decision(anna: Person) -> None:
    first, job_id, issue_id = existing(anna)
    anna.put_issue(issue_id, resolution="update_existing")
    assert anna.client.post(f"/jobs/{first}/undo").json()["removed"] == 1
    assert anna.reprocessed(job_id)["job_status"] == "COMPLETED"
    assert anna.contacts()["P1@Example.com"]["contact_first_name"] == "Paula"


def test_a_row_that_is_given_up_updates_nothing(anna: Person) -> None:
    _, job_id, issue_id = existing(anna)
    anna.put_row(job_id, 1, status="DISCARD")
    answer = anna.put_issue(issue_id, resolution="update_existing")
    is_refused(answer, 409, "nothing_to_update", "All rows of this issue are discarded")


def test_of_several_rows_one_has_to_be_left(anna: Person) -> None:
    """Two rows that repeat each other, and a contact: once that is resolved the next issue is there."""
    anna.imported(line(1))
    job_id, _ = anna.imported(line(1, first_name="A"), line(1, first_name="B"))
    assert [each["issue_type"] for each in anna.issues(job_id)] == ["DUPLICATE_EMAIL"]
    anna.put_row(job_id, 1, status="DISCARD")
    assert anna.reprocessed(job_id)["job_status"] == "NEEDS_REVIEW"
    issue = anna.issue(job_id, "EXISTING_EMAIL")
    assert anna.put_issue(issue["issue_id"], resolution="update_existing").status_code == 200
    assert anna.reprocessed(job_id)["job_status"] == "COMPLETED"
    assert anna.contacts()["p1@example.com"]["contact_first_name"] == "B"


def test_an_issue_of_a_finished_import_stays_what_it_is(anna: Person) -> None:
    job_id, issue_id = one_issue(anna)
    anna.put_row(job_id, 1, status="DISCARD")
    anna.reprocessed(job_id)
    before = anna.client.get(f"/issues/{issue_id}").json()
    is_refused(anna.put_issue(issue_id, issue_resolved=False), 409, "job_not_waiting")
    assert anna.client.get(f"/issues/{issue_id}").json() == before


def test_nobody_says_anything_of_the_issues_of_another(anna: Person, box: BoxProcess) -> None:
    job_id, issue_id = one_issue(anna)
    bert, admin = Person(box), Person(box, Role.ADMIN)
    for other in (bert, admin, Person(box, Role.ADMIN, subject=anna.subject, workspace="other")):
        answer = other.put_issue(issue_id, issue_resolved=True)
        sentence = f"Issue {issue_id} not found or you don't have access to it"
        is_refused(answer, 404, "not_found", sentence)
    assert anna.job(job_id)["job_issue_count"] == 1
    assert admin.client.put(f"/issues/{issue_id}?all=true", json={"issue_resolved": True}).status_code == 200
    assert anna.job(job_id)["job_issue_count"] == 0
    (told,) = trail(box, "issue", issue_id)
    assert told["actor"] == f"local:{admin.subject}"


def test_only_editors_say_something(anna: Person, box: BoxProcess) -> None:
    _, issue_id = one_issue(anna)
    for role in (Role.UPLOADER, Role.ANALYST, Role.INGEST, Role.FORWARDER):
        reader = Person(box, role, subject=anna.subject)
        is_refused(reader.put_issue(issue_id, issue_resolved=True), 403, "forbidden")


@pytest.mark.parametrize("name", ["0", "999999999", "-1", "x", "1" * 30])
def test_an_issue_that_is_not_there(anna: Person, name: str) -> None:
    is_refused(anna.client.put(f"/issues/{name}", json={}), 404, "not_found")


def test_an_issue_of_a_cancelled_import_is_gone(anna: Person) -> None:
    job_id, issue_id = one_issue(anna)
    assert anna.client.delete(f"/jobs/{job_id}").status_code == 200
    is_refused(anna.put_issue(issue_id, issue_resolved=True), 404, "not_found")


def test_it_is_told_to_those_who_watch_the_job(anna: Person, box: BoxProcess) -> None:
    job_id, issue_id = one_issue(anna)
    updated = "SELECT updated_ms FROM jobs WHERE id = ?"
    with anna.client.stream("GET", f"/v1/jobs/{public_id(box, job_id)}/events") as events:
        lines = events.iter_lines()
        assert next(lines)
        anna.put_issue(issue_id, issue_resolved=True)
        anna.put_row(job_id, 1, email="ann@example.com", status="READY")
        assert any('"issues":0' in text.replace(" ", "") for text in lines)
    assert stored(box, updated, job_id)
