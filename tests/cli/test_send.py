"""`ingestbox send` to a real box: interrupted, repeated, and while the box is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ingestbox.model import Role
from tests.cli.support import environment, ingestbox
from tests.harness import BoxProcess, ticket, until

RECORDS = 4_000
BATCH = 50


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tickets.ndjson"
    path.write_text("".join(json.dumps(ticket(number)) + "\n" for number in range(RECORDS)))
    return path


def arguments(file: Path, box: BoxProcess, *more: str) -> Sequence[str]:
    return ("send", str(file), "--batch", str(BATCH), "--data", str(box.data), *more)


def jobs(box: BoxProcess) -> int:
    with box.client() as client:
        return int(client.get("/api/jobs?limit=500").raise_for_status().json()["count"])


def tickets(box: BoxProcess) -> int:
    with box.client(Role.ANALYST) as client:
        return int(client.get("/api/tickets?limit=1").raise_for_status().json()["total"])


def start(file: Path, box: BoxProcess, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "ingestbox", *arguments(file, box, *more)],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_send_is_repeated_without_doubling(
    own_box: BoxProcess, file: Path, how: signal.Signals
) -> None:
    own_box.start()
    with start(file, own_box, "--parallel", "2") as process:
        until(lambda: jobs(own_box) >= 3, "some batches are taken")
        process.send_signal(how)
        process.communicate()
    before = jobs(own_box)
    assert 3 <= before < RECORDS // BATCH, "the send was over before it was interrupted"
    report = ingestbox(*arguments(file, own_box, "--wait", "--json"), cwd=file.parent).json()
    assert report["ok"]
    assert report["records"] == RECORDS
    assert report["repeated_jobs"] >= 3
    assert jobs(own_box) == len(report["jobs"]) == RECORDS // BATCH
    assert tickets(own_box) == RECORDS


def test_a_send_goes_on_when_the_box_is_killed_and_started_again(own_box: BoxProcess, file: Path) -> None:
    own_box.start()
    with start(file, own_box, "--parallel", "2", "--wait", "--json") as process:
        until(lambda: jobs(own_box) >= 3, "some batches are taken")
        own_box.kill()
        own_box.start()
        out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    assert b"does not answer" in errors
    assert b"answers again" in errors
    assert json.loads(out)["records"] == RECORDS
    assert jobs(own_box) == RECORDS // BATCH
    assert tickets(own_box) == RECORDS


def test_bad_lines_and_bad_records_are_named_and_the_rest_is_taken(box: BoxProcess, tmp_path: Path) -> None:
    lines = [json.dumps(ticket(number, id=f"mixed-{number}")) for number in range(6)]
    lines[1] = '{"id": "mixed-1", "summary": '
    lines[3] = json.dumps({"id": "mixed-3"})
    (tmp_path / "mixed.ndjson").write_text("\n".join(lines))
    ran = ingestbox("send", "mixed.ndjson", "--partial", "--wait", "--data", box.data, cwd=tmp_path)
    assert ran.code == 1
    assert "Refused: mixed.ndjson, line 2: It is not valid JSON" in ran.err
    assert "Refused: mixed.ndjson, line 4: summary or description required" in ran.err
    assert ran.out.startswith("4 records in 1 job, ")
    with box.client() as client:
        assert client.get("/api/tickets/mixed-4").status_code == 200
        assert client.get("/api/tickets/mixed-3").status_code == 404


def test_a_file_that_is_not_json_is_named_with_what_was_taken_before(box: BoxProcess, tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text(json.dumps(ticket(1, id="before")))
    (tmp_path / "bad.log").write_text("id,summary\n1,x\n")
    ran = ingestbox("send", "good.json", "bad.log", "--data", box.data, cwd=tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert "bad.log cannot be sent: it is neither JSON nor NDJSON." in ran.err
    assert "Traceback" not in ran.err


def test_records_come_from_stdin_and_several_files_in_order(box: BoxProcess, tmp_path: Path) -> None:
    first, second = ticket(1, id="order"), ticket(2, id="order")
    (tmp_path / "first.json").write_text(json.dumps([first]))
    ran = ingestbox(
        *("send", "first.json", "-", "--gzip", "--wait", "--data", box.data),
        cwd=tmp_path,
        stdin=json.dumps({"records": [second]}).encode(),
    )
    assert ran.code == 0, ran
    assert ran.out.startswith("2 records in 2 jobs, ")
    with box.client() as client:
        assert client.get("/api/tickets/order").json()["summary"] == second["summary"]


def test_a_key_opens_another_box(box: BoxProcess, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(ticket(1, id="keyed")))
    made = ingestbox("key", "create", "--name", "far", "--role", "ingest", "--data", box.data, cwd=tmp_path)
    variables = {"INGESTBOX_URL": box.url, "INGESTBOX_TOKEN": made.out.strip()}
    assert ingestbox("send", "one.json", "--wait", cwd=tmp_path, env=variables).code == 0
    refused = ingestbox("send", "one.json", cwd=tmp_path, env={**variables, "INGESTBOX_TOKEN": "wrong"})
    assert refused.code == 1
    assert "401" in refused.err
