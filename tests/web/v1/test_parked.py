"""`/v1/lanes/{name}/parked`: seen by workspace, decided by who operates the box, told in the trail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.model import Role
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.upstream import Refusing, refusing

HERE = "/v1/lanes/central/parked"


@pytest.fixture
def upstream() -> Iterator[Refusing]:
    with refusing() as started:
        yield started


@pytest.fixture
def box(tmp_path: Path, upstream: Refusing) -> Iterator[BoxProcess]:
    with running(tmp_path, config=upstream.lane()) as started:
        yield started


@pytest.fixture
def admin(box: BoxProcess) -> Iterator[httpx2.Client]:
    """Three refused lines: two of the default workspace, and one of another."""
    with box.client() as client, box.client(workspace="acme") as other:
        job = post_tickets(client, [ticket(1), ticket(2)])["job_id"]
        wait_job(client, job)
        wait_job(other, post_tickets(other, [ticket(3)])["job_id"])
        until(lambda: lane(client)["parked"] == 3, "all are refused")
        yield client


def lane(client: httpx2.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/v1/lanes/central").raise_for_status().json()
    sums = found["delivered"] + found["pending"] + found["parked"] + found["discarded"]
    assert found["enqueued"] == sums
    return found


def lines(client: httpx2.Client, **params: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(HERE, params=params).raise_for_status().json()["parked"]
    return found


def trail(client: httpx2.Client) -> list[tuple[str, str, Any]]:
    found = client.get("/v1/audit", params={"object": "delivery"}).raise_for_status().json()["audit"]
    return [(line["action"], line["object_id"], line["after"]) for line in reversed(found)]


def test_a_refused_line_says_what_it_is_and_what_the_upstream_said(
    admin: httpx2.Client, box: BoxProcess, upstream: Refusing
) -> None:
    second, first = lines(admin)
    assert (first["code"], first["message"], first["state"]) == (upstream.code, upstream.message, "parked")
    assert (first["family"], first["kind"], first["workspace"]) == ("feedback", "ticket", "default")
    assert {first["object_id"], second["object_id"]} == {ticket(1)["id"], ticket(2)["id"]}
    assert admin.get(f"{HERE}/{first['seq']}").json() == first
    assert admin.get(f"/v1/records/{first['record']}").json()["job"] == first["job"]
    assert first["decided_by"] is first["reason"] is None
    page = admin.get(HERE, params={"limit": "1"}).json()
    assert page["parked"] == [second]
    assert lines(admin, cursor=page["next_cursor"]) == [first]
    assert admin.get(HERE, params={"state": "gone"}).status_code == 400
    for path in (f"{HERE}/99", f"{HERE}/x", "/v1/lanes/elsewhere/parked"):
        assert admin.get(path).status_code == 404


def test_each_workspace_sees_its_own_and_only_operators_decide(admin: httpx2.Client, box: BoxProcess) -> None:
    with box.client(workspace="acme") as other, box.client(Role.EDITOR, Role.ANALYST) as editor:
        (theirs,) = lines(other)
        assert theirs["workspace"] == "acme"
        assert lines(other, all="true") == [theirs]
        assert {line["workspace"] for line in lines(admin)} == {"default"}
        assert len(lines(admin, all="true")) == 3
        (_, own) = lines(admin)
        assert other.get(f"{HERE}/{own['seq']}").status_code == 404
        assert admin.get(f"{HERE}/{theirs['seq']}").status_code == 404
        assert editor.get(HERE).status_code == 403
        for who in (other, editor):
            assert who.post(f"{HERE}/retry").status_code == 403
            assert who.post(f"{HERE}/{theirs['seq']}/retry").status_code == 403
            gone = who.post(f"{HERE}/{theirs['seq']}/discard", json={"reason": "no"})
            assert gone.status_code == 403
        assert admin.post(f"{HERE}/{theirs['seq']}/retry").status_code == 404
        done = admin.post(
            f"{HERE}/{theirs['seq']}/discard", json={"reason": "moved away"}, params={"all": "true"}
        )
        assert done.json()["state"] == "discarded"
        assert trail(other) == [
            ("delivery.discard", theirs["seq"], {"lane": "central", "reason": "moved away"})
        ]
        assert trail(admin) == []
        assert lines(other) == []
        (given_up,) = lines(other, state="discarded")
        assert (given_up["reason"], given_up["decided_by"]) == ("moved away", "local:tester")


def test_a_decision_is_made_once_and_has_a_reason(admin: httpx2.Client, upstream: Refusing) -> None:
    second, first = lines(admin)
    admin.post("/v1/lanes/central/pause").raise_for_status()
    for _ in range(2):
        done = admin.post(f"{HERE}/{first['seq']}/retry").raise_for_status().json()
        assert (done["state"], done["decided_by"]) == ("again", "local:tester")
    assert lines(admin)[1] == done
    for body in ({}, {"reason": " "}, {"reason": "x" * 501}, {"reason": "ok", "more": 1}, None):
        assert admin.post(f"{HERE}/{second['seq']}/discard", json=body).status_code in (400, 422)
    for reason in ("not wanted", "said twice"):
        given_up = admin.post(f"{HERE}/{second['seq']}/discard", json={"reason": reason}).json()
        assert (given_up["state"], given_up["reason"]) == ("discarded", "not wanted")
    assert [(lane(admin)[name]) for name in ("parked", "discarded")] == [2, 1]
    (shown,) = admin.get("/v1/overview").json()["lanes"]
    assert (shown["parked"], shown["discarded"]) == (2, 1)
    shown = admin.get(f"/v1/deliveries/{second['seq']}").json()
    assert shown["lanes"] == {"central": "discarded"}
    for state, seq in (("discarded", second["seq"]), ("parked", first["seq"])):
        for record in ({}, {"record": shown["record"]}):
            wanted = {"lane": "central", "state": state, **record}
            found = admin.get("/v1/deliveries", params=wanted).json()["deliveries"]
            assert [each["seq"] for each in found] == ([seq] if not record or seq == second["seq"] else [])
    assert trail(admin) == [
        ("delivery.retry", first["seq"], {"lane": "central"}),
        ("delivery.discard", second["seq"], {"lane": "central", "reason": "not wanted"}),
    ]
    assert admin.get("/v1/doctor").json()["ok"] is True
    upstream.refusing = False
    admin.post("/v1/lanes/central/resume").raise_for_status()
    until(lambda: lane(admin)["delivered"] == 1, "the one is taken")
    assert admin.get(f"{HERE}/{first['seq']}").status_code == 404
    assert lines(admin) == []


def test_all_are_sent_again_but_for_those_given_up(admin: httpx2.Client, upstream: Refusing) -> None:
    second, _ = lines(admin)
    admin.post(f"{HERE}/{second['seq']}/discard", json={"reason": "no"}).raise_for_status()
    upstream.refusing = False
    assert admin.post(f"{HERE}/retry").json() == {"lines": 1}
    until(lambda: lane(admin)["delivered"] == 1, "the own one is taken")
    assert admin.post(f"{HERE}/retry", params={"all": "true"}).json() == {"lines": 1}
    until(lambda: lane(admin)["delivered"] == 2, "and that of the other workspace")
    assert admin.post(f"{HERE}/retry", params={"all": "true"}).json() == {"lines": 0}
    metrics = admin.get("/metrics").text
    assert 'ingestbox_lane_discarded{lane="central"} 1' in metrics
    assert 'ingestbox_lane_imbalance{lane="central"} 0' in metrics
    assert admin.post("/v1/lanes/elsewhere/parked/retry").status_code == 404
    assert [len(lines(admin, state=state)) for state in ("parked", "discarded")] == [0, 1]


def test_an_erasure_goes_through_what_was_said_of_them_and_what_is_sent_again_is_empty(
    box: BoxProcess, upstream: Refusing
) -> None:
    address = "zoe.erased@personal-mail.example"
    upstream.message = f"{address} is not known here"
    with box.client() as client:
        records = [ticket(1, description=f"Please write to {address}"), ticket(2)]
        wait_job(client, post_tickets(client, records)["job_id"])
        until(lambda: lane(client)["parked"] == 2, "both are refused")
        second, first = lines(client)
        gone = client.post(f"{HERE}/{second['seq']}/discard", json={"reason": f"{address} asked for it"})
        assert address in gone.raise_for_status().json()["reason"]
        upstream.message = "not known here"  # of the new version too
        erasure = client.post("/v1/erasures", json={"email": address}).json()["erasure_id"]
        until(lambda: client.get(f"/v1/erasures/{erasure}").json()["state"] == "done", "it is erased")
        (kept,) = lines(client, state="discarded")
        assert "[erased] asked for it" in kept["reason"]
        assert all(address not in client.get(path).text for path in (HERE, "/v1/audit", "/v1/deliveries/1"))
        assert {line["seq"] for line in lines(client)} >= {first["seq"]}
        upstream.refusing = False
        client.post(f"{HERE}/retry").raise_for_status()
        until(lambda: not lines(client), "what is left of it is taken")
        assert lane(client)["discarded"] == 1
