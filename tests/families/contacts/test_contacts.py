"""Contacts as their owner sees them: by address whatever its case, all of an import or none of it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Self

import pytest

from ingestbox.model import Role
from ingestbox.store import DATABASE
from ingestbox.store.engine import connect_writer
from tests.families.contacts.person import Person, is_refused, line, staging_id, stored
from tests.harness import BoxProcess, running, until
from tests.journeys.test_forwarding import lane

MEMBERS = {
    "contact_id",
    "staging_id",
    "contacts_user_id",
    "contact_email",
    "contact_first_name",
    "contact_last_name",
    "contact_company",
    "contact_created_at",
}


def test_a_contact_says_where_it_is_from(box: BoxProcess) -> None:
    ann = Person(box)
    job_id, job = ann.imported(line(1, first_name=" Zoë "), line(2))
    found = ann.client.get("/contacts").json()
    assert (found["total"], len(found["contacts"]), "next_cursor" in found) == (2, 2, False)
    newer, older = found["contacts"]
    assert set(older) == MEMBERS
    assert older["contact_id"] < newer["contact_id"] < 1 << 24
    assert older["contact_created_at"] >= job["job_created_at"]
    del older["contact_id"], older["contact_created_at"]
    assert older == {
        "staging_id": staging_id(job_id, 1),
        "contacts_user_id": f"local:{ann.subject}",
        "contact_email": "p1@example.com",
        "contact_first_name": "Zoë",
        "contact_last_name": "Q",
        "contact_company": "R",
    }


@pytest.mark.parametrize(
    ("stored_as", "asked"),
    [
        ("Anna@Example.com", " aNNa@eXAMPLE.com "),
        ("müller@example.com", "MU\u0308LLER@example.com"),
        ("ΣΊΣΥΦΟΣ@example.com", "σίσυφος@example.com"),
    ],
)
def test_an_address_is_found_whatever_its_case(box: BoxProcess, stored_as: str, asked: str) -> None:
    ann = Person(box)
    _, job = ann.imported(line(1, email=stored_as))
    assert job["job_status"] == "COMPLETED"
    found = ann.client.get("/contacts", params={"email": asked}).json()
    assert [each["contact_email"] for each in found["contacts"]] == [stored_as]
    assert found["total"] == 1


@pytest.mark.parametrize("email", ["nobody@example.com", "", "%", "p_@example.com", "\x00", "x" * 3_000])
def test_an_address_that_is_not_there_is_not_found(box: BoxProcess, email: str) -> None:
    ann = Person(box)
    ann.imported(line(1))
    is_refused(ann.client.get("/contacts", params={"email": email}), 404, "not_found", "not found")


class Watch:
    """Somebody who reads the contacts all the time, and what they saw."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.totals: set[int] = set()
        self.wrong: list[Any] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._stop.is_set():
            body = self.person.client.get("/contacts").json()
            part = self.person.client.get("/contacts", params={"limit": 5}).json()
            self.totals.add(body["total"])
            self.totals.add(part["total"])
            if len(body["contacts"]) != min(body["total"], 10_000):
                self.wrong.append((body["total"], len(body["contacts"])))
            if len(part["contacts"]) != min(part["total"], 5):
                self.wrong.append((part["total"], len(part["contacts"])))


def test_nobody_ever_sees_half_an_import_nor_half_of_it_taken_back(box: BoxProcess) -> None:
    rows = 8_000
    ann = Person(box)
    ann.imported(line(0))
    with Watch(Person(box, subject=ann.subject)) as made:
        job_id, job = ann.imported(*(line(n) for n in range(1, rows + 1)))
    assert job["job_status"] == "COMPLETED"
    assert made.wrong == []
    assert made.totals == {1, rows + 1}
    with Watch(Person(box, subject=ann.subject)) as undone:
        answer = ann.client.post(f"/jobs/{job_id}/undo").json()
        until(lambda: "undone_at" in ann.job(job_id), "the import is undone")
    assert (answer["removed"], undone.wrong) == (rows, [])
    assert undone.totals <= {1, rows + 1}
    assert ann.client.get("/contacts").json()["total"] == 1
    tallies = stored(box, "SELECT contacts FROM contact_tallies WHERE owner = ?", f"local:{ann.subject}")
    assert tallies == [(1,)]


def test_a_contact_that_an_import_updates_stays_in_sight_meanwhile(box: BoxProcess) -> None:
    rows = 6_000
    ann = Person(box)
    ann.imported(line(0, company="Before"))
    job_id, _ = ann.imported(line(0, company="After"), *(line(n) for n in range(1, rows)))
    issue = ann.issue(job_id, "EXISTING_EMAIL")
    assert ann.put_issue(issue["issue_id"], resolution="update_existing").status_code == 200
    with Watch(Person(box, subject=ann.subject)) as watch:
        assert ann.reprocessed(job_id)["job_status"] == "COMPLETED"
    assert watch.wrong == []
    assert watch.totals <= {1, rows}
    updated = ann.client.get("/contacts", params={"email": "p0@example.com"}).json()["contacts"]
    assert [each["contact_company"] for each in updated] == ["After"]
    assert updated[0]["staging_id"] == staging_id(job_id, 1)


