"""A box that runs from what was built, as people start it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Self

import httpx2

from ingestbox.store.lock import is_held, read_holder
from tests.harness import until

ROOT = Path(__file__).parents[2]
FOLDER_FORM = "ingestbox-*-linux-*.tar.xz"
ENDED = 60.0


def environ(unpacked: Path) -> dict[str, str]:
    """This process's environment, without what would set up a box or Python, and a folder to unpack in."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("INGESTBOX_", "PYTHON"))}
    return {**kept, "TMPDIR": str(unpacked)}


class Frozen:
    """A box that runs from the binary, in a process group of its own as on a terminal."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "log"
        self.unpacked = folder / "tmp"
        self.unpacked.mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [program, "serve", "--data", self.data, "--port", "0"],
                cwd=folder,
                env=environ(self.unpacked),
                stdin=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        self.inner = self.process.pid
        """The program itself; of the single file, `process` is the boot-loader, which runs it."""
        self.url = ""

    def ready(self) -> Self:
        """Waits until it listens."""
        self.url = until(self._address, "the box listens", ENDED)
        holder = read_holder(self.data)
        assert holder is not None
        self.inner = holder.pid
        return self

    def _address(self) -> str:
        assert self.process.poll() is None, self.log.read_text()
        holder = read_holder(self.data) if is_held(self.data) else None
        return holder.url if holder else ""

    def run(self, *arguments: str, code: int = 0, data: bool = True) -> str:
        """What a command says, of the box's folder unless it is one that has no `data`."""
        done = subprocess.run(
            [self.program, *arguments, *(("--data", self.data) if data else ())],
            cwd=self.folder,
            env=environ(self.unpacked),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ENDED,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    def client(self, role: str) -> httpx2.Client:
        """A client with a token that the program makes."""
        token = self.run("token", "create", "--user", "me", "--role", role).strip()
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=ENDED, trust_env=False)

    def __enter__(self) -> Self:
        try:
            return self.ready()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(ENDED)


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"  # dead; whoever adopted it has not looked yet
