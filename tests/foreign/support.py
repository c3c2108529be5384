"""Programs that are not ours, as a distribution packages them, in a folder and on a port of a test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.harness import PATIENCE, until


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def installed(name: str, package: str) -> str:
    """Where a program is. A test whose program is missing fails."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.fail(f"{name} is not installed. Install it: apt-get install {package} (.ci/run does)")
    return found


class Program:
    """A server in a process of its own; it never runs as a service of the system."""

    def __init__(self, command: Sequence[str], port: int, folder: Path) -> None:
        self._command = list(command)
        self._folder = folder
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, unless it runs, and returns once it takes connections."""
        if self._process is not None and self._process.poll() is None:
            return
        log = self._folder / "log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

        def listens() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, log.read_text(errors="replace")[-3000:]
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        until(listens, f"{self._command[0]} listens")

    def kill(self) -> None:
        """`kill -9`, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE)
