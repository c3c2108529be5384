"""A record that was wrong, from its batch to the upstream: a person corrects it, and it goes on as all do."""

from __future__ import annotations

from pathlib import Path

import httpx2

from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.journeys.upstream import Upstream, upstream
from tests.web.v1.support import counts, get, post, settled, waiting


def lane(url: str) -> str:
    return f'[[lanes]]\nname = "up"\nurl = "{url}"\nbackoff_seconds = 0.02\n'


def taken(server: Upstream) -> dict[str, str]:
    """What the upstream was told last of each ticket: its summary."""
    lines = [line for batch in server.taken for line in batch.lines]
    return {line["id"]: line["record"]["summary"] for line in lines}


def batch(client: httpx2.Client) -> str:
    records: list[dict[str, object]] = [
        ticket(1),
        {"id": "T-2", "summary": "", "priority": "high"},
        {"id": 3, "comments": "none"},
    ]
    answer = post_tickets(client, records, params={"mode": "partial"})
    assert [each["outcome"] for each in answer["outcomes"]] == ["accepted", "rejected", "rejected"]
    job: str = answer["job_id"]
    wait_job(client, job)
    return job


def test_a_rejected_record_is_corrected_analysed_and_delivered(tmp_path: Path) -> None:
    with upstream() as server, running(tmp_path, config=lane(server.url)) as box, box.client() as client:
        job = batch(client)
        until(lambda: set(taken(server)) == {"T-1"}, "the good one is delivered, and only that")
        errors = client.get(f"/api/job/{job}").json()["errors"]
        assert [error["index"] for error in errors] == [1, 2]
        first, second = waiting(client, job)

        record = client.get(first["links"]["record"])
        reply = client.patch(
            first["links"]["record"],
            json={"summary": "The delivery was late, which is terrible"},
            headers={"If-Match": record.headers["etag"]},
        )
        assert reply.status_code == 200, reply.text
        until(lambda: "T-2" in taken(server), "the corrected one is delivered")
        line = next(line for each in server.taken for line in each.lines if line["id"] == "T-2")
        assert line["record"] == {
            "id": "T-2",
            "summary": "The delivery was late, which is terrible",
            "priority": "high",
        }
        assert line["result"]["sentiment"] == "negative"
        assert (line["job_id"], line["lineage"]["row"]) == (job, 1)
        found = client.get("/api/tickets/T-2").json()
        assert (found["sentiment"], found["extra"]) == ("negative", {"priority": "high"})

        post(client, f"/v1/issues/{second['id']}/resolve", {"action": "discard"})
        assert counts(get(client, f"/v1/jobs/{job}")) == (0, 2, 0, 1)
        status = client.get(f"/api/job/{job}").json()
        assert (status["status"], status["errors"], status["records_processed"]) == ("completed", [], 3)
        actions = [entry["action"] for entry in get(client, "/v1/audit")["audit"]]
        assert actions[:2] == ["issue.discard", "record.edit"]


def test_kills_all_along_the_way_lose_nothing(tmp_path: Path) -> None:
    with upstream() as server:
        box = BoxProcess(tmp_path, config=lane(server.url)).start()
        try:
            with box.client() as client:
                job = batch(client)
                links = [issue["links"]["record"] for issue in waiting(client, job)]
            again(box)
            with box.client() as client:
                assert client.patch(links[0], json={"summary": "good"}).status_code == 200
            again(box)
            with box.client() as client:
                body = {"summary": "fine", "comments": ["none"]}
                assert client.patch(links[1], json=body).status_code == 200
            again(box)
            wanted = {"T-1": ticket(1)["summary"], "T-2": "good", "3": "fine"}
            until(lambda: taken(server) == wanted, "each is delivered as it was corrected")
            with box.client() as client:
                assert counts(settled(client, job)) == (0, 3, 0, 0)
                assert get(client, "/api/tickets")["total"] == 3
        finally:
            box.close()


def again(box: BoxProcess) -> None:
    """`kill -9`, and the next start."""
    box.kill()
    box.start()
