"""A box of the demo: the real program in a process of its own, asked over HTTP like any other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from ingestbox.cli.reach import MintedToken
from ingestbox.config.template import toml
from ingestbox.model import Role
from ingestbox.store.lock import is_held, read_holder

START_SECONDS = 60.0
STOP_SECONDS = 5.0
"""How long a box is given to stop in order; then it is killed, for nothing of it is kept."""

ANSWER_SECONDS = 3.0
LOG_LINES = 8
_OF_BOXES = ("INGESTBOX_", "LOG_", "COGNITO_", "ALLOWED_GROUP")


class BoxFailed(Exception):  # noqa: N818 - says what happened
    """A box did not start, or ended by itself; the text is for people, with the end of its log."""


class DemoBox:
    """One box. In order: `start`, then `client` and `key`, then `stop`."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.data = folder / name
        self.log = folder / f"{name}.log"
        self.url = ""
        self.key = ""
        """An administrator's API key, once the box is started."""
        self._config = folder / f"{name}.toml"
        self._process: asyncio.subprocess.Process | None = None
        self.client: httpx2.AsyncClient

    @property
    def pid(self) -> int:
        """The process's number, once it is started."""
        assert self._process is not None
        return self._process.pid

    async def start(self, sections: dict[str, dict[str, object]], port: int) -> None:
        """Starts the box with these settings, and makes itself a key. Raises BoxFailed."""
        settings: dict[str, dict[str, object]] = {
            "server": {"port": port, "stop_seconds": STOP_SECONDS - 2},
            "log": {"format": "simple"},
            "work": {"children": 1},
            **sections,
        }
        self._config.touch(mode=0o600)
        self._config.write_text("".join(_section(name, keys) for name, keys in settings.items()), "utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OF_BOXES)}
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_program(),
                *("serve", "--data", str(self.data), "--config", str(self._config)),
                *("--parent", str(os.getpid())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=kept,
                # Ctrl-C at the terminal is for the demo alone, which then stops its boxes in order.
                process_group=0,
            )
        try:
            async with asyncio.timeout(START_SECONDS):
                self.url = await self._address(self._process)
        except TimeoutError:
            raise BoxFailed(self._tail(f"The {self.name} box did not start in {START_SECONDS:g} s")) from None
        self.client = httpx2.AsyncClient(
            base_url=self.url,
            auth=MintedToken(self.data, Role.ADMIN),
            trust_env=False,
            verify=False,  # plain HTTP on loopback, and loading certificates takes a while
            timeout=httpx2.Timeout(ANSWER_SECONDS),
        )
        self.key = await self.make_key("demo", Role.ADMIN)

    async def make_key(self, name: str, role: Role) -> str:
        """A new API key, made as any administrator makes one."""
        made = await self.post("/v1/keys", msgspec.json.encode({"name": name, "roles": [role]}))
        return str(made["key"])

    async def get(self, path: str) -> Any:
        """A decoded answer. Raises httpx2.TransportError, and BoxFailed for an answer that is an error."""
        return self._decoded(await self.client.get(path))

    async def text(self, path: str, **query: str) -> str:
        """An answer that is no JSON, as `get`."""
        return self._good(await self.client.get(path, params=query)).text

    async def post(self, path: str, body: bytes, **headers: str) -> Any:
        """As `get`, with a JSON body."""
        sent = {"Content-Type": "application/json", **headers}
        return self._decoded(await self.client.post(path, content=body, headers=sent))

    async def put(self, path: str, body: bytes) -> Any:
        """As `post`."""
        sent = {"Content-Type": "application/json"}
        return self._decoded(await self.client.put(path, content=body, headers=sent))

    async def upload(self, path: str, name: str, content: bytes) -> Any:
        """A file, as `post`."""
        return self._decoded(await self.client.post(path, files={"file": (name, content)}))

    async def ended(self) -> BoxFailed:
        """Waits until the process ends by itself, and says how."""
        assert self._process is not None
        status = await self._process.wait()
        how = f"exit status {status}" if status >= 0 else signal.Signals(-status).name
        return BoxFailed(self._tail(f"The {self.name} box ended ({how})"))

    async def stop(self) -> None:
        """Ends the process, in order if it can be."""
        if self._process is None or self._process.returncode is not None:
            return
        for number in (signal.SIGTERM, signal.SIGCONT):  # it may have been told to stand still
            self._send(number)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._send(signal.SIGKILL)
            await self._process.wait()

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _address(self, process: asyncio.subprocess.Process) -> str:
        while process.returncode is None:
            holder = read_holder(self.data) if is_held(self.data) else None
            if holder is not None and holder.url:
                return holder.url
            await asyncio.sleep(0.05)
        raise BoxFailed(self._tail(f"The {self.name} box did not start"))

    def _decoded(self, response: httpx2.Response) -> Any:
        return msgspec.json.decode(self._good(response).content)

    def _good(self, response: httpx2.Response) -> httpx2.Response:
        if not response.is_success:
            where = f"{response.request.method} {response.request.url.path}"
            raise BoxFailed(self._tail(f"The {self.name} box answered {response.status_code} to {where}"))
        return response

    def _tail(self, sentence: str) -> str:
        lines = self.log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:]
        return f"{sentence}. The end of its log:\n" + "\n".join(f"  {line}" for line in lines)


def _program() -> list[str]:
    """How this program starts itself, frozen into one file or not."""
    return [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-P", "-m", "ingestbox"]


def _section(name: str, keys: dict[str, object]) -> str:
    head = name if name.startswith("[") else f"[{name}]"
    return f"{head}\n" + "".join(f"{key} = {toml(value)}\n" for key, value in keys.items())
