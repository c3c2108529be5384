"""Where the single file cannot unpack itself, it says so in a sentence, and what to do."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.binary.support import ENDED, environ

NOTHING = "/nonexistent/folder"


def tried(program: Path | str, temporary: Path | str, *before: str) -> subprocess.CompletedProcess[str]:
    """`ingestbox version`, which unpacks as any command does."""
    command = [*before, str(program), "version"]
    given = environ(Path(temporary))
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=ENDED, check=False)


def says(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a program that could not unpack."""
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ingestbox cannot unpack itself")
    assert line.endswith("or use the form of the program that is a folder, and unpacks nothing.")
    return line


def test_a_folder_that_is_not_there_is_passed_over(program: Path) -> None:
    done = tried(program, NOTHING)
    assert done.returncode == 0, done.stderr


def test_a_folder_where_nothing_can_be_written_is_named_with_the_reason(
    program: Path, tmp_path: Path
) -> None:
    done = tried(program, tmp_path, "sh", "-c", 'ulimit -f 0; exec "$0" "$@"')
    assert f"below {tmp_path}, where nothing can be written (File too large). Set TMPDIR to " in says(done)
    assert list(tmp_path.iterdir()) == []


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.privileged
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("noexec", "which does not allow programs (it is mounted noexec). Set TMPDIR to a folder that does"),
        ("size=20m", "MB, and 20 MB are free. Make room there, set TMPDIR to a folder that has it"),
    ],
)
def test_a_folder_that_will_not_do_is_named_with_one_that_will(
    program: Path, tmp_path: Path, options: str, reason: str
) -> None:
    with mounted(tmp_path / "mounted", options) as folder:
        line = says(tried(program, folder))
        assert f"below {folder}" in line
        assert f"{reason} (TMPDIR=/tmp will do), or" in line
        assert list(folder.iterdir()) == []


@pytest.mark.privileged
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            "ro",
            f"no folder for it can be written ({NOTHING}: No such file or directory; /tmp: Read-only",
        ),
        (
            "noexec",
            "below /tmp, which does not allow programs (it is mounted noexec). Set TMPDIR to a folder",
        ),
    ],
)
def test_a_system_without_such_a_folder_is_told(
    program: Path, tmp_path: Path, options: str, reason: str
) -> None:
    """In name spaces of its own, so that the mounts are nobody else's."""
    mounts = "mount --bind $0 /opt; "
    mounts += "".join(f"mount -t tmpfs -o {options} tmpfs {folder}; " for folder in ("/var/tmp", "/tmp"))
    script = f'{mounts} exec /opt/"$(basename $1)" version'
    given = environ(Path(NOTHING))
    command = ["unshare", "--mount", "sh", "-ec", script, str(program.parent), str(program)]
    done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=ENDED, check=False)
    assert reason in says(done)


def test_the_folder_form_unpacks_nothing(folder_form: Path, tmp_path: Path) -> None:
    done = tried(folder_form, tmp_path, "sh", "-c", 'ulimit -f 0; exec "$0" "$@"')
    assert done.returncode == 0, done.stderr
