"""`PUT /staging/{id}`: correcting a row, giving it up, and what that does to its issues."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from ingestbox.model import Role
from ingestbox.store import DATABASE
from ingestbox.store.engine import connect_writer
from tests.families.contacts.person import (
    BAD,
    BOTH,
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
from tests.harness import BoxProcess, post_tickets, running, ticket, until


def test_what_is_left_out_stays_and_null_or_nothing_clears(anna: Person) -> None:
    header = "email,first_name,last_name,company,city"
    job_id, _ = anna.imported(f"{BAD},Lisbon", header=header)
    answer = anna.put_row(job_id, 1, email="anna@example.com", first_name=None, company="")
    assert answer.status_code == 200
    assert answer.json() == {
        "staging_id": staging_id(job_id, 1),
        "staging_email": "anna@example.com",
        "staging_first_name": "",
        "staging_last_name": "Q",
        "staging_company": "",
        "staging_created_at": anna.job(job_id)["job_created_at"],
        "staging_status": "ISSUE",
        "row_number": 1,
    }
    assert anna.row(job_id, 1).json() == answer.json()
    assert payload(anna.box, job_id, 1)["city"] == "Lisbon"
    assert payload(anna.box, job_id, 1)["_row"]["row"] == 1


def test_members_that_nobody_knows_are_passed_over(anna: Person) -> None:
    job_id, _ = anna.imported(BAD)
    body = {"staging_company": "New", "staging_id": 7, "row_hash": "x", "id": None}
    answer = anna.client.put(f"/staging/{staging_id(job_id, 1)}", json=body)
    assert answer.status_code == 200
    assert answer.json()["staging_company"] == "New"
    assert answer.json()["staging_id"] == staging_id(job_id, 1)


@pytest.mark.parametrize("word", ["READY", "ISSUE", "DISCARD"])
def test_a_person_sets_these_statuses(anna: Person, word: str) -> None:
    job_id, _ = anna.imported(BAD, line(2))
    for number in (1, 2):
        assert anna.put_row(job_id, number, status=word).json()["staging_status"] == word
        check_counts(anna.box, job_id)


@pytest.mark.parametrize("word", ["SUCCESS", "ready", "", "DONE", 1, True, ["READY"], {}])
def test_other_statuses_are_refused_and_nothing_is_changed(anna: Person, word: object) -> None:
    job_id, _ = anna.imported(BAD)
    answer = anna.put_row(job_id, 1, status=word, company="New")
    is_refused(answer, 422, "validation_failed", "staging_status must be READY, ISSUE or DISCARD")
    assert anna.row(job_id, 1).json()["staging_company"] == "R"


@pytest.mark.parametrize("name", ["email", "first_name", "last_name", "company"])
@pytest.mark.parametrize("cell", [7, 1.5, False, [], {"a": 1}])
def test_a_cell_that_is_no_text_is_named(anna: Person, name: str, cell: object) -> None:
    job_id, _ = anna.imported(BAD)
    answer = anna.put_row(job_id, 1, **{name: cell})
    is_refused(answer, 422, "validation_failed", f"staging_{name} must be a text or null")
    assert answer.json()["errors"][0]["field"] == f"staging_{name}"


def test_a_cell_that_no_file_may_have_is_refused(anna: Person) -> None:
    """An export with it could not be uploaded again."""
    job_id, _ = anna.imported(BAD)
    answer = anna.put_row(job_id, 1, first_name="Anna", company="a\0b", status="READY")
    is_refused(answer, 422, "validation_failed", "staging_company must not hold the character U+0000.")
    of_job = f"/v1/jobs/{public_id(anna.box, job_id)}/records"
    (record,) = [each["id"] for each in anna.client.get(of_job).raise_for_status().json()["records"]]
    for member in ({"company": "a\0b"}, {"phone": "a\0b"}, {"a\0b": "plain"}):
        patched = anna.client.patch(f"/v1/records/{record}", json=member)
        assert patched.status_code == 422, patched.text
        assert "U+0000" in patched.json()["detail"]
    assert anna.row(job_id, 1).json()["staging_status"] == "ISSUE"
    assert "\0" not in anna.client.get(f"/jobs/{job_id}/errors.csv").text


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null"])
def test_a_body_that_is_no_object_is_refused(anna: Person, body: bytes) -> None:
    job_id, _ = anna.imported(BAD)
    headers = {"Content-Type": "application/json"}
    answer = anna.client.put(f"/staging/{staging_id(job_id, 1)}", content=body, headers=headers)
    is_refused(answer, 422, "validation_failed", "must be an object")


def test_a_body_that_is_no_json_is_refused(anna: Person) -> None:
    job_id, _ = anna.imported(BAD)
    headers = {"Content-Type": "application/json"}
    for body in (b"{", b'{"staging_email": "\xff"}', b'{"staging_email": "\\ud800"}', b""):
        answer = anna.client.put(f"/staging/{staging_id(job_id, 1)}", content=body, headers=headers)
        is_refused(answer, 400, "malformed_json")


@pytest.mark.parametrize(
    "text",
    [
        "\x01\x1b[31m",
        "\ud83d\ude00@example.com",
        "\U0001f600" * 2_000,
        "=cmd|'/c calc'!A0",
        "a@b.c\r\nBcc: x@y.z",
        "\u202e\ufeff\u0130@EXAMPLE.com",
        '"; DROP TABLE contacts; --',
        "x" * 50_000,
    ],
)
def test_any_text_is_taken_as_it_is(anna: Person, text: str) -> None:
    text = text.encode("utf-16", "surrogatepass").decode("utf-16")
    job_id, _ = anna.imported(BAD)
    answer = anna.put_row(job_id, 1, email=text, company=text, status="READY")
    if answer.status_code != 413:
        assert answer.status_code == 200
        assert anna.row(job_id, 1).json()["staging_email"] == text
        assert anna.row(job_id, 1).json()["staging_company"] == text
    job = anna.reprocessed(job_id)
    assert job["job_status"] in ("NEEDS_REVIEW", "COMPLETED")
    check_counts(anna.box, job_id)


def test_a_body_over_the_cap_is_refused(anna: Person) -> None:
    job_id, _ = anna.imported(BAD)
    assert anna.put_row(job_id, 1, company="x" * 70_000).status_code == 413
    assert anna.row(job_id, 1).json()["staging_company"] == "R"


def test_nothing_wanted_changes_nothing(anna: Person) -> None:
    job_id, _ = anna.imported(BAD)
    before = anna.row(job_id, 1)
    for cells in ({}, {"email": "no address"}, {"status": "ISSUE"}, {"status": None}):
        answer = anna.put_row(job_id, 1, **cells)
        assert answer.json() == before.json()
        assert answer.headers["etag"] == before.headers["etag"]
    assert trail(anna.box, "record", staging_id(job_id, 1)) == []


def test_a_change_is_in_the_trail_and_its_repeat_is_not(anna: Person) -> None:
    job_id, _ = anna.imported(BAD)
    long = "x" * 500
    for _ in range(2):
        answer = anna.put_row(job_id, 1, email="anna@example.com", company=long, status="READY")
        assert answer.status_code == 200
        check_counts(anna.box, job_id)
    (told,) = trail(anna.box, "record", staging_id(job_id, 1))
    assert told["actor"] == f"local:{anna.subject}"
    assert told["action"] == "staging.edit"
    assert told["before"] == {"email": "no address", "company": "R", "state": "issue"}
    assert told["after"] == {"email": "anna@example.com", "company": "x" * 200 + "…", "state": "pending"}
    assert told["request_id"]


def test_the_tag_of_a_row_is_told_and_counts(anna: Person) -> None:
    job_id, _ = anna.imported(line(1, email="a@example.com"), line(2, email="A@example.com"))
    for number in (1, 2):
        read = anna.row(job_id, number).headers["etag"]
        first = anna.put_row(job_id, number, headers={"If-Match": read}, company="One")
        assert first.status_code == 200
        assert first.headers["etag"] not in (read, f"W/{read}")
        second = anna.put_row(job_id, number, headers={"If-Match": read}, company="Two")
        is_refused(second, 412, "precondition_failed")
        assert anna.row(job_id, number).json()["staging_company"] == "One"
        third = anna.put_row(job_id, number, headers={"If-Match": first.headers["etag"]}, company="Three")
        assert third.status_code == 200


@pytest.mark.parametrize(
    ("form", "status"),
    [("*", 200), ('"other", {}', 200), ("{}", 200), ("W/{}", 412), ('"other"', 412), ("", 412), ("x", 412)],
)
def test_what_if_match_means(anna: Person, form: str, status: int) -> None:
    job_id, _ = anna.imported(BAD)
    given = form.format(anna.row(job_id, 1).headers["etag"])
    answer = anna.put_row(job_id, 1, headers={"If-Match": given}, company="New")
    assert answer.status_code == status


def test_fifty_at_once_lose_nothing_of_each_other(anna: Person) -> None:
    job_id, _ = anna.imported(BAD)
    names = ("email", "first_name", "last_name", "company")

    def put(number: int) -> int:
        return anna.put_row(job_id, 1, **{names[number % 4]: f"v{number}"}).status_code

    with ThreadPoolExecutor(50) as pool:
        assert Counter(pool.map(put, range(50))) == {200: 50}
    told = trail(anna.box, "record", staging_id(job_id, 1))
    assert len(told) == 50
    cells = {"email": "no address", "first_name": "P1", "last_name": "Q", "company": "R"}
    for each in told:
        (name,) = each["after"].keys() - {"state"}
        assert each["before"][name] == cells[name]  # what it replaced is what the one before had left
        cells[name] = each["after"][name]
    row = anna.row(job_id, 1).json()
    assert {name: row[f"staging_{name}"] for name in names} == cells
    check_counts(anna.box, job_id)


def test_of_fifty_who_read_the_same_one_is_first(anna: Person) -> None:
    job_id, _ = anna.imported(BAD)
    read = anna.row(job_id, 1).headers["etag"]

    def put(number: int) -> httpx2.Response:
        return anna.put_row(job_id, 1, headers={"If-Match": read}, company=f"v{number}", status="READY")

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(put, range(50)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 49}
    (won,) = [answer for answer in answers if answer.status_code == 200]
    assert anna.row(job_id, 1).json() == won.json()
    assert len(trail(anna.box, "record", staging_id(job_id, 1))) == 1
    check_counts(anna.box, job_id)


def test_a_status_set_by_many_at_once_is_counted_once(anna: Person) -> None:
    job_id, _ = anna.imported(BAD, line(2), line(3, email="too bad"))
    words = ("READY", "ISSUE", "DISCARD")

    def put(number: int) -> int:
        return anna.put_row(job_id, 1 + number % 3, status=words[number % 7 % 3]).status_code

    with ThreadPoolExecutor(50) as pool:
        assert Counter(pool.map(put, range(50))) == {200: 50}
    check_counts(anna.box, job_id)


def test_an_issue_is_resolved_when_all_its_rows_are_given_up(anna: Person) -> None:
    job_id, _ = anna.imported(line(1, email="a@example.com"), line(2, email="A@example.com"), BAD)
    assert anna.job(job_id)["job_issue_count"] == 2
    anna.put_row(job_id, 1, status="DISCARD")
    assert anna.job(job_id)["job_issue_count"] == 2
    anna.put_row(job_id, 2, status="DISCARD")
    assert anna.job(job_id)["job_issue_count"] == 1
    issue = anna.issue(job_id, "DUPLICATE_EMAIL")
    assert issue["issue_resolved"] is True
    assert issue["issue_resolved_by"] == f"local:{anna.subject}"
    assert issue["issue_resolved_at"]
    check_counts(anna.box, job_id)
    anna.put_row(job_id, 2, status="READY")
    assert anna.job(job_id)["job_issue_count"] == 2
    issue = anna.issue(job_id, "DUPLICATE_EMAIL")
    assert (issue["issue_resolved"], issue["issue_resolved_by"], issue["issue_resolved_at"]) == (
        False,
        None,
        None,
    )
    check_counts(anna.box, job_id)


def test_rows_that_an_issue_is_not_about_any_more_do_not_hold_it(anna: Person) -> None:
    """Three repeat each other; one gets an address of its own. After that it is about the other two."""
    job_id, _ = anna.imported(*(line(number, email="a@example.com") for number in (1, 2, 3)), BAD)
    anna.put_row(job_id, 3, email="c@example.com")
    anna.reprocessed(job_id)
    anna.put_row(job_id, 1, status="DISCARD")
    assert anna.issue(job_id, "DUPLICATE_EMAIL")["issue_resolved"] is False
    anna.put_row(job_id, 2, status="DISCARD")
    assert anna.issue(job_id, "DUPLICATE_EMAIL")["issue_resolved"] is True
    check_counts(anna.box, job_id)


def test_ready_without_a_fix_is_an_issue_again(anna: Person) -> None:
    job_id, job = anna.imported(BAD, line(2))
    assert job["job_status"] == "NEEDS_REVIEW"
    for _ in range(2):
        anna.put_row(job_id, 1, status="READY")
        anna.put_issue(anna.issues(job_id)[0]["issue_id"], issue_resolved=True)
        assert anna.job(job_id)["job_issue_count"] == 0
        job = anna.reprocessed(job_id)
        assert (job["job_status"], job["job_issue_count"]) == ("NEEDS_REVIEW", 1)
        (issue,) = anna.issues(job_id)
        assert issue["issue_resolved"] is False
        assert issue["issue_resolved_by"] is None
        assert [row["staging_status"] for row in issue["affected_rows"]] == ["ISSUE"]
        check_counts(anna.box, job_id)
    assert anna.contacts() == {}


def test_a_row_that_is_right_is_free_again_whoever_called_it_an_issue(anna: Person) -> None:
    job_id, _ = anna.imported(BAD, line(2))
    anna.put_row(job_id, 1, email="anna@example.com")
    anna.put_row(job_id, 2, status="ISSUE")
    job = anna.reprocessed(job_id)
    assert job["job_status"] == "COMPLETED"
    assert set(anna.contacts()) == {"anna@example.com", "p2@example.com"}
    check_counts(anna.box, job_id)


def test_a_copy_that_the_box_gave_up_can_be_taken_up(anna: Person) -> None:
    job_id, _ = anna.imported(line(1), line(1), BAD)
    assert payload(anna.box, job_id, 2)["_note"] == "Identical to row 1"
    anna.put_row(job_id, 2, email="other@example.com", status="READY")
    assert "_note" not in payload(anna.box, job_id, 2)
    check_counts(anna.box, job_id)
    anna.put_row(job_id, 3, status="DISCARD")
    assert anna.reprocessed(job_id)["job_status"] == "COMPLETED"
    assert set(anna.contacts()) == {"p1@example.com", "other@example.com"}


def test_a_row_that_could_not_be_read_can_be_filled_in(anna: Person) -> None:
    job_id, job = anna.imported("a,b,c,d,e,f", line(2))
    assert job["job_status"] == "NEEDS_REVIEW"
    cells = {"email": "ann@example.com", "first_name": "Ann", "last_name": "B", "company": "C"}
    answer = anna.put_row(job_id, 1, status="READY", **cells)
    assert answer.status_code == 200
    assert anna.reprocessed(job_id)["job_status"] == "COMPLETED"
    assert set(anna.contacts()) == {"ann@example.com", "p2@example.com"}


def test_an_edited_row_repeats_by_what_it_is_now(anna: Person) -> None:
    """Whoever changes an address makes a duplicate, or undoes one, whatever its letters' case."""
    job_id, _ = anna.imported(line(1), line(2, email="bad"), line(3))
    anna.put_row(job_id, 2, email="P1@EXAMPLE.com", status="READY")
    anna.put_row(job_id, 3, email="new3@example.com")
    job = anna.reprocessed(job_id)
    assert (job["job_status"], job["job_issue_count"]) == ("NEEDS_REVIEW", 1)
    rows = anna.issue(job_id, "DUPLICATE_EMAIL")["affected_rows"]
    assert [row["row_number"] for row in rows] == [1, 2]
    anna.put_row(job_id, 2, email="p3@example.com")  # the address that row 3 has left
    assert anna.reprocessed(job_id)["job_status"] == "COMPLETED"
    assert set(anna.contacts()) == {"p1@example.com", "p3@example.com", "new3@example.com"}
    check_counts(anna.box, job_id)


