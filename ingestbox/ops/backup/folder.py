"""The folder that backups lie in: which of its files are whose, and which go.

Only files that are called as backups of this box are touched: what else is in the folder is the operator's.
"""

from __future__ import annotations

import contextlib
import datetime
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeGuard

from ingestbox.ops.backup.archive import described
from ingestbox.ops.backup.manifest import DamagedBackupError, Manifest
from ingestbox.store.copying import sync

FOLDER: Final = "backups"
"""Where backups go in the data folder, unless the settings name another."""

ENDING: Final = ".tar.zst"
PART: Final = ".part"
COPY: Final = ".copy"

_NAME = re.compile(r"ingestbox-([A-Za-z0-9_-]{1,64})-(\d{8}T\d{6}Z)\.tar\.zst")
_LEFT = re.compile(rf"({_NAME.pattern})(\.part|\.copy|\.copy\.part)(-journal|-wal|-shm)?")


@dataclass(frozen=True, slots=True)
class Found:
    """A backup in the folder; without `manifest` it is damaged, or none."""

    path: Path
    size: int
    manifest: Manifest | None


def name_of(box: str, now_ms: int) -> str:
    """What a backup made now is called."""
    moment = datetime.datetime.fromtimestamp(now_ms / 1000, datetime.UTC)
    return f"ingestbox-{box}-{moment:%Y%m%dT%H%M%SZ}{ENDING}"


def is_name(name: str) -> bool:
    """Whether a backup may be called so."""
    return _NAME.fullmatch(name) is not None


def listed(folder: Path, box: str | None = None) -> list[Found]:
    """The backups in the folder, of one box or of all, the newest first. Raises OSError."""
    found = []
    for path in folder.iterdir():
        match = _NAME.fullmatch(path.name)
        if match is None or (box is not None and match[1] != box) or not path.is_file():
            continue
        manifest, size = None, 0
        try:
            size = path.stat().st_size
            manifest = described(path)
        except FileNotFoundError:  # removed meanwhile
            continue
        except (DamagedBackupError, OSError):  # of this one alone: a bad sector, or another user's
            pass
        found.append(Found(path, size, manifest))
    return sorted(found, key=_order, reverse=True)


def next_number(found: list[Found], box: str) -> int:
    """The number of the box's next backup among these."""
    return 1 + max((each.manifest.number for each in found if _is_of(each.manifest, box)), default=0)


def newest_scheduled(found: list[Found], box: str) -> Manifest | None:
    """The box's last scheduled backup among these."""
    return next(
        (each.manifest for each in found if _is_of(each.manifest, box) and each.manifest.scheduled), None
    )


def prune(folder: Path, box: str, keep: int) -> list[Path]:
    """Removes the box's scheduled backups but for the newest ones; which. By their numbers, so that no clock
    decides. Raises OSError."""
    scheduled = [
        each for each in listed(folder, box) if _is_of(each.manifest, box) and each.manifest.scheduled
    ]
    gone = [each.path for each in scheduled[max(1, keep) :]]
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


def clear(folder: Path, box: str) -> int:
    """Removes what backups of this box left that were cut off; how many files. What cannot go stays."""
    gone = 0
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            match = _LEFT.fullmatch(path.name)
            if match is not None and match[2] == box:
                path.unlink()
                gone += 1
        if gone:
            sync(folder)
    return gone


def _is_of(manifest: Manifest | None, box: str) -> TypeGuard[Manifest]:
    return manifest is not None and manifest.box == box


def _order(found: Found) -> tuple[int, str]:
    return (0 if found.manifest is None else found.manifest.number, found.path.name)
