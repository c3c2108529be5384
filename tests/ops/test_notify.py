"""What a supervisor hears of a box: a real box, and a socket as systemd has it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from ingestbox.appliance import Appliance
from ingestbox.config import Server, Settings
from ingestbox.ops.supervisor import Supervisor
from ingestbox.ops.watch import PATIENCE, Watch
from ingestbox.store import DATABASE
from ingestbox.store.engine import connect_writer
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.store import olden

WATCHDOG = 0.4
"""Seconds that this supervisor waits for a beat."""


UNIT = Path(__file__).parents[2] / "packaging" / "ingestbox.service"

NOWHERE = {"NOTIFY_SOCKET": "/nowhere"}


class Listening:
    """The supervisor's end: every message that came, as its lines."""

    def __init__(self, address: str) -> None:
        self.name = f"@{address[1:]}" if address.startswith("\0") else address
        self.heard: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(address)

    def environ(self, seconds: float = WATCHDOG, **more: str) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.name, "WATCHDOG_USEC": str(round(seconds * 1_000_000)), **more}

    def messages(self) -> list[dict[str, str]]:
        while True:
            try:
                text = self._socket.recv(65_536).decode()
            except BlockingIOError:
                return self.heard
            self.heard.append(dict(line.split("=", 1) for line in text.split("\n")))

    def has(self, name: str) -> bool:
        return any(name in each for each in self.messages())

    def status(self) -> str:
        return [each["STATUS"] for each in self.messages() if "STATUS" in each][-1]

    def forget(self) -> None:
        self.messages()
        self.heard.clear()

    def beats(self) -> int:
        return sum("WATCHDOG" in each for each in self.messages())

    def beats_go_on(self, count: int = 3) -> None:
        already = self.beats()
        until(lambda: self.beats() >= already + count, "beats go on")

    def beats_end(self) -> None:
        """Waits until none has come for longer than the supervisor waits."""
        last, since = self.beats(), time.monotonic()

        def ended() -> bool:
            nonlocal last, since
            if (now := self.beats()) != last:
                last, since = now, time.monotonic()
            return time.monotonic() - since > 1.5 * WATCHDOG

        until(ended, "the beats end")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def supervisor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listening]:
    address = str(tmp_path / "notify") if request.param == "path" else f"\0ingestbox-{tmp_path}"
    with closing(Listening(address)) as listening:
        yield listening


@pytest.fixture
def at_path(tmp_path: Path) -> Iterator[Listening]:
    with closing(Listening(str(tmp_path / "notify"))) as listening:
        yield listening


def test_the_life_of_a_box(at_path: Listening, tmp_path: Path) -> None:
    supervisor = at_path
    box = BoxProcess(tmp_path / "box", environ=supervisor.environ())
    box.start(wait=False)
    try:
        assert box.process is not None
        until(lambda: supervisor.has("READY"), "the box is ready")
        first = supervisor.messages()[0]
        assert first == {"STATUS": "Opens the store."}
        assert int(supervisor.messages()[1]["EXTEND_TIMEOUT_USEC"]) >= 30_000_000
        (ready,) = [each for each in supervisor.messages() if "READY" in each]
        url = ready["STATUS"].removeprefix("Listens on ").removesuffix(".")
        assert httpx2.get(f"{url}/readyz", trust_env=False, verify=False).status_code == 200
        box.wait_ready()
        supervisor.beats_go_on()
        with box.client() as client:  # its children are not told of the supervisor
            wait_job(client, post_tickets(client, [ticket(1)])["job_id"])
        (child, *_) = box.children()
        assert b"NOTIFY_SOCKET" not in Path(f"/proc/{child}/environ").read_bytes()

        supervisor.forget()
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        box.process.send_signal(signal.SIGHUP)
        until(lambda: supervisor.has("READY"), "it has reloaded")
        reloading, again = [each for each in supervisor.messages() if "WATCHDOG" not in each]
        assert reloading["RELOADING"] == "1"
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        assert before <= int(reloading["MONOTONIC_USEC"]) <= after
        assert again == {"READY": "1"}

        os.kill(box.process.pid, signal.SIGSTOP)  # as an event loop that does not turn
        supervisor.beats_end()
        os.kill(box.process.pid, signal.SIGCONT)
        supervisor.beats_go_on()

        supervisor.forget()
        assert box.stop() == 0
        (stopping,) = [each for each in supervisor.messages() if "WATCHDOG" not in each]
        assert stopping["STOPPING"] == "1"
        assert int(stopping["EXTEND_TIMEOUT_USEC"]) > Server().stop_seconds * 1_000_000
        assert "STOPPING" in supervisor.messages()[-1], "nothing comes after it"
    finally:
        box.close()


def test_what_a_restart_does_not_cure_asks_for_none(at_path: Listening, tmp_path: Path) -> None:
    """A full store and too little disk; while a store that gives no answer does."""
    config = "[store]\nmax_mb = 2\nmin_free_mb = 1000000000\n"
    with (
        running(tmp_path / "box", config=config, environ=at_path.environ(WATCHDOG / 2)) as box,
        box.client() as client,
    ):
        with closing(connect_writer(box.data / DATABASE)) as other:  # fills it past its cap, and the reserve
            other.execute("CREATE TABLE filler AS SELECT zeroblob(2 * 1048576)")
        until(
            lambda: client.post("/api/data-ingest", json={"records": [ticket(1)]}).status_code == 507,
            "the store is full",
        )
        key = {"name": "k" * 100, "roles": ["analyst"]}
        until(lambda: client.post("/v1/keys", json=key).status_code == 507, "not even a key has room")
        until(lambda: "store: " in at_path.status(), "the status says so")
        assert "Not well: " in at_path.status() and "disk: " in at_path.status()
        at_path.beats_go_on(3 * PATIENCE)  # two for each time that it waits

        with closing(connect_writer(box.data / DATABASE)) as other:
            other.execute("BEGIN IMMEDIATE")  # the next write waits
            until(lambda: at_path.status().endswith("the store."), "the box gives the store up")
            at_path.beats_end()
            assert "the supervisor will restart the box" in box.tail()
        at_path.beats_go_on()
        until(lambda: "Not well: " in at_path.status(), "the status is what it was")


