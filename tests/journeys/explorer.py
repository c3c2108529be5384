"""schemathesis against a running box: requests made up from its document, answers held against it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2

from tests.harness import BoxProcess, post_tickets, ticket, until, wait_job

FOLDER = Path(__file__).with_name("schemathesis")

KEY = "schemathesis-0123456789abcdef0123456789abcdef"
ENVIRON = {"INGESTBOX_AUTH_API_KEYS": f"{KEY}:admin"}
"""What a box needs to be explored: a key that no request can revoke."""

AUDIENCE = "/api/audience/batch-upload"

IMPORT, ROW, ISSUE = 2, 2 << 24, 2
"""What contacts call the import that waits, its first row and first issue: as schemathesis.toml has them."""


def furnish(box: BoxProcess) -> dict[str, str]:
    """Puts something of everything into the box; says what, as the configuration's variables."""
    with box.client() as client:
        records: list[dict[str, object]] = [ticket(1), {"id": "T-2"}, ticket(3)]
        job = post_tickets(client, records, params={"mode": "partial"})["job_id"]
        wait_job(client, job)
        issue = client.get("/v1/issues").raise_for_status().json()["issues"][0]
    names = {"BOX_KEY": KEY, "BOX_JOB": job, "BOX_ISSUE": issue["id"], "BOX_RECORD": issue["record"]}
    return names | _import(box) | _upload(box)


def _upload(box: BoxProcess) -> dict[str, str]:
    """An upload of the explorer's own, processed, and a segment of it."""
    records = [{"email": "a@x.example", "n": 1}, {"email": "A@x.example"}, {"domain": "x.example"}]
    with _explorer(box) as client:
        made = client.post(AUDIENCE, json={"upload_name": "people", "records": records})
        upload = made.raise_for_status().json()["upload_id"]
        until(lambda: client.get(f"{AUDIENCE}/{upload}").json()["rows_processed"] == 3, "it is processed")
        kept = client.post(f"{AUDIENCE}/{upload}/segments", json={"name": "all", "frozen": True})
        segment = kept.raise_for_status().json()["segment"]["segment_id"]
    return {"BOX_UPLOAD": upload, "BOX_SEGMENT": segment}


def _import(box: BoxProcess) -> dict[str, str]:
    """An import of the explorer's own that waits for a person: what others made is not seen."""
    people = "email,first_name,last_name,company\na@x.org,Ann,,A\nb@x.org,Ben,Low,B\nB@x.org,Ben,Low,C\n"
    with _explorer(box) as client:
        sent = client.post("/jobs/upload", files={"file": ("people.csv", people.encode())})
        assert sent.raise_for_status().json()["job_id"] == IMPORT

        def waiting() -> dict[str, str] | None:
            (job,) = client.get("/v1/jobs?family=contacts").raise_for_status().json()["jobs"]
            return job if job["state"] == "review" else None

        job = until(waiting, "the import waits")["id"]
        issue = client.get(f"/v1/issues?job={job}").raise_for_status().json()["issues"][-1]
    assert (issue["record"], issue["id"]) == (str(ROW), str(ISSUE))
    return {"BOX_IMPORT": job, "BOX_ROW": issue["record"], "BOX_ROWS_ISSUE": issue["id"]}


def _explorer(box: BoxProcess) -> httpx2.Client:
    """Who explores."""
    client = box.client()
    del client.headers["Authorization"]
    client.headers["X-API-Key"] = KEY
    return client


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