def test_what_became_a_contact_is_changed_no_more(anna: Person) -> None:
    job_id, job = anna.imported(line(1))
    assert job["job_status"] == "COMPLETED"
    is_refused(anna.put_row(job_id, 1, company="New"), 409, "job_not_waiting")
    assert anna.row(job_id, 1).json()["staging_status"] == "SUCCESS"


def test_nobody_changes_a_row_of_another(anna: Person, box: BoxProcess) -> None:
    job_id, _ = anna.imported(BAD)
    bert, admin = Person(box), Person(box, Role.ADMIN)
    elsewhere = Person(box, Role.ADMIN, subject=anna.subject, workspace="other")
    for other in (bert, admin, elsewhere):
        name = staging_id(job_id, 1)
        answer = other.put_row(job_id, 1, company="New")
        is_refused(answer, 404, "not_found", f"Staging row {name} not found or you don't have access to it")
        is_refused(other.client.get(f"/staging/{name}"), 404, "not_found")
    assert anna.row(job_id, 1).json()["staging_company"] == "R"
    name = staging_id(job_id, 1)
    is_refused(bert.client.put(f"/staging/{name}?all=true", json={}), 403, "forbidden")
    answer = admin.client.put(f"/staging/{name}?all=true", json={"staging_company": "New"})
    assert answer.status_code == 200
    (told,) = trail(box, "record", name)
    assert told["actor"] == f"local:{admin.subject}"


