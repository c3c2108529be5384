"""`/v1/lanes`: seen by administrators, decided by who operates the box, with a box upstream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.model import Role
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job


def lanes_to(url: str, token: str) -> str:
    return f'[[lanes]]\nname = "central"\nurl = "{url}/v1/sync/batches"\ntoken = "{token}"\n'


@pytest.fixture(scope="module")
def central(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    with running(tmp_path_factory.mktemp("central")) as started:
        yield started


@pytest.fixture
def edge(tmp_path: Path, central: BoxProcess) -> Iterator[BoxProcess]:
    with running(tmp_path, config=lanes_to(central.url, central.token(Role.FORWARDER))) as started:
        yield started


def lane(client: httpx2.Client) -> dict[str, Any]:
    def told_alike() -> dict[str, Any] | None:  # it may move between the two questions
        (found,) = client.get("/v1/lanes").raise_for_status().json()["lanes"]
        return dict(found) if found == client.get("/v1/lanes/central").json() else None

    found = until(told_alike, "the list and the lane itself say the same")
    assert found["enqueued"] == found["delivered"] + found["pending"] + found["parked"] + found["discarded"]
    return found


def test_a_lane_is_put_on_hold_survives_kill_and_goes_on(edge: BoxProcess) -> None:
    with edge.client() as client:
        held = (
            client.post("/v1/lanes/central/pause", json={"reason": "moving house"}).raise_for_status().json()
        )
        assert (held["state"], held["reason"], held["held_reason"]) == ("paused", "on_hold", "moving house")
        assert held["held_by"] == "local:tester"
        again = client.post("/v1/lanes/central/pause", json={"reason": "another"}).json()
        assert again["held_reason"] == "moving house"
        wait_job(client, post_tickets(client, [ticket(1), ticket(2)])["job_id"])
        assert lane(client)["pending"] == 2
    edge.kill()
    edge.start()
    with edge.client() as client:
        until(lambda: client.get("/readyz").status_code == 200, "ready")
        assert (lane(client)["state"], lane(client)["pending"]) == ("paused", 2)
        resumed = client.post("/v1/lanes/central/resume").raise_for_status().json()
        assert (resumed["state"], resumed["reason"], resumed["held_at"]) == ("running", None, None)
        until(lambda: lane(client)["delivered"] == 2, "all is delivered")
        assert lane(client)["held_at"] is None
        trail = client.get("/v1/audit", params={"object": "lane"}).json()["audit"]
        assert [(line["action"], line["after"]) for line in trail] == [
            ("lane.resume", None),
            ("lane.pause", {"reason": "moving house"}),
        ]


def test_a_test_knocks_at_the_upstream_with_the_lanes_credentials(
    edge: BoxProcess, central: BoxProcess
) -> None:
    with edge.client() as client:
        found = client.post("/v1/lanes/central/test").raise_for_status().json()
        assert (found["ok"], found["reason"], found["status"]) == (True, None, 200)
    edge.stop()
    edge.configure(lanes_to(central.url, central.token(Role.ANALYST)))
    edge.start()
    with edge.client() as client:
        found = client.post("/v1/lanes/central/test").json()
        assert (found["ok"], found["reason"], found["status"]) == (False, "forbidden: 403", 403)


@pytest.mark.parametrize("action", ["pause", "resume", "test"])
def test_only_who_operates_the_box_decides(edge: BoxProcess, action: str) -> None:
    with edge.client(workspace="acme") as other, edge.client(Role.EDITOR) as editor, edge.client() as client:
        assert other.get("/v1/lanes").status_code == 200
        assert other.post(f"/v1/lanes/central/{action}").status_code == 403
        assert editor.post(f"/v1/lanes/central/{action}").status_code == 403
        assert client.post(f"/v1/lanes/nowhere/{action}").status_code == 404
        refused = client.post("/v1/lanes/central/pause", json={"reason": " ", "why": 1})
        assert refused.status_code == 422
        assert lane(client)["held_at"] is None
