"""What commands are run in: closed and full streams, other encodings, narrow terminals, interruptions."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ingestbox.cli import commands, output, reach
from tests.cli.support import environment, ingestbox
from tests.harness import BoxProcess

PROGRAM = f"{sys.executable} -m ingestbox"


def shell(line: str, folder: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """What a shell makes of a line in which `ingestbox` is the program."""
    return subprocess.run(
        ["bash", "-c", line.replace("ingestbox", PROGRAM)],
        cwd=folder,
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_as_one_to_nowhere(tmp_path: Path, closed: str) -> None:
    ran = shell(f"ingestbox version {closed}", tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_password_from_a_stream_that_is_closed_is_a_mistake(box: BoxProcess, tmp_path: Path) -> None:
    line = f"ingestbox user add ann@example.com --role admin --password-stdin --data {box.data} <&-"
    ran = shell(line, tmp_path)
    assert ran.returncode in (1, 2), ran
    assert ran.stderr.startswith(("Error: ", "Usage: ")), ran


@pytest.mark.parametrize("command", ["version", "init --output -"])
def test_a_full_disk_below_the_output_is_said(tmp_path: Path, command: str) -> None:
    ran = shell(f"ingestbox {command} >/dev/full", tmp_path)
    assert (ran.returncode, ran.stderr) == (1, "Error: No space left on device.\n")


def test_an_output_that_is_read_no_further_is_no_error_to_complain_of(tmp_path: Path) -> None:
    ran = shell("ingestbox check-config | head -1; ingestbox openapi | head -1", tmp_path)
    assert ran.stderr == ""
    assert len(ran.stdout.splitlines()) == 2


def test_what_the_output_cannot_show_is_escaped(box: BoxProcess, tmp_path: Path) -> None:
    arguments = ("key", "create", "--name", "Kỳ nghỉ", "--role", "ingest", "--data", box.data)
    assert ingestbox(*arguments, cwd=tmp_path).code == 0
    latin = {"PYTHONIOENCODING": "latin-1"}
    ran = ingestbox("key", "list", "--data", box.data, cwd=tmp_path, env=latin)
    assert (ran.code, ran.err) == (0, "")
    assert r"K\u1ef3 ngh\u1ec9" in ran.out
    listed = ingestbox("key", "list", "--json", "--data", box.data, cwd=tmp_path, env=latin)
    assert listed.json()["keys"][0]["name"] == "Kỳ nghỉ"
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert ingestbox("key", "list", "--data", box.data, cwd=tmp_path, env=plain).code == 0


def test_ctrl_c_while_it_loads_ends_without_a_trace(tmp_path: Path) -> None:
    # A module that is loaded early stands still until it is interrupted.
    (tmp_path / "click.py").write_text("import os\nos.write(1, b'loading')\nos.read(0, 1)\n")
    with subprocess.Popen(
        [sys.executable, "-m", "ingestbox", "version"],
        cwd=tmp_path,
        env=environment({"PYTHONPATH": f"{tmp_path}:{Path(commands.__file__).parents[2]}"}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(7) == b"loading"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read().strip() == b""


def test_a_box_that_stands_still_is_not_waited_for_for_ever(
    own_box: BoxProcess, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own_box.start()
    monkeypatch.setattr(reach, "ANSWER_SECONDS", 0.2)
    assert own_box.process is not None
    own_box.process.send_signal(signal.SIGSTOP)
    try:
        assert commands.run(["status", "--data", str(own_box.data)]) == 1
    finally:
        own_box.process.send_signal(signal.SIGCONT)
    said = capsys.readouterr().err
    assert "does not answer: it has said nothing for too long. See its log." in said


def on_terminal(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    ids = [f"01a1fe09-f9a6-7088-96c2-382f99ffc6c{number}" for number in range(2)]
    rows = [(each, "feedback", "Kỳ nghỉ.json", "completed", 1_000, None) for each in ids]
    output.print_table(("id", "family", "name", "state", "records", "error"), rows)
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in capsys.readouterr().out.splitlines()]


def test_a_table_that_fits_a_terminal_has_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    head, first, _ = on_terminal(100, capsys, monkeypatch)
    assert head.split() == ["id", "family", "name", "state", "records", "error"]
    assert head.index("state") == first.index("completed")


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_a_table_that_does_not_fit_a_terminal_has_a_paragraph_for_each_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    lines = on_terminal(columns, capsys, monkeypatch)
    assert [line for line in lines if line and not line.startswith(" ")] == [
        "id 01a1fe09-f9a6-7088-96c2-382f99ffc6c0",
        "id 01a1fe09-f9a6-7088-96c2-382f99ffc6c1",
    ]
    assert max(map(len, lines)) <= columns
    assert "records 1,000" in " ".join(lines)
    assert "error" not in " ".join(lines)  # there is none


def test_a_name_gives_the_terminal_no_orders() -> None:
    assert output.cell("\x1b]0;owned\x07\nTrời") == r"\x1b]0;owned\x07\nTrời"
