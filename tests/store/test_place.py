"""Copies of a data folder, however they come about, begin an epoch of their own; what is no copy does not."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import ingestbox.store
from ingestbox import ids
from ingestbox.errors import StartupError
from ingestbox.store import DATABASE, BoxIdentity, Store
from ingestbox.store.engine import connect_writer
from ingestbox.store.place import MARKER, RenewEpoch, place_of
from tests.store.laning import TICKET, make
from tests.store.support import with_store
from tests.store.test_lanes import AUDIT


async def _identity(store: Store) -> BoxIdentity:
    return store.identity


def started(folder: Path) -> BoxIdentity:
    """Who a box is that starts there, and stops again."""
    return with_store(folder, _identity)


@pytest.fixture
def used(tmp_path: Path) -> tuple[Path, BoxIdentity]:
    """The data folder of a box that has used numbers."""
    folder = tmp_path / "data"
    folder.mkdir()

    async def body(store: Store) -> BoxIdentity:
        await make(store, TICKET, TICKET)
        return store.identity

    return folder, with_store(folder, body)


def copied(folder: Path, how: str) -> Path:
    """A copy beside it that keeps all that a copy can keep."""
    copy = folder.parent / "copy"
    if how == "cp":
        subprocess.run(["cp", "-a", folder, copy], check=True)
    else:
        copy.mkdir()
        packed = subprocess.run(["tar", "-C", folder, "-cf", "-", "."], capture_output=True, check=True)
        subprocess.run(["tar", "-C", copy, "-xpf", "-"], input=packed.stdout, check=True)
    return copy


def test_a_restart_and_a_move_change_nothing(used: tuple[Path, BoxIdentity]) -> None:
    folder, identity = used
    assert started(folder) == identity
    moved = folder.rename(folder.with_name("elsewhere"))
    assert started(moved) == identity
    assert started(moved) == identity


def test_a_kill_changes_nothing(used: tuple[Path, BoxIdentity], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, identity = used

    async def killed(*_: object) -> None: ...

    with monkeypatch.context() as patch:
        patch.setattr(ingestbox.store, "_leave", killed)
        assert started(folder) == identity
        copy = copied(folder, "cp")
        renewed = started(copy)
        assert renewed != identity
        assert started(copy) == renewed  # it remembers its place from the start on
    assert started(folder) == identity


@pytest.mark.parametrize("how", ["cp", "tar"])
def test_a_copy_begins_an_epoch_and_its_seqs_go_on(
    used: tuple[Path, BoxIdentity], how: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder, identity = used
    copy = copied(folder, how)

    async def body(store: Store) -> list[tuple[int, str]]:
        await make(store, TICKET)
        trail = [row for row in await store.read("audit.page_everywhere", AUDIT) if row[4] == "box.epoch"]
        assert len(trail) == 1
        assert trail[0][3] == "system"
        rows = await store.read("deliveries.newest", {"above": 0, "below": 99})
        return [(row[0], row[9]) for row in rows]

    found = with_store(copy, body)
    renewed = started(copy)
    assert (renewed.box, renewed.epoch != identity.epoch) == (identity.box, True)
    assert found == [(3, renewed.epoch), (2, identity.epoch), (1, identity.epoch)]
    assert "begins a new epoch" in caplog.text
    assert started(folder) == identity  # the one that it was copied from


def without_marker(folder: Path) -> None:
    (folder / MARKER).unlink()


def another_owner(folder: Path) -> None:
    owner = folder.stat()
    os.chown(folder / MARKER, owner.st_uid, owner.st_gid)


def another_machine(folder: Path) -> None:
    connection = connect_writer(folder / DATABASE)
    connection.execute("UPDATE box SET place = 'another' || place")
    connection.close()


@pytest.mark.parametrize("change", [without_marker, another_owner, another_machine])
def test_what_may_be_a_copy_counts_as_one(
    used: tuple[Path, BoxIdentity], change: Callable[[Path], None]
) -> None:
    folder, identity = used
    change(folder)
    renewed = started(folder)
    assert (renewed.box, renewed.epoch != identity.epoch) == (identity.box, True)
    assert started(folder) == renewed


def test_a_database_that_is_put_back_into_its_folder_is_a_copy(used: tuple[Path, BoxIdentity]) -> None:
    folder, identity = used
    backup = folder.parent / "backup.db"

    async def body(store: Store) -> None:
        await store.fold()
        shutil.copy(folder / DATABASE, backup)
        await make(store, TICKET)  # what the backup does not have

    with_store(folder, body)
    shutil.copy(backup, folder / DATABASE)  # the same inode
    assert started(folder).epoch != identity.epoch


def test_a_store_that_never_knew_its_place_takes_it(used: tuple[Path, BoxIdentity]) -> None:
    folder, identity = used
    (folder / MARKER).unlink()
    connection = connect_writer(folder / DATABASE)
    connection.execute("UPDATE box SET place = NULL")
    connection.close()
    assert started(folder) == identity
    assert started(copied(folder, "cp")).epoch != identity.epoch


def test_copies_of_a_box_that_was_never_used_are_boxes_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    first = started(folder)
    second = started(copied(folder, "cp"))
    assert second.box != first.box
    assert second.epoch != first.epoch
    assert started(folder) == first


def test_an_epoch_tells_when_it_began(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        before = store.identity
        renewed = await store.write(RenewEpoch("restore", "local:ann", 1_800_000_000_123))
        assert (renewed.box, renewed.since_ms) == (before.box, 1_800_000_000_123)
        assert await store.read("box.identity") == [(renewed.box, renewed.epoch)]
        (line, *_) = await store.read("audit.page_everywhere", AUDIT)
        assert line[3:7] == ("local:ann", "box.epoch", "box", renewed.box)
        assert before.epoch in line[7]
        assert '"reason":"restore"' in line[8]

    with_store(tmp_path, body)
    assert ids.epoch_ms("e1") is None
    assert ids.epoch_ms("e" + "x" * 20) is None


def test_a_place_is_of_one_machine(tmp_path: Path) -> None:
    assert place_of(tmp_path, "one") == place_of(tmp_path, "one") != place_of(tmp_path, "two")
    with pytest.raises(StartupError, match="cannot be made"):
        place_of(tmp_path / "nowhere", "one")
