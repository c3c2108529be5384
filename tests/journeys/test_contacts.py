"""Contacts from a file to an upstream and back, by the calls that clients make: upload, look, repair,
reprocess, read, undo. What an earlier program of this kind got wrong is tried here too."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.model import Role
from tests.families.contacts.person import Person, line
from tests.harness import BoxProcess, running, until
from tests.journeys.test_forwarding import assert_complete, drained, lane
from tests.journeys.upstream import Upstream, upstream

Json = dict[str, Any]

HEADER = "E-Mail;Vorname;Nachname;Firma;Ort"
FILE = (
    "anna@example.com;Anna;Groß;Müller & Söhne;Köln",
    "Bob@Example.com;Bob;Lee;Acme;Leeds",
    "bob@example.COM;Bob;Lee;Acme Ltd;Leeds",
    "carl@example;Carl;May;Acme;York",
    "dora@example.com;Dora;Nguyễn;;Huế",
    "anna@example.com;Anna;Groß;Müller & Söhne;Köln",
    "eve@example.com;Eve;Ray;Acme;York",
    "FAY@example.com;Fay;Orr;Acme;York",
    "fay@example.com;Fay;Orr-Smith;Acme;York",
)


@pytest.fixture(scope="module")
def central() -> Iterator[Upstream]:
    with upstream() as server:
        yield server


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory, central: Upstream) -> Iterator[BoxProcess]:
    with running(tmp_path_factory.mktemp("edge"), config=lane(central.url)) as box:
        yield box


@pytest.fixture
def person(box: BoxProcess) -> Person:
    return Person(box)


def get(client: httpx2.Client, path: str) -> Json:
    found: Json = client.get(path).raise_for_status().json()
    return found


def by_type(person: Person, job_id: int) -> dict[str, Json]:
    """A job's open issues: each type once."""
    found = [each for each in person.issues(job_id) if not each["issue_resolved"]]
    assert len({each["issue_type"] for each in found}) == len(found)
    return {each["issue_type"]: each for each in found}


def test_the_whole_way_as_the_documented_client_goes(edge: BoxProcess, central: Upstream) -> None:
    """Upload → jobs → issues → staging → issues → reprocess → contacts → file → undo."""
    person = Person(edge)
    client = person.client
    content = "\r\n".join([HEADER, *FILE, ""]).encode()
    answer = client.post("/jobs/upload", files={"file": ("kunden.csv", content, "text/csv")})
    assert answer.status_code == 201
    taken = answer.json()
    job_id = taken["job_id"]
    assert taken["message"] == "File 'kunden.csv' uploaded successfully and queued for processing"
    assert (taken["filename"], taken["total_rows"]) == ("kunden.csv", len(FILE))

    person.settled(job_id)
    (job,) = get(client, "/jobs")["jobs"]
    assert (job["job_status"], job["job_issue_count"], job["job_total_rows"]) == (
        "NEEDS_REVIEW",
        4,
        len(FILE),
    )
    assert get(client, "/contacts") == {"contacts": [], "total": 0}
    listed = get(client, f"/issues/job/{job_id}")
    assert (listed["total"], listed["resolved_count"], listed["unresolved_count"]) == (4, 0, 4)

    # As the web client does: each row, then the issue.
    repairs = {
        "carl@example": {"staging_email": "carl@example.com"},
        "dora@example.com": {"staging_company": "Hoa Sen"},
        "Bob@Example.com": {"staging_status": "DISCARD"},
        "fay@example.com": {"staging_email": "fay.smith@example.com"},
    }
    left = 4
    for issue in listed["issues"]:
        for row in issue["affected_rows"]:
            change = {"staging_status": "READY", **repairs.get(row["staging_email"], {})}
            put = client.put(f"/staging/{row['staging_id']}", json=change)
            assert put.status_code == 200, put.text
            assert put.json()["staging_status"] == change["staging_status"]
        body = {"issue_resolved": True, "issue_resolution_comment": "Looked at"}
        resolved = client.put(f"/issues/{issue['issue_id']}", json=body)
        assert resolved.status_code == 200, resolved.text
        assert resolved.json()["issue_resolved_at"] and resolved.json()["issue_resolved_by"]
        left -= 1
        assert get(client, f"/jobs/{job_id}")["job_issue_count"] == left  # at once
    assert person.reprocessed(job_id)["job_status"] == "COMPLETED"

    made = get(client, "/contacts")
    emails = ["anna", "bob", "carl", "dora", "eve", "fay.smith", "fay"]
    assert sorted(each["contact_email"].casefold() for each in made["contacts"]) == [
        f"{name}@example.com" for name in emails
    ]
    assert made["total"] == len(emails)
    found = get(client, "/contacts?email=BOB@example.com")["contacts"]
    assert [each["contact_company"] for each in found] == ["Acme Ltd"]
    export = client.get("/contacts.csv")
    assert export.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(export.content.decode("utf-8-sig"))))
    assert len(rows) == 1 + len(emails)
    assert any("Müller & Söhne" in row for row in rows)

    with edge.client() as admin:
        drained(admin, len(emails))
        puts = [line for batch in central.taken for line in batch.lines]
        assert Counter(each["op"] for each in puts) == {"put": len(emails)}
        assert {each["family"] for each in puts} == {"contacts"}

        undone = client.post(f"/jobs/{job_id}/undo").raise_for_status().json()
        assert undone == {"job_id": job_id, "removed": len(emails), "kept": 0}
        assert get(client, "/contacts")["total"] == 0
        job = get(client, f"/jobs/{job_id}")
        assert job["job_status"] == "COMPLETED" and job["undone_at"]
        drained(admin, 2 * len(emails))
    lines = [line for batch in central.taken for line in batch.lines]
    deletes = lines[len(emails) :]
    assert {each["op"] for each in deletes} == {"delete"}
    assert sorted(each["id"] for each in deletes) == sorted(each["id"] for each in puts)
    assert {each["id"]: each["version"] for each in deletes} == {each["id"]: 2 for each in puts}
    assert_complete(central, 2 * len(emails))
    # And it may come again.
    again = client.post("/jobs/upload", files={"file": ("kunden.csv", content, "text/csv")})
    assert again.status_code == 201, again.text


