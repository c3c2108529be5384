"""A data folder with something of everything in it, made by a real box with a lane."""

from __future__ import annotations

import random
from pathlib import Path

import httpx2

from tests.families.knowledge.support import UPLOAD, article
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.upstream import refusing

AUDIENCE = "/api/audience/batch-upload"

UNLIMITED = "[rates]\nknowledge_upload = 0\nknowledge_read = 0\n"


def fill(folder: Path, scale: int = 20, *, central: str = "") -> Path:
    """Runs a box and puts things into it; returns its data folder, of a box that stopped in order.

    `scale` is about how many objects of each kind there are; some records wait for people, some lines were
    refused. `central` is the configuration of another lane.
    """
    with refusing() as upstream, running(folder, config=UNLIMITED + upstream.lane() + central) as box:
        with box.client() as client:
            client.post("/v1/keys", json={"name": "crawler", "roles": ["ingest"]}).raise_for_status()
            made = {"email": "ann@example.com", "roles": ["analyst"], "password": "correct horse battery"}
            client.post("/v1/users", json=made).raise_for_status()
            _feedback(client, scale)
            until(lambda: client.get("/v1/lanes/central").json()["parked"], "a line is refused upstream")
            upstream.refusing = False
            post_tickets(client, [ticket(5000 + n) for n in range(scale)])
            _contacts(client, scale)
            _audience(client, scale)
            for number in range(scale // 3 + 1):
                client.post(UPLOAD, json=article(number)).raise_for_status()
            until(lambda: _still(box, client), "everything is processed and sent")
        assert box.stop() == 0
        return box.data


def _feedback(client: httpx2.Client, scale: int) -> None:
    words = random.Random(1)
    tickets = [
        ticket(n, description=" ".join(words.choices(("late", "Hanoi", "kind", "broken", "thanks"), k=60)))
        for n in range(scale)
    ]
    records: list[dict[str, object]] = [*tickets, {"id": "bad-1"}, {"id": "bad-2"}]
    headers = {"Idempotency-Key": "once"}
    job = post_tickets(client, records, params={"mode": "partial"}, headers=headers)["job_id"]
    wait_job(client, job)


def _contacts(client: httpx2.Client, scale: int) -> None:
    head = "email,first_name,last_name,company\n"
    good = "".join(f"c{n}@example.com,Ann{n},Lee,Acme {n % 3}\n" for n in range(scale))
    for name, rows in (("good.csv", good), ("waiting.csv", "no address,A,B,C\nd@example.com,A,B,C\n")):
        client.post("/jobs/upload", files={"file": (name, (head + rows).encode())}).raise_for_status()


def _audience(client: httpx2.Client, scale: int) -> None:
    people = [{"email": f"p{n % (scale - 1)}@example.com", "country": "DE"} for n in range(scale)]
    upload = client.post(AUDIENCE, json={"upload_name": "fair", "records": people}).raise_for_status().json()
    path = f"{AUDIENCE}/{upload['upload_id']}/segments"
    client.post(path, json={"name": "all"}).raise_for_status()


def _still(box: BoxProcess, client: httpx2.Client) -> bool:
    jobs = client.get("/v1/jobs?limit=100").raise_for_status().json()["jobs"]
    lanes = client.get("/v1/lanes").raise_for_status().json()["lanes"]
    return not any(job["state"] in ("queued", "running", "receiving") for job in jobs) and not any(
        lane["pending"] for lane in lanes
    )
