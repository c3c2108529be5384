"""When scheduled backups are taken, which stay, and what alarms; the clock is the test's, store and files are
real."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ingestbox import config
from ingestbox.errors import IngestError, StartupError
from ingestbox.identity.secretfile import load_secret
from ingestbox.ops.backup import backups as module
from ingestbox.ops.backup import folder as lying
from ingestbox.ops.backup.archive import Packing, verify
from ingestbox.ops.backup.backups import RETRY_SECONDS, Backups
from ingestbox.ops.backup.pace import Pace
from ingestbox.ops.backup.taking import Taking
from ingestbox.store import Store, tidy
from ingestbox.store.engine import CHECKPOINT_PAGES
from ingestbox.store.shelf import Shelf
from tests.forward.support import HeldClock, opened, run, until
from tests.ops import backups as made

DAY = 86_400


def test_every_day_is_every_day_whatever_the_wall_clock_does() -> None:
    clock = HeldClock()
    pace = Pace("every 24 h", clock)
    pace.known(None)
    taken = 0
    for hour in range(24 * 20):
        clock.advance(3_600)
        clock.wall_ms += (hour % 7 - 3) * 40 * DAY * 1_000  # back and forth by months
        if pace.late() is not None:
            taken += 1
            pace.taken()
    assert taken == 20


@pytest.mark.parametrize("jump_days", [-4_000, -2, 2, 4_000])
def test_a_cron_goes_on_after_the_clock_jumped(jump_days: int) -> None:
    clock = HeldClock()
    pace = Pace("cron 30 2 * * *", clock)
    pace.known(None)
    taken = 0

    def pass_days(days: int) -> None:
        nonlocal taken
        for _ in range(days * 48):
            clock.advance(1_800)
            if pace.late() is not None:
                taken += 1
                pace.taken()

    pass_days(3)
    assert taken == 3
    clock.wall_ms += jump_days * DAY * 1_000
    pass_days(3)
    assert taken in (6, 7)  # one may be made up for
    clock.wall_ms -= jump_days * DAY * 1_000
    pass_days(3)
    assert taken in (9, 10, 11)


def test_a_clock_that_leaps_each_second_takes_one_a_minute_at_most() -> None:
    clock = HeldClock()
    pace = Pace("cron * * * * *", clock)
    pace.known(None)
    taken = 0
    for second in range(600):
        clock.advance(1)
        clock.wall_ms += (1 if second % 2 else -1) * 500 * DAY * 1_000
        if pace.late() is not None:
            taken += 1
            pace.taken()
    assert 5 <= taken <= 11


@pytest.mark.parametrize(
    ("schedule", "age_days", "late"),
    [
        ("every 24 h", 0.5, False),
        ("every 24 h", 1.5, True),
        ("every 24 h", -300, True),  # made by a clock that was wrong
        ("cron 30 2 * * *", 0.01, False),
        ("cron 30 2 * * *", 1.2, True),  # what was missed is made up for
        ("cron 30 2 * * *", -0.01, False),
    ],
)
def test_a_start_goes_on_from_the_last_backup(schedule: str, age_days: float, late: bool) -> None:
    clock = HeldClock()
    pace = Pace(schedule, clock)
    if schedule.startswith("cron"):
        clock.advance(4 * 3_600)
    pace.known(clock.wall_ms - int(age_days * DAY * 1_000))
    clock.advance(1)
    assert (pace.late() is not None) is late


@pytest.mark.parametrize("schedule", ["every 59 s", "cron 0 0 30 2 *", "cron 99 * * * *"])
def test_a_schedule_that_cannot_be_is_refused_with_a_sentence(schedule: str) -> None:
    with pytest.raises(StartupError, match=r"\[backup\] schedule: .*\.$"):
        Pace(schedule, HeldClock())


def _scheduled(folder: Path, box: str, number: int, made_ms: int, *, scheduled: bool = True) -> Path:
    manifest = made.manifest(box=box, number=number, made_ms=made_ms, scheduled=scheduled)
    return made.write(folder / lying.name_of(box, made_ms), manifest)


def test_what_is_removed_are_the_oldest_scheduled_ones_of_this_box(tmp_path: Path) -> None:
    """Their numbers say which those are: most were made by a clock that was far ahead."""
    ahead = made.MADE_MS + 10_000 * DAY * 1_000
    folder = tmp_path / "folder"
    mine = [
        _scheduled(folder, "bmine", number, (ahead if number < 6 else made.MADE_MS) + number * 1_000)
        for number in range(1, 10)
    ]
    kept = [
        _scheduled(folder, "bmine", 2, made.MADE_MS - 5_000, scheduled=False),
        _scheduled(folder, "bother", 1, made.MADE_MS - 9_000),
    ]
    for name in (
        "before the move " + mine[0].name,
        mine[0].name + ".sha256",
        "ingestbox-bmine-notes.tar.zst",
        "ingestbox-bother-20270115T080000Z.tar.zst.part",
    ):
        (folder / name).write_bytes(mine[0].read_bytes())
        kept.append(folder / name)
    damaged = folder / lying.name_of("bmine", made.MADE_MS - 1_000)
    damaged.write_bytes(b"what was a backup once")
    (folder / lying.name_of("bmine", made.MADE_MS - 2_000)).mkdir()
    (folder / "ingestbox-bmine-20270115T080000Z.tar.zst.copy.part-wal").write_bytes(b"left")
    (folder / "ingestbox-bmine-20270115T080000Z.tar.zst.part").write_bytes(b"left")
    assert lying.clear(folder, "bmine") == 2
    assert sorted(lying.prune(folder, "bmine", 3)) == sorted(mine[:6])
    assert all(path.exists() for path in (*mine[6:], *kept, damaged))
    assert lying.prune(folder, "bmine", 3) == []
    assert lying.next_number(lying.listed(folder, "bmine"), "bmine") == 10


@asynccontextmanager
async def keeper(
    tmp_path: Path, clock: HeldClock, **settings: Any
) -> AsyncIterator[tuple[Backups, Store, Shelf]]:
    """Backups of a real store; the schedule is looked at when the test lets it."""
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    load_secret(data)
    async with opened(data, clock) as store:
        shelf = Shelf(data)
        found = Backups(store, shelf, config.Backup(**settings), clock, keep_free_bytes=0)
        found.start()
        try:
            yield found, store, shelf
        finally:
            await found.stop()
            shelf.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)


def _raised(found: Backups) -> dict[str, str]:
    return {each.name: each.detail for each in found.conditions() if not each.ok}


def test_the_schedule_takes_keeps_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    clock = HeldClock()
    folder = tmp_path / "elsewhere"
    folder.mkdir()

    def lie() -> list[int]:
        return [each.manifest.number for each in lying.listed(folder) if each.manifest is not None]

    def there(numbers: list[int]) -> bool:
        return lie() == numbers

    async def live(days: int, expected: list[list[int]]) -> None:
        async with keeper(tmp_path, clock, folder=str(folder), schedule="every 1 d", keep=3) as (found, _, _):
            for day in range(days):
                await until(functools.partial(there, expected[day]), f"{expected[day]} are there")
                await until(lambda: not found._taking, "it has ended")
                assert _raised(found) == {}
                clock.advance(DAY)
            clock.advance(-DAY + 60)

    run(live(4, [[1], [2, 1], [3, 2, 1], [4, 3, 2]]))
    clock.advance(3_600)
    run(live(1, [[4, 3, 2]]))
    clock.advance(DAY)
    run(live(1, [[5, 4, 3]]))
    for each in lying.listed(folder):
        assert verify(each.path).scheduled
        assert each.path.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_not_there_alarms_until_it_is(tmp_path: Path) -> None:
    clock = HeldClock()
    folder = tmp_path / "mount" / "backups"
    folder.parent.mkdir()

    async def test() -> None:
        async with keeper(tmp_path, clock, folder=str(folder), schedule="every 1 d") as (found, store, _):
            await until(lambda: "backup_failed" in _raised(found), "it alarms")
            assert str(folder) in _raised(found)["backup_failed"]
            assert not folder.exists(), "a mount point without its disk is no folder for backups"
            with pytest.raises(IngestError, match="backup_unwritable"):
                await found.begin()[1]
            await _folds(store)
            with pytest.raises(IngestError, match="backup_unwritable"):
                await found.state()
            folder.mkdir()
            clock.advance(RETRY_SECONDS + 1)
            await until(lambda: _raised(found) == {}, "the alarm is over")
            state = await found.state()
            assert [each.scheduled for each in state.backups] == [True]

    run(test())


def test_one_that_does_not_come_to_its_end_is_overdue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = HeldClock()
    release = threading.Event()
    real = Taking.run

    def hangs(self: Taking, number: int) -> Any:
        release.wait(20)
        return real(self, number)

    monkeypatch.setattr(Taking, "run", hangs)

    async def test() -> None:
        async with keeper(tmp_path, clock, schedule="every 1 d") as (found, _, _):
            await until(lambda: found._taking, "it began")
            with pytest.raises(IngestError, match="backup_running"):
                found.begin()
            clock.advance(2 * 3_600)
            assert _raised(found) == {}
            clock.advance(2 * 3_600)
            assert _raised(found) == {"backup_overdue": "a scheduled backup has been due for 4 h"}
            assert (await found.state()).overdue
            release.set()
            await until(lambda: _raised(found) == {}, "it is there")

    run(test())


def test_a_stop_gives_up_what_is_in_hand_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = threading.Event()
    real = Taking._check_room

    def slowly(self: Taking) -> None:
        began.set()
        assert self._cancelled.wait(20)
        real(self)

    monkeypatch.setattr(Taking, "_check_room", slowly)

    async def test() -> None:
        async with keeper(tmp_path, HeldClock()) as (found, _, _):
            _, ending = found.begin()
            await asyncio.to_thread(began.wait, 20)
            await found.stop()
            with pytest.raises(IngestError, match="shutting_down"):
                await ending
            with pytest.raises(IngestError, match="shutting_down"):
                found.begin()

    run(test())
    assert list((tmp_path / "data" / "backups").iterdir()) == []


def test_a_file_that_is_given_up_meanwhile_is_in_the_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row says so after the store was copied; the sweep has to wait."""
    copied, go_on = threading.Event(), threading.Event()
    real = Taking._pack

    def waits(self: Taking, copy: Path, part: Path) -> Any:
        copied.set()
        assert go_on.wait(20)
        return real(self, copy, part)

    monkeypatch.setattr(Taking, "_pack", waits)
    name = "ab" * 16 + ".csv"

    async def test() -> None:
        async with keeper(tmp_path, HeldClock()) as (found, store, shelf):
            (tmp_path / "data" / "files" / name).write_bytes(b"id,text\n1,good\n")
            rows = await store.write(_File(name))
            assert rows == 1
            _, ending = found.begin()
            await asyncio.to_thread(copied.wait, 20)
            assert await store.write(_Retired()) == 1
            assert await tidy.sweep_files(store, shelf) == 0
            assert shelf.path(name).exists()
            go_on.set()
            line = await ending
            assert line.files == 1
            manifest = verify(found.folder / line.name)
            assert manifest.missing == []
            assert f"files/{name}" in {each.name for each in manifest.members}
            assert await tidy.sweep_files(store, shelf) == 1

    run(test())


