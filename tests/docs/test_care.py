"""docs/backup.md, docs/upgrade.md and docs/sizing.md, typed from their beginning to their end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestbox.store.snapshots import listed
from tests.docs.support import Page, Shell
from tests.harness import BoxProcess, post_tickets, ticket, wait_job
from tests.store import olden

BACKUP, UPGRADE, SIZING = Page("backup.md"), Page("upgrade.md"), Page("sizing.md")
CONFIG = "/etc/ingestbox/ingestbox.toml"


class Operator:
    """Somebody with a service, who types a page block by block; what was printed is in `said`."""

    def __init__(self, folder: Path, config: str) -> None:
        self.box = BoxProcess(folder / "service")
        self.folder = folder
        self.shell = Shell(
            folder / "shell",
            places={
                "/etc/ingestbox": folder / "etc",
                "/mnt": folder / "mnt",
                "/srv": folder / "srv",
                "/var/lib/ingestbox": self.box.data,
            },
        )
        for name in ("mnt/backups/ingestbox", "mnt/usb", "srv"):
            (folder / name).mkdir(parents=True)
        self.box.configure(self.shell.put(CONFIG, config).read_text())
        self.said: list[str] = []

    def follow(self, block: str) -> str:
        """Types a block; what concerns the service is done to the box. What its last command printed."""
        for line in block.strip().splitlines():
            if line == "systemctl stop ingestbox":
                assert self.box.stop() == 0
            elif line == "systemctl start ingestbox":
                self.box.start()
            else:
                self.said.append(self.shell.type(line))
        return self.said[-1]

    def tickets(self) -> int:
        with self.box.client() as client:
            return int(client.get("/api/tickets").raise_for_status().json()["total"])

    def take_in(self, number: int) -> None:
        with self.box.client() as client:
            wait_job(client, post_tickets(client, [ticket(number)])["job_id"])


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Operator]:
    made = Operator(tmp_path, BACKUP.file(CONFIG))
    made.box.start()
    yield made
    made.box.close()


def test_a_box_is_backed_up_restored_and_salvaged_as_the_page_says(keeper: Operator) -> None:
    where, by_hand, look, restore, elsewhere, salvage, leave = BACKUP.commands()
    keeper.follow(where)
    keeper.take_in(1)
    keeper.follow(by_hand)
    assert list((keeper.folder / "mnt/backups/ingestbox").glob("ingestbox-*.tar.zst")), "the box's own folder"
    assert "ingestbox.db" in keeper.follow(look)
    keeper.take_in(2)
    keeper.follow(restore)
    assert keeper.tickets() == 1, "as it was when the backup was made"
    assert list(keeper.box.data.glob("before-restore-*")), "what was there"
    keeper.follow(elsewhere)
    assert (keeper.folder / "srv/box/ingestbox.db").exists()
    assert keeper.follow(salvage).rstrip().endswith("All is well.")
    assert not any(
        each["lost"]
        for each in json.loads((keeper.folder / "srv/salvaged/salvage.json").read_text())["tables"]
    )
    (look_at_size,) = SIZING.commands()
    assert "records" in keeper.follow(look_at_size)
    keeper.follow(leave)
    assert (keeper.folder / "mnt/usb/box.ndjson.zst").stat().st_size


def test_a_store_of_a_release_before_is_upgraded_and_goes_back_as_the_page_says(tmp_path: Path) -> None:
    install, check, back = UPGRADE.commands()
    made = Operator(tmp_path, 'data = "/var/lib/ingestbox"\n')
    *_, (schema, empty) = olden.empties(tmp_path)
    olden.copied(olden.lay(tmp_path / "old", schema, empty), made.box.data)
    command = [sys.executable, "-m", "ingestbox"]
    made.shell.put("ingestbox", f'#!/bin/sh\nexec {" ".join(command)} "$@"\n', 0o755)
    made.follow(check)
    try:
        # What the package does: tests/packaging installs it.
        assert install.splitlines()[0] == "apt-get install ./ingestbox_*.deb"
        made.box.start()
        assert made.follow("\n".join(install.splitlines()[1:])).rstrip().endswith("All is well.")
        before = made.tickets()
        (snapshot,) = listed(made.box.data)
        assert (snapshot.schema, snapshot.to) == (olden.LATEST, olden.NEWEST_SCHEMA)
        made.take_in(77)
        made.follow(back)
        assert made.tickets() == before
    finally:
        made.box.close()
