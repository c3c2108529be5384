"""The systemd unit, by systemd's own words on it, and beside what the program says of itself."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from ingestbox import config
from ingestbox.cli.commands import cli
from ingestbox.config import Server
from tests.packaging.support import ROOT, run

UNIT = ROOT / "packaging" / "ingestbox.service"

NEWER = ("RestartSteps", "RestartMaxDelaySec")
"""Keys that systemd knows from 254 on; before that it says so, and goes on without."""

EXPOSED = 17
"""Tenths of systemd's exposure level. It is at 16; what is left of it is the network."""


def values() -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))


def with_hints() -> str:
    """The unit with every line that its comments show set."""
    text, count = re.subn(r"^#   (\w+=)", r"\1", UNIT.read_text(), flags=re.MULTILINE)
    assert count == 3
    return text


@pytest.mark.parametrize("text", [UNIT.read_text(), with_hints()], ids=["as it is", "with its hints"])
def test_systemd_finds_nothing_wrong(text: str, tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("/usr/bin/ingestbox", "/bin/true"))
    done = run("systemd-analyze", "verify", "--man=no", unit)
    said = [line for line in done.stderr.splitlines() if not any(key in line for key in NEWER)]
    assert said == []
    assert done.returncode == 0


def test_it_is_shut_in() -> None:
    done = run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSED}", "--no-pager", UNIT)
    assert done.returncode == 0, done.stdout


def test_it_starts_the_program_as_it_wants_to_be_started() -> None:
    _, name, *arguments = shlex.split(values()["ExecStart"])
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.make_context(name, arguments).params["config"] == Path("/etc/ingestbox/ingestbox.toml")
    assert values()["Type"] == "notify"


def test_it_waits_longer_than_the_box() -> None:
    """Also where the box cannot ask for more: it has this long until it says that it stops."""
    assert float(values()["TimeoutStopSec"].removesuffix("s")) > Server().stop_seconds


def test_a_secret_can_come_from_systemd(tmp_path: Path) -> None:
    (variable,) = re.findall(r"^Environment=(\w+)=%d/", with_hints(), re.MULTILINE)
    secret = tmp_path / "secret"
    secret.write_text("a long password\n")
    email = {"INGESTBOX_CONSOLE_ADMIN_EMAIL": "ann@example.com"}
    loaded = config.load(environ={variable: str(secret), **email})
    assert loaded.warnings == []
    assert loaded.settings.console.admin_password == "a long password"