def test_what_is_not_good_when_it_is_read_again_is_no_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Packing.finish

    def spoilt(self: Packing) -> None:
        real(self)
        os.pwrite(self._file.fileno(), b"!", 200)

    monkeypatch.setattr(Packing, "finish", spoilt)

    async def test() -> None:
        async with keeper(tmp_path, HeldClock()) as (found, store, _):
            with pytest.raises(IngestError, match="not good when it was read again"):
                await found.begin()[1]
            state = await found.state()
            assert state.backups == []
            assert state.last is not None
            assert (state.last.state, state.last.code) == ("failed", "backup_failed")
            monkeypatch.undo()
            await found.begin()[1]
            await _folds(store)

    run(test())
    assert [each.suffix for each in (tmp_path / "data" / "backups").iterdir()] == [".zst"]


async def _folds(store: Store) -> None:
    """The log does not grow for ever."""
    pages = await store._writer._connection.call(  # type: ignore[union-attr]
        lambda connection: connection.execute("PRAGMA wal_autocheckpoint").fetchone()
    )
    assert pages == (CHECKPOINT_PAGES,)


class _File:
    """A row that names a stored file."""

    weight = 1

    def __init__(self, name: str) -> None:
        self.name = name

    def apply(self, tx: Any) -> int:
        values = {
            "stored": self.name,
            "rows_file": self.name,
            "rows_size": 1,
            "blocks": b"",
            "sha256": "",
            "total": 1,
        }
        texts = dict.fromkeys(("form", "plan", "position", "about"), "{}")
        tx.run("files.insert", {"job_id": 1, "now": 1, **values, **texts})
        return 1


class _Retired:
    """It is not needed any more."""

    weight = 1

    def apply(self, tx: Any) -> int:
        tx.run("files.give_up", {"job_id": 1, "error": None, "now": 1})
        return int(tx.run("files.retire", {"before": 5, "now": 5, "limit": 5}))


def test_a_sweep_under_way_sees_that_a_backup_began(tmp_path: Path) -> None:
    """Between its question to the store and its answer: the rows that are copied may be older than that."""

    async def test() -> None:
        data = tmp_path / "data"
        data.mkdir()
        shelf = Shelf(data)
        name = "cd" * 16 + ".csv"
        (data / "files" / name).write_bytes(b"x")
        held = shelf.hold()

        async def named(names: list[str]) -> list[str]:
            held.__enter__()
            return []

        assert await shelf.sweep(named) == 0
        assert shelf.path(name).exists()
        held.__exit__(None, None, None)
        assert not shelf.held
        shelf.close()

    run(test())
