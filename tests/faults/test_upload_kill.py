"""`kill -9` while files come, are counted, loaded and processed: each row is there once, no file is left."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.faults.ledger import rows
from tests.harness import PATIENCE, BoxProcess, until, wait_job

FILES, ROWS, ROUNDS = 4, 1_500, 10
PIECE = 4_096

# Small chunks, so that kills fall between many commits.
CONFIG = "[work]\nchunk_records = 20\nsweep_seconds = 0.5\n"

HEAD = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="f.csv"\r\n\r\n'
TAIL = b"\r\n--cut--\r\n"

LEFT_MOMENTS = ("coming", "coming", "counting", "loading", "processing", "processing")


@dataclass
class Sent:
    """A file, and what its client knows."""

    number: int
    content: bytes
    jobs: set[str] = field(default_factory=set)
    refused: list[int] = field(default_factory=list)

    @property
    def acknowledged(self) -> bool:
        return bool(self.jobs)


def content_of(number: int) -> bytes:
    """Rows of which every hundredth has no text, one cannot be read, and one has an id that came before."""
    lines = ["id,summary,description"]
    for row in range(ROWS):
        text = "" if row % 100 == 50 else f"The delivery {row} of {number} was late."
        lines.append(f"F{number}-{row},,{text}")
    lines[700] = "F,a,b,c,d"
    lines[-1] = f"F{number}-0,,The later one."
    return "\n".join(lines).encode() + b"\n"


ISSUES = ROWS // 100 + 1


def send(box: BoxProcess, sent: Sent) -> None:
    """One attempt, in pieces, under the file's own key."""
    host, _, port = box.url.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
    body = HEAD + sent.content + TAIL
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        connection.putrequest("POST", "/api/upload")
        connection.putheader("Authorization", f"Bearer {box.token()}")
        connection.putheader("Idempotency-Key", f"file {sent.number}")
        connection.putheader("Content-Type", "multipart/form-data; boundary=cut")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        for at in range(0, len(body), PIECE):
            connection.send(body[at : at + PIECE])
        answer = connection.getresponse()
        found: dict[str, Any] = json.loads(answer.read())
        if answer.status == 200:
            assert found["file_info"]["rows"] == ROWS
            sent.jobs.add(found["job_id"])
        else:
            sent.refused.append(answer.status)
    connection.close()


class Rounds:
    """A box, files on their way to it, and a hand that kills."""

    def __init__(self, box: BoxProcess, seed: int) -> None:
        self._box = box
        self._random = Random(seed)
        self.files = [Sent(number, content_of(number)) for number in range(FILES)]
        self.kills: Counter[str] = Counter()

    def run(self) -> None:
        """Kills ROUNDS times; then every file is sent until it is taken, once more after that."""
        self._box.start()
        for _ in range(ROUNDS):
            moment = self._random.choice(LEFT_MOMENTS)
            senders = [
                threading.Thread(target=send, args=(self._box, each))
                for each in self._random.sample(self.files, 2)
            ]
            for sender in senders:
                sender.start()
            self._await(moment)
            threading.Event().wait(self._random.random() * 0.1)
            if self._random.random() < 0.2:
                self._kill_child()
            self._box.kill()
            for sender in senders:
                sender.join()
            self.kills[moment] += 1
            self._box.start()
        for each in self.files:
            while not each.acknowledged:
                send(self._box, each)
                assert len(each.refused) < 100, each.refused
            send(self._box, each)

    def _await(self, moment: str) -> None:
        """Waits for the moment; it may be over already, then the box is killed as it is."""
        asked = {
            "coming": lambda: bool(list((self._box.data / "incoming").iterdir())),
            "counting": lambda: bool(list((self._box.data / "files").iterdir())),
            "loading": lambda: bool(rows(self._box.data, "SELECT 1 FROM files WHERE loaded_ms IS NULL")),
            "processing": lambda: bool(rows(self._box.data, "SELECT 1 FROM records WHERE state = 'pending'")),
        }
        with contextlib.suppress(AssertionError):
            until(asked[moment], moment, 1.0)

    def _kill_child(self) -> None:
        for pid in self._box.children()[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def check_rows(data: Path, job: int) -> None:
    """Each row of a file is a record, each record has one outcome, each that is done one delivery."""
    of_job = f"id >= {job << 24} AND id < {(job + 1) << 24}"
    states = dict(rows(data, f"SELECT state, COUNT(*) FROM records WHERE {of_job} GROUP BY state"))
    assert sum(states.values()) == ROWS
    assert set(states) <= {"done", "superseded", "issue"}
    assert states["issue"] == ISSUES
    keys = rows(data, f"SELECT key, COUNT(*) FROM records WHERE {of_job} AND key <> '' GROUP BY key")
    assert Counter(count for _, count in keys) == Counter({1: ROWS - 3, 2: 1})
    delivered = rows(
        data,
        "SELECT r.state, COUNT(*), COUNT(DISTINCT d.record_id) FROM deliveries AS d JOIN records AS r "
        f"ON r.id = d.record_id WHERE r.{of_job.replace('AND id', 'AND r.id')} GROUP BY r.state",
    )
    assert delivered == [("done", states["done"], states["done"])]


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 12))])
def test_kills_at_any_moment_lose_and_double_no_row_and_leave_no_file(tmp_path: Path, seed: int) -> None:
    box = BoxProcess(tmp_path / "box", config=CONFIG)
    rounds = Rounds(box, seed)
    try:
        rounds.run()
        with box.client() as client:
            for each in rounds.files:
                assert len(each.jobs) == 1, "one key, one job"
                assert not set(each.refused) - {409, 429, 503}, each.refused
                (job_id,) = each.jobs
                job = wait_job(client, job_id, 120)
                assert (job["status"], job["total_rows"], job["records_processed"]) == (
                    "completed",
                    ROWS,
                    ROWS,
                )
                assert (len(job["errors"]), job["file"]["loaded"]) == (ISSUES, ROWS)
                assert client.get(f"/api/tickets/F{each.number}-0").json()["description"] == "The later one."
                assert client.get(f"/api/tickets/F{each.number}-1").status_code == 200
            assert client.get("/api/jobs").json()["count"] == FILES
            assert client.get("/v1/doctor").json()["ok"]
        named = {name for (name,) in rows(box.data, "SELECT stored FROM files")}
        until(lambda: not list((box.data / "incoming").iterdir()), "nothing is left in incoming/", 60)
        until(lambda: {path.name for path in (box.data / "files").iterdir()} == named, "nor in files/", 60)
        assert len(named) == FILES
        assert box.stop() == 0
        for (job,) in rows(box.data, "SELECT job_id FROM files"):
            check_rows(box.data, job)
        print(dict(rounds.kills))  # noqa: T201 - shown when it fails
    finally:
        box.close()


def test_a_file_that_came_whole_before_a_kill_but_has_no_job_goes(own_box: BoxProcess) -> None:
    own_box.start()
    own_box.kill()
    orphan = own_box.data / "files" / f"{'0' * 32}.csv"
    part = own_box.data / "incoming" / f"{'1' * 32}.csv"
    mine = own_box.data / "files" / "notes of the operator.csv"
    for path in (orphan, part, mine):
        path.write_text("id,text\n")
    own_box.start()
    until(lambda: not (orphan.exists() or part.exists()), "both are swept")
    assert mine.exists()
