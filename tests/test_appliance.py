"""The box as a whole: its first start, its stops, and what it says."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from pathlib import Path
from typing import Any

from ingestbox.model import Role
from tests.cli.support import ingestbox
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def log_lines(box: BoxProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in box.log.read_text().splitlines()]


def test_the_first_start_needs_nothing(own_box: BoxProcess) -> None:
    own_box.start()
    assert mode(own_box.data) == 0o700
    for name in ("secret", "ingestbox.db", "ingestbox.db-wal", "bell.db", "lock"):
        assert mode(own_box.data / name) == 0o600, name
    assert own_box.url.startswith("http://127.0.0.1:")
    said = " ".join(line["message"] for line in log_lines(own_box))
    assert own_box.url in said
    assert "ingestbox token create" in said
    secret = (own_box.data / "secret").read_text().strip()
    assert secret not in own_box.log.read_text()


def test_every_log_line_is_json_with_the_documented_fields(own_box: BoxProcess) -> None:
    own_box.start()
    with own_box.client(Role.ANALYST) as client:
        sent = "a sentence that belongs to a customer"
        post_tickets(client, [ticket(1, summary=sent)], headers={"X-Request-ID": "my-request"})
        client.get("/api/job/nothing?token=in-the-query")
        token = client.headers["Authorization"].removeprefix("Bearer ")
    assert own_box.stop() == 0
    lines = log_lines(own_box)
    for line in lines:
        assert {"timestamp", "level", "logger", "message"} <= set(line)
        assert line["timestamp"].endswith("Z") and len(line["timestamp"]) == 24
    (posted,) = [line for line in lines if line.get("request_id") == "my-request"]
    assert (posted["method"], posted["path"], posted["status"]) == ("POST", "/api/data-ingest", 200)
    assert posted["user_id"] == "local:tester"
    assert posted["duration_ms"] > 0
    text = own_box.log.read_text()
    for secret in (sent, token, "in-the-query"):
        assert secret not in text


def test_a_stop_in_mid_job_loses_no_progress(own_box: BoxProcess) -> None:
    own_box.configure("[work]\nchunk_records = 20\nchildren = 1\n")
    own_box.start()
    with own_box.client(Role.ANALYST) as client:
        records = [
            ticket(number, description="It is good, but not very good. " * 300) for number in range(300)
        ]
        job_id = post_tickets(client, records)["job_id"]
        until(lambda: client.get(f"/api/job/{job_id}").json()["records_processed"] > 0, "processing began")
    assert own_box.stop() == 0
    own_box.start()
    with own_box.client(Role.ANALYST) as client:
        assert client.get(f"/api/job/{job_id}").json()["records_processed"] > 0
        job = wait_job(client, job_id)
        assert (job["status"], job["records_processed"], job["sentiment_records"]) == (
            "completed",
            300,
            300,
        )
        assert client.get("/api/tickets").json()["total"] == 300


def test_interrupt_is_as_graceful_as_term(own_box: BoxProcess) -> None:
    own_box.start()
    assert own_box.process is not None
    own_box.process.send_signal(signal.SIGINT)
    assert own_box.process.wait(30) == 0


def test_a_second_signal_does_not_wait_and_loses_nothing(own_box: BoxProcess) -> None:
    own_box.configure("[work]\nchildren = 1\n[server]\nstop_seconds = 300\n")
    own_box.start()
    assert own_box.process is not None
    with own_box.client(Role.ANALYST) as client:
        wait_job(client, post_tickets(client, [ticket(1)])["job_id"])
        (child,) = own_box.children()
        os.kill(child, signal.SIGSTOP)  # the chunk in hand never ends
        try:
            job_id = post_tickets(client, [ticket(2)])["job_id"]
            running = {"status": "running"}
            until(lambda: client.get("/api/jobs", params=running).json()["count"] == 1, "it is worked on")
            own_box.process.send_signal(signal.SIGTERM)
            until(lambda: '"Stopping."' in own_box.log.read_text(), "the stop began")
            own_box.process.send_signal(signal.SIGTERM)
            assert own_box.process.wait(30) == 130
        finally:
            os.kill(child, signal.SIGCONT)
    until(lambda: not Path(f"/proc/{child}").exists(), "the child is gone")
    own_box.start()
    with own_box.client(Role.ANALYST) as client:
        assert wait_job(client, job_id)["status"] == "completed"


def test_no_child_outlives_a_kill(own_box: BoxProcess) -> None:
    own_box.start()
    with own_box.client(Role.ANALYST) as client:
        wait_job(client, post_tickets(client, [ticket(1)])["job_id"])
    children = own_box.children()
    assert children
    own_box.kill()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "the children are gone")


def test_after_an_unclean_stop_the_store_is_checked(own_box: BoxProcess) -> None:
    own_box.start()
    own_box.kill()
    own_box.start()
    until(lambda: "was checked and is sound" in own_box.log.read_text(), "the check says so")
    assert own_box.stop() == 0
    before = own_box.log.read_text().count("was checked")
    own_box.start()
    assert own_box.stop() == 0
    assert own_box.log.read_text().count("was checked") == before  # after a clean stop there is no need


def test_a_start_that_fails_does_not_make_up_for_the_check(own_box: BoxProcess) -> None:
    own_box.start()
    own_box.kill()
    with socket.create_server(("127.0.0.1", int(own_box.url.rpartition(":")[2]))):
        own_box.start(wait=False)
        assert own_box.process is not None
        assert own_box.process.wait(30) == 1
    own_box.start()
    until(lambda: "was checked and is sound" in own_box.log.read_text(), "the check says so")


def test_settings_that_are_wrong_end_the_start_with_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "box.toml"
    for text, expected in [
        ("[server]\nprot = 1\n", "Did you mean `port`?"),
        ("[server]\nport = 99999\n", "port"),
        ("[sever]\nport = 1\n", "Did you mean `server`?"),
        ("not toml", "not valid TOML"),
        ('[[lanes]]\nname = "a"\nurl = "ftp://x"\n', "url"),
    ]:
        file.write_text(text)
        ended = ingestbox("serve", "--data", tmp_path / "d", "--config", file, cwd=tmp_path)
        assert ended.code == 1
        assert expected in ended.err, (text, ended.err)
        assert "Traceback" not in ended.err
    assert not (tmp_path / "d").exists()


def test_service_endpoints_are_open_and_the_rest_is_not(tmp_path: Path) -> None:
    with running(tmp_path) as box, box.client() as client:
        anonymous = {"Authorization": ""}
        for path in ("/", "/health", "/healthz", "/readyz"):
            assert client.get(path, headers=anonymous).status_code == 200
        for path in ("/api/jobs", "/api/tickets", "/v1/stats", "/v1/keys", "/v1/doctor", "/v1/sync/boxes"):
            response = client.get(path, headers=anonymous)
            assert response.status_code == 401, path
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
        created = client.post("/v1/keys", json={"name": "crawler", "roles": ["ingest"]}).json()
        with_key = {"Authorization": "", "X-API-Key": created["key"]}
        body = {"records": [ticket(1)]}
        assert client.post("/api/data-ingest", json=body, headers=with_key).status_code == 200
        assert client.get("/v1/keys", headers=with_key).status_code == 403
        (listed,) = client.get("/v1/keys").json()["keys"]
        assert created["key"] not in json.dumps(listed)
        assert client.delete(f"/v1/keys/{created['id']}").status_code == 200
        assert client.post("/api/data-ingest", json=body, headers=with_key).status_code == 401
        assert created["key"].encode() not in (box.data / "ingestbox.db").read_bytes()
