"""An upstream that refuses lines until it is told to take them: over real HTTP, in a thread of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Refusing:
    """What it answers: `code` and `message` for every line while it is `refusing`, `status` at any time.
    `seen` has the first and last seq of each batch, in order of arrival."""

    def __init__(self) -> None:
        self.refusing = True
        self.code, self.message = "record_invalid", "The customer is not known here."
        self.status = 200
        self.seen: list[tuple[int, int]] = []
        self.url = ""

    def lane(self, name: str = "central") -> str:
        """The lane's section in the settings of a box that sends here."""
        return (
            f'[[lanes]]\nname = "{name}"\nurl = "{self.url}/v1/sync/batches"\ntoken = "any"\n'
            "backoff_seconds = 0.05\n"
        )

    def answer(self, span: str | None) -> bytes:
        """The body for a batch with these seqs."""
        if span is None:
            return b"{}"
        first, last = (int(part) for part in span.split("-"))
        self.seen.append((first, last))
        seqs = range(first, last + 1) if self.refusing else ()
        rejected = [{"seq": seq, "code": self.code, "message": self.message} for seq in seqs]
        return json.dumps({"rejected": rejected}).encode()


@contextmanager
def refusing() -> Iterator[Refusing]:
    """One on a free port of the loopback."""
    state = Refusing()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", "0")))
            body = state.answer(self.headers.get("ingestbox-seq"))
            self.send_response(state.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
