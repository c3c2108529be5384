"""`ingestbox demo`: everything arrives, and whatever ends it, nothing stays behind."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from ingestbox import samples
from ingestbox.cli.demonstrating.screen import Screen
from tests.cli.support import environment
from tests.harness import PATIENCE, until
from tests.program import command

TOTAL = sum(len(samples.records(sample.file)) for sample in samples.SAMPLES)
DONE = re.compile(rf"received +{TOTAL}  analysed +{TOTAL}  forwarded +{TOTAL}  on central +{TOTAL}")
ADDRESS = re.compile(r"^  (edge|central) +(http://127\.0\.0\.1:\d+)", re.MULTILINE)


class Demo:
    """A demo whose temporary files are below `folder`, and what it has printed so far."""

    def __init__(self, folder: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.log = folder / "out"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command(), "demo", *arguments],
                cwd=folder,
                env=environment({"TMPDIR": str(self.temporary), **(env or {})}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def printed(self, words: str) -> None:
        def there() -> bool:
            assert self.process.poll() is None or words in self.out, self.out
            return words in self.out

        until(there, f"the demo says {words!r}")

    def ended(self) -> int:
        return self.process.wait(PATIENCE)

    def boxes(self) -> list[int]:
        """Processes that work below the demo's temporary folder."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if str(self.temporary).encode() in path.read_bytes():
                    found.append(int(path.parent.name))
        return found

    def box(self, name: str) -> int:
        # A child that a box is just starting looks like the box: the demo's own children alone count.
        own = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        (pid,) = (
            pid for pid in map(int, own) if f"/{name}\0".encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        return pid

    def assert_nothing_is_left(self) -> None:
        """At once: the demo has waited for its boxes."""
        assert not self.boxes()
        assert list(self.temporary.iterdir()) == []

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        for pid in self.boxes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def demos(tmp_path: Path) -> Iterator[list[Demo]]:
    started: list[Demo] = []
    yield started
    for each in started:
        each.close()


def start(demos: list[Demo], folder: Path, *arguments: str, **options: dict[str, str]) -> Demo:
    demos.append(Demo(folder, *arguments, **options))
    return demos[-1]


def test_once_everything_arrives_is_shown_and_kept_where_it_was_asked_for(
    demos: list[Demo], tmp_path: Path
) -> None:
    # Settings that would make other boxes of the demo's.
    hostile = {"INGESTBOX_SERVER_PORT": "1", "INGESTBOX_DATA": "/nowhere", "LOG_LEVEL": "CRITICAL"}
    demo = start(demos, tmp_path, "--once", "--keep", "kept", env=hostile)
    assert demo.ended() == 0, demo.out
    assert DONE.search(demo.out), demo.out
    for sample in samples.SAMPLES:
        assert f"POST {sample.path}" in demo.out
        for key in sample.shown:
            assert re.search(rf"^  {key} .*(positive|negative|neutral)", demo.out, re.MULTILINE), demo.out
    assert "Kỳ nghỉ tuyệt vời" in demo.out
    for file in samples.FILES:
        assert f"POST {file.path}" in demo.out
        for kind, number in file.issues.items():
            assert demo.out.count(f"  {kind} ") == number
        assert f"{file.rows - file.copies - 1} contacts, all at once" in demo.out  # one is given up
        assert all(key in demo.out for key in file.shown)
    for uploads in samples.UPLOADS:
        assert f"POST {uploads.path}" in demo.out
        told = re.findall(
            r"^  (.+)  (\d+) records: duplicates (\d+), not an address (\d+), ", demo.out, re.MULTILINE
        )
        assert [(name, int(count)) for name, count, *_ in told] == list(uploads.uploads)
        assert sum(int(each[2]) for each in told) == uploads.duplicates
        assert sum(int(each[3]) for each in told) == uploads.invalid
        assert (
            f'"{uploads.segment[0]}", a segment of "{uploads.uploads[0][0]}": {uploads.selected} rec'
            in demo.out
        )
        assert f"  {','.join(uploads.columns)}\n" in demo.out
        assert "95 records and the segment are on the central box now" in demo.out
    assert "\x1b" not in demo.out
    demo.assert_nothing_is_left()
    kept = tmp_path / "kept"
    assert {"central", "edge", "central.log", "edge.log"} <= {path.name for path in kept.iterdir()}
    assert kept.stat().st_mode & 0o777 == 0o700
    again = start(demos, tmp_path, "--once", "--keep", "kept")
    assert again.ended() == 1
    assert "is not empty" in again.out


def test_until_ctrl_c_both_boxes_can_be_looked_at_and_made_to_stand_still(
    demos: list[Demo], tmp_path: Path
) -> None:
    demo = start(demos, tmp_path)
    demo.printed("lane running")
    addresses = dict(ADDRESS.findall(demo.out))
    keys = dict(re.findall(r"^  (\w+)_KEY=(ibk_\S+)$", demo.out, re.MULTILINE))
    for name in ("edge", "central"):
        assert httpx2.get(f"{addresses[name]}/docs", trust_env=False).status_code == 200
        headers = {"X-API-Key": keys[name.upper()]}
        for sample in samples.SAMPLES:
            answer = httpx2.get(f"{addresses[name]}{sample.look}", headers=headers, trust_env=False)
            assert answer.json()["total"] >= TOTAL
        for file in samples.FILES:
            look = f"{addresses[name]}{file.look}{file.shown[0]}&all=true"
            assert httpx2.get(look, headers=headers, trust_env=False).json()["total"] == 1
        for uploads in samples.UPLOADS:
            every = f"{addresses[name]}{uploads.path}?all=true"
            found = httpx2.get(every, headers=headers, trust_env=False).json()["uploads"]
            # In the order in which they were processed, on the central box.
            assert sorted(each["upload_name"] for each in found) == sorted(dict(uploads.uploads))

        def more(name: str = name, headers: dict[str, str] = headers) -> bool:
            found = httpx2.get(f"{addresses[name]}/api/tickets", headers=headers, trust_env=False).json()
            return bool(found["total"] > TOTAL)

        until(more, f"one more record comes to the {name} box")
    (folder,) = demo.temporary.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir() if path.suffix == ".toml")

    central = demo.box("central")
    os.kill(central, signal.SIGSTOP)
    demo.printed("lane retrying")
    os.kill(central, signal.SIGCONT)
    until(lambda: demo.out.rpartition("lane retrying")[2].count("lane running"), "the lane goes on")

    os.kill(central, signal.SIGSTOP)
    os.killpg(demo.process.pid, signal.SIGINT)  # as a terminal does
    assert demo.ended() == 0
    assert demo.out.rstrip().endswith("Start a box of your own with: ingestbox serve")
    assert "Traceback" not in demo.out
    demo.assert_nothing_is_left()


SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
MIDDLE = [
    pytest.param(*each, marks=() if each[0] == signal.SIGTERM else pytest.mark.soak)
    for each in SIGNALS.items()
]
"""Each signal ends a demo that has just begun; in the middle of one, one of them does."""


@pytest.mark.parametrize(("number", "code"), MIDDLE)
def test_a_signal_in_the_middle_leaves_nothing(
    demos: list[Demo], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    demo = start(demos, tmp_path)
    demo.printed("  received ")
    demo.process.send_signal(number)
    demo.process.send_signal(number)  # a boot-loader passes on what the terminal has sent to both
    assert demo.ended() == code, demo.out
    assert "Traceback" not in demo.out
    demo.assert_nothing_is_left()


@pytest.mark.parametrize(("number", "code"), SIGNALS.items())
def test_a_signal_before_the_first_box_listens_leaves_nothing(
    demos: list[Demo], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    demo = start(demos, tmp_path)
    demo.printed("An edge box and a central box")
    demo.process.send_signal(number)
    assert demo.ended() == code, demo.out
    demo.assert_nothing_is_left()


def test_killed_it_takes_its_boxes_along_and_the_next_one_clears_up(
    demos: list[Demo], tmp_path: Path
) -> None:
    demo = start(demos, tmp_path)
    demo.printed("  received ")
    os.kill(demo.box("central"), signal.SIGSTOP)  # also one that stands still
    demo.process.kill()
    demo.ended()
    until(lambda: not demo.boxes(), "no process is left")
    (left,) = demo.temporary.iterdir()
    running = start(demos, tmp_path)
    running.printed("An edge box and a central box")
    assert not left.exists()
    (other,) = running.temporary.iterdir()
    last = start(demos, tmp_path)
    last.printed("An edge box and a central box")
    last.process.send_signal(signal.SIGINT)
    assert last.ended() == 130, last.out
    assert list(running.temporary.iterdir()) == [other]  # a demo that runs is left alone
    assert running.process.poll() is None


@pytest.mark.parametrize("name", ["edge", pytest.param("central", marks=pytest.mark.soak)])
def test_a_box_that_dies_ends_the_demo_with_the_end_of_its_log(
    demos: list[Demo], tmp_path: Path, name: str
) -> None:
    demo = start(demos, tmp_path)
    demo.printed("  received ")
    os.kill(demo.box(name), signal.SIGKILL)
    assert demo.ended() == 1
    assert f"Error: The {name} box ended (SIGKILL). The end of its log:" in demo.out
    assert "listens on" in demo.out
    assert "Traceback" not in demo.out
    demo.assert_nothing_is_left()


def test_a_port_in_use_is_said_by_the_box_that_wanted_it(demos: list[Demo], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        demo = start(demos, tmp_path, "--once", "--port", str(port - 1))
        assert demo.ended() == 1
    assert f"port {port} on 127.0.0.1 is in use" in demo.out
    assert "The central box did not start" in demo.out
    demo.assert_nothing_is_left()


def test_on_a_terminal_there_are_bars_and_colours(tmp_path: Path) -> None:
    env = {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "50"}
    shown = on_terminal(tmp_path, env, "━", "\x1b[32m", f"{TOTAL}/{TOTAL}")
    assert "Traceback" not in shown
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("unwanted", "coloured"), [("", True), ("1", False)])
def test_a_narrow_terminal_wraps_what_is_long(
    monkeypatch: pytest.MonkeyPatch, unwanted: str, coloured: bool
) -> None:
    for name, value in (("TERM", "xterm-256color"), ("COLUMNS", "40"), ("NO_COLOR", unwanted)):
        monkeypatch.setenv(name, value)
    master, terminal = pty.openpty()
    with os.fdopen(terminal, "w", encoding="utf-8") as out, os.fdopen(master, "rb", buffering=0) as shown:
        monkeypatch.setattr(sys, "stdout", out)
        rows = [("KS-1014", "Kỳ nghỉ tuyệt vời, " * 5, "positive", 0.5)]
        Screen().table(("id", "summary", "sentiment", "score"), rows)
        out.flush()
        text = shown.read(65_536).decode()
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]", text)) is coloured
    for word in ("KS-1014", "Kỳ ngh", "positive", "+0.50"):
        assert word in text


def on_terminal(folder: Path, env: dict[str, str], *words: str) -> str:
    """What `demo` writes to a terminal until all of these are there and it is interrupted."""
    master, terminal = pty.openpty()
    parts: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while part := os.read(master, 65_536):
                parts.append(part)

    with subprocess.Popen(
        [*command(), "demo"],
        cwd=folder,
        env=environment({"TMPDIR": str(folder), **env}),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        reader = threading.Thread(target=read)
        reader.start()
        try:
            until(lambda: all(word.encode() in b"".join(parts) for word in words), f"it shows {words}")
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) in (0, 130), b"".join(parts)
        finally:
            process.kill()
    reader.join(PATIENCE)
    os.close(master)
    return b"".join(parts).decode()
