"""A client that sends large batches of audience records through every fault, and what became of them."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from dataclasses import dataclass
from random import Random

import httpx2

from ingestbox.families.audience.shapes import PATH
from tests.faults.journal import Journal
from tests.faults.load import PAUSE_SECONDS, Load
from tests.harness import BoxProcess, until

WORKSPACE = "fairs"
"""One of its own: what the others' records come to is counted by workspace."""

LEAST, MOST = 1_001, 2_500
"""Records of a batch: always more than one transaction takes."""

BETWEEN_SECONDS = 2.0
TAKEN_SECONDS = 120.0
READ_SECONDS = 90.0


@dataclass(frozen=True)
class Fair:
    """One batch: its Idempotency-Key and body, and the upload that it is, in the box's words."""

    key: str
    body: bytes
    answer: bytes

    @property
    def upload_id(self) -> str:
        """The upload's id."""
        return str(json.loads(self.answer)["upload_id"])


class Fairs(Load):
    """The client. No record of it is like another, so that each upload stays what it is."""

    def __init__(self, box: BoxProcess, journal: Journal, *, seed: int) -> None:
        super().__init__(box, journal, clients=1, seed=seed, workspace=WORKSPACE)
        self.taken: list[Fair] = []
        self._read = 0

    def _run(self, client: httpx2.Client, number: int, random: Random) -> None:
        while not self._stop.is_set():
            self._rest()
            place = len(self.taken)
            records = [
                {"email": f"f{place}.{each}@fair.example", "n": random.getrandbits(40)}
                for each in range(random.randint(LEAST, MOST))
            ]
            body = json.dumps({"upload_name": f"Fair {place}", "records": records}).encode()
            self.taken.append(self._until_answered(client, str(uuid.uuid4()), body))
            # Nobody sets this event: it is a pause that a stop waits for.
            threading.Event().wait(random.random() * BETWEEN_SECONDS)

    def _until_answered(self, client: httpx2.Client, key: str, body: bytes) -> Fair:
        deadline = time.monotonic() + TAKEN_SECONDS
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx2.TransportError):
                reply = client.post(PATH, content=body, headers=headers)
                if reply.status_code == 200:
                    return Fair(key, body, reply.content)
                assert reply.status_code in (409, 429, 503, 507), reply.text
            threading.Event().wait(PAUSE_SECONDS)
        raise AssertionError(f"not taken within {TAKEN_SECONDS:g} s")

    def check(self) -> int:
        """Asserts that there is an upload for each batch, and no other; that each is processed; and that
        those that were not read before are what was sent. Returns how many there are."""
        with self._box.client(verify=False, workspace=WORKSPACE) as client:

            def processed() -> bool:
                uploads = client.get(PATH).raise_for_status().json()["uploads"]
                assert [each["upload_id"] for each in uploads] == [
                    fair.upload_id for fair in reversed(self.taken)
                ]
                return all(each["rows_processed"] == each["rows_received"] for each in uploads)

            until(processed, "every batch is processed", READ_SECONDS)
            for fair in self.taken[self._read :]:
                upload = client.get(f"{PATH}/{fair.upload_id}").raise_for_status().json()
                assert upload["records"] == json.loads(fair.body)["records"]
                assert all(result["_duplicate_of"] is None for result in upload["results"])
                assert [each["_email"] for each in upload["results"]] == [
                    each["email"] for each in upload["records"]
                ]
        self._read = len(self.taken)
        return len(self.taken)
