"""A crawler as there are: only 200 is a success, Retry-After is slept for, large bodies are gzipped, batches
are sent in parts. And a way to the box on which answers get lost."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import requests

from ingestbox.families.knowledge.shapes import PATH
from tests.harness import PATIENCE

ZIPPED_CHARACTERS = 10_000
CHUNK = 50
ATTEMPTS = 6


class GaveUpError(Exception):
    """It was tried often enough."""


@dataclass(slots=True)
class Crawler:
    """A client of `requests`; `sleep` is asked to wait for so many seconds."""

    url: str
    token: str
    sleep: Callable[[float], None]
    statuses: list[int] = field(default_factory=list)
    answers: list[requests.Response] = field(default_factory=list)
    lost: int = 0
    zipped: int = 0

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Until it is a success."""
        text = json.dumps(body)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = text.encode()
        if len(text) > ZIPPED_CHARACTERS:
            headers["Content-Encoding"] = "gzip"
            data = gzip.compress(data)
            self.zipped += 1
        for attempt in range(ATTEMPTS):
            try:
                reply = requests.post(f"{self.url}{PATH}{path}", data=data, headers=headers, timeout=PATIENCE)
            except requests.exceptions.ConnectionError:
                self.lost += 1
                self.sleep(2**attempt)
                continue
            self.statuses.append(reply.status_code)
            self.answers.append(reply)
            if reply.status_code == 200:
                answer: dict[str, Any] = reply.json()
                return answer
            self.sleep(int(reply.headers["Retry-After"]) if reply.status_code == 429 else 2**attempt)
        raise GaveUpError(self.statuses)

    def upload_all(
        self, batch_id: str, source_id: str, items: Sequence[Mapping[str, object]]
    ) -> list[dict[str, Any]]:
        """In parts of CHUNK, `<batch_id>_chunk_1` and so on; the answers."""
        return [
            self.post(
                "/content/bulk-upload",
                {
                    "batch_id": f"{batch_id}_chunk_{number}",
                    "source_id": source_id,
                    "items": items[start : start + CHUNK],
                },
            )
            for number, start in enumerate(range(0, len(items), CHUNK), start=1)
        ]

    def status(self, **params: str) -> dict[str, Any]:
        """What the box says about content."""
        reply = requests.get(
            f"{self.url}{PATH}/content/status",
            params=params,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=PATIENCE,
        )
        assert reply.status_code == 200, reply.text
        answer: dict[str, Any] = reply.json()
        return answer


@contextmanager
def losing(url: str, mark: bytes) -> Iterator[str]:
    """The address of a proxy in front of a box. The first answer to a request whose body has `mark` in it
    never arrives: the box has done what was asked for, and the connection breaks."""
    to_lose = [mark]
    target = urlsplit(url)

    class Relay(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._relay()

        def do_GET(self) -> None:
            self._relay()

        def _relay(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            upstream = http.client.HTTPConnection(target.hostname or "", target.port, timeout=PATIENCE)
            upstream.request(self.command, self.path, body, dict(self.headers.items()))
            reply = upstream.getresponse()
            content = reply.read()
            upstream.close()
            self.close_connection = True
            if to_lose and to_lose[0] in plain:
                to_lose.clear()
                return
            self.send_response_only(reply.status)
            for name, value in reply.getheaders():
                if name.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
