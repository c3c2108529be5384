"""Who sees what of contacts, by every call that reads: people their own, administrators all if they ask."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from ingestbox.model import Role
from tests.families.contacts.person import BOTH, Person, is_refused, line
from tests.harness import BoxProcess


class Cast:
    """Ann has an import that waits and one that is done; the others are those who might see them."""

    def __init__(self, box: BoxProcess) -> None:
        self.ann = Person(box)
        self.waiting, _ = self.ann.imported(line(1), line(2, email=""))
        self.done, _ = self.ann.imported(line(3, email="Zoe@Example.com"))
        self.issue = self.ann.issues(self.waiting)[0]["issue_id"]
        self.ben = Person(box)
        self.ben.imported(line(3, email="zoe@example.com"))  # the same address, and no matter
        self.elsewhere = Person(box, subject=self.ann.subject, workspace="elsewhere")
        self.operator = Person(box, Role.ADMIN)
        self.administrator = Person(box, Role.ADMIN, workspace="elsewhere")
        self.everywhere = Person(box, Role.ADMIN, workspace="*")
        self.neighbours = [Person(box, *BOTH, workspace="elsewhere") for _ in range(2)]
        for each in self.neighbours:
            each.imported(line(4), line(5, company=""))
            each.imported(line(6, email="zoe@example.com"))

    def objects(self) -> list[str]:
        return [
            f"/jobs/{self.waiting}",
            f"/jobs/{self.done}",
            f"/jobs/{self.waiting}/errors.csv",
            f"/issues/job/{self.waiting}",
            f"/issues/{self.issue}",
            f"/staging/{self.waiting << 24}",
        ]


@pytest.fixture(scope="module")
def cast(box: BoxProcess) -> Iterator[Cast]:
    yield Cast(box)


def owners(answer: httpx2.Response, noun: str, member: str) -> set[object]:
    return {each[member] for each in answer.raise_for_status().json()[noun]}


def test_each_person_reads_their_own(cast: Cast) -> None:
    for path in cast.objects():
        assert cast.ann.client.get(path).status_code == 200, path
    assert cast.ann.client.get("/contacts", params={"email": " ZOE@example.COM "}).json()["total"] == 1


def test_what_is_anothers_is_not_found(cast: Cast) -> None:
    for person in (cast.ben, cast.elsewhere, cast.operator, cast.administrator, cast.everywhere):
        for path in cast.objects():
            answer = person.client.get(path)
            assert answer.status_code == 404, (person.subject, path)
            assert answer.json()["detail"].endswith("not found or you don't have access to it"), path


def test_lists_are_of_ones_own(cast: Cast) -> None:
    me = f"local:{cast.ann.subject}"
    assert owners(cast.ann.client.get("/jobs"), "jobs", "job_user_id") == {me}
    assert owners(cast.ann.client.get("/contacts"), "contacts", "contacts_user_id") == {me}
    assert owners(cast.ann.client.get("/issues"), "issues", "issues_job_id") == {cast.waiting}
    for person in (cast.elsewhere, cast.operator, cast.administrator, cast.everywhere):
        for path, noun in (("/jobs", "jobs"), ("/issues", "issues"), ("/contacts", "contacts")):
            answer = person.client.get(path).json()
            assert (answer[noun], answer["total"]) == ([], 0), (person.subject, path)
        assert person.client.get("/contacts.csv").text.count("\n") == 1
        is_refused(person.client.get("/contacts?email=zoe@example.com"), 404, "not_found")


def test_only_administrators_ask_for_all(cast: Cast) -> None:
    for path in (*cast.objects()[:5], "/jobs", "/issues", "/contacts", "/contacts.csv"):
        is_refused(cast.ann.client.get(path, params={"all": "true"}), 403, "forbidden")


def test_an_administrator_sees_all_of_the_workspace(cast: Cast) -> None:
    client = cast.administrator.client
    theirs = {f"local:{each.subject}" for each in cast.neighbours}
    everything = {"all": "true"}
    jobs = client.get("/jobs", params=everything)
    assert owners(jobs, "jobs", "job_user_id") == theirs
    assert jobs.json()["total"] == len(jobs.json()["jobs"]) == 4
    ids = [each["job_id"] for each in jobs.json()["jobs"]]
    assert ids == sorted(ids, reverse=True)
    contacts = client.get("/contacts", params=everything)
    assert owners(contacts, "contacts", "contacts_user_id") == theirs
    assert contacts.json()["total"] == len(contacts.json()["contacts"]) == 2
    issues = client.get("/issues", params=everything).json()
    assert (issues["total"], issues["unresolved_count"], len(issues["issues"])) == (2, 2, 2)
    assert client.get("/contacts", params={**everything, "email": "ZOE@example.com"}).json()["total"] == 2
    for path in cast.objects():  # of the workspace default
        assert client.get(path, params=everything).status_code == 404, path


def test_who_operates_the_box_sees_all_of_every_workspace(cast: Cast) -> None:
    for person in (cast.operator, cast.everywhere):
        for path in cast.objects():
            assert person.client.get(path, params={"all": "true"}).status_code == 200, path
        found = person.client.get("/contacts", params={"all": "true", "email": "zoe@example.com"}).json()
        assert found["total"] == len(found["contacts"]) == 4
        ids = [each["contact_id"] for each in found["contacts"]]
        assert ids == sorted(ids, reverse=True)
        whole = person.client.get("/contacts", params={"all": "true"}).json()
        one_by_one: list[int] = []
        query: dict[str, str | int] = {"all": "true", "limit": 1}
        for _ in whole["contacts"]:
            part = person.client.get("/contacts", params=query).json()
            one_by_one += [each["contact_id"] for each in part["contacts"]]
            query["cursor"] = part.get("next_cursor", "")
        assert one_by_one == [each["contact_id"] for each in whole["contacts"]]
        assert whole["total"] == len(one_by_one)
        text = person.client.get("/contacts.csv", params={"all": "true"}).text
        assert text.count("\n") == whole["total"] + 1
        assert person.client.get("/issues", params={"all": "true"}).json()["total"] == 3
