"""Starts FastAPI, Celery, Redis and PostgreSQL for the time of a block: private ports and folders, loopback.

The Python packages go into `.venv-bench` (made when it is not there); redis-server and PostgreSQL come from
the distribution. What is missing is said; nothing is skipped.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx2

from benchmarks.boxes import scratch
from benchmarks.load import REPOSITORY, Target
from benchmarks.report import Unavailable
from tests.harness import until

VENV = REPOSITORY / ".venv-bench"
REQUIREMENTS = Path(__file__).parent.parent / "requirements-celery.txt"
INSTALL = "apt-get install redis-server postgresql"
STOP_SECONDS = 15.0


@contextlib.contextmanager
def running(workers: int) -> Iterator[Target]:
    """The stack with this many worker processes. Raises Unavailable with what is missing."""
    python, redis = _python(), shutil.which("redis-server")
    if redis is None:
        raise Unavailable(f"redis-server is not installed; try: {INSTALL}")
    postgres = _postgres_folder()
    with scratch() as folder, contextlib.ExitStack() as stack:
        folder.chmod(0o711)  # PostgreSQL runs as another user in a folder of its own inside
        redis_port, api_port = _free_port(), _free_port()
        _spawn(stack, folder, [redis, "--port", str(redis_port), "--bind", "127.0.0.1", "--dir", str(folder)])
        environ = {
            **os.environ,
            "STACK_REDIS": f"redis://127.0.0.1:{redis_port}/0",
            "STACK_POSTGRES": _start_postgres(stack, folder, postgres),
        }
        celery = ["-m", "celery", "-A", "benchmarks.celery_stack.tasks", "worker"]
        _spawn(
            stack,
            folder,
            [python, *celery, f"--concurrency={workers}", "--loglevel=WARNING"],
            environ=environ,
        )
        uvicorn = ["-m", "uvicorn", "benchmarks.celery_stack.app:app", "--no-access-log"]
        loop = ["--loop", "uvloop", "--http", "httptools"]
        _spawn(stack, folder, [python, *uvicorn, *loop, "--port", str(api_port)], environ=environ)
        url = f"http://127.0.0.1:{api_port}"
        until(lambda: _answers(f"{url}/openapi.json"), f"the stack answers; see {folder}")
        yield Target(url)


def _python() -> str:
    """The interpreter with the stack's packages, installed as pinned."""
    python = VENV / "bin" / "python"
    mark = VENV / "installed.txt"
    pins = REQUIREMENTS.read_text()
    if not mark.exists() or mark.read_text() != pins:
        try:
            subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True, stdout=sys.stderr)
            subprocess.run(
                [str(python), "-m", "pip", "install", "-q", "-r", str(REQUIREMENTS)],
                check=True,
                stdout=sys.stderr,
            )
        except subprocess.CalledProcessError as error:
            raise Unavailable(f"the packages of {REQUIREMENTS.name} cannot be installed: {error}") from None
        mark.write_text(pins)
    return str(python)


def _postgres_folder() -> Path:
    """Where the newest PostgreSQL's programs are."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    if found is None:
        raise Unavailable(f"PostgreSQL is not installed; try: {INSTALL}")
    return Path(found).parent


def _start_postgres(stack: contextlib.ExitStack, folder: Path, programs: Path) -> str:
    """PostgreSQL with its defaults (fsync and synchronous_commit on); returns where to connect."""
    data = folder / "postgres"
    data.mkdir()
    user = None
    if os.geteuid() == 0:  # it refuses to run as root
        user = "postgres"
        shutil.chown(data, user, user)
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "stack", "-A", "trust", "--no-sync", "-E", "UTF8"],
        user=user,
        cwd=data,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    port = _free_port()
    command: list[str | Path] = [
        programs / "postgres",
        "-D",
        data,
        "-p",
        str(port),
        "-h",
        "127.0.0.1",
        "-k",
        data,
    ]
    _spawn(stack, folder, command, user=user, cwd=data)
    address = f"host=127.0.0.1 port={port} user=stack dbname=postgres"
    ready: list[str | Path] = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    until(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL answers")
    schema = Path(__file__).parent / "schema.sql"
    subprocess.run(
        [programs / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", address, "-f", schema], check=True
    )
    return address


def _spawn(
    stack: contextlib.ExitStack,
    folder: Path,
    command: Sequence[str | Path],
    *,
    environ: Mapping[str, str] | None = None,
    user: str | None = None,
    cwd: Path = REPOSITORY,
) -> None:
    """Starts a part of the stack; it is ended, and waited for, when `stack` closes."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, env=environ, user=user, cwd=cwd, stdout=log, stderr=log)
    stack.callback(_end, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    # SIGINT is PostgreSQL's fast stop (its SIGTERM waits for clients) and is fine for the others.
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx2.TransportError):
        return httpx2.get(url, trust_env=False).status_code == 200
    return False
