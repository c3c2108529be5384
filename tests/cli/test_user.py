"""`ingestbox user`, with its box running and stopped, in pipes and on a terminal."""

from __future__ import annotations

import os
import pty
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.cli.support import PATIENCE, Ran, environment, ingestbox
from tests.harness import BoxProcess, running

GOOD = "correct horse battery staple"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A box that takes any number of logins."""
    with running(tmp_path_factory.mktemp("users"), config="[rates]\nlogin = 0\n") as started:
        yield started


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A box that ran once and was stopped."""
    with running(tmp_path_factory.mktemp("stopped")) as once:
        assert once.stop() == 0
        yield once


def user(folder: Path, *arguments: str, stdin: bytes = b"") -> Ran:
    return ingestbox("user", *arguments, "--data", folder, cwd=folder.parent, stdin=stdin)


def failed(ran: Ran, code: int, *says: str) -> None:
    assert ran.code == code, ran
    assert ran.out == ""
    assert "Error: " in ran.err
    assert "Traceback" not in ran.err
    for each in says:
        assert each in ran.err


def log_in(box: BoxProcess, email: str, password: str) -> httpx2.Response:
    with httpx2.Client(base_url=box.url, trust_env=False, verify=False, timeout=PATIENCE) as client:
        return client.post("/api/auth/login", json={"email": email, "password": password})


def test_help_has_examples(tmp_path: Path) -> None:
    for command in ("add", "passwd", "list", "remove"):
        ran = ingestbox("user", command, "--help", cwd=tmp_path)
        assert ran.code == 0
        assert f"\n    ingestbox user {command}" in ran.out
        assert "--password TEXT" not in ran.out


def test_users_from_adding_to_removing(box: BoxProcess) -> None:
    made = user(box.data, "add", "Ann@example.com", "--role", "admin", "--role", "editor", "--generate")
    assert made.code == 0
    password = made.out.removesuffix("\n")
    assert len(password) >= 20 and " " not in password
    assert "cannot be shown again" in made.err
    assert "Ann@example.com, admin editor." in made.err

    failed(
        user(box.data, "add", "ann@EXAMPLE.com", "--role", "editor", "--generate"), 1, "ingestbox user passwd"
    )
    failed(user(box.data, "passwd", "anne@example.com", "--generate"), 1, "Did you mean Ann@example.com?")
    failed(user(box.data, "remove", "zzz"), 1, "There is no user zzz", "ingestbox user list")

    listed = user(box.data, "list", "--json")
    assert password not in listed.out and "scrypt" not in listed.out
    (entry,) = (each for each in listed.json()["users"] if each["email"] == "Ann@example.com")
    assert (entry["roles"], entry["workspace"], entry["disabled"]) == (["admin", "editor"], "default", False)
    assert entry["created_by"] == "local:cli"
    plain = user(box.data, "list").out.splitlines()
    assert plain[0].split()[:3] == ["id", "e-mail", "roles"]
    assert any("Ann@example.com" in line for line in plain[1:])

    changed = user(box.data, "passwd", "ann@example.com", "--generate", "--json").json()
    assert changed["password"] != password
    removed = user(box.data, "remove", "ANN@example.com")
    assert (removed.code, removed.out) == (0, "ANN@example.com is removed; logins so far have ended.\n")
    assert user(box.data, "list", "--json").json()["users"] == []
    assert "Add one: ingestbox user add" in user(box.data, "list").err


def test_a_password_is_read_from_standard_input(box: BoxProcess) -> None:
    arguments = ("--role", "analyst", "--password-stdin")
    for number, text in enumerate((f"{GOOD}\r\nmore\n", "пароль пароль")):
        email = f"stdin{number}@example.com"
        made = user(box.data, "add", email, *arguments, stdin=text.encode())
        assert made.code == 0, made
        assert made.out.endswith(f"{email}, analyst.\n")
        assert log_in(box, email, text.splitlines()[0]).status_code == 200
    failed(user(box.data, "add", "x@example.com", *arguments, stdin=b""), 1, "12 characters or more")
    failed(user(box.data, "add", "x@example.com", *arguments, stdin=b"\xff" * 20), 2, "not UTF-8")


def test_workspaces_are_apart(stopped: BoxProcess) -> None:
    norah = ("norah@example.com", "--role", "admin", "--generate")
    made = user(stopped.data, "add", *norah, "--json", "--workspace", "north")
    assert made.json()["workspace"] == "north"
    listed = user(stopped.data, "list", "--json", "--workspace", "north").json()["users"]
    assert [each["email"] for each in listed] == ["norah@example.com"]
    assert "norah@example.com" not in user(stopped.data, "list", "--json").out
    everywhere = user(stopped.data, "list", "--json", "--workspace", "*").json()["users"]
    assert "norah@example.com" in [each["email"] for each in everywhere]
    failed(user(stopped.data, "remove", "norah@example.com"), 1, "in the workspace default")
    taken = user(stopped.data, "add", *norah)
    failed(taken, 1, "There is a user with this e-mail address.")