def test_from_an_edge_box_to_a_central_box_and_back(tmp_path: Path) -> None:
    with running(tmp_path / "central") as central:
        with central.client() as admin:
            made = admin.post("/v1/keys", json={"name": "edge", "roles": [Role.FORWARDER]})
            key = made.raise_for_status().json()["key"]
        config = lane(f"{central.url}/v1/sync/batches").replace("the-upstream-token", key)
        with running(tmp_path / "edge", config=config) as edge, central.client() as admin:
            person = Person(edge)

            def there() -> dict[str, Json]:
                found = get(admin, "/contacts?all=true")
                return {each["contact_email"]: each for each in found["contacts"]}

            job_id, job = person.imported(*(line(number) for number in range(30)))
            assert job["job_status"] == "COMPLETED"
            until(lambda: len(there()) == 30, "the contacts are on the central box")
            theirs, ours = there(), person.contacts()
            assert theirs.keys() == ours.keys()
            one = theirs["p7@example.com"]
            assert one["box"] and one["staging_id"] is None
            for field in ("contact_first_name", "contact_last_name", "contact_company", "contacts_user_id"):
                assert one[field] == ours["p7@example.com"][field]

            # An update comes as a new version of the same.
            second, job = person.imported(line(7, company="Newer"))
            issue = person.issue(second, "EXISTING_EMAIL")
            assert person.put_issue(issue["issue_id"], resolution="update_existing").status_code == 200
            assert person.reprocessed(second)["job_status"] == "COMPLETED"
            until(lambda: there()["p7@example.com"]["contact_company"] == "Newer", "the update is there")
            assert len(there()) == 30

            undone = person.client.post(f"/jobs/{job_id}/undo").raise_for_status().json()
            assert (undone["removed"], undone["kept"]) == (29, 1)  # one was changed by a later import
            until(lambda: set(there()) == {"p7@example.com"}, "what was taken back is gone there too")


@pytest.mark.parametrize(
    "header",
    [
        "email,first_name,last_name,company",
        "E-MAIL , FirstName, LASTNAME ,Organization",
        "e_mail,first name,last-name,org",
        "email_address,fname,lname,organisation",
        "mail,given name,surname,company_name",
        "Mail,nome,sobrenome,empresa",
        "E-Mail,Given-Name,Family_Name,COMPANY",
    ],
)
def test_every_name_of_a_column_that_is_promised_is_known(person: Person, header: str) -> None:
    _, job = person.imported(f"{abs(hash(header))}@example.com,A,B,C", header=header)
    assert job["job_status"] == "COMPLETED"
    (contact,) = person.contacts().values()
    assert [contact[f"contact_{name}"] for name in ("first_name", "last_name", "company")] == ["A", "B", "C"]


