"""`/v1/issues/{id}/resolve` for rows that wait for each other: correct, keep one, update what exists; and
what is said of it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from ingestbox.model import Role
from tests.harness import BoxProcess
from tests.web.v1.imports import open_issues, person, records, row, still, upload
from tests.web.v1.support import Json, get, partial, post, refused, waiting


@pytest.fixture
def anna(box: BoxProcess, request: pytest.FixtureRequest) -> Iterator[httpx2.Client]:
    with person(box, f"resolving-{request.node.name}") as client:
        yield client


def resolve(client: httpx2.Client, issue: Json, etag: str = "", **body: object) -> httpx2.Response:
    headers = {"If-Match": etag} if etag else {}
    return client.post(f"/v1/issues/{issue['id']}/resolve", json=body, headers=headers)


def states(client: httpx2.Client, job: str) -> list[str]:
    return [each["state"] for each in records(client, job)]


def contacts(client: httpx2.Client) -> dict[str, str]:
    found = client.get("/contacts").json()["contacts"]
    return {each["contact_email"]: each["contact_last_name"] for each in found}


def go_on(client: httpx2.Client, job: str) -> str:
    post(client, f"/v1/jobs/{job}/reprocess")
    state: str = still(client, job)["state"]
    return state


def test_a_corrected_row_resolves_its_issue(anna: httpx2.Client) -> None:
    job = upload(anna, "correct", [row("x"), row("fine@example.com")])["id"]
    issue = open_issues(anna, job)["invalid_email"]
    wrong = resolve(anna, issue, action="edit", patch={"email": "y"})
    assert refused(wrong, 422, "validation_failed")["errors"][0]["field"] == "email"
    right = resolve(anna, issue, action="edit", patch={"email": "x@example.com"}, comment="by phone")
    assert right.status_code == 200, right.text
    told = right.json()
    assert (told["state"], told["resolution"], told["comment"]) == ("resolved", "manual", "by phone")
    assert get(anna, f"/v1/jobs/{job}")["staging"]["open_issues"] == 0
    refused(resolve(anna, issue, action="edit", patch={"email": "z@example.com"}), 409, "issue_resolved")
    assert go_on(anna, job) == "completed"
    assert set(contacts(anna)) == {"x@example.com", "fine@example.com"}


def test_if_match_may_be_the_rows_or_the_issues(anna: httpx2.Client) -> None:
    job = upload(anna, "etags", [row("x"), row("y", company="")])["id"]
    issue, other = open_issues(anna, job)["invalid_email"], open_issues(anna, job)["missing_required_field"]
    seen = anna.get(f"/v1/records/{issue['record']}").headers["etag"]
    assert anna.patch(f"/v1/records/{issue['record']}", json={"first_name": "B"}).status_code == 422
    anna.put(f"/staging/{issue['record']}", json={"staging_company": "Other"}).raise_for_status()
    stale = resolve(anna, issue, seen, action="edit", patch={"email": "x@example.com"})
    refused(stale, 412, "precondition_failed")
    fresh = anna.get(f"/v1/records/{issue['record']}").headers["etag"]
    weak = resolve(anna, issue, f"W/{fresh}", action="edit", patch={"email": "x@example.com"})
    refused(weak, 412, "precondition_failed")
    done = resolve(anna, issue, fresh, action="edit", patch={"email": "x@example.com"})
    assert done.json()["state"] == "resolved"
    tag = anna.get(f"/v1/issues/{other['id']}").headers["etag"]
    change = {"email": "y@example.com", "company": "C"}
    assert resolve(anna, other, tag, action="edit", patch=change).json()["state"] == "resolved"


def test_of_rows_that_repeat_each_other_one_is_kept(anna: httpx2.Client) -> None:
    rows = [row("d@example.com", last=name) for name in "ABC"] + [row("fine@example.com")]
    job = upload(anna, "keep", rows)["id"]
    issue = open_issues(anna, job)["duplicate_email"]
    second, fine = (records(anna, job)[place]["id"] for place in (1, 3))
    refused(resolve(anna, issue, action="keep"), 422, "validation_failed")
    refused(resolve(anna, issue, action="keep", record="x"), 422, "validation_failed")
    refused(resolve(anna, issue, action="keep", record=fine), 409, "record_not_waiting")
    refused(resolve(anna, issue, '"x"', action="keep", record=second), 412, "precondition_failed")
    assert states(anna, job) == ["issue", "issue", "issue", "pending"]
    told = resolve(anna, issue, action="keep", record=second, comment="the newest")
    assert (told.json()["state"], told.json()["comment"]) == ("resolved", "the newest")
    assert states(anna, job) == ["discarded", "pending", "discarded", "pending"]
    assert go_on(anna, job) == "completed"
    assert contacts(anna) == {"d@example.com": "B", "fine@example.com": "Lee"}


def test_of_several_rows_the_one_is_corrected_that_is_named(anna: httpx2.Client) -> None:
    rows = [row("d@example.com", last=name) for name in "ABC"]
    job = upload(anna, "named", rows)["id"]
    issue = open_issues(anna, job)["duplicate_email"]
    first, second, _ = (each["id"] for each in records(anna, job))
    change: Json = {"action": "edit", "patch": {"email": "a@example.com"}}
    refused(resolve(anna, issue, **change), 422, "validation_failed")
    assert resolve(anna, issue, record=first, **change).json()["state"] == "open", "two repeat each other"
    refused(resolve(anna, issue, record=first, **change), 409, "record_not_waiting")
    same = resolve(anna, issue, record=second, action="edit", patch={"last_name": "Z"})
    assert same.json()["state"] == "open", "it has the same address still"
    assert go_on(anna, job) == "review"
    change = {"action": "edit", "patch": {"email": "b@example.com"}}
    assert resolve(anna, issue, record=second, **change).json()["state"] == "resolved", "one may stay"
    assert go_on(anna, job) == "completed"
    assert contacts(anna) == {"a@example.com": "A", "b@example.com": "Z", "d@example.com": "C"}


def test_a_row_updates_what_exists_under_its_key(anna: httpx2.Client) -> None:
    assert upload(anna, "before", [row("e@example.com", last="Old")])["state"] == "completed"
    job = upload(anna, "after", [row("E@example.com", last="New"), row("x")])["id"]
    issue, other = open_issues(anna, job)["existing_email"], open_issues(anna, job)["invalid_email"]
    refused(resolve(anna, other, action="update"), 422, "issue_not_existing")
    refused(resolve(anna, issue, '"x"', action="update"), 412, "precondition_failed")
    refused(resolve(anna, issue, action="update", record=issue["record"]), 422, "validation_failed")
    tag = anna.get(f"/v1/issues/{issue['id']}").headers["etag"]
    told = resolve(anna, issue, tag, action="update").json()
    assert (told["state"], told["resolution"]) == ("resolved", "update_existing")
    assert resolve(anna, other, action="discard", comment="no address").json()["comment"] == "no address"
    assert go_on(anna, job) == "completed"
    assert list(contacts(anna).values()) == ["New"]


def test_only_editors_decide_about_rows(box: BoxProcess, anna: httpx2.Client) -> None:
    with person(box, "resolving-reader", Role.UPLOADER, Role.ANALYST) as reader:
        job = upload(reader, "reader", [row("d@example.com"), row("d@example.com", last="X"), row("x")])["id"]
        found = open_issues(reader, job)
        duplicate, invalid = found["duplicate_email"], found["invalid_email"]
        refused(resolve(reader, duplicate, action="keep", record=duplicate["record"]), 403, "forbidden")
        refused(resolve(reader, duplicate, action="update"), 403, "forbidden")
        refused(resolve(reader, invalid, action="edit", patch={"email": "x@example.com"}), 403, "forbidden")
        assert states(reader, job) == ["issue"] * 3
        refused(resolve(anna, duplicate, action="discard"), 404, "not_found")


def test_what_is_said_of_a_record_is_kept_by_its_issue(box: BoxProcess) -> None:
    with box.client() as client:
        job = partial(client, "said", bad=3)
        first, second, third = waiting(client, job)
        body: Json = {"action": "discard", "comment": "spam\u202e<b>"}
        told = post(client, f"/v1/issues/{first['id']}/resolve", body)
        assert (told["state"], told["comment"]) == ("resolved", "spam\u202e<b>")
        edit: Json = {"action": "edit", "patch": {"summary": "good"}, "comment": "asked"}
        told = post(client, f"/v1/issues/{second['id']}/resolve", edit)
        assert (told["resolution"], told["comment"]) == ("edit", "asked")
        line = get(client, f"/v1/issues/{first['id']}/history")["audit"][0]
        assert line["after"]["comment"] == "spam\u202e<b>"
        for wrong in ({"action": "discard", "comment": "x" * 2_001}, {"action": "keep", "record": "1"}):
            refused(resolve(client, third, **wrong), 422, "validation_failed")
        refused(resolve(client, third, action="update"), 422, "validation_failed")
        refused(resolve(client, third, action="discard", record=third["record"]), 422, "validation_failed")
        assert get(client, f"/v1/issues/{third['id']}")["state"] == "open"
