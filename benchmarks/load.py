"""The client: a process of its own that sends requests made beforehand over raw sockets on uvloop.

Floor and box are driven by this same client. It takes about 20 µs for a small request, so that on two cores
it is not what is measured. `Load` is the parent's side; `python -m benchmarks.load` is the process.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import urlsplit

import msgspec
import uvloop

from benchmarks import texts

REPOSITORY = Path(__file__).parent.parent
READY = b"ready\n"


class Target(msgspec.Struct, frozen=True):
    """Whom to send to: `url` (http) and the bearer token, if it takes one."""

    url: str
    token: str = ""


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What to send.

    `requests` POSTs of `batch` records each to `path`, with ids from `first` on; or, with `files`, these
    bodies with their own headers; or GETs, when `batch` is 0. They go over `connections` connections, each
    sending its next request when it has the answer to the last; with `every` (seconds) one request starts
    at each interval instead, whatever became of the others. `seconds` ends the sending early.
    """

    target: Target
    requests: int
    path: str = "/api/data-ingest"
    batch: int = 1
    words: int = 60
    seed: int = 1
    first: int = 0
    files: list[tuple[str, dict[str, str]]] = []
    connections: int = 1
    every: float = 0.0
    seconds: float = 0.0
    want_jobs: bool = False


class Report(msgspec.Struct, frozen=True):
    """What came of it. `latencies` are in seconds, in the order of the answers; `sent` is in bytes."""

    seconds: float
    answered: int
    refused: dict[str, int]
    latencies: list[float]
    jobs: list[str]
    sent: int

    @property
    def rate(self) -> float:
        """Requests answered with success per second."""
        return (self.answered - sum(self.refused.values())) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency in seconds that this share of the requests kept to."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def must_have_succeeded(self) -> Report:
        """Itself; raises RuntimeError when anything was refused."""
        if self.refused or not self.answered:
            raise RuntimeError(f"{self.refused or 'nothing'} answered where every request should succeed")
        return self


