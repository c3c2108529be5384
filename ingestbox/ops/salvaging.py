"""Salvage of a data folder: a new one, with all of a damaged one that can be read."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec

from ingestbox import families
from ingestbox.clock import Clock, iso
from ingestbox.config import Settings
from ingestbox.ops import doctor
from ingestbox.ops.backup.putback import PLAN, STAGE
from ingestbox.store import DATABASE, Store
from ingestbox.store.copying import sync
from ingestbox.store.engine import connect_reader
from ingestbox.store.lock import DataLock, is_held
from ingestbox.store.place import machine_id, place_of
from ingestbox.store.salvage.building import Built, Kept, build
from ingestbox.store.salvage.image import Image, make
from ingestbox.store.salvage.lines import balance
from ingestbox.store.upgrade import FAILED

FILES: Final = "files"
REPORT: Final = "salvage.json"

WORK: Final = "salvaging"
"""Where the new store is made; it is renamed when it is whole."""

SPARE_BYTES: Final = 64 * 1_048_576


class SalvageError(Exception):
    """It cannot be done, and nothing was made; the text says what to do."""


class LostRow(msgspec.Struct, frozen=True):
    """A row that is lost: its key, `?` where that cannot be read, and why."""

    key: str
    reason: str


class TableReport(msgspec.Struct, frozen=True):
    """What became of a table. `repaired` rows are among those kept: something of them was put right.
    `lost_rows` are the first thousand. `unread` are pages that could not be read or make no sense: rows on
    them that are not listed may be lost, too."""

    table: str
    kept: int
    repaired: int
    lost: int
    lost_rows: list[LostRow]
    unread: list[str]


class LogReport(msgspec.Struct, frozen=True):
    """The write-ahead log: its pages, how many were damaged, and how many of those were put right."""

    pages: int
    damaged: int
    repaired: int


class LaneReport(msgspec.Struct, frozen=True):
    """A lane, and by how many lines its sums were wrong: those are lost, and were not delivered."""

    lane: str
    lost_lines: int


class FileReport(msgspec.Struct, frozen=True):
    """An uploaded file that is not what it was, or is not there."""

    name: str
    reason: str


class SalvageReport(msgspec.Struct, frozen=True):
    """All that became of a data folder. `made` are the keys of rows that stand in for lost ones, by table.
    `jobs` are the keys of jobs with fewer records than came in. `wrong` is what the doctor finds in the new
    store."""

    whole: bool
    source: str
    made_at: str
    box: str
    epoch: str
    kept: int
    lost: int
    log: LogReport
    tables: list[TableReport]
    schema: list[str]
    made: dict[str, list[str]]
    jobs: list[str]
    lanes: list[LaneReport]
    files: list[FileReport]
    wrong: list[str]


def salvage(
    source: Path,
    target: Path,
    settings: Settings,
    clock: Clock,
    actor: str,
    told: Callable[[str, int], None] = lambda table, rows: None,
) -> SalvageReport:
    """Makes a new data folder with all of `source` that can be read, which is never changed. Blocks, but for
    its last step, which runs an event loop.

    Raises SalvageError, OtherSchemaError, OSError, sqlite3.Error; the new folder is removed then.
    """
    _check(source, target)
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.chmod(0o700)
    lock = DataLock.take(target)
    try:
        return _salvage(source, target, settings, clock, actor, told)
    except BaseException:
        for each in (*target.glob(f"{DATABASE}*"), target / REPORT):
            each.unlink(missing_ok=True)
        for folder in (target / WORK, target / FILES):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        lock.release()


def _salvage(
    source: Path,
    target: Path,
    settings: Settings,
    clock: Clock,
    actor: str,
    told: Callable[[str, int], None],
) -> SalvageReport:
    work = target / WORK
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700)
    image = make(source / DATABASE, work / "image.db")
    built = build(image.path, work / DATABASE, place_of(target, machine_id()), clock.now_ms(), actor, told)
    for name in ("secret", "secret.old"):
        if (source / name).exists():
            _copy(source / name, target / name)
    files = _files(source / FILES, target / FILES, work / DATABASE)
    sync(work / DATABASE)
    (work / DATABASE).replace(target / DATABASE)
    shutil.rmtree(work)
    lost_lines, wrong = asyncio.run(_settle(target, settings, clock))
    report = _report(source, image, built, files, lost_lines, wrong, clock)
    path = target / REPORT
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    sync(path)
    sync(target)
    return report


def _check(source: Path, target: Path) -> None:
    if not (source / DATABASE).exists():
        raise SalvageError(f"There is no store in {source}. Name the damaged data folder with --data.")
    if is_held(source):
        raise SalvageError(f"A box runs on {source}. Stop it first.")
    for name in (FAILED, f"{STAGE}/{PLAN}"):
        if (source / name).exists():
            raise SalvageError(
                f"An upgrade of {source}, or a restore into it, was cut off. Start the box: it ends that."
            )
    inside = source.resolve()
    if inside in (target.resolve(), *target.resolve().parents):
        raise SalvageError(f"{target} lies in the damaged data folder, which is left as it is. Name another.")
    leftovers = {WORK, "lock", "box.place"}
    if target.exists() and {each.name for each in target.iterdir()} - leftovers:
        raise SalvageError(f"{target} is not empty. Name a folder that is, or that is not there yet.")
    size = sum(each.stat().st_size for each in source.glob(f"{DATABASE}*"))
    held = sum(each.stat().st_size for each in (source / FILES).glob("*")) if (source / FILES).is_dir() else 0
    wanted = 2 * size + held + SPARE_BYTES
    free = shutil.disk_usage(next(each for each in (target, *target.resolve().parents) if each.exists())).free
    if free < wanted:
        raise SalvageError(
            f"A salvage takes {wanted >> 20} MB in {target}: a private copy of the store, the new one, and "
            f"the files; {free >> 20} MB are free. Name a folder on a larger disk."
        )


def _copy(path: Path, to: Path) -> None:
    to.touch(mode=0o600)
    shutil.copyfile(path, to)
    sync(to)


def _files(source: Path, target: Path, database: Path) -> list[FileReport]:
    """Copies the uploaded files; which of those that are needed are not what they were."""
    target.mkdir(mode=0o700)
    for path in sorted(source.glob("*")) if source.is_dir() else ():
        if path.is_file():
            with contextlib.suppress(OSError):  # it is told below
                _copy(path, target / path.name)
    sync(target)
    wrong = []
    with contextlib.closing(connect_reader(database)) as reader:
        named = reader.execute(
            "SELECT stored, rows_file, sha256 FROM files WHERE removed_ms IS NULL"
        ).fetchall()
    for stored, rows_file, sha256 in named:
        for name in dict.fromkeys((stored, rows_file)):
            if not (target / name).is_file():
                wrong.append(FileReport(name, "it is not there, or cannot be read"))
            elif name == stored and _digest(target / name) != sha256:
                wrong.append(FileReport(name, "it is not what was uploaded"))
    return wrong


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _settle(target: Path, settings: Settings, clock: Clock) -> tuple[dict[str, int], list[str]]:
    """Opens the new store as a box does, sets its lanes right, and has the doctor look at it."""
    known = families.load()
    async with AsyncExitStack() as stack:
        store = await Store.open(
            target,
            stack,
            families={name: family.queries for name, family in known.items()},
            settings=settings.store,
            limits=settings.limits,
            clock=clock,
        )
        lost_lines = await balance(store)
        report = await doctor.examine(store, settings)
    checks = ("integrity", "tallies", "invariant", "payloads")
    wrong = [
        f"{each.check}: {each.message}" for each in report.findings if not each.ok and each.check in checks
    ]
    return lost_lines, wrong


def _report(
    source: Path,
    image: Image,
    built: Built,
    files: list[FileReport],
    lost_lines: dict[str, int],
    wrong: list[str],
    clock: Clock,
) -> SalvageReport:
    tables = [_table(each) for each in built.tables]
    unread = any(each.unread for each in tables)
    lost = built.lost
    whole = not (
        lost or unread or files or lost_lines or built.short or wrong or image.damaged > image.repaired
    )
    return SalvageReport(
        whole=whole,
        source=str(source),
        made_at=iso(clock.now_ms()) or "",
        box=built.box,
        epoch=built.epoch,
        kept=sum(each.kept for each in tables),
        lost=lost,
        log=LogReport(image.logged, image.damaged, image.repaired),
        tables=tables,
        schema=built.schema,
        made=built.made,
        jobs=built.short,
        lanes=[LaneReport(lane, lines) for lane, lines in lost_lines.items()],
        files=files,
        wrong=wrong,
    )


def _table(kept: Kept) -> TableReport:
    rows = [LostRow(key, reason) for key, reason in kept.keys]
    return TableReport(kept.table, kept.kept, kept.repaired, kept.lost, rows, kept.pages)
