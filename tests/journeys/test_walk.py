"""Whatever clients, people and crashes do in whatever order: each record has one outcome, all numbers are
those of the records, and both boxes have the latest word on every ticket. Walks differ in timing alone."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from ingestbox.model import Role
from tests.harness import BoxProcess, running, until
from tests.web.v1.support import Json, counts, everything, get

WALKERS = 3
STEPS = 60
KILLS = 3
TICKETS = [*(f"T-{number}" for number in range(12)), "007", "7", str(10**30), "-5", "ü"]

Reply = httpx2.Response | None


class Walker:
    """A client that sends batches, and decides about what comes of them."""

    def __init__(self, box: BoxProcess, seed: int) -> None:
        self._box = box
        self._random = random.Random(seed)
        self._jobs: list[str] = []

    def walk(self, taken: threading.Semaphore, up: threading.Event) -> None:
        """So many steps while the box is `up`; `taken` hears of each, even if a crash cuts it short."""
        with self._box.client() as client:
            for _ in range(STEPS):
                assert up.wait(60)
                try:
                    reply = self._step(client)
                except httpx2.TransportError:
                    reply = None
                if reply is not None:
                    assert reply.status_code in (200, 404, 409, 412, 422, 503), reply.text
                taken.release()

    def _step(self, client: httpx2.Client) -> Reply:
        chance = self._random.random()
        if not self._jobs or chance < 0.25:
            return self._batch(client)
        job = self._random.choice(self._jobs[-4:])
        if chance < 0.3:
            return client.post(f"/v1/jobs/{job}/cancel")
        if chance < 0.45:
            which = self._random.choice(["issues", "all"])
            return client.post(f"/v1/jobs/{job}/reprocess", params={"records": which})
        if chance < 0.55:
            action = self._random.choice(["retry", "discard"])
            return client.post("/v1/issues/bulk", json={"action": action, "filter": {"job": job}})
        listed = client.get("/v1/issues", params={"job": job, "state": "open"})
        found = listed.json()["issues"] if listed.is_success else []
        return self._decide(client, self._random.choice(found)) if found else None

    def _batch(self, client: httpx2.Client) -> Reply:
        records = [self._record() for _ in range(self._random.choice([1, 5, 60]))]
        reply = client.post("/api/data-ingest", json={"records": records}, params={"mode": "partial"})
        if reply.is_success:
            self._jobs.append(reply.json()["job_id"])
        return reply

    def _record(self) -> Json:
        summary = self._random.choice([" ", 5, *(self._words() for _ in range(4))])
        return {"id": self._random.choice(TICKETS), "summary": summary}

    def _words(self) -> str:
        return f"words {self._random.random()}"

    def _decide(self, client: httpx2.Client, issue: Json) -> Reply:
        patch = self._random.choice(
            [
                {"summary": self._words()},
                {"summary": self._words(), "id": self._random.choice(TICKETS)},
                {"id": None},
            ]
        )
        if self._random.random() < 0.5:
            headers = {}
            if self._random.random() < 0.5:
                headers["If-Match"] = client.get(issue["links"]["record"]).headers.get("etag", "*")
            return client.patch(issue["links"]["record"], json=patch, headers=headers)
        decision = self._random.choice(
            [{"action": "edit", "patch": patch}, {"action": "retry"}, {"action": "discard"}]
        )
        return client.post(f"/v1/issues/{issue['id']}/resolve", json=decision)


def at_rest(client: httpx2.Client) -> list[Json] | None:
    """Every job, once nothing more happens to them."""
    jobs = everything(client, "/v1/jobs", "jobs", limit=500)
    rest = all(
        job["state"] in ("completed", "failed", "cancelled") and not job["counts"]["pending"] for job in jobs
    )
    cancelled = any(job["state"] == "cancelled" and job["issues"] for job in jobs)
    return jobs if rest and not cancelled else None


def latest_words(client: httpx2.Client, jobs: list[Json]) -> dict[str, str]:
    """What each ticket has to say, from its latest record that is done; checks each job on the way."""
    done: list[tuple[int, str, str]] = []
    for job in jobs:
        records = everything(client, f"/v1/jobs/{job['id']}/records", "records", payload="true", limit=500)
        assert [each["index"] for each in records] == list(range(job["total"]))
        states = Counter(each["state"] for each in records)
        finished = states["done"] + states["superseded"]
        assert counts(job) == (states["pending"], finished, states["issue"], states["discarded"])
        for each in records:
            still = [issue for issue in each["issues"] if issue["resolved_at"] is None]
            assert len(still) == (each["state"] == "issue"), each
            if each["state"] == "done":
                done.append((int(each["id"]), each["key"], each["payload"]["summary"]))
    return {key: summary for _, key, summary in sorted(done)}


def tickets(client: httpx2.Client) -> dict[str, str]:
    return {each["ticket_id"]: each["summary"] for each in everything(client, "/api/tickets", "results")}


def assert_deliveries(client: httpx2.Client) -> int:
    """Seqs have no gaps and each object's versions none either; gives how many there are."""
    found = everything(client, "/v1/deliveries", "deliveries", limit=500)[::-1]
    assert [int(each["seq"]) for each in found] == list(range(1, len(found) + 1))
    versions: Counter[str] = Counter()
    for each in found:
        versions[each["object_id"]] += 1
        assert each["version"] == versions[each["object_id"]]
    return len(found)


@pytest.mark.parametrize(
    "seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(3, 23))]
)
def test_whatever_happens_each_record_has_its_outcome(tmp_path: Path, seed: int) -> None:
    with running(tmp_path / "central") as central:
        config = (
            f'[work]\nchunk_records = 7\n[[lanes]]\nname = "central"\nurl = "{central.url}/v1/sync/batches"\n'
            f'token = "{central.token(Role.FORWARDER)}"\nbackoff_seconds = 0.02\nprobe_seconds = 0.1\n'
        )
        with running(tmp_path / "edge", config=config) as edge:
            taken, up = threading.Semaphore(0), threading.Event()
            up.set()
            with ThreadPoolExecutor(WALKERS) as threads:
                walks = [
                    threads.submit(Walker(edge, seed * 100 + number).walk, taken, up)
                    for number in range(WALKERS)
                ]
                for _ in range(KILLS):
                    for _ in range(WALKERS * STEPS // (KILLS + 1)):
                        assert taken.acquire(timeout=60)
                    edge.kill()
                    up.clear()
                    edge.start()
                    up.set()
            for walk in walks:
                walk.result()
            with edge.client() as here, central.client() as there:
                jobs = until(lambda: at_rest(here), "every job is at rest")
                words = latest_words(here, jobs)
                assert tickets(here) == words
                total = assert_deliveries(here)
                assert get(here, "/v1/doctor")["ok"]

                def arrived() -> bool:
                    (lane,) = get(here, "/v1/stats")["lanes"]
                    return bool(lane["delivered"] == total)

                until(arrived, "all deliveries are taken")
                assert tickets(there) == words
                assert get(there, "/v1/doctor")["ok"]
