"""A box that is killed in the middle of an upgrade, at each step there is."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ingestbox.errors import StartupError
from ingestbox.store import DATABASE, Store, snapshots, upgrade
from ingestbox.store.engine import connect_writer
from tests.store import olden
from tests.store.olden import NEWEST_SCHEMA, contents, copied, schema_of
from tests.store.support import with_store

FROM = 17
STEPS = {"os.rename", "os.link", "os.remove", "os.mkdir"}
"""What the interpreter tells of; the upgrade tells of the migrations."""

BETWEEN = {"open"}
"""Steps of the long form alone, with moments inside the copy and inside each migration."""

PUT_BACK = 10
"""The step from which on a failed upgrade is put back; those before it are those of any upgrade."""

PLANTED = "CREATE TABLE audience_uploads (mine TEXT)"


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    for number, empty in olden.empties(folder, FROM):
        if number == FROM:
            olden.lay(folder / "data", number, empty)
    return folder / "data"


async def nothing(_: Store) -> None: ...


def start(data: Path) -> None:
    with contextlib.suppress(StartupError):
        with_store(data, nothing)


def in_a_child(body: Callable[[], None]) -> int:
    """Runs it in a process of its own; how that ended (minus the signal)."""
    child = os.fork()
    if child == 0:
        try:
            body()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def killed_at(data: Path, step: int, *, every: bool = False) -> bool:
    """Starts on the folder in a process that kills itself before its `step`-th step; whether it came to
    that. `every`: those between are counted, too."""
    steps = STEPS | BETWEEN if every else STEPS

    def body() -> None:
        seen = 0

        def count() -> None:
            nonlocal seen
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

        def hear(event: str, arguments: tuple[object, ...]) -> None:
            if event in steps and str(arguments[0]).startswith(str(data)):
                count()

        say = upgrade.Upgrade._say

        def said(self: upgrade.Upgrade, at: str) -> None:
            count()
            say(self, at)

        tick = upgrade.Upgrade._tick

        def ticked(self: upgrade.Upgrade) -> int:
            if every:
                count()
            return tick(self)

        upgrade.Upgrade._say = said  # type: ignore[method-assign]
        upgrade.Upgrade._tick = ticked  # type: ignore[method-assign]
        upgrade.INSTRUCTIONS = 4_000
        sys.addaudithook(hear)
        start(data)

    code = in_a_child(body)
    assert code in (0, -signal.SIGKILL)
    return code != 0


def check_finished(old: Path, folder: Path, *, every: bool) -> int:
    """Kills an upgrade at one step after the other; each time the next start finishes it. How many."""
    start(copied(old, folder / "whole"))
    wanted = contents(folder / "whole" / DATABASE)
    for step in itertools.count(1):
        data = copied(old, folder / str(step))
        killed = killed_at(data, step, every=every)
        with_store(data, nothing)
        assert schema_of(data / DATABASE) == NEWEST_SCHEMA
        found = contents(data / DATABASE)
        assert {name for name in wanted if len(found[name]) != len(wanted[name])} == set(), step
        first = snapshots.listed(data)[0]
        assert (first.schema, contents(first.path)) == (FROM, contents(old / DATABASE))
        assert not (data / upgrade.UNDER_WAY).exists()
        assert not list((data / "snapshots").glob("*.part"))
        if not killed:
            return step
    raise AssertionError


def check_put_back(old: Path, folder: Path, *, every: bool) -> int:
    """The same with a migration that fails: the next start fails as well, and the store is as it was."""
    planted = copied(old, folder / "planted")
    with contextlib.closing(connect_writer(planted / DATABASE)) as connection:
        connection.execute(PLANTED)
        connection.execute("INSERT INTO audience_uploads VALUES ('kept')")
    before = contents(planted / DATABASE)
    for step in itertools.count(1 if every else PUT_BACK):
        data = copied(planted, folder / str(step))
        killed = killed_at(data, step, every=every)
        with pytest.raises(StartupError, match="as it was before"):
            with_store(data, nothing)
        assert contents(data / DATABASE) == before, step
        assert not (data / upgrade.UNDER_WAY).exists()
        assert not (data / upgrade.FAILED).exists()
        if not killed:
            return step
    raise AssertionError


def test_an_upgrade_that_is_killed_is_finished_by_the_next_start(old: Path, tmp_path: Path) -> None:
    assert check_finished(old, tmp_path, every=False) > 8


def test_a_put_back_that_is_killed_is_finished_by_the_next_start(old: Path, tmp_path: Path) -> None:
    assert check_put_back(old, tmp_path, every=False) > 16


@pytest.mark.soak
def test_an_upgrade_may_be_killed_at_every_moment(old: Path, tmp_path: Path) -> None:
    assert check_finished(old, tmp_path, every=True) > 40


@pytest.mark.soak
def test_a_put_back_may_be_killed_at_every_moment(old: Path, tmp_path: Path) -> None:
    assert check_put_back(old, tmp_path, every=True) > 50


def test_what_the_program_before_took_in_after_a_kill_is_not_put_back(old: Path, tmp_path: Path) -> None:
    """Killed before the first migration, the old program may run again: its newer rows are the store."""
    data = copied(old, tmp_path / "data")
    step = 0
    while not (data / upgrade.UNDER_WAY).exists():
        step += 1
        assert killed_at(data, step)
    assert schema_of(data / DATABASE) == FROM
    with contextlib.closing(connect_writer(data / DATABASE)) as connection:
        connection.execute("INSERT INTO idempotency VALUES ('new', 'n', x'00', 1, 200, NULL, 1)")
        connection.execute(PLANTED)
    with pytest.raises(StartupError, match="as it was before"):
        with_store(data, nothing)
    with olden.looking(data / DATABASE) as connection:
        assert connection.execute("SELECT key FROM idempotency WHERE scope = 'new'").fetchall() == [("n",)]
