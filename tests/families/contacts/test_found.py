"""Contacts by what is in them: words, company, import and day, within sight and without what is hidden."""

from __future__ import annotations

import datetime
import threading
from pathlib import Path
from typing import Any, Self

import pytest

from ingestbox.families.contacts.searched import company_key
from ingestbox.model import Role
from ingestbox.store import DATABASE, tallies
from ingestbox.store.engine import connect_writer
from tests.families.contacts.person import Person, is_refused, line, stored
from tests.harness import BoxProcess, running, until
from tests.store.support import with_store

PEOPLE = (
    line(1, email="zoe@muller.example", first_name="Zoë", last_name="Müller", company="Müller & Söhne"),
    line(2, email="tho@mekong.example", first_name="Thọ", last_name="Ngô Đức", company="Mekong Rice"),
    line(3, email="sam@harrow.example", first_name="Sam", last_name="Porter", company="muller söhne"),
    line(4, email="ann.lee@harrow.example", first_name="Ann", last_name="Lee", company="Harrow Tools"),
)


def found(person: Person, **query: object) -> list[str]:
    """The addresses that a list has, which has all that it counts."""
    body = (
        person.client.get("/contacts", params={k: str(v) for k, v in query.items()}).raise_for_status().json()
    )
    assert body["total"] == len(body["contacts"]), body
    assert not {"total_is", "indexing", "next_cursor"} & set(body)
    return [each["contact_email"].split("@")[0] for each in body["contacts"]]


@pytest.mark.parametrize(
    ("q", "names"),
    [
        ("zoë", ["zoe"]),
        ("ZOE", ["zoe"]),
        ("muller", ["sam", "zoe"]),
        ("ngo duc tho", ["tho"]),
        ('"lee tools"', []),
        ('"ann lee"', ["ann.lee"]),
        ("ann.lee@harrow.example", ["ann.lee"]),
        ("harrow -porter", ["ann.lee"]),
        ("har*", ["ann.lee", "sam"]),
        ("nobody", []),
        ("default", []),  # what is kept beside the words is none of them
        ("x", []),
    ],
)
def test_words_are_found_wherever_they_are(box: BoxProcess, q: str, names: list[str]) -> None:
    ann = Person(box)
    ann.imported(*PEOPLE)
    assert found(ann, q=q) == names


