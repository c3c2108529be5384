"""What Tab completes, and that asking for it is quick."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from ingestbox.cli.commands import cli
from tests.cli.support import Ran, environment, ingestbox
from tests.program import command
from tests.test_layout import modules_loaded_by


def complete(folder: Path, typed: str) -> list[tuple[str, str]]:
    """Kinds and words that bash is offered for the last word of what was typed."""
    env = {
        "_INGESTBOX_COMPLETE": "bash_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split(" ")) - 1),
    }
    ran = ingestbox(cwd=folder, env=env)
    assert (ran.code, ran.err) == (0, "")
    return [(kind, word) for kind, _, word in (line.partition(",") for line in ran.out.splitlines())]


def words(folder: Path, typed: str) -> set[str]:
    return {word for _, word in complete(folder, typed)}


def test_commands_options_and_values_are_completed(tmp_path: Path) -> None:
    assert words(tmp_path, "ingestbox ") == set(cli.commands)
    assert words(tmp_path, "ingestbox key ") >= {"create", "list", "revoke"}
    assert words(tmp_path, "ingestbox st") == {"status"}
    assert {"--port", "--keep", "--once"} <= words(tmp_path, "ingestbox demo --")
    assert "--parent" not in words(tmp_path, "ingestbox serve --")
    assert {"admin", "forwarder"} <= words(tmp_path, "ingestbox token create --user me --role ")
    assert words(tmp_path, "ingestbox completion ") == {"bash", "zsh", "fish"}


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("ingestbox send x", "file"),
        ("ingestbox serve --config x", "file"),
        ("ingestbox init --output x", "file"),
        ("ingestbox serve --data x", "dir"),
        ("ingestbox status --data x", "dir"),
        ("ingestbox demo --keep x", "dir"),
    ],
)
def test_names_of_files_and_folders_are_left_to_the_shell(tmp_path: Path, typed: str, kind: str) -> None:
    assert complete(tmp_path, typed) == [(kind, "x")]


def script(folder: Path, shell: str) -> Ran:
    ran = ingestbox("completion", shell, cwd=folder)
    assert (ran.code, ran.err) == (0, "")
    return ran


def test_the_scripts_ask_the_program(tmp_path: Path) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert f"_INGESTBOX_COMPLETE={shell}_complete" in script(tmp_path, shell).out
    assert ingestbox("completion", "tcsh", cwd=tmp_path).code == 2


def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    """As on a prompt: the function that the script registers is called, and asks `$1`, the program."""
    (tmp_path / "completion.bash").write_text(script(tmp_path, "bash").out)
    asked = """\
set -e
source completion.bash
COMP_WORDS=(ingestbox key re) COMP_CWORD=2
_ingestbox_completion ingestbox re key
printf '%s\\n' "${COMPREPLY[@]}"
complete -p ingestbox
"""
    subprocess.run(["bash", "-n", "completion.bash"], cwd=tmp_path, check=True)
    done = subprocess.run(
        ["bash", "--norc", "-c", asked],
        cwd=tmp_path,
        env=environment({"PATH": f"{program(tmp_path)}:/usr/bin:/bin"}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    first, *_, last = done.stdout.splitlines()
    assert first == "revoke"
    assert last.startswith("complete")


def program(folder: Path) -> Path:
    """A folder with `ingestbox` in it, as an installation puts one on the PATH."""
    place = folder / "bin"
    place.mkdir()
    file = place / "ingestbox"
    file.write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n')
    file.chmod(0o755)
    return place


def test_completing_loads_nothing_heavy() -> None:
    loaded = modules_loaded_by("import ingestbox.cli.commands, click.shell_completion")
    heavy = {"aiosqlite", "cryptography", "huey", "httpx2", "jwt", "rich", "starlette", "uvicorn"}
    assert not loaded & heavy
