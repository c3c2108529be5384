"""The private copy of a damaged store: the database with the pages of its write-ahead log, as one file."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ingestbox.store import walfile


@dataclass(frozen=True, slots=True)
class Image:
    """Where the copy is, how many pages of the log are in it, how many of these were damaged, and how many of
    those were put right."""

    path: Path
    logged: int
    damaged: int
    repaired: int


def make(database: Path, target: Path) -> Image:
    """Copies the database with what its log holds. The database is only read. Raises OSError."""
    with database.open("rb") as source, target.open("xb") as copy:
        os.fchmod(copy.fileno(), 0o600)
        shutil.copyfileobj(source, copy, 1 << 20)
        log = walfile.read(database.with_name(database.name + "-wal"))
        if log is None or not log.frames:
            return Image(target, 0, 0 if log is None else log.damaged, 0 if log is None else log.repaired)
        for page, content in log.pages():
            if page > 0:
                copy.seek((page - 1) * log.page_size)
                copy.write(content)
        last = next(frame.commit for frame in reversed(log.frames) if frame.commit)
        copy.truncate(last * log.page_size)
    return Image(target, len(log.frames), log.damaged, log.repaired)