def test_filters_narrow_each_other(anna: Person) -> None:
    first, _ = anna.imported(*PEOPLE)
    second, _ = anna.imported(line(9, email="new@muller.example", company="MULLER / söhne"))
    assert found(anna, company="Müller & Söhne") == ["new", "sam", "zoe"]
    assert found(anna, company="muller sohne", **{"import": first}) == ["sam", "zoe"]
    assert found(anna, q="example", **{"import": second}) == ["new"]
    assert found(anna, q="porter", company="Müller Söhne") == ["sam"]
    assert found(anna, q="porter", company="Mekong Rice") == []
    today = datetime.datetime.now(datetime.UTC).date()
    assert len(found(anna, since=today)) == 5
    assert found(anna, since=today + datetime.timedelta(days=1)) == []
    assert found(anna, since=today, company="mekong rice") == ["tho"]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"q": "!!!"}, "q must have a letter"),
        ({"q": ""}, "q must say"),
        ({"import": "x"}, "import must be"),
        ({"import": "0"}, "import must be"),
        ({"since": "2026-02-30"}, "since must be a date"),
        ({"since": "2026-1-1"}, "since must be a date"),
        ({"q": "a", "cursor": "!"}, "cursor must be"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(anna: Person, query: dict[str, str], sentence: str) -> None:
    is_refused(anna.client.get("/contacts", params=query), 400, "bad_parameter", sentence)


@pytest.mark.parametrize(
    "q", ['"', "'", "a' OR 1=1", ":x", "~a", '{title} : ":o1"', "NEAR(a b)", "a\u202eb", "(" * 50]
)
def test_a_query_is_only_ever_text(anna: Person, q: str) -> None:
    anna.imported(line(1))
    answer = anna.client.get("/contacts", params={"q": q})
    assert answer.status_code in (200, 400)
    assert answer.status_code == 400 or answer.json()["contacts"] == []


def test_nobody_finds_what_is_another_persons(box: BoxProcess) -> None:
    ann, bob = Person(box), Person(box)
    job_id, _ = ann.imported(line(1, company="Secret"))
    bob.imported(line(2))
    for query in ({"q": "p1"}, {"company": "Secret"}, {"import": job_id}):
        assert found(bob, **query) == []
    assert "Secret" not in bob.client.get("/contacts/companies").text
    (contact,) = ann.client.get("/contacts").json()["contacts"]
    path = f"/contacts/{contact['contact_id']}"
    assert ann.client.get(path).status_code == 200
    is_refused(bob.client.get(path), 404, "not_found", "you don't have access to it")
    is_refused(bob.client.get(path, params={"all": "true"}), 403, "forbidden")


def test_administrators_find_everybodys_of_their_workspace(box: BoxProcess) -> None:
    ann = Person(box, workspace="north")
    ann.imported(line(1, email="north@one.example", company="Northern"))
    Person(box, workspace="south").imported(line(1, email="south@one.example", company="Northern"))
    admin = Person(box, Role.ADMIN, workspace="north")
    assert found(admin, company="northern") == []
    assert found(admin, company="northern", all="true") == ["north"]
    operator = Person(box, Role.ADMIN)
    assert found(operator, company="northern", all="true") == ["south", "north"]


def test_companies_are_counted_however_they_are_written(anna: Person) -> None:
    anna.imported(*PEOPLE)
    answer = anna.client.get("/contacts/companies").json()
    assert answer == {
        "companies": [
            {"company": "muller söhne", "count": 2},
            {"company": "Harrow Tools", "count": 1},
            {"company": "Mekong Rice", "count": 1},
        ]
    }
    assert anna.client.get("/contacts/companies", params={"limit": 1}).json()["companies"][0]["count"] == 2
    assert Person(anna.box).client.get("/contacts/companies").json() == {"companies": []}


def test_a_company_without_letters_is_one_too(anna: Person) -> None:
    anna.imported(line(1, company="***"), line(2, company="???"))
    assert found(anna, company="***") == ["p1"]
    assert len(anna.client.get("/contacts/companies").json()["companies"]) == 2
    assert len(company_key("a " * 500)) <= 200


def test_one_contact_says_where_it_is_from(anna: Person) -> None:
    job_id, _ = anna.imported(line(1))
    (listed,) = anna.client.get("/contacts").json()["contacts"]
    whole = anna.client.get(f"/contacts/{listed['contact_id']}").json()
    assert {name: whole.pop(name) for name in listed} == listed
    assert whole.pop("contact_updated_at") == listed["contact_created_at"]
    assert whole == {"job_id": job_id, "object_id": str(listed["staging_id"])}
    for wrong in ("0", "999999", "x", "1" * 30, "-1", "%00"):
        assert anna.client.get(f"/contacts/{wrong}").status_code == 404


def test_an_update_changes_what_a_contact_is_found_by(anna: Person) -> None:
    anna.imported(line(0, company="Before"))
    job_id, _ = anna.imported(line(0, company="After"), line(1, company="After"))
    issue = anna.issue(job_id, "EXISTING_EMAIL")
    assert anna.put_issue(issue["issue_id"], resolution="update_existing").status_code == 200
    anna.reprocessed(job_id)
    assert found(anna, q="before") == []
    assert sorted(found(anna, q="after")) == ["p0", "p1"]
    assert sorted(found(anna, **{"import": job_id})) == ["p0", "p1"]
    assert anna.client.get("/contacts/companies").json()["companies"] == [{"company": "After", "count": 2}]


class Watch:
    """Somebody who looks again and again, with filters."""

    def __init__(self, person: Person, whole: set[int]) -> None:
        self.seen: set[int] = set()
        self.wrong: list[Any] = []
        self._person, self._whole = person, whole
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        get = self._person.client.get
        while not self._over.is_set():
            for query in ({"q": "example"}, {"company": "R"}, {"since": "2020-01-01"}):
                part = get("/contacts", params={**query, "limit": "7"}).json()
                if part["total"] not in self._whole and "total_is" not in part:
                    self.wrong.append((query, part["total"]))
                if len(part["contacts"]) != min(7, part["total"]):
                    self.wrong.append((query, part["total"], len(part["contacts"])))
                self.seen.add(part["total"])
            counts = {each["count"] for each in get("/contacts/companies").json()["companies"]}
            if not counts <= self._whole:
                self.wrong.append(counts)


def test_filters_never_show_half_an_import_nor_half_of_it_taken_back(box: BoxProcess) -> None:
    rows = 6_000
    ann = Person(box)
    ann.imported(line(0))
    with Watch(Person(box, subject=ann.subject), {1, rows + 1}) as made:
        job_id, job = ann.imported(*(line(n) for n in range(1, rows + 1)))
    assert job["job_status"] == "COMPLETED"
    assert made.wrong == []
    assert made.seen >= {1}
    with Watch(Person(box, subject=ann.subject), {1, rows + 1}) as undone:
        ann.client.post(f"/jobs/{job_id}/undo").raise_for_status()
        until(lambda: "undone_at" in ann.job(job_id), "the import is undone")
    assert undone.wrong == []
    assert found(ann, q="example") == ["p0"]
    assert ann.client.get("/contacts/companies").json()["companies"] == [{"company": "R", "count": 1}]


def test_pages_have_every_contact_once_while_others_are_made(box: BoxProcess) -> None:
    ann = Person(box)
    ann.imported(*(line(n) for n in range(300)))
    other = Person(box, subject=ann.subject)
    seen: list[str] = []
    cursor = None
    for turn in range(100):
        query = {"q": "example", "limit": "7", **({"cursor": cursor} if cursor else {})}
        part = ann.client.get("/contacts", params=query).json()
        seen += [each["contact_email"] for each in part["contacts"]]
        if turn % 10 == 0:
            other.imported(line(1000 + turn))
        cursor = part.get("next_cursor")
        if cursor is None:
            break
    assert seen == [f"p{n}@example.com" for n in reversed(range(300))]


def test_an_erased_address_is_in_no_word(own_box: BoxProcess) -> None:
    own_box.start()
    ann = Person(own_box)
    ann.imported(
        line(1, email="erika.mustermann@gone.example", company="Gone"),
        line(2, company="of erika.mustermann@gone.example"),
    )
    with own_box.client(workspace="*") as client:
        erasure = client.post("/v1/erasures", json={"email": "erika.mustermann@gone.example"})
        assert erasure.status_code in (200, 201, 202), erasure.text
        path = f"/v1/erasures/{erasure.json()['erasure_id']}"
        until(lambda: client.get(path).json()["state"] == "done", "it is erased", 60)
    assert found(ann, q="mustermann") == []
    assert found(ann, company="of erika.mustermann@gone.example") == []
    own_box.stop()
    for name in (DATABASE, f"{DATABASE}-wal"):
        path_on_disk = own_box.data / name
        if path_on_disk.exists():
            assert b"mustermann" not in path_on_disk.read_bytes(), name


def test_contacts_from_before_are_found_after_a_while(tmp_path: Path) -> None:
    with running(tmp_path / "box") as box:
        ann = Person(box)
        ann.imported(*PEOPLE, *(line(n) for n in range(10, 100)))
        assert box.stop() == 0
        connection = connect_writer(box.data / DATABASE)
        connection.execute("DELETE FROM contact_words")
        connection.execute("UPDATE contacts SET indexed = 0, company_key = ''")
        connection.execute("UPDATE contacts SET last_name = 'Damaged' WHERE email LIKE 'p99@%'")
        connection.close()
        box.start()
        until(lambda: stored(box, "SELECT 1 FROM contacts WHERE indexed = 0") == [], "all are indexed")
        ann = Person(box, subject=ann.subject)
        assert found(ann, company="muller sohne") == ["sam", "zoe"]
        assert len(found(ann, q="example.com")) == 89  # of the damaged one nothing is known
        assert stored(box, "SELECT COUNT(*) FROM contacts WHERE indexed = -1") == [(1,)]
        (rows,) = {row[0] for row in stored(box, "SELECT MAX(contacts) FROM contact_companies")}
        assert rows == 89


def test_counts_of_companies_are_what_counting_gives(tmp_path: Path) -> None:
    with running(tmp_path / "box") as box:
        ann = Person(box)
        job_id, _ = ann.imported(*PEOPLE)
        ann.imported(line(8))
        ann.client.post(f"/jobs/{job_id}/undo").raise_for_status()
        until(lambda: "undone_at" in ann.job(job_id), "the import is undone")
        box.stop()

    async def compare(store: Any) -> None:
        assert await tallies.differences(store) == []
        assert await store.read(
            "contacts.companies", {"workspace": "default", "owner": f"local:{ann.subject}", "limit": 9}
        ) == [("r", 1)]

    with_store(tmp_path / "box" / "data", compare)
