"""`/v1/deliveries`: what is told upstream, and how far each lane is with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from ingestbox.store import DATABASE
from ingestbox.store.engine import connect_writer
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.journeys.upstream import Answer, upstream
from tests.web.v1.support import everything, get, numbers, refused


def send(client: httpx2.Client, first: int, count: int) -> None:
    records = [ticket(number) for number in range(first, first + count)]
    wait_job(client, post_tickets(client, records)["job_id"])


@pytest.fixture(scope="module")
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    with box.client() as client:
        send(client, 0, 25)
        yield client


def test_the_list_is_complete_and_each_can_be_read(client: httpx2.Client) -> None:
    found = everything(client, "/v1/deliveries", "deliveries", limit=4)
    assert numbers(found, "seq") == list(range(25, 0, -1))
    assert {(each["family"], each["kind"], each["op"], each["version"]) for each in found} == {
        ("feedback", "ticket", "put", 1)
    }
    whole = get(client, f"/v1/deliveries/{found[0]['seq']}")
    line = whole.pop("line")
    assert whole == found[0]
    assert (line["seq"], line["id"], line["record"]["id"]) == (25, "T-24", "T-24")
    assert get(client, f"/v1/records/{whole['record']}")["result"]["delivery"] == "25"
    refused(client.get("/v1/deliveries/26"), 404, "not_found")
    refused(client.get("/v1/deliveries/x"), 404, "not_found")


def test_a_workspace_sees_its_own(box: BoxProcess, client: httpx2.Client) -> None:
    with box.client(workspace="other") as other:
        send(other, 0, 3)
        (first, *_) = found = everything(other, "/v1/deliveries", "deliveries", limit=2)
        assert len(found) == 3
        assert {each["workspace"] for each in found} == {"other"}
        refused(client.get(f"/v1/deliveries/{first['seq']}"), 404, "not_found")
        assert client.get(f"/v1/deliveries/{first['seq']}?all=true").status_code == 200
        both = everything(client, "/v1/deliveries", "deliveries", all="true")
        assert {each["workspace"] for each in both} == {"default", "other"}


def test_a_state_is_that_in_a_lane(client: httpx2.Client) -> None:
    refused(client.get("/v1/deliveries?state=pending"), 400, "bad_parameter")
    refused(client.get("/v1/deliveries?lane=up"), 400, "bad_parameter")
    told = refused(client.get("/v1/deliveries?lane=up&state=pending"), 400, "bad_parameter")
    assert "none" in told["detail"]
    refused(client.get("/v1/deliveries?lane=up&state=lost"), 400, "bad_parameter")


def test_pending_delivered_and_parked(tmp_path: Path) -> None:
    with upstream() as server:
        lane = f'[[lanes]]\nname = "up"\nurl = "{server.url}"\nbackoff_seconds = 0.02\nprobe_seconds = 60\n'
        with running(tmp_path, config=lane) as box, box.client() as client:

            def listed(state: str) -> list[int]:
                return numbers(
                    everything(client, "/v1/deliveries", "deliveries", lane="up", state=state, limit=2), "seq"
                )

            server.plan = lambda _: Answer(body=b'{"rejected": [{"seq": 3, "code": "no", "message": "No."}]}')
            send(client, 0, 5)  # settled together, so that they go in one batch
            until(lambda: listed("parked") == [3], "the one that is refused is parked")
            until(lambda: listed("delivered") == [5, 4, 2, 1], "the others are delivered")
            assert listed("pending") == []
            server.plan = lambda _: Answer(401)
            send(client, 5, 3)
            assert listed("pending") == [8, 7, 6]
            states = [each["lanes"] for each in everything(client, "/v1/deliveries", "deliveries")]
            assert [each["up"] for each in states] == ["pending"] * 3 + [
                "delivered",
                "delivered",
                "parked",
                "delivered",
                "delivered",
            ]
            assert get(client, "/v1/deliveries/3")["lanes"] == {"up": "parked"}


def test_a_line_that_changed_on_disk_is_not_shown_as_good(own_box: BoxProcess) -> None:
    own_box.start()
    with own_box.client() as client:
        send(client, 0, 2)
    assert own_box.stop() == 0
    connection = connect_writer(own_box.data / DATABASE)
    try:
        connection.execute("UPDATE deliveries SET line = replace(line, 'T-0', 'T-9') WHERE seq = 1")
    finally:
        connection.close()
    own_box.start()
    with own_box.client() as client:
        refused(client.get("/v1/deliveries/1"), 500, "damaged")
        assert client.get("/v1/deliveries/2").status_code == 200
