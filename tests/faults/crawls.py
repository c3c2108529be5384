"""A crawler that sends articles through every fault, in batches by chunks and one by one, without any key:
the same text is the same article. And what became of them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import httpx2

from tests.families.knowledge.support import BULK, UPLOAD, article, content, status
from tests.faults.journal import REFUSALS, Journal
from tests.faults.load import PAUSE_SECONDS, Load
from tests.harness import BoxProcess, until

WORKSPACE = "crawls"
"""One of its own: what the others' records come to is counted by workspace."""

RATES = "[rates]\nknowledge_upload = 0\nknowledge_bulk = 0\nknowledge_read = 0\n"
"""Configuration of a box that counts no calls of the crawler."""

CHUNK, MOST_CHUNKS = 25, 3
SINGLES = 3
BETWEEN_SECONDS = 1.0
TAKEN_SECONDS = 120.0
READ_SECONDS = 90.0
READ_AT_ONCE = 40


class Crawls(Load):
    """The client. No article of it is like another, and none is of low quality."""

    def __init__(self, box: BoxProcess, journal: Journal, *, seed: int) -> None:
        super().__init__(box, journal, clients=1, seed=seed, workspace=WORKSPACE)
        self.taken: dict[str, Mapping[str, object]] = {}
        """What was acknowledged, by the id that the box gave it."""
        self.batches: dict[str, list[str]] = {}
        self._made = 0
        self._read = 0

    def _run(self, client: httpx2.Client, number: int, random: Random) -> None:
        while not self._stop.is_set():
            self._rest()
            self._crawl(client, random)
            for item in self._some(random.randint(0, SINGLES)):
                reply = self._until_answered(client, UPLOAD, item)
                self._acknowledged(reply["content_id"], item)
            # Nobody sets this event: it is a pause that a stop waits for.
            threading.Event().wait(random.random() * BETWEEN_SECONDS)

    def _crawl(self, client: httpx2.Client, random: Random) -> None:
        """A batch in chunks, of which some come twice."""
        name = f"crawl{len(self.batches)}"
        self.batches[name] = []
        for chunk in range(random.randint(1, MOST_CHUNKS)):
            items = self._some(random.randint(1, CHUNK))
            body = {"batch_id": f"{name}_chunk_{chunk}", "source_id": "crawled", "items": items}
            ids = self._ids(self._until_answered(client, BULK, body), items)
            if random.random() < 0.2:
                again = self._until_answered(client, BULK, body)
                assert self._ids(again, items) == ids, "a repeat is other content"
                assert {line["status"] for line in again["items"]} == {"duplicate"}
            self.batches[name] += ids

    def _ids(self, answer: Any, items: Sequence[Mapping[str, object]]) -> list[str]:
        assert answer["accepted_items"] == len(items), answer
        ids = [line["content_id"] for line in answer["items"]]
        for content_id, item in zip(ids, items, strict=True):
            self._acknowledged(content_id, item)
        return ids

    def _acknowledged(self, content_id: str, item: Mapping[str, object]) -> None:
        known = self.taken.setdefault(content_id, item)
        assert known is item, f"{content_id} is two articles"

    def _some(self, count: int) -> list[dict[str, object]]:
        self._made += count
        return [article(number) for number in range(self._made - count, self._made)]

    def _until_answered(self, client: httpx2.Client, path: str, body: object) -> Any:
        deadline = time.monotonic() + TAKEN_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx2.TransportError):
                reply = client.post(path, json=body)
                if reply.status_code == 200:
                    return reply.json()
                assert reply.status_code in REFUSALS, reply.text
                assert "retry-after" in reply.headers, reply.text
            threading.Event().wait(PAUSE_SECONDS)
        raise AssertionError(f"not taken within {TAKEN_SECONDS:g} s")

    def check(self) -> int:
        """Asserts that what was acknowledged is there and processed, and nothing else: lost = acknowledged -
        found; that batches sum up; that everything is indexed; and that some of it is what was sent. Returns
        how many articles there are."""
        with self._box.client(verify=False, workspace=WORKSPACE) as client:

            def processed() -> list[Any] | None:
                answer = status(client)
                done = answer["completed"] == answer["total_items"]
                assert not answer["failed"], answer
                return answer["items"] if done else None

            found = until(processed, "every article is processed", READ_SECONDS)
            ids = {line["content_id"] for line in found}
            assert len(ids) == len(found)
            lost, doubled = self.taken.keys() - ids, ids - self.taken.keys()
            assert (len(lost), len(doubled)) == (0, 0), (sorted(lost)[:5], sorted(doubled)[:5])
            for name, members in self.batches.items():
                answer = status(client, batch_id=name)
                assert [line["content_id"] for line in answer["items"]] == members
                assert answer["overall_status"] == "completed"
            for content_id in list(self.taken)[self._read :][:READ_AT_ONCE]:
                assert content(client, content_id)["record"] == self.taken[content_id]
            until(lambda: self._indexed(client), "everything is indexed", READ_SECONDS)
            (source,) = [each for each in _sources(client) if each["id"] == "ministry-health"]
            assert source["total_content"] == len(self.taken)
        self._read = len(self.taken)
        return len(self.taken)

    def _indexed(self, client: httpx2.Client) -> bool:
        """Whether search says so."""
        reply = client.post("/knowledge-management/search", json={"query": "huyết áp", "top_k": 5})
        return "indexing" not in reply.raise_for_status().json()


def _sources(client: httpx2.Client) -> list[Any]:
    found: list[Any] = client.get("/knowledge-management/sources").raise_for_status().json()["sources"]
    return found
