"""Running the command line as people do, and an upstream that does as it is told."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests import program, zygote

PATIENCE = 60.0


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's, without what would set up a box or a command."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INGESTBOX_")}
    return {**kept, **(extra or {})}


def ingestbox(
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
) -> Ran:
    """Runs `ingestbox …` in a process of its own and waits for its end."""
    words, environ = [str(each) for each in arguments], environment(env)
    if zygote.may_fork(environ):
        code, out, err = zygote.run(words, environ, cwd, stdin, PATIENCE)
        return Ran(code, out.decode(), err.decode())
    done = subprocess.run(
        [*program.command(), *words],
        cwd=cwd,
        env=environ,
        input=stdin,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


@dataclass(frozen=True)
class Request:
    """What the upstream got."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def records(self) -> list[dict[str, Any]]:
        raw = gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body
        records: list[dict[str, Any]] = json.loads(raw)["records"]
        return records


@dataclass(frozen=True)
class Answer:
    """What it answers; `cut` closes the connection instead."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


Respond = Callable[[Request], Answer]


class Upstream:
    """An HTTP server that keeps every request and answers as `respond` says."""

    def __init__(self, respond: Respond) -> None:
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        kept, lock = self.requests, self._lock

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, body)
                with lock:
                    kept.append(request)
                answer = respond(request)
                if answer.cut:
                    self.close_connection = True
                    return
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names that http.server calls

            def log_message(self, *_: object) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def posts(self) -> list[Request]:
        with self._lock:
            return [request for request in self.requests if request.method == "POST"]

    @contextlib.contextmanager
    def running(self) -> Iterator[Upstream]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def taken(request: Request, **more: object) -> Answer:
    """The 200 of an intake; the job is called after the batch's key."""
    body = {
        "job_id": request.headers["idempotency-key"],
        "status_url": "",
        "message": "Data ingestion started",
        "record_count": len(request.records),
        **more,
    }
    return Answer(body=body)