@pytest.mark.parametrize("roles", [(Role.UPLOADER,), (Role.ANALYST, Role.INGEST, Role.FORWARDER)])
def test_only_editors_change_rows(anna: Person, box: BoxProcess, roles: tuple[Role, ...]) -> None:
    job_id, _ = anna.imported(BAD)
    reader = Person(box, *roles, subject=anna.subject)
    is_refused(reader.put_row(job_id, 1, company="New"), 403, "forbidden")
    assert reader.row(job_id, 1).json()["staging_company"] == "R"


@pytest.mark.parametrize("name", ["0", "999999999999", "-1", "x", "1" * 30, "%00", "01"])
def test_a_row_that_is_not_there(anna: Person, name: str) -> None:
    is_refused(anna.client.put(f"/staging/{name}", json={}), 404, "not_found")


def test_a_row_of_another_family_is_none(anna: Person, box: BoxProcess) -> None:
    with box.client(Role.ADMIN, Role.INGEST) as client:
        post_tickets(client, [ticket(1)])
        ((rid,),) = stored(box, "SELECT MAX(id) << 24 FROM jobs WHERE family = 'feedback'")
        assert client.put(f"/staging/{rid}?all=true", json={}).status_code == 404
        assert client.get(f"/staging/{rid}?all=true").status_code == 404


