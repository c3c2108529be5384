"""An upstream for random walks, and a model in plain Python of what it and the box have to say."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

from ingestbox.families.audience.facts import facts_of

Json = dict[str, Any]

MARK = "[erased]"


@dataclass
class Central:
    """An upstream that keeps the newest version of each object, and has `fault`: `none`, `down` (503), `cut`
    (what is taken is not answered) or `refuse` (some lines, one by one)."""

    rng: Random
    fault: str = "none"
    url: str = ""
    objects: dict[tuple[str, str], tuple[int, Json]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def lane(self) -> str:
        return (
            f'[[lanes]]\nname = "central"\nurl = "{self.url}/v1/sync/batches"\ntoken = "any"\n'
            'backoff_seconds = 0.05\nbatch_lines = 60\ncompression = "none"\nrefusals = 10000\n'
        )

    def take(self, body: bytes) -> list[Json]:
        """Takes the lines; those that it refuses."""
        refused: list[Json] = []
        for text in body.splitlines():
            line = json.loads(text)
            if line["op"] == "skip":
                continue
            if self.fault == "refuse" and self.rng.random() < 0.1:
                refused.append({"seq": line["seq"], "code": "record_invalid", "message": "Not now."})
                continue
            place = line["kind"], line["id"]
            known = self.objects.get(place)
            if known is not None and known[0] == line["version"] and known[1] != line:
                self.wrong.append(f"{place} has two versions {known[0]}")
            if known is None or known[0] < line["version"]:
                self.objects[place] = (line["version"], line)
        return refused


@contextmanager
def upstream(rng: Random | None = None) -> Iterator[Central]:
    """One on a free port of the loopback."""
    central = Central(rng or Random(0))
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            if central.fault == "down":
                self.answer(503, b"{}")
                return
            with lock:
                refused = central.take(body)
            if central.fault == "cut":
                self.close_connection = True
                return
            self.answer(200, json.dumps({"rejected": refused}).encode())

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A box that is killed breaks its connections."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    central.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield central
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Segment:
    """What a segment is to be. `rows` are those of a frozen one; `result` what upstream has, once told."""

    id: str
    name: str
    filter: Json | None
    rows: list[int] | None
    forward: bool
    told: Json | None = None


@dataclass
class Upload:
    """What an upload is to be. `states` are its records': open (neither of the others), issue, discarded."""

    id: str
    owner: str
    name: str
    records: list[Json]
    states: list[str]
    cancelled: bool = False
    segments: dict[str, Segment] = field(default_factory=dict)

    def count(self, state: str) -> int:
        return self.states.count(state)

    @property
    def listed(self) -> list[int]:
        return [index for index, state in enumerate(self.states) if state == "open"]

    def passing(self, wanted: Json | None) -> list[int]:
        return [index for index in self.listed if passes(self.records[index], wanted)]

    def erase(self, address: str) -> None:
        for index, record in enumerate(self.records):
            if self.states[index] == "discarded":
                continue  # what nobody sees any more
            if address in (record.get("business_email"), record.get("email")):
                self.states[index] = "discarded"
            else:
                self.records[index] = json.loads(json.dumps(record).replace(address, MARK))


def passes(record: Json, wanted: Json | None) -> bool:
    """Whether a record passes one of the few sorts of filters that walks use."""
    if wanted is None:
        return True
    value = record.get(wanted["field"])
    match wanted["op"]:
        case "=":
            return value is not None and str(value).casefold() == str(wanted["value"]).casefold()
        case "!=":
            return value is None or str(value).casefold() != str(wanted["value"]).casefold()
        case ">=":
            return value not in (None, "") and float(value) >= wanted["value"]
        case other:
            raise AssertionError(other)


@dataclass
class Model:
    """All that is to be there."""

    uploads: dict[str, Upload] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)

    def facts(self) -> dict[str, tuple[Json, tuple[str, str]]]:
        """Of each object id of a live record what is found out about it, and by whom and what it is
        compared."""
        found = {}
        for upload in self.uploads.values():
            for index in upload.listed:
                facts, match = facts_of(upload.records[index])
                found[f"{upload.id}/{index}"] = facts, (upload.owner, match)
        return found


def apart(model: Model, duplicate_of: dict[str, str | None]) -> None:
    """Each of those that are the same names the one first."""
    groups = defaultdict(list)
    for object_id, (_, match) in model.facts().items():
        groups[match].append(object_id)
    for match, members in groups.items():
        firsts = [each for each in members if duplicate_of[each] is None]
        assert len(firsts) == 1, f"{match}: {firsts} of {members}"
        others = {duplicate_of[each] for each in members} - {None}
        assert others <= {firsts[0]}, f"{match}: {others}, and the first is {firsts[0]}"
