"""docs/crm.md: its script, night by night, at a real box with its lane to a CRM."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestbox.model import Role
from tests.cli.support import Answer, Upstream
from tests.docs.support import Page, Shell, replaced
from tests.harness import BoxProcess, until

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
    text = replaced(PAGE.file("/etc/ingestbox.toml"), ours)
    made = BoxProcess(folder / "box", config=text).start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shell(folder: Path, page_box: BoxProcess) -> Shell:
    """Somebody who has the page's key and script."""
    made = Shell(
        folder / "shell",
        at={"127.0.0.1:8000": int(page_box.url.rpartition(":")[2])},
        environ={"INGESTBOX_DATA": str(page_box.data)},
        places={
            "/etc/ingestbox": folder / "etc",
            "/etc/ingestbox.toml": page_box.folder / "ingestbox.toml",
            "/srv/crm": folder / "srv",
            "/usr/local/bin": folder / "bin",
        },
    )
    made.program("python3", [sys.executable])
    made.put("/usr/local/bin/crm-to-box", PAGE.file("/usr/local/bin/crm-to-box"), 0o755)
    made.type(PAGE.commands()[0])
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
    wrong, given_up = commands[1], commands[2]
    said = shell.type(wrong)
    assert "eva@example.com" in said.splitlines()[1]
    assert "MISSING_REQUIRED_FIELD" in said
    shell.type(given_up)

    # Corrected in the CRM.
    assert night(shell, folder, faulty.replace(";Groß;", ";Groß;Acme"), "2026-11-23") == ""
    assert addresses(page_box) == ["ana@example.com", "ben@example.com", "eva@example.com"]
    until(lambda: "eva@example.com" in lines(hook), "the lane tells the CRM")


def test_the_lane_is_knocked_at(shell: Shell) -> None:
    assert "crm" in shell.type(PAGE.commands()[3])


def test_a_night_whose_answer_got_lost_is_repeated_without_harm(
    shell: Shell, folder: Path, page_box: BoxProcess
) -> None:
    more = GOOD + "kim@example.com;Kim;Ito;Acme\n"
    assert night(shell, folder, more, "2026-11-24") == ""
    for name in ("contacts.sent", "contacts.job"):
        (folder / "srv" / name).unlink()  # it ended before it could write them
    assert night(shell, folder, more, "2026-11-24") == ""
    assert addresses(page_box).count("kim@example.com") == 1