class Held:
    """A box of a test's own, whose jobs can be held in any state."""

    def __init__(self, box: BoxProcess) -> None:
        self.box = box

    def set(self, sql: str, *values: object) -> None:
        """Changes the store while the box is down."""
        self.box.stop()
        connection = connect_writer(self.box.data / DATABASE)
        connection.execute(sql, values)
        connection.close()
        self.box.start()


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    with running(tmp_path) as started:
        yield Held(started)


def test_rows_change_while_their_job_waits_for_a_person_alone(held: Held) -> None:
    anna = Person(held.box, subject="anna")
    job_id, _ = anna.imported(BAD)
    later = 30 * 60_000
    held.set("UPDATE jobs SET state = 'failed' WHERE id = ?", job_id)
    anna = Person(held.box, subject="anna")
    assert anna.put_row(job_id, 1, company="One").status_code == 200
    held.set("UPDATE jobs SET state = 'queued', retry_ms = submitted_ms + ? WHERE id = ?", later, job_id)
    anna = Person(held.box, subject="anna")
    assert anna.job(job_id)["job_status"] == "PENDING"
    is_refused(anna.put_row(job_id, 1, company="Two"), 409, "job_not_waiting")
    held.set("UPDATE jobs SET state = 'review', retry_ms = NULL WHERE id = ?", job_id)
    anna = Person(held.box, subject="anna")
    for child in held.box.children():
        os.kill(child, signal.SIGSTOP)
    try:
        assert anna.client.post(f"/jobs/{job_id}/reprocess").status_code == 200
        until(lambda: anna.job(job_id)["job_status"] == "PROCESSING", "the job is processed")
        is_refused(anna.put_row(job_id, 1, company="Two"), 409, "job_not_waiting")
        read = anna.row(job_id, 1)
        is_refused(
            anna.put_row(job_id, 1, headers={"If-Match": read.headers["etag"]}, company="Two"),
            409,
            "job_not_waiting",
        )
    finally:
        for child in held.box.children():
            os.kill(child, signal.SIGCONT)
    assert anna.settled(job_id)["job_status"] == "NEEDS_REVIEW"
    assert anna.put_row(job_id, 1, company="Two").status_code == 200
    assert anna.row(job_id, 1).json()["staging_company"] == "Two"