def test_a_row_that_is_said_to_be_ready_is_looked_at_again(person: Person) -> None:
    job_id, job = person.imported(line(0), line(1, last_name=""))
    assert job["job_issue_count"] == 1
    (issue,) = person.issues(job_id)
    assert person.put_row(job_id, 2, status="READY").status_code == 200
    assert person.put_issue(issue["issue_id"], issue_resolved=True).status_code == 200
    assert person.job(job_id)["job_issue_count"] == 0
    job = person.reprocessed(job_id)
    assert (job["job_status"], job["job_issue_count"]) == ("NEEDS_REVIEW", 1)
    (again,) = person.issues(job_id)
    assert again["issue_id"] == issue["issue_id"]
    assert (again["issue_resolved"], again["issue_resolved_at"], again["issue_resolved_by"]) == (
        False,
        None,
        None,
    )
    assert [row["staging_status"] for row in again["affected_rows"]] == ["ISSUE"]
    assert person.contacts() == {}  # nothing of it is lost, and nothing is a contact


def test_duplicates_are_found_whatever_their_case(person: Person) -> None:
    job_id, _ = person.imported(
        line(0, email="Straße@Example.com"),
        line(1, email="STRASSE@example.com"),
        line(2, email=" ÉVA@example.com"),
        line(3, email="e\u0301va@example.com"),
    )
    found = [each for each in person.issues(job_id) if each["issue_type"] == "DUPLICATE_EMAIL"]
    assert [[row["row_number"] for row in each["affected_rows"]] for each in found] == [[1, 2], [3, 4]]
    person.imported(line(9, email="Known@Example.com"), name="known.csv")
    later, _ = person.imported(line(9, email="KNOWN@EXAMPLE.COM", company="Z"), name="later.csv")
    assert person.issue(later, "EXISTING_EMAIL")


def test_an_issue_whose_rows_are_all_given_up_is_resolved(person: Person) -> None:
    job_id, job = person.imported(line(0), line(1, company="A"), line(1, company="B"), line(2, email="x@"))
    assert job["job_issue_count"] == 2
    for number, left in ((2, 2), (3, 1), (4, 0)):
        assert person.put_row(job_id, number, status="DISCARD").status_code == 200
        assert person.job(job_id)["job_issue_count"] == left
    assert all(each["issue_resolved"] for each in person.issues(job_id))
    assert person.reprocessed(job_id)["job_status"] == "COMPLETED"
    assert set(person.contacts()) == {"p0@example.com"}


def test_the_machine_says_so_when_nothing_is_left_of_an_issue(person: Person) -> None:
    job_id, _ = person.imported(line(0), line(1, company="A"), line(1, company="B"))
    assert person.put_row(job_id, 3, email="other@example.com").status_code == 200
    assert person.job(job_id)["job_issue_count"] == 1  # nobody looked at it yet
    assert person.reprocessed(job_id)["job_status"] == "COMPLETED"
    (issue,) = person.issues(job_id)
    assert (issue["issue_resolved_by"], issue["issue_resolution_comment"]) == (
        "system",
        "All related staging records resolved during reprocessing",
    )


def test_making_contacts_takes_no_commit_for_each(own_box: BoxProcess) -> None:
    own_box.start()
    person = Person(own_box)

    def groups() -> float:
        text = httpx2.get(f"{own_box.url}/metrics", trust_env=False, verify=False).text
        (found,) = re.findall(r"^ingestbox_writer_group_units_count (\S+)$", text, re.MULTILINE)
        return float(found)

    before = groups()
    _, job = person.imported(*(line(number) for number in range(3_000)))
    assert job["job_status"] == "COMPLETED"
    assert groups() - before < 300


def test_nobody_sees_anything_of_it_before_it_is_all_there(own_box: BoxProcess) -> None:
    own_box.configure("[work]\nchunk_records = 5\n")
    own_box.start()
    person = Person(own_box)
    job_id = person.upload(*(line(number) for number in range(2_000)))
    seen: set[int] = set()

    def over() -> bool:
        status = person.job(job_id)["job_status"]
        seen.add(int(get(person.client, "/contacts?limit=1")["total"]))
        return bool(status == "COMPLETED")

    until(over, "the import is over")
    assert seen <= {0, 2_000} and get(person.client, "/contacts?limit=1")["total"] == 2_000