class Load:
    """A client process that has made its requests and waits for `run`. Used as a context manager."""

    def __init__(self, spec: Spec) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(spec) + b"\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        if self._process.stdout.readline() != READY:
            raise RuntimeError("the load client did not start")
        return self

    def start(self) -> None:
        """Begins to send."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        self._process.stdin.close()

    def report(self) -> Report:
        """Waits for the end."""
        assert self._process.stdout is not None
        said = self._process.stdout.read()
        if not said:
            raise RuntimeError("the load client ended without a report")
        return msgspec.json.decode(said, type=Report)

    def kill(self) -> None:
        """Ends it in the midst of what it does; there is no report then."""
        self._process.kill()

    def run(self) -> Report:
        """Sends everything. Raises RuntimeError when a request was refused."""
        self.start()
        return self.report().must_have_succeeded()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        if kind is not None:
            self._process.kill()
        self._process.wait()


def run(spec: Spec) -> Report:
    """Makes a client, sends everything, and gives its report. Raises RuntimeError for any refusal."""
    with Load(spec) as load:
        return load.run()


# From here on: in the client's process.


class _Run:
    """The requests that are left, and what came of those that were sent."""

    def __init__(self, requests: deque[bytes], *, want_jobs: bool) -> None:
        self.requests = requests
        self.want_jobs = want_jobs
        self.deadline = float("inf")
        self.latencies: list[float] = []
        self.refused: dict[str, int] = {}
        self.jobs: list[str] = []
        self.sent = 0
        self.finished = asyncio.Event()
        self.idle: deque[_Connection] = deque()
        self.busy = 0

    def next(self) -> bytes | None:
        """The next request, or None when it is over."""
        if not self.requests or time.perf_counter() > self.deadline:
            return None
        return self.requests.popleft()


class _Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self, run: _Run, *, greedy: bool) -> None:
        self._run = run
        self._greedy = greedy
        self._buffer = bytearray()
        self._whole = 0  # bytes of the answer being read, once known
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of no asyncio class
        self._run.idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._run.finished.is_set():
            self._run.refused["cut"] = self._run.refused.get("cut", 0) + 1
            self._run.finished.set()

    def send(self, request: bytes, since: float | None = None) -> None:
        """Sends; `since` is when it was due, if that was earlier."""
        run = self._run
        run.busy += 1
        run.sent += len(request)
        self._sent_at = since or time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if not self._whole:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._whole = end + 4 + _length(bytes(buffer[:end]))
        if len(buffer) < self._whole:
            return
        self._note(bytes(buffer))
        buffer.clear()
        self._whole = 0
        self._go_on()

    def _note(self, answer: bytes) -> None:
        run = self._run
        run.latencies.append(time.perf_counter() - self._sent_at)
        run.busy -= 1
        if answer[9:10] != b"2":
            status = answer[9:12].decode()
            run.refused[status] = run.refused.get(status, 0) + 1
        elif run.want_jobs:
            run.jobs.append(answer.partition(b'"job_id":"')[2].partition(b'"')[0].decode())

    def _go_on(self) -> None:
        run = self._run
        request = run.next() if self._greedy else None
        if request is not None:
            self.send(request)
            return
        run.idle.append(self)
        if self._greedy and not run.busy:
            run.finished.set()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    raise RuntimeError(f"an answer without a length: {head!r}")


def _requests(spec: Spec) -> Iterator[bytes]:
    host = urlsplit(spec.target.url).netloc
    method = "POST" if spec.batch or spec.files else "GET"
    head = f"{method} {spec.path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n"
    if spec.target.token:
        head += f"Authorization: Bearer {spec.target.token}\r\n"
    if method == "GET":
        yield from [f"{head}\r\n".encode()] * spec.requests
    for name, headers in spec.files:
        body = Path(name).read_bytes()
        lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        yield f"{head}{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body
    if method == "POST" and not spec.files:
        for number in range(spec.requests):
            first = spec.first + number * spec.batch
            body = texts.batch(spec.seed, spec.batch, first=first, words=spec.words)
            kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            yield f"{head}{kind}".encode() + body


async def _send_all(run: _Run, spec: Spec) -> float:
    """Sends, and returns the seconds it took."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_give_up)
    address = urlsplit(spec.target.url)
    assert address.hostname is not None and address.port is not None
    for _ in range(spec.connections):
        await loop.create_connection(
            lambda: _Connection(run, greedy=not spec.every), address.hostname, address.port
        )
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    await asyncio.to_thread(sys.stdin.buffer.readline)
    started = time.perf_counter()
    if spec.seconds:
        run.deadline = started + spec.seconds
    if spec.every:
        await _send_paced(run, spec.every, started)
    else:
        while run.idle and (request := run.next()) is not None:
            run.idle.popleft().send(request)
        if run.busy:
            await run.finished.wait()
    seconds = time.perf_counter() - started
    run.finished.set()
    return seconds


def _give_up(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A fault of the client's must end it, or the run would wait for ever."""
    loop.default_exception_handler(context)
    os._exit(1)


async def _send_paced(run: _Run, every: float, started: float) -> None:
    """One request an interval over whichever connection is idle; a request that finds none waits, and its
    time counts from when it was due."""
    number = 0
    while (request := run.next()) is not None:
        due = started + number * every
        number += 1
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        late = not run.idle
        await _until(lambda: bool(run.idle))
        run.idle.popleft().send(request, due if late else None)
    await _until(lambda: not run.busy or run.finished.is_set())


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - polling costs less than an event for every answer
        await asyncio.sleep(0.001)


async def _main(spec: Spec) -> Report:
    run = _Run(deque(_requests(spec)), want_jobs=spec.want_jobs)
    gc.freeze()
    gc.disable()
    seconds = await _send_all(run, spec)
    return Report(seconds, len(run.latencies), run.refused, run.latencies, run.jobs, run.sent)


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.stdin.buffer.readline(), type=Spec)
    report = uvloop.run(_main(asked))
    sys.stdout.buffer.write(msgspec.json.encode(report))