@pytest.mark.parametrize("phase", ["consolidating", "undoing"])
def test_an_import_that_stands_still_is_hidden_and_counted_out(own_box: BoxProcess, phase: str) -> None:
    """But not what it has updated, which is older."""
    own_box.start()
    ann = Person(own_box)
    ann.imported(line(1), line(2))
    job_id, _ = ann.imported(line(1, company="New"), line(3), line(4))
    ann.put_issue(ann.issue(job_id, "EXISTING_EMAIL")["issue_id"], resolution="update_existing")
    assert ann.reprocessed(job_id)["job_status"] == "COMPLETED"
    own_box.kill()
    connection = connect_writer(own_box.data / DATABASE)
    connection.execute("UPDATE staged_jobs SET phase = ? WHERE job_id = ?", (phase, job_id))
    connection.close()
    own_box.start()
    ann = Person(own_box, subject=ann.subject)
    boss = Person(own_box, Role.ADMIN)
    for person, everybody in ((ann, ""), (boss, "all=true&")):
        found = person.client.get(f"/contacts?{everybody}").json()
        assert [each["contact_email"] for each in found["contacts"]] == ["p2@example.com", "p1@example.com"]
        assert found["contacts"][1]["contact_company"] == "New"
        assert found["total"] == 2
        part = person.client.get(f"/contacts?{everybody}limit=1").json()
        assert (part["contacts"], part["total"]) == (found["contacts"][:1], 2)
        is_refused(person.client.get(f"/contacts?{everybody}email=p3@example.com"), 404, "not_found")
        assert person.client.get(f"/contacts?{everybody}email=p1@example.com").json()["total"] == 1
        text = person.client.get(f"/contacts.csv?{everybody}").text
        assert [each.split(",")[0] for each in text.splitlines()[1:]] == ["p2@example.com", "p1@example.com"]


def test_a_damaged_contact_is_never_served_as_good(own_box: BoxProcess) -> None:
    damage = (
        "company = 'Other'",
        "email = 'x' || email",
        "last_name = CAST(x'ff41' AS TEXT)",
        "crc = crc + 1",
    )
    own_box.start()
    ann = Person(own_box)
    ann.imported(line(0), *(line(number) for number in range(1, len(damage) + 1)))
    own_box.kill()
    connection = connect_writer(own_box.data / DATABASE)
    for number, spoil in enumerate(damage, start=1):
        connection.execute(f"UPDATE contacts SET {spoil} WHERE email_key = ?", (f"p{number}@example.com",))
    connection.close()
    own_box.start()
    ann = Person(own_box, subject=ann.subject)
    found = ann.client.get("/contacts").json()
    assert found["total"] == len(found["contacts"]) == len(damage) + 1
    sound, *spoilt = reversed(found["contacts"])
    assert sound["contact_email"] == "p0@example.com"
    _, *lines, last = ann.client.get("/contacts.csv").text.splitlines()
    assert last.startswith("p0@example.com,")
    for number, each in enumerate(spoilt, start=1):
        assert each["damaged"] is True, damage[number - 1]
        cells = {each[f"contact_{name}"] for name in ("email", "first_name", "last_name", "company")}
        assert cells == {None}, damage[number - 1]
        (alone,) = ann.client.get(f"/contacts?email=p{number}@example.com").json()["contacts"]
        assert alone == each
        assert lines[-number].startswith(f",,,,{each['contact_id']},")


def test_another_boxes_contacts_come_and_go_with_it(tmp_path: Path) -> None:
    with running(tmp_path / "central") as central:
        key = central.token(Role.FORWARDER, subject="edge")
        config = lane(f"{central.url}/v1/sync/batches").replace("the-upstream-token", key)
        with running(tmp_path / "edge", config=config) as edge:
            ann = Person(edge)
            job_id, _ = ann.imported(line(1, company="+1"), line(2))
            boss, nobody = Person(central, Role.ADMIN), Person(central, subject=ann.subject)

            def arrived(count: int) -> list[dict[str, Any]] | None:
                body = boss.client.get("/contacts?all=true").json()
                assert len(body["contacts"]) == body["total"]
                return [body] if body["total"] == count else None

            (body,) = until(lambda: arrived(2), "the contacts arrive")
            shown = {each["contact_email"]: each for each in body["contacts"]}
            assert shown["p1@example.com"]["contacts_user_id"] == f"local:{ann.subject}"
            assert shown["p1@example.com"]["contact_company"] == "+1"
            assert shown["p1@example.com"]["staging_id"] is None
            assert shown["p1@example.com"]["box"].startswith("b")
            # Whose they are there grants nothing here.
            assert nobody.client.get("/contacts").json() == {"contacts": [], "total": 0}
            is_refused(nobody.client.get("/contacts?email=p1@example.com"), 404, "not_found")
            assert boss.client.get("/contacts").json()["total"] == 0
            found = boss.client.get("/contacts?all=true&email=P1@example.com").json()
            assert found["total"] == 1
            assert "p2@example.com,P2,Q,R,local:" in boss.client.get("/contacts.csv?all=true").text
            other, _ = nobody.imported(line(1))  # the same address and name here is another's
            assert other
            assert boss.client.get("/contacts?all=true&email=p1@example.com").json()["total"] == 2
            ann.client.post(f"/jobs/{job_id}/undo").raise_for_status()
            until(lambda: arrived(1), "the contacts are gone there too")
            assert nobody.client.get("/contacts").json()["total"] == 1
