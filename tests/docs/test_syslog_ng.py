"""docs/syslog-ng.md, with the real syslog-ng: what it reads arrives, once, also when the box was away."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestbox.model import Role
from tests.docs.support import Page, Shell, replaced
from tests.foreign.support import installed
from tests.harness import PATIENCE, BoxProcess, until

PAGE = Page("syslog-ng.md")
FILE = "/etc/syslog-ng/conf.d/ingestbox.conf"

MAIN = """\
@version: 3.38
@include "/etc/syslog-ng/conf.d/*.conf"
"""
LINES = 1_200
"""More than two batches."""


class SyslogNg:
    """The daemon, in folders of a test. `shell` has its commands."""

    def __init__(self, folder: Path, shell: Shell) -> None:
        self._folder = folder
        self._log = folder / "syslog-ng.log"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        main = shell.put("/etc/syslog-ng/syslog-ng.conf", MAIN)
        control = f"--control={folder / 'ctl'}"
        places = [f"--cfgfile={main}", f"--persist-file={folder / 'persist'}", f"--pidfile={folder / 'pid'}"]
        self._command = [installed("syslog-ng", "syslog-ng-core"), *places, control]
        shell.program("syslog-ng", self._command)
        shell.program("syslog-ng-ctl", [installed("syslog-ng-ctl", "syslog-ng-core")], control)

    def start(self) -> None:
        """Starts it in the foreground; returns once it can be talked to."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, "--foreground", "--stderr", "--no-caps"],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(self._ready, "syslog-ng runs")

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.said()
        return (self._folder / "ctl").exists()

    def said(self) -> str:
        """The end of what it said."""
        return self._log.read_text(errors="replace")[-3000:]

    def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE)
        (self._folder / "ctl").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("syslog")


@pytest.fixture(scope="module")
def page_box(folder: Path) -> Iterator[BoxProcess]:
    made = BoxProcess(folder / "box", config=f'data = "{folder}/box/data"\n').start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shell(folder: Path, page_box: BoxProcess) -> Shell:
    """Where the page is followed; the key is made, and the file written."""
    places = {
        "/etc/ingestbox/ingestbox.toml": page_box.folder / "ingestbox.toml",
        "/etc/syslog-ng": folder / "etc",
        "/var/log/shop": folder / "shop",
        "/var/lib/syslog-ng": folder / "buffer",
    }
    made = Shell(
        folder / "shell",
        places=places,
        at={"127.0.0.1:8000": int(page_box.url.rpartition(":")[2])},
        environ={"TOKEN": page_box.token(Role.ANALYST)},
    )
    for each in ("shop", "buffer"):
        (folder / each).mkdir()
    return made


@pytest.fixture(scope="module")
def daemon(folder: Path, page_box: BoxProcess, shell: Shell) -> Iterator[SyslogNg]:
    where, create, *_ = PAGE.commands()
    shell.type(where)
    key = shell.type(create).strip()
    ours = {
        "ibk_…": key,
        "127.0.0.1:8000": page_box.url.removeprefix("http://"),
        "time-reopen(10)": "time-reopen(1)",
        "batch-timeout(1000)": "batch-timeout(100)",
    }
    made = SyslogNg(folder / "run", shell)
    shell.put(FILE, replaced(PAGE.file(FILE), ours), 0o600)
    (folder / "shop" / "feedback.log").touch()
    made.start()
    yield made
    made.kill()


def texts(box: BoxProcess) -> list[str]:
    """The summaries of all tickets."""
    found: list[str] = []
    with box.client(Role.ANALYST) as client:
        cursor = ""
        while True:
            page = client.get(
                "/api/tickets", params={"limit": "500", **({"cursor": cursor} if cursor else {})}
            )
            body: dict[str, Any] = page.raise_for_status().json()
            found += [each["summary"] for each in body["results"]]
            cursor = body["next_cursor"]
            if not cursor:
                return found


def waiting(shell: Shell) -> int:
    """How many lines syslog-ng has for the box."""
    said = shell.type("syslog-ng-ctl stats").splitlines()
    return sum(int(line.rpartition(";")[2]) for line in said if "d_ingestbox" in line and ";queued;" in line)


def test_the_page_is_followed_and_a_line_is_a_ticket(
    folder: Path, page_box: BoxProcess, shell: Shell, daemon: SyslogNg
) -> None:
    _, _, checked, logged, searched = PAGE.commands()
    shell.type(checked)
    assert "ingestbox" in shell.type(logged)
    found = until(lambda: json.loads(shell.type(searched))["total"], "the line is a ticket")
    assert found == 1
    (line,) = texts(page_box)
    assert line == "The delivery was late and the box was damaged."


def test_all_lines_arrive_once_also_those_of_an_outage(
    folder: Path, page_box: BoxProcess, shell: Shell, daemon: SyslogNg
) -> None:
    file = folder / "shop" / "feedback.log"

    def logged(name: str, count: int) -> set[str]:
        lines = {f'{name} {number}: "a quote", a \\ and ướt' for number in range(count)}
        with file.open("a", encoding="utf-8") as out:
            out.writelines(f"{line}\n" for line in sorted(lines))
        return lines

    wanted = {*texts(page_box), *logged("before", LINES)}
    until(lambda: set(texts(page_box)) >= wanted, "what is logged arrives")
    page_box.stop()
    wanted |= logged("meanwhile", 700)
    until(lambda: waiting(shell) >= 700, "they wait on its disk")
    daemon.kill()
    file.rename(file.with_suffix(".1"))  # rotated away: nobody reads those lines again
    wanted |= logged("while neither ran", 50)
    daemon.start()
    page_box.start()
    until(lambda: set(texts(page_box)) >= wanted, "what was logged meanwhile arrives")
    assert sorted(texts(page_box)) == sorted(wanted), "each once"


def test_lines_that_are_no_good_do_not_take_others_with_them(
    folder: Path, page_box: BoxProcess, daemon: SyslogNg
) -> None:
    with (folder / "shop" / "feedback.log").open("ab") as out:
        out.write(b"   \nThis one is well.\n\xff\xfe not text\n")
    until(lambda: any("not text" in each for each in texts(page_box)), "the last line arrives")
    assert "This one is well." in texts(page_box)
    with page_box.client() as client:
        issues = client.get("/v1/issues?state=open").raise_for_status().json()["issues"]
    assert [each["code"] for each in issues] == ["text_required"]


def test_a_key_that_is_not_good_loses_nothing(
    folder: Path, page_box: BoxProcess, shell: Shell, daemon: SyslogNg
) -> None:
    config = folder / "etc" / "conf.d" / "ingestbox.conf"
    good = config.read_text()
    config.write_text(good.replace("Bearer ibk_", "Bearer ibk_x"))
    _, _, reload, *_ = PAGE.commands()
    shell.type(reload)
    with (folder / "shop" / "feedback.log").open("a") as out:
        out.write("Sent with a wrong key.\n")
    until(lambda: '"status":401' in page_box.log.read_text(), "the box refuses it")
    config.write_text(good)
    shell.type(reload)
    until(lambda: "Sent with a wrong key." in texts(page_box), "it arrives with a good one")
