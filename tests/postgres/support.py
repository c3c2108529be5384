"""A real PostgreSQL server in a folder of its own, and batches as lanes make them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import zlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import msgspec
import uvloop

from ingestbox import config
from ingestbox.clock import SystemClock
from ingestbox.forward.batch import LaneBatch
from ingestbox.forward.sink import Decision
from ingestbox.forward.sinks.postgres import PostgresSink
from ingestbox.store.enqueued import count_enqueued
from ingestbox.store.identity import BoxIdentity
from ingestbox.store.unit import Tx
from tests.forward.support import START_MS, lane, ticket_line
from tests.forward.support import until as until_closed
from tests.harness import until

T = TypeVar("T")

BOX, EPOCH = "b7a778904a20a36bb", "e1f0c2d4a6"
PASSWORD = "p@ss:w/rd"
"""With letters that mean something in a URL."""

SETTINGS = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB", "autovacuum=off")


def programs() -> Path:
    """The folder with Debian's server, the newest one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    assert found, "no PostgreSQL server: apt-get install postgresql"
    return found[-1]


class Server:
    """A server that listens at the loopback, with TLS, and at a socket. It refuses to run as root."""

    def __init__(self, *settings: str, place: Path | None = None) -> None:
        """`settings` go after SETTINGS; `place` is the folder that its own is made in."""
        self.folder = Path(tempfile.mkdtemp(prefix="ingestbox-postgres-", dir=place))
        self._settings = (*SETTINGS, *settings)
        self.user = "postgres" if os.getuid() == 0 else None
        if self.user:
            shutil.chown(self.folder, self.user)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = ThreadPoolExecutor(1)
        self._run("initdb", "-D", "data", "-U", "root", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        self.certificate("server")
        (self.folder / "data" / "pg_hba.conf").write_text(
            "local all root trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        )
        self.start()
        self.sql("CREATE DATABASE box", database="postgres")
        self.role("box")
        self.sql("GRANT CREATE ON SCHEMA public TO box")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(programs() / program), *arguments]
        done = subprocess.run(command, cwd=self.folder, user=self.user, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()

    def certificate(self, name: str) -> Path:
        """One for the loopback's name, signed by itself: a client has to trust this very file."""
        made = self.folder / f"{name}.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        command += ["-nodes", "-keyout", f"{name}.key", "-out", str(made), "-subj", "/CN=localhost"]
        command += ["-addext", "subjectAltName=DNS:localhost"]
        subprocess.run(command, cwd=self.folder, user=self.user, check=True, capture_output=True)
        (self.folder / f"{name}.key").chmod(0o600)
        return made

    def start(self) -> None:
        """Starts it, and waits until it takes connections."""
        options = ["listen_addresses=127.0.0.1", f"port={self.port}", "ssl=on"]
        options += [f"unix_socket_directories={self.folder}", f"ssl_cert_file={self.folder}/server.pem"]
        options += [f"ssl_key_file={self.folder}/server.key"]
        command = [str(programs() / "postgres"), "-D", "data"]
        for option in (*self._settings, *options):
            command += ["-c", option]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.folder, user=self.user, stdout=log, stderr=log)
        until(self._answers, "PostgreSQL answers")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
        ready = [str(programs() / "pg_isready"), "-q", "-h", str(self.folder), f"-p{self.port}"]
        return subprocess.run(ready).returncode == 0

    def kill(self) -> None:
        """`kill -9` of the server and all that it has started, as when the power goes."""
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self._process.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self._process.wait()
        until(lambda: not any(Path(f"/proc/{child}/exe").exists() for child in children), "all are gone")

    def close(self) -> None:
        """Ends it and removes all of it."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._thread.shutdown()
        shutil.rmtree(self.folder)

    def role(self, name: str, options: str = "") -> None:
        """Makes a user with PASSWORD."""
        self.sql(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' {options}")

    def sql(self, text: str, *, database: str = "box") -> list[list[Any]]:
        """Runs statements as the superuser; the rows of a single SELECT, read as JSON.

        In a thread, since tests ask in the middle of a loop's work.
        """

        async def asked() -> list[list[Any]]:
            connection = await asyncpg.connect(
                host=str(self.folder), port=self.port, user="root", database=database, password=""
            )
            try:
                if not text.startswith("SELECT json"):
                    await connection.execute(text)
                    return []
                return [msgspec.json.decode(row[0]) for row in await connection.fetch(text)]
            finally:
                await connection.close()

        return self._thread.submit(lambda: uvloop.run(asked())).result()

    def rows(self, table: str, columns: str = "id, version, deleted") -> list[list[Any]]:
        """The table's rows, by id."""
        select = f"SELECT json_build_array({columns})::text FROM {table} ORDER BY box, id"
        # In one line each: json_build_array writes none.
        return self.sql(select)

    def url(self, user: str = "box", database: str = "box", host: str = "127.0.0.1", more: str = "") -> str:
        """An address without a password."""
        return f"postgresql://{user}@{host}:{self.port}/{database}{more}"

    def lane(self, table: str, **fields: Any) -> config.Lane:
        """A lane to a table of its own."""
        plain: dict[str, Any] = {
            "url": self.url(),
            "token": PASSWORD,
            "table": table,
            "timeout_seconds": 10.0,
        }
        return lane(**(plain | fields))


def run(test: Coroutine[Any, Any, T]) -> T:
    """Runs a test on the loop that the box uses, which ends once its connections are closed: one over TLS
    says good-bye first."""

    async def to_the_end() -> T:
        before = _sockets()
        found = await test
        await until_closed(lambda: _sockets() <= before, "its connections are closed")
        return found

    return uvloop.run(to_the_end())


def _sockets() -> set[str]:
    """The sockets that this process has open."""
    found: set[str] = set()
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(each.readlink()))
    return {name for name in found if name.startswith("socket:")}


