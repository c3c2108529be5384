"""What the doctor says of the machine: room on the disk, and its clock."""

from __future__ import annotations

import shutil
from pathlib import Path

from ingestbox.clock import iso
from ingestbox.config import Settings
from ingestbox.errors import IngestError
from ingestbox.store import Store
from ingestbox.store.health import newest_ms
from ingestbox.web.v1.reports import Finding

MADE_MS = 1_767_225_600_000
"""The beginning of 2026: no clock that is right shows an earlier time to this program."""

AHEAD_MS = 3_600_000
"""How far the store's newest time may lie ahead of the clock: an hour, for clocks that are put right."""


def disk(folder: Path, settings: Settings) -> Finding:
    """Whether there is as much room as the settings want."""
    free = shutil.disk_usage(folder).free // 1_048_576
    least = settings.store.min_free_mb
    if free < least:
        return Finding("disk", False, f"{free} MB free, {least} MB wanted", "Free disk space.")
    return Finding("disk", True, f"{free} MB free")


async def clock(store: Store, steady: bool) -> Finding:
    """Whether the clock can be right; `steady`: it did not jump while the box ran."""
    now = store.clock.now_ms()
    remedy = "Set the clock (timedatectl; NTP), then look again."
    if now < MADE_MS:
        return Finding("clock", False, f"it shows {iso(now)}, before this program was made", remedy)
    try:
        newest = await newest_ms(store)
    except IngestError as error:
        return Finding("clock", False, f"the store's times cannot be read: {error.detail}", error.remedy)
    if newest > now + AHEAD_MS:
        return Finding(
            "clock",
            False,
            f"it shows {iso(now)}, but the store was written to at {iso(newest)}",
            f"{remedy} If it is right now, it was ahead before: the next job that is processed ends this.",
        )
    if not steady:
        return Finding(
            "clock", False, "it jumped by more than a day; nothing is purged for a day after that", remedy
        )
    return Finding("clock", True, f"it shows {iso(now)}")
