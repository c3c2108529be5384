"""What the doctor says of backups, and of snapshots that upgrades made."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ingestbox.config import MIB, Settings
from ingestbox.errors import StartupError
from ingestbox.ops.backup import folder as lying
from ingestbox.ops.backup.backups import folder_of
from ingestbox.ops.backup.folder import Found
from ingestbox.store import snapshots
from ingestbox.web.v1.reports import Finding

LISTING_SECONDS = 10.0


async def backups(data: Path, settings: Settings, box: str | None) -> Finding:
    """The newest one of the box (None: of any), and when the next ones come. That one is overdue, or
    failed, is an alarm."""
    when = f"taken {settings.backup.schedule}" if settings.backup.schedule else "none is taken by itself"
    try:
        folder = folder_of(settings.backup, data)
        async with asyncio.timeout(LISTING_SECONDS):
            found = await asyncio.to_thread(_listed, folder, box)
    except StartupError as error:
        return Finding("backups", False, str(error), "Name another folder in [backup].")
    except TimeoutError:
        return Finding("backups", False, f"{folder} does not answer", "Look at its disk, or network.")
    except OSError as error:
        if not settings.backup.folder and isinstance(error, FileNotFoundError):
            return Finding("backups", True, f"there is none; {when} (take one: ingestbox backup)")
        told = f"{folder} cannot be read: {error.strerror}"
        return Finding("backups", False, told, "Make the folder, or mount its disk; see [backup] folder.")
    damaged = [each for each in found if each.manifest is None]
    if damaged:
        told = f"{len(damaged)} in {folder} are damaged, or no backups: {damaged[0].path.name}"
        return Finding(
            "backups", False, told, "Take another one (ingestbox backup), and remove what is damaged."
        )
    if not found:
        return Finding("backups", True, f"there is none in {folder}; {when} (take one: ingestbox backup)")
    newest = found[0]
    made = newest.manifest.made_at if newest.manifest is not None else ""
    told = f"{len(found)} in {folder}, the newest of {made}, {newest.size / MIB:.1f} MB; {when}"
    return Finding("backups", True, told)


def newest(data: Path, settings: Settings) -> Path | None:
    """The newest backup that there is to go back to, of whatever box."""
    try:
        found = _listed(folder_of(settings.backup, data), None)
    except (OSError, StartupError):
        return None
    good = [each for each in found if each.manifest is not None]
    return max(good, key=lambda each: each.manifest.made_at if each.manifest else "").path if good else None


def upgrades(data: Path) -> list[Finding]:
    """The snapshots that lie there, if there are any."""
    found = snapshots.listed(data)
    if not found:
        return []
    size = 0
    for each in found:
        try:
            size += each.path.stat().st_size
        except OSError:  # removed meanwhile
            continue
    told = (
        f"{len(found)} of before upgrades lie in {data / snapshots.FOLDER} ({size / MIB:.1f} MB), the newest "
        f"{found[-1].path.name}, of schema {found[-1].schema}; the newest {snapshots.KEPT} stay"
    )
    return [Finding("snapshots", True, told)]


def _listed(folder: Path, box: str | None) -> list[Found]:
    return lying.listed(folder, box)