def test_a_damaged_row_is_given_up_or_written_anew(held: Held) -> None:
    anna = Person(held.box, subject="anna")
    job_id, _ = anna.imported(BAD, line(2, email="bad too"))
    held.set("UPDATE records SET payload = X'7B7D' WHERE id >> 24 = ?", job_id)
    anna = Person(held.box, subject="anna")
    assert anna.row(job_id, 1).json()["damaged"] is True
    assert anna.put_row(job_id, 1, company="New").status_code == 500
    assert anna.put_row(job_id, 1, status="DISCARD").status_code == 200
    cells = {"email": "ann@example.com", "first_name": "Ann", "last_name": "B", "company": "C"}
    assert anna.put_row(job_id, 2, **cells).status_code == 200
    check_counts(held.box, job_id)
    assert anna.reprocessed(job_id)["job_status"] == "COMPLETED"
    assert set(anna.contacts()) == {"ann@example.com"}


def test_a_row_comes_through_a_kill_whole(held: Held) -> None:
    anna = Person(held.box, subject="anna")
    job_id, _ = anna.imported(BAD)
    assert anna.put_row(job_id, 1, company="New", status="READY").status_code == 200
    held.box.kill()
    held.box.start()
    anna = Person(held.box, *BOTH, subject="anna")
    assert anna.row(job_id, 1).json()["staging_company"] == "New"
    assert json.loads(json.dumps(payload(held.box, job_id, 1)))["company"] == "New"
    check_counts(held.box, job_id)
