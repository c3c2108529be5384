"""Tickets, entities, tallies and full text stay one, whatever happens to the jobs that made them."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from ingestbox.families.feedback.columns import columns
from ingestbox.model import Role
from ingestbox.store import DATABASE, Store, tallies
from ingestbox.store.engine import connect_reader
from tests.harness import post_tickets, running, until, wait_job
from tests.store.support import with_store
from tests.store.test_search import words_of

Json = dict[str, Any]

NAMES = ("Hà Nội", "Ha Noi", "Berlin", "John Smith", "ann@example.com", "500.000đ")
MOODS = ("terrible, I hate it", "rất tốt, tôi rất hài lòng", "The parcel is on the table.")
MANY = 1_000


def batch(word: str) -> list[Json]:
    """A thousand tickets of the same ids; ten of them come twice."""
    chance = random.Random(word)
    numbers = [*range(MANY - 10), *range(10)]
    return [
        {
            "id": f"sl/ash 'quote' 🙂 {number}",
            "summary": f"{word} {chance.choice(NAMES)}",
            "description": f"{chance.choice(MOODS)} {chance.choice(NAMES)}, {chance.choice(NAMES)}",
        }
        for number in numbers
    ]


def found(client: httpx2.Client, word: str) -> int:
    total: int = client.get("/api/search", params={"q": word}).raise_for_status().json()["total"]
    return total


def some_done(client: httpx2.Client, job_id: str) -> bool:
    job = client.get(f"/api/job/{job_id}").raise_for_status().json()
    return bool(job["records_processed"]) or job["status"] in ("completed", "failed")


def agree(folder: Path) -> None:
    """What is derived from the tickets is what they come to now."""

    async def body(store: Store) -> None:
        assert await tallies.differences(store) == []

    with_store(folder, body)
    held = words_of(folder)
    wanted: Counter[str] = Counter()
    connection = connect_reader(folder / DATABASE)
    try:
        rows = connection.execute(
            "SELECT t.id, t.result, r.payload FROM tickets AS t JOIN records AS r ON r.id = t.record_id"
        ).fetchall()
        assert rows
        for number, result, payload in rows:
            row = columns(msgspec.json.decode(payload), msgspec.json.decode(result))
            assert held.pop(number) == set(f"{row['title']} {row['body']}".split())
            wanted.update(msgspec.json.decode(str(row["entities"])).keys())
        assert held == {}
        assert dict(connection.execute("SELECT key, tickets FROM entities")) == wanted
    finally:
        connection.close()


def test_whatever_happens_all_that_is_derived_agrees(tmp_path: Path) -> None:
    with running(tmp_path) as box:
        with box.client(Role.ANALYST, Role.ADMIN) as client:
            first, second = (post_tickets(client, batch(word))["job_id"] for word in ("alpha", "beta"))
            until(lambda: some_done(client, first), "some of the first job is done")
        box.kill()
        box.start()
        with box.client(Role.ANALYST, Role.ADMIN) as client:
            for job in (first, second):
                assert wait_job(client, job)["status"] == "completed"
            assert (found(client, "alpha"), found(client, "beta")) == (0, MANY - 10)

            third = post_tickets(client, batch("gamma"))["job_id"]
            until(lambda: some_done(client, third), "some of the third job is done")
            client.post(f"/v1/jobs/{third}/cancel")
            wait_job(client, third)
            replaced = found(client, "gamma")
            assert found(client, "beta") + replaced == MANY - 10

            client.post(f"/v1/jobs/{second}/reprocess").raise_for_status()
            wait_job(client, second)
            assert (found(client, "gamma"), found(client, "beta")) == (replaced, MANY - 10 - replaced)
            repair(client)
            total = client.get("/api/tickets").json()["total"]
            assert total == MANY - 10
        box.stop()
        agree(box.data)


def repair(client: httpx2.Client) -> None:
    """A record that was rejected becomes a new version of a ticket that there is."""
    ticket = batch("delta")[0]
    sent = {"records": [batch("epsilon")[1], {"id": "bad", "summary": " "}]}
    answer = client.post("/api/data-ingest", params={"mode": "partial"}, json=sent).raise_for_status().json()
    wait_job(client, answer["job_id"])
    (issue,) = client.get("/v1/issues", params={"job": answer["job_id"]}).json()["issues"]
    kind = {"Content-Type": "application/merge-patch+json"}
    path = f"/v1/records/{issue['record']}"
    client.patch(path, content=msgspec.json.encode(ticket), headers=kind).raise_for_status()
    until(lambda: found(client, "delta") == 1, "the repaired record is a ticket")
