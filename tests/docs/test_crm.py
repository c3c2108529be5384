"""docs/crm.md: its script, night by night, at a real box with its lane to a CRM."""

from __future__ import annotations

import http.client
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestbox.model import Role
from tests.cli.support import Answer, Request, Upstream
from tests.docs.support import Page, Shell, replaced
from tests.harness import PATIENCE, BoxProcess, until

PAGE = Page("crm.md")
HEADER = "E-mail;First name;Last name;Company\n"
GOOD = HEADER + "ana@example.com;Ana;Simões;Luz\nben@example.com;Ben;Ott;Acme\n"
TOKEN = "a-token-of-the-crm"


@pytest.fixture(scope="module")
def hook() -> Iterator[Upstream]:
    """The address of the CRM that the lane posts to."""
    with Upstream(lambda request: Answer(200, {})).running() as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("crm")
    (made / "srv").mkdir()
    (made / "etc").mkdir()
    (made / "etc" / "crm-hook.token").write_text(TOKEN)
    return made


@pytest.fixture(scope="module")
def page_box(folder: Path, hook: Upstream) -> Iterator[BoxProcess]:
    ours = {"https://crm.example.com": hook.url, "/etc/ingestbox/": f"{folder}/etc/"}
    page = replaced(PAGE.file("/etc/ingestbox/ingestbox.toml"), ours)
    text = f'data = "{folder}/box/data"\n{page}'
    made = BoxProcess(folder / "box", config=text).start()
    yield made
    made.close()


class Front:
    """Stands before the box. It does to the next call of a path what it is told to, and hands on others."""

    def __init__(self, box: BoxProcess) -> None:
        self._address = box.url.removeprefix("http://")
        self.next: dict[tuple[str, str], Callable[[Request], Answer]] = {}
        """By method and the path's beginning."""
        self.heard: list[str] = []

    def __call__(self, request: Request) -> Answer:
        self.heard.append(f"{request.method} {request.path}")
        for method, path in self.next:
            if request.method == method and request.path.startswith(path):
                return self.next.pop((method, path))(request)
        return self.handed_on(request)

    def handed_on(self, request: Request) -> Answer:
        """The box's own answer."""
        box = http.client.HTTPConnection(self._address, timeout=PATIENCE)
        box.request(request.method, request.path, request.body, dict(request.headers))
        answer = box.getresponse()
        content = answer.read()
        box.close()
        return Answer(answer.status, content, {"Content-Type": answer.headers["Content-Type"] or ""})

    def lost(self, request: Request) -> Answer:
        """The box has done what was asked for, and the connection breaks."""
        self.handed_on(request)
        return Answer(cut=True)


def refused(status: int) -> Callable[[Request], Answer]:
    return lambda request: Answer(status, {"title": "Not now"}, {"Retry-After": "1"})


@pytest.fixture(scope="module")
def front(page_box: BoxProcess) -> Front:
    return Front(page_box)


@pytest.fixture(scope="module")
def address(front: Front) -> Iterator[str]:
    with Upstream(front).running() as made:
        yield made.url


@pytest.fixture(scope="module")
def shell(folder: Path, page_box: BoxProcess, address: str) -> Shell:
    """Somebody who has the page's key and script."""
    made = Shell(
        folder / "shell",
        at={"127.0.0.1:8000": int(address.rpartition(":")[2])},
        places={
            "/etc/ingestbox": folder / "etc",
            "/etc/ingestbox/ingestbox.toml": page_box.folder / "ingestbox.toml",
            "/srv/crm": folder / "srv",
            "/usr/local/bin": folder / "bin",
        },
    )
    made.program("python3", [sys.executable])
    made.put("/usr/local/bin/crm-to-box", PAGE.file("/usr/local/bin/crm-to-box"), 0o755)
    made.program("chown", ["sh", "-c", f'echo "$@" >> {folder}/owners', "chown"])
    for command in PAGE.commands()[:2]:
        made.type(command)
    return made


def night(shell: Shell, folder: Path, contacts: str, day: str, code: int = 0) -> str:
    """Exports, and does what cron does then, on a day of the test's; what is mailed."""
    (folder / "srv" / "contacts.csv").write_text(contacts, "utf-8")
    (folder / "srv" / "audience.csv").write_text("E-mail;City\nlan@moclan.example;Huế\n;Hà Nội\n", "utf-8")
    shell.program("date", ["sh", "-c", f"echo {day}"])
    line = PAGE.file("/etc/cron.d/crm-to-box").splitlines()[-1]
    schedule = re.fullmatch(r"(\d+) (\d+) \* \* \* crm (.+)", line)
    assert schedule is not None
    return shell.type(schedule[3], codes=(code,))


def addresses(box: BoxProcess) -> list[str]:
    """Of all contacts."""
    with box.client(Role.ADMIN) as client:
        found = client.get("/contacts?all=true").raise_for_status().json()["contacts"]
    return sorted(each["contact_email"] for each in found)


