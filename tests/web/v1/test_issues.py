"""`/v1/issues`: what waits, and every way in which it stops waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.harness import BoxProcess, post_tickets, ticket, wait_job
from tests.web.v1.support import (
    Json,
    counts,
    everything,
    get,
    numbers,
    partial,
    post,
    refused,
    settled,
    waiting,
)


@pytest.fixture(scope="module")
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    with box.client() as client:
        yield client


def resolve(client: httpx2.Client, issue: Json, **body: object) -> httpx2.Response:
    return client.post(f"/v1/issues/{issue['id']}/resolve", json=body)


def test_an_issue_says_what_is_wrong_and_where(client: httpx2.Client) -> None:
    job = partial(client, "say")
    (issue,) = waiting(client, job)
    assert get(client, f"/v1/issues/{issue['id']}") == issue
    assert (issue["state"], issue["code"], issue["field"]) == ("open", "text_required", "summary")
    assert (issue["job"], issue["index"], issue["family"]) == (job, 2, "feedback")
    assert (issue["resolved_at"], issue["resolution"], issue["resolved_by"]) == (None, None, None)
    for link in issue["links"].values():
        assert client.get(link).status_code == 200
    refused(client.get("/v1/issues/9999999"), 404, "not_found")
    refused(client.get("/v1/issues/x"), 404, "not_found")
    refused(client.get("/v1/issues?job=x"), 404, "job_not_found")


@pytest.mark.parametrize("everywhere", [{}, {"all": "true"}])
def test_the_list_is_narrowed_and_complete(client: httpx2.Client, everywhere: Json) -> None:
    records = [{"id": f"n-{number}", "summary": 1 if number % 2 else " "} for number in range(9)]
    job = post_tickets(client, [*records, ticket(1)], params={"mode": "partial"})["job_id"]
    wait_job(client, job)
    assert resolve(client, waiting(client, job)[0], action="discard").status_code == 200

    def listed(**query: str | int) -> list[int]:
        return numbers(everything(client, "/v1/issues", "issues", limit=2, **query, **everywhere), "index")

    assert listed(job=job) == [8, 7, 6, 5, 4, 3, 2, 1, 0]  # newest first
    assert listed(job=job, state="open") == [8, 7, 6, 5, 4, 3, 2, 1]
    assert listed(job=job, state="resolved") == [0]
    assert listed(job=job, code="wrong_type") == [7, 5, 3, 1]
    assert listed(job=job, code="wrong_type", state="resolved") == []
    newest = everything(client, "/v1/issues", "issues", state="open", family="feedback", **everywhere)
    assert [each["index"] for each in newest if each["job"] == job] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert all(each["state"] == "open" for each in newest)
    ids = numbers(everything(client, "/v1/issues", "issues", limit=3, **everywhere))
    assert ids == sorted(set(ids), reverse=True)


def test_the_list_is_complete_while_issues_come_in(client: httpx2.Client) -> None:
    job = partial(client, "inflow", good=1, bad=30)
    wanted = numbers(waiting(client, job))
    stop = threading.Event()

    def insert() -> None:
        while not stop.is_set():
            partial(client, "inflow-more", good=1, bad=3)

    inserting = threading.Thread(target=insert)
    inserting.start()
    try:
        found = numbers(everything(client, "/v1/issues", "issues", limit=2))
    finally:
        stop.set()
        inserting.join()
    assert set(wanted) <= set(found)
    assert len(set(found)) == len(found)


def test_giving_a_record_up(client: httpx2.Client) -> None:
    job = partial(client, "up")
    (issue,) = waiting(client, job)
    reply = resolve(client, issue, action="discard").json()
    assert (reply["state"], reply["resolution"], reply["resolved_by"]) == (
        "resolved",
        "discard",
        "local:tester",
    )
    found = get(client, f"/v1/jobs/{job}")
    assert (found["state"], counts(found)) == ("completed", (0, 2, 0, 1))
    assert get(client, f"/v1/records/{issue['record']}")["state"] == "discarded"
    refused(resolve(client, issue, action="discard"), 409, "issue_resolved")
    refused(resolve(client, issue, action="retry"), 409, "issue_resolved")
    refused(resolve(client, issue, action="edit", patch={"summary": "x"}), 409, "issue_resolved")
    refused(client.patch(f"/v1/records/{issue['record']}", json={"summary": "x"}), 409, "record_not_waiting")
    (entry,) = [
        each
        for each in get(client, "/v1/audit")["audit"]
        if (each["object"], each["object_id"]) == ("issue", issue["id"])
    ]
    assert (entry["action"], entry["after"]["record"]) == ("issue.discard", issue["record"])


def test_correcting_by_the_issue(client: httpx2.Client) -> None:
    job = partial(client, "edit")
    (issue,) = waiting(client, job)
    refused(resolve(client, issue, action="edit", patch={"id": 5.5}), 422, "validation_failed")
    refused(resolve(client, issue, action="edit"), 422, "validation_failed")
    refused(resolve(client, issue, action="discard", patch={}), 422, "validation_failed")
    refused(resolve(client, issue, action="retry", more=1), 422, "validation_failed")
    refused(resolve(client, issue, action="forget"), 422, "validation_failed")
    stale = {"If-Match": '"another"'}
    path = f"/v1/issues/{issue['id']}/resolve"
    refused(client.post(path, json={"action": "discard"}, headers=stale), 412, "precondition_failed")
    assert resolve(client, issue, action="edit", patch={"summary": "great"}).status_code == 200
    assert counts(settled(client, job)) == (0, 3, 0, 0)
    assert get(client, f"/v1/issues/{issue['id']}")["resolution"] == "edit"
    assert client.get("/api/tickets/edit-2").json()["summary"] == "great"


def test_what_would_not_be_let_in_is_not_tried_again(client: httpx2.Client) -> None:
    job = partial(client, "unfit")
    (issue,) = waiting(client, job)
    told = refused(resolve(client, issue, action="retry"), 422, "validation_failed")
    assert [fault["code"] for fault in told["errors"]] == ["text_required"]
    outcome = post(client, "/v1/issues/bulk", {"ids": [issue["id"]], "action": "retry"})
    assert outcome["outcomes"] == [{"id": issue["id"], "outcome": "validation_failed"}]
    assert counts(get(client, f"/v1/jobs/{job}")) == (0, 2, 1, 0)


def test_of_many_who_decide_at_once_one_wins(client: httpx2.Client) -> None:
    for number in range(5):
        job = partial(client, f"two-{number}")
        (issue,) = waiting(client, job)
        ways: list[Json] = [{"action": "discard"}, {"action": "edit", "patch": {"summary": "good"}}] * 3

        def decide(body: Json, issue: Json = issue) -> httpx2.Response:
            return resolve(client, issue, **body)

        with ThreadPoolExecutor(6) as threads:
            replies = list(threads.map(decide, ways))
        won = [body["action"] for body, reply in zip(ways, replies, strict=True) if reply.status_code == 200]
        assert len(won) == 1
        assert {reply.status_code for reply in replies} == {200, 409}
        wanted = (0, 2, 0, 1) if won == ["discard"] else (0, 3, 0, 0)
        assert counts(settled(client, job)) == wanted
        assert get(client, f"/v1/issues/{issue['id']}")["resolution"] == won[0]


def test_many_at_once(client: httpx2.Client) -> None:
    job = partial(client, "bulk", good=1, bad=130)
    ids = [issue["id"] for issue in waiting(client, job)]
    trying = post(client, "/v1/issues/bulk", {"filter": {"job": job}, "action": "discard", "dry_run": True})
    assert (trying["matched"], trying["resolved"], trying["next_cursor"]) == (130, 0, None)
    assert sorted(each["id"] for each in trying["outcomes"]) == sorted(ids)
    assert counts(get(client, f"/v1/jobs/{job}")) == (0, 1, 130, 0)
    some = [*ids[:3], ids[0], "x", f"0{ids[3]}"]
    named = post(client, "/v1/issues/bulk", {"ids": some, "action": "discard"})
    assert [tuple(each.values()) for each in named["outcomes"]] == [
        (ids[0], "resolved"),
        (ids[1], "resolved"),
        (ids[2], "resolved"),
        ("x", "not_found"),
        (f"0{ids[3]}", "not_found"),
    ]
    again = post(client, "/v1/issues/bulk", {"ids": ids[:4], "action": "discard"})
    assert [each["outcome"] for each in again["outcomes"]] == ["issue_resolved"] * 3 + ["resolved"]
    rest = post(client, "/v1/issues/bulk", {"filter": {"job": job, "code": "none"}, "action": "discard"})
    assert rest["matched"] == 0
    rest = post(client, "/v1/issues/bulk", {"filter": {"job": job}, "action": "discard"})
    assert (rest["matched"], rest["resolved"]) == (126, 126)
    found = get(client, f"/v1/jobs/{job}")
    assert (counts(found), found["state"]) == ((0, 1, 0, 130), "completed")


@pytest.mark.parametrize(
    "body",
    [
        {"action": "discard"},
        {"action": "discard", "ids": ["1"], "filter": {}},
        {"action": "discard", "ids": []},
        {"action": "discard", "ids": ["1"], "cursor": "MQ=="},
        {"action": "discard", "filter": {}, "cursor": "1"},
        {"action": "discard", "ids": ["1"] * 1_001},
        {"action": "edit", "ids": ["1"]},
        {"action": "discard", "filter": {"jobs": "1"}},
        {"ids": ["1"]},
        [],
    ],
)
def test_a_bulk_call_that_makes_no_sense_is_refused(client: httpx2.Client, body: object) -> None:
    refused(client.post("/v1/issues/bulk", json=body), 422, "validation_failed")


def test_a_bulk_call_is_bounded_and_says_that_there_is_more(client: httpx2.Client) -> None:
    jobs = [partial(client, f"bound-{number}", good=1, bad=600) for number in range(2)]
    wanted = {"filter": {"code": "text_required"}, "action": "discard"}
    # None can be tried again as it is: a call that goes on meets each once.
    trying = post(client, "/v1/issues/bulk", {**wanted, "action": "retry"})
    met: set[str] = set()
    while True:
        assert trying["resolved"] == 0
        assert {each["outcome"] for each in trying["outcomes"]} <= {"validation_failed"}
        assert met.isdisjoint(each["id"] for each in trying["outcomes"])
        met |= {each["id"] for each in trying["outcomes"]}
        if trying["next_cursor"] is None:
            break
        body = {**wanted, "action": "retry", "cursor": trying["next_cursor"]}
        trying = post(client, "/v1/issues/bulk", body)
    assert met >= {issue["id"] for job in jobs for issue in waiting(client, job)}
    first = post(client, "/v1/issues/bulk", wanted)
    assert (first["matched"], first["resolved"]) == (1_000, 1_000)
    while first["next_cursor"]:
        first = post(client, "/v1/issues/bulk", {**wanted, "cursor": first["next_cursor"]})
    for job in jobs:
        assert counts(get(client, f"/v1/jobs/{job}")) == (0, 1, 0, 600)
