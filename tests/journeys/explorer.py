"""schemathesis against a running box: requests made up from its document, answers held against it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.harness import BoxProcess, post_tickets, ticket, wait_job

FOLDER = Path(__file__).with_name("schemathesis")

KEY = "schemathesis-0123456789abcdef0123456789abcdef"
ENVIRON = {"INGESTBOX_AUTH_API_KEYS": f"{KEY}:admin"}
"""What a box needs to be explored: a key that no request can revoke."""


def furnish(box: BoxProcess) -> dict[str, str]:
    """Puts something of everything into the box; says what, as the configuration's variables."""
    with box.client() as client:
        records: list[dict[str, object]] = [ticket(1), {"id": "T-2"}, ticket(3)]
        job = post_tickets(client, records, params={"mode": "partial"})["job_id"]
        wait_job(client, job)
        issue = client.get("/v1/issues").raise_for_status().json()["issues"][0]
    return {"BOX_KEY": KEY, "BOX_JOB": job, "BOX_ISSUE": issue["id"], "BOX_RECORD": issue["record"]}


def explore(box: BoxProcess, report: Path, *options: str) -> str:
    """Runs schemathesis; returns what it says. Fails when it finds anything, or when the box logged an
    exception."""
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(FOLDER / "schemathesis.toml")]
    with report.open("w") as out:
        done = subprocess.run(
            [*program, "run", f"{box.url}/openapi.json", *options],
            cwd=FOLDER,
            env={**os.environ, **furnish(box), "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    said = report.read_text("utf-8", errors="replace")
    assert done.returncode == 0, said
    logged = [json.loads(line) for line in box.log.read_text("utf-8").splitlines()]
    failed = [line["exception"] for line in logged if "exception" in line]
    assert not failed, failed[0]
    with box.client() as client:
        assert client.get("/readyz").status_code == 200
        assert client.get("/v1/doctor").json()["ok"]
    return said
