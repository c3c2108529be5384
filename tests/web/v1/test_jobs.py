"""`/v1/jobs`: lists that lose nothing, cancelling in full flight, processing again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import httpx2
import pytest

from ingestbox.model import Role
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.web.v1.support import (
    CALLS,
    Json,
    counts,
    everything,
    get,
    held,
    numbers,
    partial,
    post,
    refused,
    settled,
    states,
    under_way,
    waiting,
)

SLOWLY = "[work]\nchunk_records = 1\nchildren = 1\n"
"""A record at a time, so that a job of some hundred is under way for a while."""


@pytest.fixture(scope="module")
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    with box.client() as client:
        yield client


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    with running(tmp_path_factory.mktemp("slow"), config=SLOWLY) as box:
        yield box


def many(client: httpx2.Client, prefix: str, count: int = 500) -> str:
    records = [ticket(number, id=f"{prefix}-{number}") for number in range(count)]
    job: str = post_tickets(client, records)["job_id"]
    return job


def test_a_job_says_what_it_is_and_how_far(client: httpx2.Client) -> None:
    job = partial(client, "what", good=3, bad=2)
    found = get(client, f"/v1/jobs/{job}")
    assert counts(found) == (0, 3, 2, 0)
    assert (found["id"], found["family"], found["state"]) == (job, "feedback", "completed")
    assert (found["source"], found["name"], found["progress"]) == ("json_api", "5-records.json", 1.0)
    assert (found["tallies"]["sentiment_records"], found["error"]) == (3, None)
    assert found["created_by"] == "local:tester"
    for link in ("self", "records", "issues"):
        assert client.get(found["links"][link]).status_code == 200


def test_the_list_is_complete_while_jobs_come_in(client: httpx2.Client) -> None:
    before = [post_tickets(client, [ticket(n, id=f"list-{n}")])["job_id"] for n in range(25)]
    stop = threading.Event()

    def insert() -> None:
        number = 0
        while not stop.is_set():
            post_tickets(client, [ticket(number, id="list-more")])
            number += 1

    inserting = threading.Thread(target=insert)
    inserting.start()
    try:
        found = everything(client, "/v1/jobs", "jobs", limit=3)
    finally:
        stop.set()
        inserting.join()
    ids = [each["id"] for each in found]
    assert len(set(ids)) == len(ids)
    assert [each for each in ids if each in before] == before[::-1]  # newest first, each once


@pytest.mark.parametrize("everywhere", [{}, {"all": "true"}])
def test_the_list_is_narrowed_by_family_and_state(client: httpx2.Client, everywhere: Json) -> None:
    good, bad = partial(client, "narrow"), partial(client, "narrow-bad", good=1, bad=1)
    lone = waiting(client, bad)[0]
    post(client, f"/v1/issues/{lone['id']}/resolve", {"action": "discard"})

    def listed(**query: str | int) -> list[str]:
        return [each["id"] for each in everything(client, "/v1/jobs", "jobs", **query, **everywhere)]

    for query in ({"state": "completed"}, {"family": "feedback"}, {"family": "feedback", "limit": 1}):
        assert {good, bad} <= set(listed(**query))
    assert listed(state="review") == listed(state="cancelled", family="feedback") == []
    refused(client.get("/v1/jobs", params={"state": "done"}), 400, "bad_parameter")
    refused(client.get("/v1/jobs", params={"family": "nope"}), 400, "bad_parameter")
    refused(client.get("/v1/jobs", params={"limit": "501"}), 400, "bad_parameter")
    refused(client.get("/v1/jobs", params={"cursor": "x"}), 400, "bad_parameter")


def test_records_are_listed_in_order_with_their_outcomes(client: httpx2.Client) -> None:
    records: list[Json] = [ticket(1, id="o-1"), {"id": "o-2"}, ticket(3, id="o-1"), {"id": 7, "summary": 5}]
    job = post_tickets(client, records, params={"mode": "partial"})["job_id"]
    wait_job(client, job)
    found = everything(client, f"/v1/jobs/{job}/records", "records", limit=1, payload="true")
    assert [(each["index"], each["key"], each["state"]) for each in found] == [
        (0, "o-1", "superseded"),
        (1, "o-2", "issue"),
        (2, "o-1", "done"),
        (3, "7", "issue"),
    ]
    assert [each["payload"] for each in found] == records
    assert [[issue["code"] for issue in each["issues"]] for each in found] == [
        [],
        ["text_required"],
        [],
        ["wrong_type"],
    ]
    for state, wanted in (("issue", [1, 3]), ("done", [2]), ("pending", []), ("superseded", [0])):
        page = everything(client, f"/v1/jobs/{job}/records", "records", state=state, limit=1)
        assert [each["index"] for each in page] == wanted
        assert all("payload" not in each for each in page)
    first = get(client, f"/v1/jobs/{job}/records")
    assert (first["total"], first["counts"]["issue"], first["next_cursor"]) == (4, 2, None)


def test_what_is_out_of_sight_does_not_exist(box: BoxProcess, client: httpx2.Client) -> None:
    job = partial(client, "sight", good=1)
    issue = waiting(client, job)[0]
    delivery = get(client, "/v1/deliveries", limit=1)["deliveries"][0]["seq"]
    names = {"job": job, "record": issue["record"], "issue": issue["id"], "delivery": delivery}
    bodies = {"PATCH": {"summary": "mine"}, "POST": {"action": "discard"}}
    with box.client(workspace="elsewhere") as other:
        for method, path in CALLS:
            reply = other.request(method, path.format(**names), json=bodies.get(method))
            assert reply.status_code == 404, (method, path, reply.text)
        assert get(other, "/v1/jobs")["jobs"] == get(other, "/v1/issues")["issues"] == []
        assert get(other, "/v1/deliveries")["deliveries"] == []
        bulk = post(other, "/v1/issues/bulk", {"ids": [issue["id"]], "action": "discard"})
        assert bulk["outcomes"] == [{"id": issue["id"], "outcome": "not_found"}]
        bulk = post(other, "/v1/issues/bulk", {"filter": {}, "action": "discard"})
        assert bulk["matched"] == 0
        assert get(client, f"/v1/issues/{issue['id']}")["state"] == "open"  # nothing was done
        assert get(other, "/v1/jobs", all="true")["jobs"] == []  # it administers its own workspace
        assert other.get(f"/v1/jobs/{job}?all=true").status_code == 404
    with box.client(workspace="*") as every:
        assert job in [each["id"] for each in get(every, "/v1/jobs", all="true")["jobs"]]
        for method, path in CALLS:
            if method == "GET" and "events" not in path:
                place = path.format(**names)
                place += "&all=true" if "?" in place else "?all=true"
                assert every.get(place).status_code == 200, place
    with box.client(Role.ANALYST, workspace="elsewhere") as analyst:
        refused(analyst.get(f"/v1/jobs/{job}?all=true"), 403, "forbidden")


def test_who_may_only_send_reads_no_records(box: BoxProcess, client: httpx2.Client) -> None:
    job = partial(client, "roles", good=1)
    issue = waiting(client, job)[0]
    with box.client(Role.INGEST) as sender:
        assert get(sender, f"/v1/jobs/{job}")["id"] == job
        for method, path in CALLS:
            if "records" in path or "issues" in path or "deliveries" in path or "reprocess" in path:
                place = path.format(job=job, record=issue["record"], issue=issue["id"], delivery="1")
                refused(sender.request(method, place), 403, "forbidden")


def test_cancelling_in_full_flight(slow: BoxProcess) -> None:
    with slow.client() as client:
        records = [ticket(number, id=f"flight-{number}") for number in range(400)] + [{"id": "flight-bad"}]
        job = post_tickets(client, records, params={"mode": "partial"})["job_id"]
        under_way(client, job)
        with held(slow):
            cancelled = post(client, f"/v1/jobs/{job}/cancel")
        pending, finished, waits, discarded = counts(cancelled)
        assert (cancelled["state"], pending, waits) == ("cancelled", 0, 0)
        assert 0 < finished < 400
        assert finished + discarded == 401
        assert cancelled["error"] == "The job was cancelled."
        # The worker lets go: the next job is done, and nothing of the first is settled any more.
        wait_job(client, post_tickets(client, [ticket(1, id="flight-next")])["job_id"])
        assert counts(get(client, f"/v1/jobs/{job}")) == (0, finished, 0, discarded)
        assert sorted(set(states(client, job))) == ["discarded", "done"]
        tickets = everything(client, "/api/tickets", "results", limit=500)
        ours = [each for each in tickets if each["ticket_id"].startswith("flight-")]
        assert len(ours) == finished + 1
        assert waiting(client, job) == []
        assert get(client, "/v1/issues", job=job)["issues"][0]["resolution"] == "cancel"
        assert get(client, f"/v1/records/{waiting_record(client, job)}")["state"] == "discarded"
        # Once more is the same; the family's clients see that it is over.
        assert post(client, f"/v1/jobs/{job}/cancel") == get(client, f"/v1/jobs/{job}")
        assert client.get(f"/api/job/{job}").json()["status"] == "failed"
        refused(client.post(f"/v1/jobs/{job}/reprocess"), 409, "job_cancelled")
        trail = [each["action"] for each in get(client, "/v1/audit")["audit"] if each["object_id"] == job]
        assert trail == ["job.cancel"]


def waiting_record(client: httpx2.Client, job: str) -> str:
    record: str = get(client, "/v1/issues", job=job)["issues"][0]["record"]
    return record


def test_a_job_at_its_end_cannot_be_cancelled(client: httpx2.Client) -> None:
    job = partial(client, "late")
    refused(client.post(f"/v1/jobs/{job}/cancel"), 409, "job_ended")
    assert counts(get(client, f"/v1/jobs/{job}")) == (0, 2, 1, 0)


def test_a_kill_in_the_middle_of_cancelling_leaves_nothing_pending(own_box: BoxProcess) -> None:
    own_box.configure(SLOWLY + "[limits]\nfeedback_records = 20000\n")
    own_box.start()
    with own_box.client() as client:
        job = many(client, "kill", 20_000)
        under_way(client, job)
        calling = threading.Thread(target=_ignoring, args=(client, f"/v1/jobs/{job}/cancel"))
        calling.start()
        until(lambda: get(client, f"/v1/jobs/{job}")["state"] == "cancelled", "it is cancelled")
        own_box.kill()
        calling.join()
    own_box.start()
    with own_box.client() as client:

        def over() -> Json | None:
            found = get(client, f"/v1/jobs/{job}")
            return found if found["processed"] == found["total"] else None

        found = until(over, "what was left is discarded")
        _, finished, _, discarded = counts(found)
        assert (found["state"], finished + discarded) == ("cancelled", 20_000)
        assert get(client, "/api/tickets")["total"] == finished


def _ignoring(client: httpx2.Client, path: str) -> None:
    with contextlib.suppress(httpx2.TransportError):
        client.post(path)


def test_processing_all_again_makes_new_versions_but_never_over_a_later_intake(client: httpx2.Client) -> None:
    job = partial(client, "again", good=3)
    later = post_tickets(client, [ticket(9, id="again-1", summary="A later word")])["job_id"]
    wait_job(client, later)
    newest = get(client, "/v1/deliveries", limit=1)["deliveries"][0]
    answer = post(client, f"/v1/jobs/{job}/reprocess", records="all")
    assert answer["state"] in ("queued", "running", "completed")
    found = settled(client, job)
    assert counts(found) == (0, 3, 1, 0)
    assert found["tallies"]["sentiment_records"] == 3  # counted anew, not twice
    assert states(client, job) == ["done", "superseded", "done", "issue"]
    made = [
        (each["object_id"], each["version"])
        for each in everything(client, "/v1/deliveries", "deliveries")
        if int(each["seq"]) > int(newest["seq"])
    ]
    assert sorted(made) == [("again-0", 2), ("again-2", 2)]
    assert client.get("/api/tickets/again-1").json()["summary"] == "A later word"
    # What the machine can do nothing about stays an issue, the same one.
    assert [each["code"] for each in waiting(client, job)] == ["text_required"]
    trail = [each for each in get(client, "/v1/audit")["audit"] if each["object_id"] == job]
    assert [(each["action"], each["after"]) for each in trail] == [
        ("job.reprocess", {"state": "queued", "records": "all"})
    ]


def test_processing_again_without_an_issue_changes_nothing(client: httpx2.Client) -> None:
    job = partial(client, "none", bad=0)
    before = get(client, f"/v1/jobs/{job}")
    assert post(client, f"/v1/jobs/{job}/reprocess") == before
    refused(client.post(f"/v1/jobs/{job}/reprocess?records=some"), 400, "bad_parameter")


def test_a_job_under_way_is_not_processed_again(slow: BoxProcess) -> None:
    with slow.client() as client:
        job = many(client, "active")
        under_way(client, job)
        with held(slow):
            refused(client.post(f"/v1/jobs/{job}/reprocess?records=all"), 409, "job_active")
        assert counts(settled(client, job)) == (0, 500, 0, 0)


def test_a_discarded_record_is_not_brought_back(client: httpx2.Client) -> None:
    job = partial(client, "gone")
    post(client, f"/v1/issues/{waiting(client, job)[0]['id']}/resolve", {"action": "discard"})
    post(client, f"/v1/jobs/{job}/reprocess", records="all")
    assert counts(settled(client, job)) == (0, 2, 0, 1)


def test_a_page_with_payloads_is_bounded_in_bytes(client: httpx2.Client) -> None:
    records = [ticket(number, id=f"wide-{number}", note="n" * 1_900_000) for number in range(5)]
    job = post_tickets(client, records)["job_id"]
    settled(client, job)
    first = get(client, f"/v1/jobs/{job}/records", payload="true")
    assert numbers(first["records"], "index") == [0, 1]
    found = everything(client, f"/v1/jobs/{job}/records", "records", payload="true")
    assert [each["payload"] for each in found] == records


def test_pages_of_records_do_not_overlap(client: httpx2.Client) -> None:
    job = many(client, "pages", 60)
    settled(client, job)
    found = everything(client, f"/v1/jobs/{job}/records", "records", limit=7)
    assert numbers(found, "index") == list(range(60))