def lines(hook: Upstream) -> dict[str, dict[str, Any]]:
    """What the CRM has heard, by address."""
    heard = [line for request in hook.posts() for line in json.loads(request.body)]
    return {line["record"]["email"]: line for line in heard if line["op"] == "put"}


def test_nobody_else_reads_the_key(shell: Shell, folder: Path) -> None:
    key = folder / "etc" / "crm.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert (folder / "owners").read_text() == f"crm: {key}\n"


def test_nights(shell: Shell, folder: Path, page_box: BoxProcess, hook: Upstream) -> None:
    commands = PAGE.commands()
    assert night(shell, folder, GOOD, "2026-11-20") == ""
    assert addresses(page_box) == ["ana@example.com", "ben@example.com"]
    until(lambda: len(lines(hook)) == 2, "the lane tells the CRM")
    assert {request.headers["authorization"] for request in hook.posts()} == {f"Bearer {TOKEN}"}
    stored = json.loads((folder / "srv" / "audience.json").read_text())
    assert (stored["rows_received"], stored["rows_stored"]) == (2, 1)

    # The same export again, as of a CRM that nobody has touched.
    assert night(shell, folder, GOOD, "2026-11-21") == ""
    with page_box.client(Role.ADMIN) as client:
        assert len(client.get("/v1/jobs?all=true").raise_for_status().json()["jobs"]) == 2

    # One row without a company: the file waits, and what is wrong comes back.
    faulty = GOOD + "eva@example.com;Eva;Groß;\n"
    assert "NEEDS_REVIEW" in night(shell, folder, faulty, "2026-11-22", code=1)
    wrong, given_up = commands[2], commands[3]
    said = shell.type(wrong)
    assert "eva@example.com" in said.splitlines()[1]
    assert "MISSING_REQUIRED_FIELD" in said
    shell.type(given_up)

    # Corrected in the CRM.
    assert night(shell, folder, faulty.replace(";Groß;", ";Groß;Acme"), "2026-11-23") == ""
    assert addresses(page_box) == ["ana@example.com", "ben@example.com", "eva@example.com"]
    until(lambda: "eva@example.com" in lines(hook), "the lane tells the CRM")


def test_the_lane_is_knocked_at(shell: Shell) -> None:
    assert "crm" in shell.type(PAGE.commands()[4])


def test_a_night_whose_answer_got_lost_is_repeated_without_harm(
    shell: Shell, folder: Path, page_box: BoxProcess
) -> None:
    more = GOOD + "kim@example.com;Kim;Ito;Acme\n"
    assert night(shell, folder, more, "2026-11-24") == ""
    for name in ("contacts.sent", "contacts.job"):
        (folder / "srv" / name).unlink()  # it ended before it could write them
    assert night(shell, folder, more, "2026-11-24") == ""
    assert addresses(page_box).count("kim@example.com") == 1


def test_a_night_on_which_the_box_says_503_and_an_answer_gets_lost(
    shell: Shell, folder: Path, page_box: BoxProcess, front: Front
) -> None:
    (folder / "srv" / "audience.sent").unlink()
    front.next = {
        ("POST", "/api/audience"): refused(503),
        ("POST", "/jobs/upload"): front.lost,
        ("GET", "/jobs/"): refused(503),
    }
    front.heard.clear()
    assert night(shell, folder, GOOD + "lea@example.com;Lea;Noë;Acme\n", "2026-11-25") == ""
    assert not front.next, "all of it happened"
    assert sum(each.startswith("POST /jobs/upload") for each in front.heard) == 2
    assert json.loads((folder / "srv" / "audience.json").read_text())["rows_received"] == 2
    assert addresses(page_box).count("lea@example.com") == 1


def test_a_night_that_the_box_refuses_is_sent_again_by_the_next(
    shell: Shell, folder: Path, page_box: BoxProcess, front: Front
) -> None:
    more = GOOD + "noa@example.com;Noa;Lev;Acme\n"
    front.next = {("POST", "/jobs/upload"): refused(507)}
    front.heard.clear()
    assert night(shell, folder, more, "2026-11-26", code=1).startswith('507: {"title": "Not now"}')
    assert len(front.heard) == 1, "no more calls"
    assert "noa@example.com" not in addresses(page_box)
    assert night(shell, folder, more, "2026-11-27") == ""
    assert "noa@example.com" in addresses(page_box)


def test_an_export_that_is_written_meanwhile_is_not_taken_for_sent(
    shell: Shell, folder: Path, page_box: BoxProcess, front: Front
) -> None:
    newer = GOOD + "ida@example.com;Ida;Roth;Acme\nuri@example.com;Uri;Paz;Acme\n"

    def exporting(request: Request) -> Answer:
        (folder / "srv" / "contacts.csv").write_text(newer, "utf-8")
        return front.handed_on(request)

    front.next = {("POST", "/jobs/upload"): exporting}
    assert night(shell, folder, newer.rpartition("uri")[0], "2026-11-28") == ""
    assert "uri@example.com" not in addresses(page_box)
    assert night(shell, folder, newer, "2026-11-29") == ""
    assert "uri@example.com" in addresses(page_box)
