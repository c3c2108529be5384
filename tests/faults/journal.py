"""The oracle of the fault tests: what an outside client knows, and nothing from the box's files.

A *shipment* is one batch under one Idempotency-Key. The journal keeps every attempt, every answer, every
record's id and the SHA-256 of what was sent under it. After a fault: lost = acknowledged − found.
"""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

PATH = "/api/data-ingest"
REFUSALS = (409, 429, 503, 507)
"""Answers that ask to come again; a client must not take one of them for a yes."""


def digest(record: Mapping[str, object]) -> str:
    """SHA-256 of a record, however its JSON was spelt."""
    text = json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def as_sent(ticket: Mapping[str, Any]) -> dict[str, object]:
    """The record that a body of `/api/tickets/{id}` stands for (records here have all four fields)."""
    given = {"id": ticket["ticket_id"], "summary": ticket["summary"], "description": ticket["description"]}
    return {**given, "comments": ticket["comments"], **ticket["extra"]}


@dataclass(eq=False)
class Shipment:
    """One batch and what became of it. `job_id` is set by the first acknowledgement; `originals` counts
    those that were not called a replay."""

    key: str
    number: int
    digests: dict[str, str]
    body: bytes
    attempts: int = 0
    unanswered: int = 0
    originals: int = 0
    statuses: list[int] = field(default_factory=list)
    job_id: str | None = None

    @property
    def acknowledged(self) -> bool:
        """Whether the box ever said yes."""
        return self.job_id is not None


class Journal:
    """Everything one client ever attempted. Safe for many threads."""

    def __init__(self, path: Path) -> None:
        """`path` gets a line for each attempt and each answer, to read after a failure."""
        self._lock = threading.Lock()
        self._file = path.open("a", buffering=1)
        self.shipments: list[Shipment] = []
        self.violations: list[str] = []
        self.in_flight = 0

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def ship(self, records: Sequence[Mapping[str, object]], key: str | None = None) -> Shipment:
        """A new shipment; nothing is sent yet. The order of calls is the order of intake for an id, if
        its shipments are sent one after the other."""
        body = json.dumps({"records": list(records)}, ensure_ascii=False).encode()
        digests = {str(record["id"]): digest(record) for record in records}
        assert len(digests) == len(records), "ids of one shipment must differ"
        with self._lock:
            shipment = Shipment(key or str(uuid.uuid4()), len(self.shipments), digests, body)
            self.shipments.append(shipment)
        return shipment

    def post(self, client: httpx2.Client, shipment: Shipment) -> int:
        """One attempt; returns the status, or 0 when there was no answer."""
        with self._lock:
            shipment.attempts += 1
            self.in_flight += 1
            self._note("attempt", shipment)
        headers = {"Idempotency-Key": shipment.key, "Content-Type": "application/json"}
        status, body, replayed = 0, {}, False
        try:
            response = client.post(PATH, content=shipment.body, headers=headers)
            status = response.status_code
            body = response.json()
            replayed = "idempotency-replayed" in response.headers
            if status in REFUSALS and "retry-after" not in response.headers:
                self._violation(shipment, f"{status} without Retry-After")
        except (httpx2.TransportError, ValueError):
            status = 0
        with self._lock:
            self.in_flight -= 1
            self._judge(shipment, status, body, replayed=replayed)
            self._note(f"answer {status}", shipment)
        return status

    def acknowledged(self) -> list[Shipment]:
        """Those the box said yes to."""
        with self._lock:
            return [each for each in self.shipments if each.acknowledged]

    def count(self) -> int:
        """Records acknowledged so far."""
        return sum(len(each.digests) for each in self.acknowledged())

    def _judge(self, shipment: Shipment, status: int, body: Any, *, replayed: bool) -> None:
        if status == 0:
            shipment.unanswered += 1
            return
        shipment.statuses.append(status)
        if status in REFUSALS:
            return
        if status != 200:
            self._violation(shipment, f"answered {status}: {body}")
            return
        job_id, first = body["job_id"], shipment.job_id
        if body["record_count"] != len(shipment.digests):
            self._violation(shipment, f"record_count is {body['record_count']}")
        shipment.job_id = first or job_id
        shipment.originals += not replayed
        if job_id != shipment.job_id:
            self._violation(shipment, f"one key, two jobs: {first} and {job_id}")
        if shipment.originals > 1:
            self._violation(shipment, "two answers of one key are not called replays")
        if replayed and shipment.attempts == 1:
            self._violation(shipment, "the only attempt is called a replay")

    def _violation(self, shipment: Shipment, what: str) -> None:
        self.violations.append(f"shipment {shipment.number}: {what}")

    def _note(self, what: str, shipment: Shipment) -> None:
        line = {"what": what, "shipment": shipment.number, "key": shipment.key, "job": shipment.job_id}
        self._file.write(json.dumps({**line, "ids": sorted(shipment.digests)}) + "\n")
