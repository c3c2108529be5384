"""How a box says how it is: probes, alarms, the doctor, each seen from outside while something is wrong."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.identity.issuing import jwk, key_server, rsa_key
from tests.journeys.upstream import Answer, upstream
from tests.ops.support import SECRET, Receiver, receiver

ALARMS = """
[alarms]
webhook_url = "{url}"
webhook_secret = "{secret}"
check_seconds = 0.2
"""

LANE = """
[[lanes]]
name = "up"
url = "{url}"
probe_seconds = 0.1
"""

ISSUER = """
[[issuers]]
name = "login"
issuer = "https://login.example"
audience = ["box"]
jwks_url = "{url}"
"""

NO_CHILD = """
import os, sys
if "ingestbox.pipeline.child" in sys.orig_argv and os.path.exists({flag!r}):
    os._exit(3)
"""
"""A program of the machine's that ends every child before it is ready, while a file is there."""


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


def alarms(hook: Receiver) -> str:
    return ALARMS.format(url=hook.url, secret=SECRET)


def heard(hook: Receiver, *news: tuple[str, str]) -> None:
    """Waits until the webhook has heard exactly this, in this order, each signed."""
    until(lambda: len(hook.taken) >= len(news), f"the webhook hears {news}; it heard {hook.news}")
    assert hook.news == list(news)
    assert all(post.signed for post in hook.posts)


def raised(client: httpx2.Client) -> list[str]:
    return [alarm["name"] for alarm in client.get("/v1/stats").raise_for_status().json()["alarms"]]


def stored_bytes(box: BoxProcess) -> float:
    text = httpx2.get(f"{box.url}/metrics", trust_env=False, verify=False).text
    named = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return float(named["ingestbox_store_bytes"]) - float(named["ingestbox_store_free_bytes"])


def findings(client: httpx2.Client, check: str) -> list[dict[str, Any]]:
    report = client.get("/v1/doctor").raise_for_status().json()
    return [finding for finding in report["findings"] if finding["check"] == check]


def checks(box: BoxProcess) -> dict[str, dict[str, Any]]:
    answer = httpx2.get(f"{box.url}/health", trust_env=False, verify=False)
    found: dict[str, dict[str, Any]] = answer.json()["checks"]
    return found


def ready(box: BoxProcess) -> tuple[int, list[str]]:
    answer = httpx2.get(f"{box.url}/readyz", trust_env=False, verify=False)
    return answer.status_code, [reason["name"] for reason in answer.json()["reasons"]]


def log_lines(box: BoxProcess, alarm: str) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in box.log.read_text().splitlines()]
    return [(line["level"], line["state"]) for line in lines if line.get("alarm") == alarm]


def test_a_box_that_is_well_says_so(tmp_path: Path) -> None:
    with running(tmp_path) as box, box.client() as client:
        assert ready(box) == (200, [])
        found = checks(box)
        assert set(found) == {"store", "space", "integrity", "workers", "disk", "backlog", "lanes", "issuers"}
        assert all(check["ok"] for check in found.values())
        assert raised(client) == []
        report = client.get("/v1/doctor").json()
        assert report["ok"], report
        looked_at = {finding["check"] for finding in report["findings"]}
        assert {"clock", "descriptors", "alarms", "tallies", "integrity", "disk"} <= looked_at
        assert str(tmp_path) not in json.dumps(found)


def test_a_paused_lane_alarms_once_and_once_more_when_it_is_over(own_box: BoxProcess, hook: Receiver) -> None:
    with upstream(lambda _: Answer(401)) as server:
        own_box.configure(LANE.format(url=server.url) + alarms(hook))
        own_box.start()
        with own_box.client() as client:
            wait_job(client, post_tickets(client, [ticket(1)])["job_id"])
            heard(hook, ("alarm.raised", "lane_paused:up"))
            assert "401" in hook.taken[0].body["data"]["detail"]
            assert raised(client) == ["lane_paused:up"]
            assert ready(own_box) == (200, [])  # an upstream's refusal is not the box's illness
            assert checks(own_box)["lanes"] == {"ok": False, "detail": "paused: up"}
            (finding,) = findings(client, "alarms")
            assert not finding["ok"] and "lane_paused:up" in finding["message"] and finding["remedy"]
            seen = len(server.seen)
            until(lambda: len(server.seen) > seen + 2, "the lane is probed again and again")
        assert own_box.stop() == 0
        own_box.start()  # still paused: that is no news
        with own_box.client() as client:
            seen = len(server.seen)
            until(lambda: len(server.seen) > seen + 2, "the lane is probed again")
            assert raised(client) == ["lane_paused:up"]
            server.plan = lambda _: Answer()
            heard(hook, ("alarm.raised", "lane_paused:up"), ("alarm.cleared", "lane_paused:up"))
            assert raised(client) == []
    assert log_lines(own_box, "lane_paused:up") == [("WARNING", "raised"), ("INFO", "cleared")]