@pytest.mark.parametrize(
    "command",
    [
        "add ann@example.com --role admin",  # nobody to ask, and no password
        "passwd ann@example.com",
        "add ann --role admin --generate",
        "add ann@example.com --generate",
        "add ann@example.com --role root --generate",
        "add ann@example.com --role admin --generate --password-stdin",
        "add ann@example.com --role admin --invite --generate",
        "passwd ann@example.com --invite --password-stdin",
        "add ann@example.com --role admin --password secret",
        "remove",
        "lst",
    ],
)
def test_a_wrong_call_ends_with_2_and_says_what_was_wrong(command: str, stopped: BoxProcess) -> None:
    failed(ingestbox("user", *command.split(), "--data", stopped.data, cwd=stopped.folder), 2)


@pytest.mark.parametrize("command", ["list", "remove a@b.c", "add a@example.com --role admin --generate"])
def test_without_a_box_a_command_says_what_to_do_and_makes_nothing(command: str, tmp_path: Path) -> None:
    failed(ingestbox("user", *command.split(), cwd=tmp_path), 1, "ingestbox-data", "start a box")
    assert list(tmp_path.iterdir()) == []


def test_what_a_running_box_is_told_counts_at_once(box: BoxProcess) -> None:
    assert user(box.data, "add", "live@example.com", "--role", "analyst", "--generate").code == 0
    password = user(box.data, "passwd", "live@example.com", "--generate").out.strip()
    session = {"Authorization": f"Bearer {log_in(box, 'live@example.com', password).json()['access_token']}"}
    with httpx2.Client(base_url=box.url, trust_env=False, verify=False, timeout=PATIENCE) as client:
        assert client.get("/api/jobs", headers=session).status_code == 200
        user(box.data, "passwd", "live@example.com", "--generate")
        assert client.get("/api/jobs", headers=session).status_code == 401
    assert log_in(box, "live@example.com", password).status_code == 401


def test_what_a_stopped_box_is_told_counts_after_its_start(stopped: BoxProcess) -> None:
    first = user(stopped.data, "add", "early@example.com", "--role", "admin", "--generate").out.strip()
    second = user(stopped.data, "passwd", "early@example.com", "--generate").out.strip()
    stopped.start()
    assert log_in(stopped, "early@example.com", first).status_code == 401
    assert log_in(stopped, "early@example.com", second).status_code == 200
    assert stopped.stop() == 0


class Terminal:
    """A person at a terminal: waits for a prompt, then types."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._pid, self._master = pty.fork()
        if self._pid == 0:  # in the child, whose terminal this is
            os.chdir(folder.parent)
            command = [sys.executable, "-m", "ingestbox", "user", *arguments, "--data", str(folder)]
            os.execve(sys.executable, command, environment({"TERM": "xterm", "COLUMNS": "100"}))
        self.shown = ""
        self._seen = 0  # up to here it has been waited for

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown[self._seen :]:
            if not self._read(deadline):
                raise AssertionError(f"{text!r} did not come: {self.shown}")
        self._seen = self.shown.index(text, self._seen) + len(text)

    def type(self, prompt: str, text: str) -> None:
        self.wait_for(prompt)
        os.write(self._master, text.encode() + b"\n")

    def end(self) -> int:
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        os.close(self._master)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        try:
            part = os.read(self._master, 65_536) if ready else b""
        except OSError:  # EIO: the other side is closed
            part = b""
        self.shown += part.decode(errors="replace")
        return bool(part)


def test_on_a_terminal_the_password_is_asked_for_twice_and_never_shown(box: BoxProcess) -> None:
    terminal = Terminal(box.data, "add", "tty@example.com", "--role", "editor")
    terminal.type("Password: ", "short")
    terminal.type("Once more: ", "short")
    terminal.wait_for("12 characters or more")
    terminal.type("Password: ", GOOD)
    terminal.type("Once more: ", GOOD + "?")
    terminal.wait_for("do not match")
    terminal.type("Password: ", GOOD)
    terminal.type("Once more: ", GOOD)
    assert terminal.end() == 0, terminal.shown
    assert GOOD not in terminal.shown and "short" not in terminal.shown
    assert "tty@example.com, editor." in terminal.shown
    assert log_in(box, "tty@example.com", GOOD).status_code == 200

    terminal = Terminal(box.data, "passwd", "tty@example.com")
    terminal.type("Password: ", GOOD + GOOD)
    terminal.type("Once more: ", GOOD + GOOD)
    assert terminal.end() == 0
    assert log_in(box, "tty@example.com", GOOD + GOOD).status_code == 200

    terminal = Terminal(box.data, "passwd", "tty@example.com")
    terminal.type("Password: ", "\x03")  # Ctrl-C
    assert terminal.end() == 130

    terminal = Terminal(box.data, "passwd", "ttyy@example.com")
    assert terminal.end() == 1  # before anything was asked
    assert "Password" not in terminal.shown
    assert "Did you mean tty@example.com?" in terminal.shown

    terminal = Terminal(box.data, "list")
    assert terminal.end() == 0
    assert "\x1b[1mid" in terminal.shown and "tty@example.com" in terminal.shown


def test_a_command_that_waits_for_a_password_holds_no_lock(stopped: BoxProcess) -> None:
    terminal = Terminal(stopped.data, "add", "slow@example.com", "--role", "editor")
    terminal.wait_for("Password: ")
    assert user(stopped.data, "list").code == 0
    os.write(terminal._master, b"\x03")
    assert terminal.end() == 130