@asynccontextmanager
async def opened(*lanes: config.Lane) -> AsyncIterator[list[PostgresSink]]:
    """Sinks for the time of a block."""
    sinks = [PostgresSink(each, SystemClock()) for each in lanes]
    try:
        yield sinks
    finally:
        for sink in sinks:
            await sink.close()


def deliver(to: config.Lane, *batches: Sequence[dict[str, Any]]) -> list[Decision]:
    """What becomes of batches of these lines, sent one after the other."""

    async def sent() -> list[Decision]:
        async with opened(to) as (sink,):
            return [await send(sink, *lines) for lines in batches]

    return run(sent())


def line(seq: int, object_id: str = "T-1", version: int = 1, **members: Any) -> dict[str, Any]:
    """A delivery line of the box."""
    return ticket_line(BOX, EPOCH, seq, object_id=object_id, version=version) | members


def delete(seq: int, object_id: str = "T-1", version: int = 1, **members: Any) -> dict[str, Any]:
    """A line that ends an object: it has no contents."""
    made = line(seq, object_id, version, **members, op="delete")
    return {name: value for name, value in made.items() if name not in ("record", "result")}


def batch(*lines: dict[str, Any]) -> LaneBatch:
    """A batch of lines, which are not looked at."""
    seqs = tuple(each["seq"] for each in lines)
    return LaneBatch(
        box=BOX,
        epoch=EPOCH,
        lane="central",
        after=0,
        seqs=seqs,
        lines=tuple(map(msgspec.json.encode, lines)),
        open=frozenset(each["seq"] for each in lines if each["op"] != "skip"),
        damaged=(),
        more=False,
    )


async def send(sink: PostgresSink, *lines: dict[str, Any]) -> Decision:
    """What becomes of a batch of these lines."""
    return await sink.send(sink.pack(batch(*lines)))


@dataclass(frozen=True, slots=True)
class EnqueueRecords:
    """Makes a delivery of each of these records, as settling does."""

    identity: BoxIdentity
    records: Sequence[dict[str, Any]]

    @property
    def weight(self) -> int:
        return len(self.records)

    def apply(self, tx: Tx) -> None:
        row = tx.one("box.take_seqs", {"n": len(self.records)})
        assert row is not None
        box, epoch = self.identity.box, self.identity.epoch
        placed = ("put", "default", "feedback", "ticket")
        rows = []
        for seq, record in enumerate(self.records, start=int(row[0])):
            text = msgspec.json.encode(ticket_line(box, epoch, seq, record=record))
            rows.append((seq, epoch, *placed, f"T-{seq}", 1, seq, START_MS, text, zlib.crc32(text)))
        tx.many("deliveries.insert", rows)
        count_enqueued(tx, [(*placed[1:], "put", False, len(row[-2])) for row in rows])
