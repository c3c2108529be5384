"""What tests drive the box with: the real program in a process of its own, over real HTTP."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from ingestbox.clock import SystemClock
from ingestbox.identity.secretfile import load_secret
from ingestbox.identity.tokens import mint
from ingestbox.model import Role
from ingestbox.store.lock import is_held, read_holder
from ingestbox.web.http.tls import command_context
from tests import program, zygote

T = TypeVar("T")

Run = Callable[[Coroutine[Any, Any, None]], None]
"""The fixture `run`: runs a coroutine, once on each event loop that the box may have."""

UNLESS_CONFIGURED: dict[str, str] = {}
"""The environment of boxes whose configuration says nothing of children; tests set it, benchmarks do not."""

PATIENCE = 30.0
"""Seconds that any condition is waited for; a machine that is busy takes longer, not a test that is right."""


def until(condition: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """Polls until `condition()` is true and returns its value; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    pause, nobody = 0.002, threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        nobody.wait(pause)
        pause = min(pause * 1.5, 0.05)


def children(pid: int) -> list[int]:
    """Process numbers of what a process started; none of one that has ended."""
    with contextlib.suppress(FileNotFoundError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


class BoxProcess:
    """`ingestbox serve` on a data folder, in a process of its own; it can be killed and started again."""

    def __init__(
        self, folder: Path, *, config: str = "", environ: Mapping[str, str] | None = None, port: int = 0
    ) -> None:
        """`config` is the text of a configuration file; `environ` adds to this process's environment.

        `data` may be set to a folder elsewhere, and `wrapper` to a command that runs the box's own in the
        same process (`strace -D …`); both count from the next start.
        """
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "log"
        self._config = folder / "ingestbox.toml"
        folder.mkdir(parents=True, exist_ok=True)
        self._config.write_text(config)
        self._port = port
        self.wrapper: Sequence[str] = ()
        self._environ = {**os.environ, **(environ or {})}
        self.process: subprocess.Popen[bytes] | zygote.Forked | None = None
        self.pid = 0
        """The box's process number, once it answers. Of a single file, `process` is its boot-loader."""
        self.url = ""

    def configure(self, config: str) -> None:
        """Replaces the configuration; it counts from the next start."""
        self._config.write_text(config)

    def start(self, *, wait: bool = True) -> BoxProcess:
        """Starts the box and, with `wait`, returns once it answers."""
        settings = ["--config", str(self._config), "--port", str(self._port)]
        command = ["serve", "--data", str(self.data), *settings]
        environ = self._environ
        if "children" not in self._config.read_text():
            environ = {**UNLESS_CONFIGURED, **environ}
        if not self.wrapper and zygote.may_fork(environ):
            self.process = zygote.fork(command, environ, self.log)
        else:
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    [*self.wrapper, *program.command(), *command],
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        """Waits until this process holds the folder and answers."""
        assert self.process is not None
        pid = self.process.pid

        def answers() -> bool:
            if self.process is None or self.process.poll() is not None:
                raise AssertionError(f"the box ended: {self.tail()}")
            holder = read_holder(self.data)
            if holder is None or not holder.url or not (holder.pid == pid or holder.pid in children(pid)):
                return False
            self.pid, self.url = holder.pid, holder.url
            with contextlib.suppress(httpx2.TransportError):
                # Without TLS to verify no certificates are loaded, which takes longer than the request.
                answer = httpx2.get(f"{self.url}/healthz", trust_env=False, verify=self.trust() or False)
                return answer.status_code == 200
            return False

        until(answers, "the box answers")
        # The same address from now on, so that clients and lanes find the box again.
        self._port = int(self.url.rpartition(":")[2])

    def trust(self) -> ssl.SSLContext | None:
        """What a client of a box with TLS takes as `verify`; None of one without."""
        holder = read_holder(self.data)
        if holder is None or not holder.certificate:
            return None
        return command_context(holder.certificate, self.data)

    def tail(self) -> str:
        """The end of the box's log."""
        return self.log.read_text(errors="replace")[-3000:]

    def kill(self) -> None:
        """`kill -9`, and waits for the process to be gone."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)
        # Of a single file that was the boot-loader, which the box notices.
        until(lambda: not is_held(self.data), "the data folder is free")

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """Ends the process, whatever state it is in."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def children(self) -> list[int]:
        """Process ids of the box's children."""
        return children(self.pid)

    def token(self, *roles: Role, subject: str = "tester", workspace: str = "default") -> str:
        """A token that the box takes."""
        secret = load_secret(self.data)
        return mint(
            secret,
            subject=subject,
            roles=roles or (Role.ADMIN,),
            workspace=workspace,
            ttl_seconds=3600,
            clock=SystemClock(),
        )

    def client(
        self, *roles: Role, subject: str = "tester", workspace: str = "default", **options: Any
    ) -> httpx2.Client:
        """An HTTP client with a token."""
        # Without TLS to verify no certificates are loaded, which takes longer than most requests.
        options.setdefault("verify", self.trust() if self.url.startswith("https:") else False)
        return httpx2.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.token(*roles, subject=subject, workspace=workspace)}"},
            timeout=PATIENCE,
            trust_env=False,
            **options,
        )


@contextlib.contextmanager
def running(
    folder: Path, *, config: str = "", environ: Mapping[str, str] | None = None
) -> Iterator[BoxProcess]:
    """A box for the time of a block."""
    box = BoxProcess(folder, config=config, environ=environ).start()
    try:
        yield box
    finally:
        box.close()


def ticket(number: int, **fields: object) -> dict[str, object]:
    """A record of feedback; `number` gives it its id and its own words."""
    return {
        "id": f"T-{number}",
        "summary": f"Ticket {number}: the delivery was late",
        "description": "I am not happy with the slow answer, but the product itself is great!",
        **fields,
    }


def post_tickets(
    client: httpx2.Client, records: Sequence[Mapping[str, object]], **options: Any
) -> dict[str, Any]:
    """Posts a batch, asserts that it was taken, and returns the answer."""
    response = client.post("/api/data-ingest", json={"records": list(records)}, **options)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def wait_job(client: httpx2.Client, job_id: str, seconds: float = PATIENCE) -> dict[str, Any]:
    """The job once it is completed or failed."""

    def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = client.get(f"/api/job/{job_id}").raise_for_status().json()
        return job if job["status"] in ("completed", "failed") else None

    return until(ended, f"job {job_id} ends", seconds)
