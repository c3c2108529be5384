"""A server of embeddings, as OpenAI's speak: real HTTP, and vectors that say who made them."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ingestbox.enrich.folding import fold


def numbers(text: str, dimension: int, salt: int = 0) -> list[float]:
    """Counts of the words of a text, each at a place by its letters; not of length one."""
    found = [0.0] * dimension
    for word in fold(text).split():
        found[sum(map(ord, word)) * (salt + 7) % dimension] += 1.0
    return found if any(found) else [1.0] * dimension


class Embedder:
    """A server for `POST /v1/embeddings`; `reply`, from a body to a status and an answer, can be replaced."""

    def __init__(self, dimension: int = 48, salt: int = 0) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.dimension, self.salt = dimension, salt
        self.reply: Callable[[dict[str, Any]], tuple[int, Any]] = self.good
        self.gate = threading.Event()
        self.gate.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append(body)
                outer.paths.append(self.path)
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                outer.gate.wait()
                status, answer = outer.reply(body)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:  # whoever asked was killed meanwhile
                    self.close_connection = True

            def log_message(self, *args: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args: object) -> None:
                pass

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def good(self, body: dict[str, Any]) -> tuple[int, Any]:
        """What a server that works answers, in another order than it was asked."""
        data = [
            {"object": "embedding", "index": place, "embedding": numbers(text, self.dimension, self.salt)}
            for place, text in enumerate(body["input"])
        ]
        return 200, {"object": "list", "data": data[::-1], "model": body["model"], "usage": {}}

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def length(values: list[float]) -> float:
    return math.sqrt(sum(value * value for value in values))
