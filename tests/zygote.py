"""A process that has loaded the program already and forks boxes: of a start, loading is the larger part.

What is forked goes through the program's own entry, with its own arguments, environment, folder and log. A
start that is about loading itself (an interpreter's settings, a wrapper) does without; so do all with
`TESTS_FORK=0`.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from tests import forking, premade
from tests.program import built

LARGEST = 1 << 20
"""Bytes of a message, at most: an environment is tens of kilobytes."""

SLICE_SECONDS = 0.05
"""How long one thread reads what all wait for."""

OF_LOADING = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_")
"""Variables that a process reads before it runs any of this."""


def may_fork(environ: Mapping[str, str]) -> bool:
    """Whether a process with this environment is the same forked as it would be started anew."""
    if os.environ.get("TESTS_FORK") == "0" or built():
        return False
    return all(
        environ.get(name) == os.environ.get(name)
        for name in environ.keys() | os.environ.keys()
        if name.startswith(OF_LOADING)
    )


class Forked:
    """A forked box, with what tests use of `subprocess.Popen`."""

    def __init__(self, zygote: Zygote, pid: int) -> None:
        self._zygote = zygote
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        if self.returncode is None:
            self.returncode = self._zygote.ended(self.pid, 0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once there is one. Raises subprocess.TimeoutExpired."""
        until = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired("a forked box", timeout or 0)
            self.returncode = self._zygote.ended(self.pid, SLICE_SECONDS)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """`kill -9`."""
        self.send_signal(signal.SIGKILL)


class Zygote:
    """The process, as tests see it; safe for many threads."""

    def __init__(self) -> None:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.zygote", str(its.fileno())],
                cwd=Path(__file__).parent.parent,
                pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._socket = ours
        self._lock = threading.Lock()
        self._codes: dict[int, int] = {}
        self._started: int | None = None
        atexit.register(self.close)

    def close(self) -> None:
        """Ends it; boxes that run go on."""
        self._socket.close()
        self._process.wait(10)

    def fork(
        self,
        arguments: list[str],
        environ: Mapping[str, str],
        log: Path,
        *,
        folder: Path | None = None,
        given: Path | None = None,
        errors: Path | None = None,
    ) -> Forked:
        """Starts the program with these arguments, in a folder; what it says is added to a file, or to two,
        and what it reads is in another."""
        wish = {
            "arguments": arguments,
            "environ": dict(environ),
            "folder": str(folder or Path.cwd()),
            "streams": [str(given or os.devnull), str(log), str(errors or log)],
        }
        with self._lock:
            self._socket.send(json.dumps(wish).encode())
            while self._started is None:
                self._read(None)
            pid, self._started = self._started, None
            self._codes.pop(pid, None)  # of an earlier process with this number
            return Forked(self, pid)

    def ended(self, pid: int, seconds: float) -> int | None:
        """The exit code of a process, if it is known within a time."""
        with self._lock:
            while pid not in self._codes and self._read(seconds):
                seconds = 0
            return self._codes.get(pid)

    def _read(self, seconds: float | None) -> bool:
        """Reads a message; False when none came."""
        self._socket.settimeout(seconds)
        try:
            data = self._socket.recv(LARGEST)
        except (BlockingIOError, TimeoutError):
            return False
        if not data:
            raise AssertionError("the process that forks boxes has ended")
        told = json.loads(data)
        if "started" in told:
            self._started = told["started"]
        else:
            self._codes[told["ended"]] = told["code"]
        return True


_zygote: Zygote | None = None
_making = threading.Lock()


def fork(arguments: list[str], environ: Mapping[str, str], log: Path) -> Forked:
    """Starts the program with these arguments from this process's zygote."""
    return _ready().fork(arguments, environ, log)


def run(
    arguments: list[str], environ: Mapping[str, str], folder: Path, given: bytes, seconds: float
) -> tuple[int, bytes, bytes]:
    """Runs the program in a folder: its exit code, and what it said on its two streams."""
    with tempfile.TemporaryDirectory() as place:
        stdin, out, errors = (Path(place, name) for name in ("in", "out", "err"))
        stdin.write_bytes(given)
        forked = _ready().fork(arguments, environ, out, folder=folder, given=stdin, errors=errors)
        try:
            code = forked.wait(seconds)
        finally:
            forked.kill()
        return code, out.read_bytes(), errors.read_bytes()


def _ready() -> Zygote:
    global _zygote
    with _making:
        if _zygote is None:
            _zygote = Zygote()
    return _zygote


# From here on: in the process itself.


def _serve(tests: socket.socket) -> dict[str, Any] | None:
    """Forks until the tests are over. Returns what is wanted of it in a forked process, None at the end."""
    rung, bell = socket.socketpair()
    for end in (rung, bell):
        end.setblocking(False)
    signal.set_wakeup_fd(bell.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with selectors.DefaultSelector() as waiting:
        waiting.register(tests, selectors.EVENT_READ)
        waiting.register(rung, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.fileobj is rung:
                    with contextlib.suppress(BlockingIOError):
                        rung.recv(4096)
                    _report(tests)
                    continue
                data = tests.recv(LARGEST)
                if not data:
                    return None
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for each in (rung, bell, tests):
                        each.close()
                    wish: dict[str, Any] = json.loads(data)
                    return wish
                tests.send(json.dumps({"started": pid}).encode())


def _report(tests: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            tests.send(json.dumps({"ended": pid, "code": code}).encode())


def _become(wish: dict[str, Any]) -> None:
    """Takes on what a started process would have."""
    os.environ.clear()
    os.environ.update(wish["environ"])
    time.tzset()
    os.chdir(wish["folder"])
    for fd, name in enumerate(wish["streams"]):
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT if fd else os.O_RDONLY
        opened = os.open(name, flags, 0o666)
        os.dup2(opened, fd)
        os.close(opened)
    asyncio.create_subprocess_exec = forking.start  # type: ignore[assignment]
    if not wish["environ"].keys() >= premade.DEAR_PASSWORDS.keys():
        premade.cheapen_passwords()
    from ingestbox import __file__ as package

    sys.argv = [str(Path(package).with_name("__main__.py")), *wish["arguments"]]


def main() -> None:
    """`python -m tests.zygote <socket>`."""
    import importlib
    import pkgutil

    import ingestbox

    # All of it, with what is imported where it is first needed: each box would load that anew.
    modules = (each.name for each in pkgutil.walk_packages(ingestbox.__path__, "ingestbox."))
    for name in (*modules, "encodings.idna", "sqlite_vec", "uvicorn.lifespan.off", "uvloop"):
        if not name.endswith("__main__"):
            with contextlib.suppress(Exception):  # whoever needs what cannot be loaded says so
                importlib.import_module(name)
    with contextlib.suppress(Exception):
        from ingestbox import families
        from ingestbox.console import texts

        premade.use()
        premade.template()
        premade.load_queries({name: family.queries for name, family in families.load().items()})
        texts.load()
    gc.collect()
    gc.freeze()  # what no process changes stays in one place
    wish = _serve(socket.socket(fileno=int(sys.argv[1])))
    if wish is None:
        return
    _become(wish)
    from ingestbox.cli import main as program

    try:
        program()
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            _end(ended.code or 0)
        raise
    _end(0)


def _end(code: int) -> NoReturn:
    """Ends the process as the interpreter does, but for taking everything apart that was loaded: that takes
    longer than most commands, since each page of memory is written to for it. What a program leaves in cycles
    is finalised, so that it is complained of as ever."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 120
    os._exit(code)


if __name__ == "__main__":
    main()
