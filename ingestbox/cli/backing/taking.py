"""A backup that a person asks for: of a running box by its API, else of its data folder, under the lock."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import click

from ingestbox.cli.reach import administration, call, running_box
from ingestbox.clock import SystemClock
from ingestbox.config import Settings
from ingestbox.errors import IngestError
from ingestbox.ops.backup import folder as lying
from ingestbox.ops.backup import putback
from ingestbox.ops.backup.archive import PIECE, SYNC_BYTES, described, verify
from ingestbox.ops.backup.backups import folder_of, ready
from ingestbox.ops.backup.manifest import DamagedBackupError, Manifest
from ingestbox.ops.backup.taking import Taking, of_disk
from ingestbox.store import DATABASE
from ingestbox.store.copying import sync
from ingestbox.store.lock import DataLock
from ingestbox.store.restored import box_of

WAIT_SECONDS = 30
POLL_SECONDS = 0.5


async def take(settings: Settings, to: Path | None) -> dict[str, Any]:
    """Takes one, and brings it to `to`, a folder or a new file (None: the box's own folder); what is to be
    told of it. Raises ClickException, StartupError."""
    if to is not None:
        _check(to)
    if await running_box(settings) is None:
        return _without_box(settings, to)
    path = await _of_box(settings)
    if to is None:
        return _told(path, described(path))
    target = _inside(to, path.name)
    try:
        return _told(target, _moved(path, target))
    except (OSError, DamagedBackupError) as error:
        raise click.ClickException(
            f"The backup was taken, and could not be brought to {target}: {error}. It is in {path}."
        ) from None


def _check(to: Path) -> None:
    """Whether something can be written there. Raises ClickException."""
    if to.is_dir():
        return
    if to.exists():
        raise click.ClickException(f"{to} is there already.")
    if not to.parent.is_dir():
        raise click.ClickException(f"There is no folder {to.parent}. Make it, or mount its disk.")
    if to.suffix not in (".zst", ".zstd"):
        raise click.ClickException(f"There is no folder {to}. Make it; or name a file that ends in .tar.zst.")


def _inside(to: Path, name: str) -> Path:
    return to / name if to.is_dir() else to


async def _of_box(settings: Settings) -> Path:
    """Has the running box take one; where it is."""
    async with administration(settings) as client:
        begun = await call(client, "POST", f"/v1/backups?wait={WAIT_SECONDS}")
        while True:
            state = await call(client, "GET", "/v1/backups")
            last = state["last"]
            if last is not None and last["name"] == begun["name"]:
                break
            if state["running"] is None:
                raise click.ClickException("The box was stopped, or started anew, while it took the backup.")
            await asyncio.sleep(POLL_SECONDS)
    if last["state"] != "taken":
        raise click.ClickException(last["detail"])
    path: Path = Path(state["folder"]) / begun["name"]
    return path


def _without_box(settings: Settings, to: Path | None) -> dict[str, Any]:
    data = Path(settings.data)
    if not data.is_dir() or not any((data / each).exists() for each in (DATABASE, putback.STAGE)):
        raise click.ClickException(f"There is no store in {data}. Name the data folder with --data.")
    lock = DataLock.take(data)
    try:
        putback.resume(data)
        box = box_of(data / DATABASE)
        if box is None:
            raise click.ClickException(f"The store in {data} cannot be read. See: ingestbox doctor")
        now_ms = SystemClock().now_ms()
        name = lying.name_of(box, now_ms)
        folder = folder_of(settings.backup, data) if to is None else to if to.is_dir() else to.parent
        try:
            ready(folder, data)
            lying.clear(folder, box)
            number = lying.next_number(lying.listed(folder, box), box)
        except OSError as error:
            raise of_disk(error, folder) from error
        target = folder / name if to is None else _inside(to, name)
        manifest = Taking(data, target, made_ms=now_ms, scheduled=False).run(number)
        if to is None:
            putback.adopt(data, *([folder] if folder.parent == data else []), target)
        return _told(target, manifest)
    except IngestError as error:
        raise click.ClickException(f"{error.detail} {error.remedy}") from None
    finally:
        lock.release()


def _moved(path: Path, target: Path) -> Manifest:
    """Brings a backup elsewhere, where it is verified before the first one goes. Raises DamagedBackupError,
    OSError."""
    if target.exists() and path.samefile(target):
        return described(path)
    try:
        os.link(path, target)  # unlike a renaming, over nothing
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOENT):
            raise
    else:
        sync(target.parent)
        found = verify(target)
        path.unlink()
        return found
    part = target.with_name(target.name + lying.PART)
    try:
        _copy(path, part)
        found = verify(part)
        part.replace(target)
        sync(target.parent)
    finally:
        part.unlink(missing_ok=True)
    path.unlink()
    return found


def _copy(path: Path, part: Path) -> None:
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    unsynced = 0
    with path.open("rb", buffering=0) as source, os.fdopen(descriptor, "wb", buffering=0) as out:
        while data := source.read(PIECE):
            view = memoryview(data)
            while view:
                view = view[out.write(view) :]
            unsynced += len(data)
            if unsynced >= SYNC_BYTES:
                unsynced = 0
                os.fdatasync(out.fileno())
        os.fsync(out.fileno())


def _told(path: Path, manifest: Manifest) -> dict[str, Any]:
    return {
        "path": str(path),
        "bytes": path.stat().st_size,
        "made_at": manifest.made_at,
        "box": manifest.box,
        "epoch": manifest.epoch,
        "schema": manifest.schema,
        "files": manifest.files,
        "data_bytes": manifest.bytes,
        "missing": manifest.missing,
    }
