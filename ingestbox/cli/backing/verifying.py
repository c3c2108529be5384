"""Whether a backup, or a snapshot of an upgrade, is good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ingestbox.ops.backup.archive import verify
from ingestbox.ops.backup.manifest import DamagedBackupError
from ingestbox.store.copying import DamagedCopyError, NoStoreError, check, facts_of
from ingestbox.store.engine import sqlite3

_SQLITE = b"SQLite format 3\0"


def verified(file: Path) -> dict[str, Any]:
    """What it is; `problem` says why it cannot be used. Raises OSError."""
    with file.open("rb") as opened:
        is_database = opened.read(len(_SQLITE)) == _SQLITE
    found: dict[str, Any] = dict.fromkeys(
        ("problem", "box", "epoch", "schema", "made_at", "version", "files", "data_bytes", "missing")
    )
    found = {"ok": True, "file": str(file), "kind": "snapshot" if is_database else "backup", **found}
    try:
        if is_database:
            check(file)
            facts = facts_of(file)
            return {**found, "box": facts.box, "epoch": facts.epoch, "schema": facts.schema}
        manifest = verify(file)
    except (DamagedBackupError, DamagedCopyError, NoStoreError, sqlite3.Error) as error:
        return {**found, "ok": False, "problem": str(error)}
    return {
        **found,
        "box": manifest.box,
        "epoch": manifest.epoch,
        "schema": manifest.schema,
        "made_at": manifest.made_at,
        "version": manifest.version,
        "files": manifest.files,
        "data_bytes": manifest.bytes,
        "missing": manifest.missing,
    }
