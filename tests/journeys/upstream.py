"""An upstream that does as it is told: the one thing that tests fake. It keeps what it was sent."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from backports import zstd


@dataclass(frozen=True)
class Batch:
    """One request as it arrived, decoded; `digest_ok` is whether Content-Digest fits the bytes."""

    headers: dict[str, str]
    lines: list[dict[str, Any]]
    digest_ok: bool

    @property
    def after(self) -> int:
        return int(self.headers["ingestbox-after"])

    @property
    def seqs(self) -> list[int]:
        return [line["seq"] for line in self.lines]


@dataclass(frozen=True)
class Answer:
    """What to answer; `cut` closes the connection instead, `hold` waits for the event first."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    cut: bool = False
    truncate: bool = False
    hold: threading.Event | None = None


class Upstream:
    """A server on loopback; `plan` gives the answer to each request by its number from 0."""

    def __init__(self, plan: Callable[[int], Answer]) -> None:
        self.seen: list[Batch] = []
        """Every request, whatever became of it."""
        self.taken: list[Batch] = []
        """Those answered with 2xx."""
        self.plan = plan
        self._lock = threading.Lock()
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                upstream._answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/take"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        batch = _decoded({name.lower(): value for name, value in handler.headers.items()}, body)
        with self._lock:
            answer = self.plan(len(self.seen))
            self.seen.append(batch)
        if answer.hold is not None:
            answer.hold.wait(30)
        if answer.cut:
            handler.close_connection = True
            with contextlib.suppress(OSError):
                handler.connection.shutdown(socket.SHUT_RDWR)
            return
        if 200 <= answer.status < 300 and not answer.truncate:
            with self._lock:
                self.taken.append(batch)
        with contextlib.suppress(OSError):  # a client that gave up meanwhile
            handler.send_response(answer.status)
            for name, value in answer.headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(answer.body)))
            handler.end_headers()
            handler.wfile.write(answer.body[:-1] if answer.truncate else answer.body)
            if answer.truncate:
                handler.close_connection = True

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def _decoded(headers: dict[str, str], body: bytes) -> Batch:
    digest = b64encode(hashlib.sha256(body).digest()).decode()
    coding = headers.get("content-encoding")
    plain = zstd.decompress(body) if coding == "zstd" else gzip.decompress(body) if coding == "gzip" else body
    lines = [json.loads(line) for line in plain.splitlines()]
    return Batch(headers, lines, headers["content-digest"] == f"sha-256=:{digest}:")


@contextlib.contextmanager
def upstream(plan: Callable[[int], Answer] = lambda _: Answer()) -> Iterator[Upstream]:
    """An upstream for the time of a block."""
    server = Upstream(plan)
    try:
        yield server
    finally:
        server.close()