def test_too_little_disk_is_not_ready_and_alarms(own_box: BoxProcess, hook: Receiver) -> None:
    own_box.configure("[store]\nmin_free_mb = 1000000000\n" + alarms(hook))
    own_box.start()
    heard(hook, ("alarm.raised", "disk_low"))
    assert ready(own_box) == (503, ["disk"])
    answer = httpx2.get(f"{own_box.url}/health", trust_env=False, verify=False)
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    own_box.kill()
    own_box.configure(alarms(hook))
    own_box.start()  # it became well while the box was down
    heard(hook, ("alarm.raised", "disk_low"), ("alarm.cleared", "disk_low"))
    assert ready(own_box) == (200, [])


def test_children_that_do_not_start_are_not_ready_and_alarm(tmp_path: Path, hook: Receiver) -> None:
    flag = tmp_path / "no-child"
    (tmp_path / "sitecustomize.py").write_text(NO_CHILD.format(flag=str(flag)))
    environ = {"PYTHONPATH": str(tmp_path)}
    config = "[work]\nchildren = 1\n" + alarms(hook)
    with running(tmp_path / "box", config=config, environ=environ) as box, box.client() as client:
        wait_job(client, post_tickets(client, [ticket(1)])["job_id"])
        flag.touch()
        for pid in box.children():
            os.kill(pid, signal.SIGKILL)
        job = post_tickets(client, [ticket(2)])["job_id"]
        heard(hook, ("alarm.raised", "workers_dead"))
        assert ready(box) == (503, ["workers"])
        flag.unlink()
        assert wait_job(client, job)["status"] == "completed"
        heard(hook, ("alarm.raised", "workers_dead"), ("alarm.cleared", "workers_dead"))
        assert ready(box) == (200, [])


def test_an_issuer_that_is_down_alarms_and_the_box_stays_ready(tmp_path: Path, hook: Receiver) -> None:
    with key_server(jwk(rsa_key(), kid="k1", alg="RS256")) as server:
        server.down()
        config = ISSUER.format(url=server.url) + alarms(hook)
        with running(tmp_path, config=config) as box, box.client() as client:
            heard(hook, ("alarm.raised", "issuer_down:login"))
            assert ready(box) == (200, [])
            assert checks(box)["issuers"] == {"ok": False, "detail": "not reached: login"}
            (finding,) = findings(client, "issuers")
            assert not finding["ok"] and finding["message"].startswith("login: ") and finding["remedy"]
            text = httpx2.get(f"{box.url}/metrics", trust_env=False, verify=False).text
            assert 'ingestbox_issuer_up{issuer="login"} 0.0' in text
            assert 'ingestbox_alarm_raised{alarm="issuer_down:login"} 1.0' in text
            server.up()
            heard(hook, ("alarm.raised", "issuer_down:login"), ("alarm.cleared", "issuer_down:login"))
            assert checks(box)["issuers"]["ok"]
            (finding,) = findings(client, "issuers")
            assert finding["ok"]


def test_a_store_near_its_cap_warns_before_it_refuses(own_box: BoxProcess, hook: Receiver) -> None:
    own_box.configure("[store]\nmax_mb = 16\n" + alarms(hook))
    own_box.start()
    words = "The answer came late, and it was not the one that I had hoped for. " * 120
    with own_box.client() as client:
        while stored_bytes(own_box) < 0.8 * 16 * 1024**2:  # past the soft mark, and no further than that
            wait_job(
                client, post_tickets(client, [ticket(n, description=words) for n in range(40)])["job_id"]
            )
        until(lambda: "store_large" in raised(client), "the soft mark is noticed")
    until(lambda: hook.taken, "the webhook hears of it")
    assert hook.news == [("alarm.raised", "store_large")]
    assert "of 16 MB" in hook.taken[0].body["data"]["detail"]


def test_a_store_that_cannot_be_written_alarms_at_once(own_box: BoxProcess, hook: Receiver) -> None:
    """First it takes no records; then nothing can be stored, the alarm itself neither."""
    own_box.configure("[store]\nmax_mb = 2\nreserve_percent = 1\n" + alarms(hook))
    own_box.start()
    words = "The answer came late, and it was not the one that I had hoped for. " * 400
    large = {"records": [ticket(1, description=words)]}
    with own_box.client() as client:
        until(lambda: client.post("/api/data-ingest", json=large).status_code == 507, "the store is full")
        until(lambda: ("alarm.raised", "store_full") in hook.news, "the alarm goes out")
        key = {"name": "k" * 100, "roles": ["analyst"]}
        until(lambda: client.post("/v1/keys", json=key).status_code == 507, "the reserve is used up")
        until(lambda: ("alarm.raised", "store_unwritable") in hook.news, "the alarm goes out from memory")
        code, reasons = ready(own_box)
        assert (code, "store" in reasons) == (503, True)
        assert str(own_box.data) not in json.dumps(checks(own_box))
    assert ("ERROR", "raised") in log_lines(own_box, "store_unwritable")


def test_a_secret_of_the_wrong_form_ends_the_start(own_box: BoxProcess) -> None:
    own_box.configure('[alarms]\nwebhook_url = "http://127.0.0.1:9/"\nwebhook_secret = "hunter2hunter2"\n')
    own_box.start(wait=False)
    assert own_box.process is not None
    assert own_box.process.wait(30) == 1
    said = own_box.log.read_text()
    assert "webhook_secret" in said and "whsec_" in said
    assert "hunter2" not in said and "Traceback" not in said
