"""What boot-loaders that were killed left unpacked, and what must not be taken for it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from ingestbox.cli.frozen import OURS, STALE_SECONDS, hold, sweep

NOBODY = 0x7FFFFFFF
"""A number that no process has: above the largest that a kernel gives."""


def unpacked(folder: Path, *, pid: int = NOBODY, old: float = STALE_SECONDS + 60, of: str = OURS) -> Path:
    made = folder / f"_MEI{pid:08x}aB3_xY"
    (made / of).mkdir(parents=True)
    (made / of / "file").write_text("x")
    made.chmod(0o700)
    then = time.time() - old
    os.utime(made, (then, then))
    return made


def test_what_was_left_is_removed(tmp_path: Path) -> None:
    left = unpacked(tmp_path)
    assert sweep(tmp_path) == [left]
    assert list(tmp_path.iterdir()) == []


def test_what_somebody_holds_stays_until_they_end(tmp_path: Path) -> None:
    held = unpacked(tmp_path)
    said, says = os.pipe()
    holder = os.fork()
    if holder == 0:
        os.write(says, b"y" if hold(held) else b"n")
        signal.pause()
    try:
        assert os.read(said, 1) == b"y"
        assert sweep(tmp_path) == []
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
        os.close(said)
        os.close(says)
    assert sweep(tmp_path) == [held]


def test_what_is_not_surely_left_behind_stays(tmp_path: Path) -> None:
    kept = [
        unpacked(tmp_path / "young", old=STALE_SECONDS - 60),
        unpacked(tmp_path / "of tomorrow", old=-86_400),
        unpacked(tmp_path / "its boot-loader runs", pid=os.getpid()),
        unpacked(tmp_path / "another program's", of="other"),
        unpacked(tmp_path / "open to others"),
        unpacked(tmp_path / "of another name").rename(tmp_path / "of another name" / "_MEI12345678"),
    ]
    kept[4].chmod(0o755)
    for each in kept:
        assert sweep(each.parent) == []
        assert any(each.iterdir())


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = unpacked(tmp_path / "elsewhere")
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / elsewhere.name).symlink_to(elsewhere)
    assert sweep(folder) == []
    assert elsewhere.is_dir()


def test_what_another_user_unpacked_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = unpacked(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert sweep(tmp_path) == []
    assert theirs.is_dir()


def test_a_folder_that_cannot_be_read_hurts_nobody(tmp_path: Path) -> None:
    assert sweep(tmp_path / "missing") == []
