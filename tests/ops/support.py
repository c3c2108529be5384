"""A receiver of alarms on loopback: the one thing that these tests fake."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@dataclass(frozen=True)
class Post:
    """One request as it arrived; `signed` is whether its signature is right."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    signed: bool

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def news(self) -> tuple[str, str]:
        return self.body["type"], self.body["data"]["alarm"]


@dataclass(frozen=True)
class Answer:
    """What it answers; `hold` waits for the event first, `endless` never ends the body."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None
    endless: bool = False


class Receiver:
    """`plan` gives the answer to each request by its number from 0; it can go away and come back."""

    def __init__(self, plan: Callable[[int], Answer]) -> None:
        self.plan = plan
        self.posts: list[Post] = []
        """Every request, whatever became of it."""
        self.taken: list[Post] = []
        """Those answered with 2xx."""
        self._lock = threading.Lock()
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self.open()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/hook"

    @property
    def news(self) -> list[tuple[str, str]]:
        return [post.news for post in self.taken]

    def open(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_port
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        post = Post(handler.path, headers, json.loads(body), _is_signed(headers, body))
        with self._lock:
            answer = self.plan(len(self.posts))
            self.posts.append(post)
        if answer.hold is not None:
            answer.hold.wait(30)
        if 200 <= answer.status < 300:
            with self._lock:
                self.taken.append(post)
        with contextlib.suppress(OSError):  # a client that gave up meanwhile
            handler.send_response(answer.status)
            for name, value in answer.headers.items():
                handler.send_header(name, value)
            handler.end_headers()
            while answer.endless:
                handler.wfile.write(b"x" * 65_536)


def _is_signed(headers: dict[str, str], body: bytes) -> bool:
    """Standard Webhooks, Verifying webhooks: HMAC-SHA256 over `id.timestamp.payload` with the decoded key."""
    payload = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(KEY, payload, hashlib.sha256).digest()).decode()
    return headers.get("webhook-signature") == f"v1,{expected}"


@contextlib.contextmanager
def receiver(plan: Callable[[int], Answer] = lambda _: Answer()) -> Iterator[Receiver]:
    """A receiver for the time of a block."""
    server = Receiver(plan)
    try:
        yield server
    finally:
        server.close()
