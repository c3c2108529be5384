"""What an upstream can do to a box, through the front door: nothing lost, nothing doubled, order kept."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import httpx2

from ingestbox.model import Role
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.journeys.upstream import Answer, Upstream, upstream


def lane(url: str, **settings: object) -> str:
    """Configuration of one lane that tries again quickly."""
    quick: dict[str, object] = {
        "backoff_seconds": 0.02,
        "probe_seconds": 0.1,
        "timeout_seconds": 5.0,
        **settings,
    }
    lines = [f'[[lanes]]\nname = "up"\nurl = "{url}"\ntoken = "the-upstream-token"']
    lines += [f"{name} = {value}" for name, value in quick.items()]
    return "\n".join(lines) + "\n"


def lane_state(client: httpx2.Client) -> dict[str, Any]:
    state: dict[str, Any] = client.get("/v1/stats").raise_for_status().json()["lanes"][0]
    return state


def deliver(client: httpx2.Client, first: int, count: int) -> None:
    """Posts tickets in batches and waits until they are analysed."""
    for start in range(first, first + count, 50):
        records = [ticket(number) for number in range(start, min(start + 50, first + count))]
        wait_job(client, post_tickets(client, records)["job_id"])


def drained(client: httpx2.Client, count: int) -> dict[str, Any]:
    def done() -> dict[str, Any] | None:
        state = lane_state(client)
        return state if state["delivered"] == count else None

    return until(done, f"{count} deliveries are taken")


def assert_complete(server: Upstream, count: int) -> None:
    """What was taken is each seq once, in order, in an unbroken chain of sound batches."""
    assert [seq for batch in server.taken for seq in batch.seqs] == list(range(1, count + 1))
    last = 0
    for batch in server.taken:
        assert batch.digest_ok
        assert batch.after == last
        last = batch.seqs[-1]
        assert batch.headers["ingestbox-seq"] == f"{batch.seqs[0]}-{last}"
        box, epoch = batch.headers["ingestbox-box"], batch.headers["ingestbox-epoch"]
        assert batch.headers["idempotency-key"] == f"{box}-{epoch}-up-{batch.seqs[0]}-{last}"
        assert batch.headers["authorization"] == "Bearer the-upstream-token"
        assert batch.headers["content-type"] == "application/x-ndjson"


def test_failures_are_retried_until_all_is_taken(tmp_path: Path) -> None:
    never = threading.Event()
    plan = {
        0: Answer(500),
        1: Answer(502, body=b"<html>bad gateway</html>"),
        2: Answer(cut=True),
        3: Answer(429, {"Retry-After": "1"}),
        4: Answer(200, truncate=True, body=b'{"accepted": 1}'),
        5: Answer(hold=never, cut=True),  # slower than the lane's patience
        6: Answer(408),
        7: Answer(425),
        8: Answer(503, {"Retry-After": "0"}),
        9: Answer(409, {"Retry-After": "0"}),
    }
    with upstream(lambda number: plan.get(number, Answer())) as server:
        settings = lane(server.url, timeout_seconds=1.0, batch_lines=40)
        with running(tmp_path, config=settings) as box, box.client() as client:
            deliver(client, 0, 200)
            state = drained(client, 200)
            never.set()
            assert (state["pending"], state["parked"], state["state"]) == (0, 0, "running")
            assert_complete(server, 200)
            # The ten that failed were one batch, sent again unchanged.
            assert len({tuple(batch.seqs) for batch in server.seen[:11]}) == 1


def test_an_upstream_that_is_away_gets_everything_later(tmp_path: Path) -> None:
    with upstream() as server:
        url = server.url
    # Nobody listens there now.
    with running(tmp_path, config=lane(url)) as box, box.client() as client:
        deliver(client, 0, 100)
        state = until(lambda: (s := lane_state(client))["state"] == "retrying" and s, "the lane tries again")
        assert (state["pending"], state["delivered"]) == (100, 0)
        assert client.get("/readyz").status_code == 200  # an upstream's absence is not the box's illness
    with upstream() as server:
        restarted = BoxProcess(tmp_path, config=lane(server.url)).start()
        try:
            with restarted.client() as client:
                deliver(client, 100, 50)
                drained(client, 150)
                assert_complete(server, 150)
        finally:
            restarted.close()


def test_a_refusal_pauses_the_lane_and_a_probe_resumes_it(tmp_path: Path) -> None:
    refusing = threading.Event()
    refusing.set()
    statuses = [401, 403, 404, 405, 301, 400, 422]

    def plan(number: int) -> Answer:
        if refusing.is_set():
            return Answer(statuses[number % len(statuses)], {"Location": "http://127.0.0.1:9/"})
        return Answer()

    with upstream(plan) as server, running(tmp_path, config=lane(server.url)) as box, box.client() as client:
        deliver(client, 0, 60)
        until(lambda: len(server.seen) >= len(statuses), "every refusal was met by a probe")
        state = until(lambda: (s := lane_state(client))["state"] == "paused" and s, "the lane is paused")
        assert state["reason"]
        assert (state["pending"], state["delivered"], state["parked"]) == (60, 0, 0)  # nothing dropped
        health = client.get("/health")
        assert (health.status_code, health.json()["status"]) == (200, "degraded")
        refusing.clear()
        drained(client, 60)
        assert_complete(server, 60)
        until(lambda: client.get("/health").json()["status"] == "healthy", "the alarm is over")
        alarms = [
            line for line in box.log.read_text().splitlines() if '"ERROR"' in line or '"WARNING"' in line
        ]
        assert len(alarms) < len(statuses) + 5  # once for each change, not for each try


def test_what_the_upstream_rejects_is_kept_and_the_rest_goes_on(tmp_path: Path) -> None:
    body = b'{"rejected": [{"seq": 2, "code": "family_unknown", "message": "no such family"}]}'
    plan = {0: Answer(200, body=body)}
    with (
        upstream(lambda number: plan.get(number, Answer())) as server,
        running(tmp_path, config=lane(server.url)) as box,
        box.client() as client,
    ):
        wait_job(client, post_tickets(client, [ticket(number) for number in range(5)])["job_id"])
        until(lambda: lane_state(client)["pending"] == 0, "all is decided")
        state = lane_state(client)
        assert (state["delivered"], state["parked"]) == (4, 1)
        assert client.get("/v1/doctor").json()["ok"]


def test_gzip_after_a_415(tmp_path: Path) -> None:
    with (
        upstream(lambda number: Answer(415) if number == 0 else Answer()) as server,
        running(tmp_path, config=lane(server.url)) as box,
        box.client() as client,
    ):
        wait_job(client, post_tickets(client, [ticket(1)])["job_id"])
        until(lambda: len(server.seen) >= 2, "the batch is sent again")
        codings = [batch.headers.get("content-encoding") for batch in server.seen[:2]]
        assert codings == ["zstd", "gzip"]


def test_a_scheduled_lane_waits_for_its_time(tmp_path: Path) -> None:
    with upstream() as server:
        settings = lane(server.url, schedule='"every 2 s"')
        with running(tmp_path, config=settings) as box, box.client() as client:
            deliver(client, 0, 150)
            drained(client, 150)
            assert_complete(server, 150)
            assert len(server.seen) <= 3  # three jobs, gathered


def test_the_receiver_takes_only_forwarders_of_the_workspace(tmp_path: Path) -> None:
    with running(tmp_path / "central") as central:
        wrong = central.token(Role.FORWARDER, workspace="another")
        config = lane(f"{central.url}/v1/sync/batches").replace("the-upstream-token", wrong)
        with (
            running(tmp_path / "edge", config=config) as edge,
            edge.client() as here,
            central.client() as there,
        ):
            wait_job(here, post_tickets(here, [ticket(1)])["job_id"])
            until(lambda: lane_state(here)["parked"] == 1, "the line comes back rejected")
            assert there.get("/api/tickets").json()["total"] == 0
        config = lane(f"{central.url}/v1/sync/batches").replace(
            "the-upstream-token", central.token(Role.ANALYST)
        )
        with running(tmp_path / "edge2", config=config) as edge, edge.client() as here:
            wait_job(here, post_tickets(here, [ticket(1)])["job_id"])
            until(lambda: lane_state(here)["state"] == "paused", "403 pauses the lane")
