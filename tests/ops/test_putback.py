"""What lies beside the database that was there never meets the one that is put back."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestbox.ops.backup import folder
from ingestbox.ops.backup.manifest import Manifest
from ingestbox.ops.backup.putback import Plan, commit, finish, staged
from ingestbox.store import DATABASE

BESIDE = (f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal", "upgrading", "upgrade-failed")


def test_all_that_belongs_to_the_old_database_goes_aside_with_it(tmp_path: Path) -> None:
    for name in (DATABASE, *BESIDE):
        (tmp_path / name).write_text("old")
    (staged(tmp_path) / DATABASE).write_text("new")
    commit(tmp_path, Plan([DATABASE], "before-restore-x"))
    assert finish(tmp_path) is not None
    assert (tmp_path / DATABASE).read_text() == "new"
    assert [name for name in BESIDE if (tmp_path / name).exists()] == []
    assert {each.name for each in (tmp_path / "before-restore-x").iterdir()} == {DATABASE, *BESIDE}


def test_a_backup_that_cannot_be_read_is_one_that_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(path: Path) -> Manifest:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / folder.name_of("b1", 0)).write_text("another user's")
    monkeypatch.setattr(folder, "described", unreadable)
    (found,) = folder.listed(tmp_path)
    assert found.manifest is None
    assert folder.next_number([found], "b1") == 1
