"""The man page: well formed, and with everything in it that the commands know."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click
import pytest

from ingestbox import __version__
from ingestbox.cli.commands import cli
from tests.packaging.support import ROOT, run


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("man") / "ingestbox.1"
    done = run(sys.executable, "packaging/man.py", cwd=ROOT, env={"SOURCE_DATE_EPOCH": "1700000000"})
    assert done.returncode == 0, done.stderr
    file.write_text(done.stdout)
    return file


def test_it_is_well_formed(page: Path) -> None:
    done = run("mandoc", "-T", "lint", page)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert "--" not in page.read_text(), "two minus signs, not two hyphens, which cannot be pasted"


def test_everything_is_in_it(page: Path) -> None:
    shown = run("mandoc", "-T", "utf8", "-O", "width=200", page).stdout
    text = re.sub(".\b", "", shown)
    assert "2023-11-14" in text and f"ingestbox {__version__}" in text
    for called, command in walked(cli, "ingestbox"):
        begin = re.search(rf"^   {re.escape(called)}$", text, re.MULTILINE)
        assert begin, called
        part = re.split(r"^   ingestbox |^[A-Z]", text[begin.end() :], maxsplit=1, flags=re.MULTILINE)[0]
        assert re.search("Examples?:", part), called
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert all(each in part for each in parameter.opts), (called, parameter.opts)
    for title in ("EXIT STATUS", "ENVIRONMENT", "FILES", "SIGNALS", "EXAMPLES"):
        assert f"\n{title}\n" in text


def walked(group: click.Group, path: str) -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += walked(command, f"{path} {name}")
        elif not command.hidden:
            found.append((f"{path} {name}", command))
    return found
