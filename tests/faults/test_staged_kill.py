"""`kill -9` while contacts are loaded, checked and consolidated: each row is there once, none is lost, and
nobody ever sees half an import."""

from __future__ import annotations

import contextlib
import functools
from random import Random

import httpx2

from ingestbox.model import Role
from tests.faults.ledger import rows
from tests.harness import BoxProcess, until

ROWS, ROUNDS = 1_200, 6

# Small chunks, so that kills fall between many commits.
CONFIG = "[work]\nchunk_records = 5\nsweep_seconds = 0.3\n"

PHASES = ("loading", "checking", "consolidating", "consolidating")


def content(number: int) -> bytes:
    """Every tenth row comes twice, and of the two the second one differs in file 0."""
    lines = ["email,first_name,last_name,company"]
    for n in range(ROWS):
        lines.append(f"f{number}p{n}@example.com,A,B,C")
        if n % 10 == 0:
            lines.append(f"F{number}P{n}@example.com,A,B,C")
    return ("\n".join(lines) + "\n").encode()


def test_an_import_survives_kills_at_every_stage(own_box: BoxProcess) -> None:
    random = Random(5)
    own_box.configure(CONFIG)
    own_box.start()
    jobs: list[int] = []
    for turn in range(ROUNDS):
        with own_box.client(Role.UPLOADER) as client:
            answer = client.post("/jobs/upload", files={"file": (f"f{turn}.csv", content(turn))})
            assert answer.status_code == 201, answer.text
            jobs.append(answer.json()["job_id"])
            phase = PHASES[turn % len(PHASES)]
            until(functools.partial(_reached, own_box, jobs[-1], phase), f"{phase} is reached")
            for _ in range(random.randrange(6)):
                seen(client)
        own_box.kill()
        own_box.start()
    with own_box.client(Role.UPLOADER) as client:
        for job_id in jobs:
            until(functools.partial(done, client, job_id), f"job {job_id} is completed")
        assert seen(client) == ROWS * ROUNDS
    own_box.stop()
    for job_id in jobs:
        counted = f"SELECT state, COUNT(*) FROM records WHERE id >> 24 = {job_id} GROUP BY state"
        states = dict(rows(own_box.data, counted))
        assert states == {"done": ROWS, "discarded": ROWS // 10}
    ((puts, objects),) = rows(own_box.data, "SELECT COUNT(*), COUNT(DISTINCT object_id) FROM deliveries")
    assert (puts, objects) == (ROWS * ROUNDS, ROWS * ROUNDS)


def _reached(box: BoxProcess, job_id: int, phase: str) -> bool:
    """Whether the job is in the phase or beyond it; read beside the box."""
    order = ("loading", "checking", "turn", "consolidating", "waiting", "done")
    with contextlib.suppress(Exception):
        ((found,),) = rows(box.data, f"SELECT phase FROM staged_jobs WHERE job_id = {job_id}")
        return order.index(found) >= order.index(phase)
    return False


def seen(client: httpx2.Client) -> int:
    """How many contacts are seen: all of some imports."""
    answer = client.get("/contacts", params={"limit": 1})
    assert answer.status_code == 200, answer.text
    total: int = answer.json()["total"]
    assert total % ROWS == 0, "half an import was seen"
    return total


def done(client: httpx2.Client, job_id: int) -> bool:
    seen(client)
    answer = client.get(f"/jobs/{job_id}")
    assert answer.status_code == 200, answer.text
    status: str = answer.json()["job_status"]
    assert status in ("PENDING", "PROCESSING", "COMPLETED")
    return status == "COMPLETED"
