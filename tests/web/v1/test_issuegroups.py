"""`/v1/issues/groups`, and what a list of issues can say besides: the order, the values, the history."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from ingestbox.model import Role
from ingestbox.store import DATABASE, load_queries
from ingestbox.store.engine import connect_reader
from tests.harness import BoxProcess, post_tickets, ticket, wait_job
from tests.web.v1.imports import open_issues, person, row, upload
from tests.web.v1.support import Json, everything, get, numbers, partial, post, refused, waiting


@pytest.fixture(scope="module")
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    with box.client() as client:
        yield client


def groups(client: httpx2.Client, **query: str | int) -> dict[str, dict[str, int]]:
    """Job → code → how many are open, of all pages."""
    found = everything(client, "/v1/issues/groups", "groups", **query)
    assert all(each["open"] == sum(kind["open"] for kind in each["kinds"]) for each in found)
    return {each["job"]: {kind["code"]: kind["open"] for kind in each["kinds"]} for each in found}


def mixed(client: httpx2.Client) -> str:
    """A job with five open issues of two codes."""
    records: list[Json] = [{"id": f"m-{number}", "summary": 1 if number < 2 else " "} for number in range(5)]
    records.append(ticket(1, id="m-fine"))
    job: str = post_tickets(client, records, params={"mode": "partial"})["job_id"]
    wait_job(client, job)
    return job


def test_open_issues_are_counted_by_job_and_code(client: httpx2.Client) -> None:
    first, second = mixed(client), partial(client, "g", bad=2)
    found = groups(client, limit=1)
    assert found[first] == {"text_required": 3, "wrong_type": 2}
    assert found[second] == {"text_required": 2}
    assert list(found).index(second) < list(found).index(first), "newest first"
    assert groups(client, job=first) == {first: {"text_required": 3, "wrong_type": 2}}
    assert groups(client, job=first, code="wrong_type") == {first: {"wrong_type": 2}}
    assert groups(client, job=second, code="wrong_type") == {}
    assert first not in groups(client, family="contacts")
    post(client, f"/v1/issues/{waiting(client, second)[0]['id']}/resolve", {"action": "discard"})
    assert groups(client, job=second) == {second: {"text_required": 1}}
    post(client, f"/v1/issues/{waiting(client, second)[0]['id']}/resolve", {"action": "discard"})
    assert groups(client, job=second) == {}, "a job without open issues is no group"
    refused(client.get("/v1/issues/groups?job=x"), 404, "job_not_found")
    refused(client.get("/v1/issues/groups?family=x"), 400, "bad_parameter")


def test_groups_are_those_in_sight(box: BoxProcess, client: httpx2.Client) -> None:
    job = mixed(client)
    with person(box, "groups-anna") as anna, person(box, "groups-ben") as ben:
        imported = upload(anna, "anna", [row(""), row("x")])["id"]
        assert set(groups(anna)) >= {job, imported}
        assert imported not in groups(ben)
        refused(ben.get(f"/v1/issues/groups?job={imported}"), 404, "job_not_found")
    with box.client(workspace="groups-elsewhere") as elsewhere:
        assert groups(elsewhere) == {}
    assert imported not in groups(client)
    assert imported in groups(client, all="true")
    with person(box, "groups-carl", Role.UPLOADER) as carl:
        assert job not in groups(carl), "who may only upload sees their own"
        refused(carl.get("/v1/issues/groups?all=true"), 403, "forbidden")
    with person(box, "groups-dora", Role.INGEST) as dora:
        refused(dora.get("/v1/issues/groups"), 403, "forbidden")


def test_groups_and_kinds_are_found_by_seeks(box: BoxProcess, client: httpx2.Client) -> None:
    mixed(client)
    queries = load_queries({})
    connection = connect_reader(box.data / DATABASE)
    try:
        for name in ("next_open_job", "open_kinds", "open_of_one_kind", "open_of_kind", "open_of_kind_up"):
            query = queries[f"issues.{name}"]
            steps = connection.execute(f"EXPLAIN QUERY PLAN {query.sql}", (1,) * len(query.names))
            plan = [step[3] for step in steps]
            assert all(step.startswith("SEARCH") for step in plan), (name, plan)
            assert any("issues_open_by_job" in step for step in plan), (name, plan)
            assert "COVERING" in plan[0] or name.startswith("open_of_kind"), (name, plan)
    finally:
        connection.close()


def test_a_jobs_issues_are_listed_oldest_first_too(client: httpx2.Client) -> None:
    job = mixed(client)
    for narrow in ({}, {"state": "open"}, {"state": "open", "code": "text_required"}):
        newest = numbers(everything(client, "/v1/issues", "issues", job=job, limit=2, **narrow))
        oldest = everything(client, "/v1/issues", "issues", job=job, limit=2, order="oldest", **narrow)
        assert numbers(oldest) == newest[::-1]
        assert len(newest) == (3 if "code" in narrow else 5)
    refused(client.get("/v1/issues?order=oldest"), 400, "bad_parameter")
    refused(client.get("/v1/issues?order=x"), 400, "bad_parameter")


def test_a_list_says_what_each_issue_is_about(box: BoxProcess, client: httpx2.Client) -> None:
    job = mixed(client)
    found = get(client, "/v1/issues", job=job, order="oldest", values="true")["issues"]
    assert [each["value"] for each in found] == ["1", "1", " ", " ", " "]
    assert "value" not in get(client, "/v1/issues", job=job)["issues"][0]
    with person(box, "values") as someone:
        rows = [row("x" * 300), row("d@example.com"), row("D@example.com", last="X"), "a,b,c,d,e"]
        imported = upload(someone, "values", rows)["id"]
        told = get(someone, "/v1/issues", job=imported, values="true")["issues"]
        values = {each["code"]: each["value"] for each in told}
        assert values == {
            "invalid_email": "x" * 200,
            "duplicate_email": "d@example.com",
            "too_many_cells": "a,b,c,d,e",
        }


def test_who_changed_what_of_an_issue_is_told_to_who_sees_it(box: BoxProcess, client: httpx2.Client) -> None:
    with person(box, "history-anna") as anna, person(box, "history-ben") as ben:
        job = upload(anna, "history", [row("x")])["id"]
        issue = open_issues(anna, job)["invalid_email"]
        path = f"/v1/issues/{issue['id']}/history"
        assert get(anna, path) == {"audit": []}
        body = {"action": "edit", "patch": {"email": "x@example.com"}, "comment": "asked her"}
        post(anna, f"/v1/issues/{issue['id']}/resolve", body)
        lines = get(anna, path)["audit"]
        assert [(line["object"], line["action"]) for line in lines] == [
            ("issue", "issue.edit"),
            ("record", "staging.edit"),
        ]
        assert {line["row"] for line in lines} == {None, 1}
        assert lines[1]["after"]["email"] == "x@example.com"
        refused(ben.get(path), 404, "not_found")
    with box.client(workspace="history-elsewhere") as elsewhere:
        refused(elsewhere.get(path), 404, "not_found")
    assert len(get(client, path, all="true")["audit"]) == 2