def test_beats_end_with_the_workers_and_not_with_the_disk(at_path: Listening, tmp_path: Path) -> None:
    """A store that refuses answers. A sweep that has ended replaces no threads and rings for nothing."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with closing(Supervisor.take(at_path.environ(WATCHDOG / 2))) as told:
            settings = Settings(data=str(tmp_path / "data"), server=Server(port=0))
            appliance = Appliance(settings, supervisor=told)
            await appliance.start()
            try:
                await loop.run_in_executor(None, at_path.beats_go_on)
                writer = appliance.store._writer
                assert writer._connection is not None
                await writer._connection.call(lambda its: its.execute("PRAGMA query_only = ON"))
                writer._path = tmp_path / "gone" / DATABASE
                await loop.run_in_executor(None, at_path.beats_go_on, 3 * PATIENCE)
                assert appliance.store.trouble
                writer._path = appliance.store.path
                bell = appliance._built.bell
                assert bell._sweeper is not None
                bell._sweeper.cancel()
                await loop.run_in_executor(None, at_path.beats_end)
                assert at_path.status().endswith("the workers.")
            finally:
                await appliance.stop()

    asyncio.run(main())


def test_a_start_that_fails_says_why(at_path: Listening, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        box = BoxProcess(tmp_path / "box", environ=at_path.environ(), port=port).start(wait=False)
        assert box.process is not None
        assert box.process.wait(30) == 1
    assert f"port {port} on 127.0.0.1 is in use" in at_path.status()
    assert not at_path.has("READY")


def test_an_upgrade_that_failed_is_not_tried_again_by_itself(at_path: Listening, tmp_path: Path) -> None:
    """Each time the whole store would be copied. A service manager knows it by the exit code."""
    box = BoxProcess(tmp_path / "box", environ=at_path.environ())
    number, empty = list(olden.empties(tmp_path))[-1]
    olden.lay(box.data, number, empty)
    with closing(connect_writer(box.data / DATABASE)) as store:
        store.execute("CREATE TABLE knowledge_sources (mine TEXT)")  # which 0020 makes
    box.start(wait=False)
    assert box.process is not None
    assert box.process.wait(30) == 3
    assert "0020_knowledge.sql failed" in at_path.status()
    assert "RestartPreventExitStatus=2 3\n" in UNIT.read_text()


def test_beats_come_twice_as_often_as_they_have_to(at_path: Listening) -> None:
    with closing(Supervisor.take(at_path.environ(3))) as told:
        assert Watch(told, None, None, "")._every == 1.5  # type: ignore[arg-type]


def test_a_long_start_asks_for_time_again_and_again(at_path: Listening) -> None:
    async def main() -> None:
        with closing(Supervisor.take(at_path.environ())) as told:
            async with told.starting("Opens the store.", every=0.01, by=7):
                await asyncio.to_thread(until, lambda: len(at_path.messages()) > 4, "it asks again")
            assert [task for task in asyncio.all_tasks() if task.get_name() == "start-up-time"] == []

    asyncio.run(main())
    assert {each["EXTEND_TIMEOUT_USEC"] for each in at_path.messages()[1:]} == {"7000000"}


@pytest.mark.parametrize(
    ("environ", "present", "seconds"),
    [
        ({}, False, None),
        ({"NOTIFY_SOCKET": ""}, False, None),
        ({"NOTIFY_SOCKET": "vsock:2:1234"}, False, None),
        (NOWHERE, True, None),
        ({"WATCHDOG_USEC": "1000000"}, False, None),
        ({**NOWHERE, "WATCHDOG_USEC": "1500000"}, True, 1.5),
        ({**NOWHERE, "WATCHDOG_USEC": "0"}, True, None),
        ({**NOWHERE, "WATCHDOG_USEC": "-5"}, True, None),
        ({**NOWHERE, "WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, True, None),
        ({**NOWHERE, "WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid())}, True, 1.5),
        ({**NOWHERE, "WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getppid())}, True, None),
    ],
)
def test_whom_the_environment_names(environ: dict[str, str], present: bool, seconds: float | None) -> None:
    kept = {"HOME": "/root"}
    given = kept | environ
    with closing(Supervisor.take(given)) as told:
        assert (told.present, told.watchdog_seconds) == (present, seconds)
        assert given == kept, "the box's children get none of it"
        told.ready("a socket that nobody listens at")
        told.beat()


def test_a_status_is_one_line_of_bounded_length(supervisor: Listening) -> None:
    with closing(Supervisor.take(supervisor.environ())) as told:
        told.say("two\nlines, \udc80 and READY=1\n" + "x" * 5_000)
        told.say("again")
        told.say("again")
    first, second = supervisor.messages()
    assert list(first) == ["STATUS"]
    assert first["STATUS"].startswith("two lines, ? and READY=1 xxx") and len(first["STATUS"]) <= 500
    assert second == {"STATUS": "again"}
