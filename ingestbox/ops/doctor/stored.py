"""What the doctor says of what is stored: integrity, checksums, files, sums, what is kept."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Final

from ingestbox import families
from ingestbox.clock import iso
from ingestbox.config import MIB, Settings
from ingestbox.errors import IngestError
from ingestbox.store import Store, lanes, retention, tallies, whole
from ingestbox.store.engine import sqlite3
from ingestbox.store.whole import Compared
from ingestbox.web.v1.reports import Finding

FILES: Final = "files"
"""The folder of uploaded files in the data folder."""

EXAMPLES: Final = 5


def box(store: Store) -> Finding:
    """Which box it is."""
    identity = store.identity
    since = "" if identity.since_ms is None else f" since {iso(identity.since_ms)}"
    return Finding("box", True, f"it is {identity.box}, in the epoch {identity.epoch}{since}")


async def integrity(store: Store) -> Finding:
    """SQLite's own check. It reads every page."""
    wrong = await store.quick_check()
    if wrong:
        return Finding(
            "integrity",
            False,
            "; ".join(wrong[:5]),
            f"Stop the box, then {_way_back(store)}",
        )
    return Finding("integrity", True, "SQLite's quick check found nothing")


async def payloads(store: Store) -> list[Finding]:
    """Every payload that has a checksum is compared with it: a bit that changed passes SQLite's own check."""
    kinds = whole.kinds({name: family.kinds for name, family in families.load().items()})
    seen = [await whole.compare(store, kind) for kind in kinds]
    wrong = [_differs(store, each) for each in seen if each.wrong or each.unread]
    if wrong:
        return wrong
    rows, size = sum(each.rows for each in seen), sum(each.size for each in seen)
    return [Finding("payloads", True, f"{rows} match their checksums ({size / MIB:.1f} MB)")]


def _differs(store: Store, found: Compared) -> Finding:
    if found.unread:
        told = f"{found.name} cannot be read to the end; {found.rows} were"
        return Finding("payloads", False, told, f"Stop the box, then {_way_back(store)}")
    named = ", ".join(str(each) for each in found.examples)
    more = " …" if found.wrong > len(found.examples) else ""
    told = f"{found.name}: {found.wrong} of {found.rows} do not match their checksums: {named}{more}"
    again = "Have their senders send them again; or stop the box, and "
    return Finding("payloads", False, f"{told}; they are not served", again + _way_back(store))


def _way_back(store: Store) -> str:
    return (
        "restore a backup (ingestbox restore), or save all that can be read into a new folder: ingestbox "
        f"salvage --data {store.path.parent} --to NEW"
    )


async def files(store: Store) -> Finding:
    """Whether uploaded files are there, and what was uploaded. It reads them all."""
    folder = store.path.parent / FILES
    wrong: list[str] = []
    count = 0
    after: int | None = 0
    while after is not None:
        try:
            rows = await store.read("files.whole", {"after": after})
        except IngestError as error:
            return Finding(
                "files", False, f"what they are called cannot be read: {error.detail}", error.remedy
            )
        for job_id, stored, rows_file, sha256 in rows:
            count += 1
            trouble = await asyncio.to_thread(_trouble, folder, stored, rows_file, sha256)
            if trouble and await _is_named(store, stored):
                wrong.append(f"job {job_id}: {trouble}")
        after = rows[-1][0] if rows else None
    if wrong:
        more = f"; {len(wrong)} in all" if len(wrong) > EXAMPLES else ""
        remedy = "Put them back from a backup (ingestbox restore), or cancel these jobs and upload again."
        return Finding("files", False, "; ".join(wrong[:EXAMPLES]) + more, remedy)
    return Finding("files", True, f"uploaded files that are kept: {count}, each as it was sent")


async def _is_named(store: Store, stored: str) -> bool:
    """Whether a row still needs the file: it may have been retired, and removed, meanwhile."""
    try:
        return bool(await store.read("files.named", {"names": f'["{stored}"]'}))
    except IngestError:
        return True


def _trouble(folder: Path, stored: str, rows_file: str, sha256: str) -> str:
    try:
        with (folder / stored).open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == sha256
        if not same:
            return f"its file {stored} is not what was uploaded"
        if not (folder / rows_file).is_file():
            return f"the rows of its file, {rows_file}, are not there"
    except OSError as error:
        return f"its file {stored} cannot be read: {error.strerror}"
    return ""


async def sums(store: Store) -> Finding:
    """Whether the numbers of `status` are those of the tables."""
    try:
        wrong = await tallies.differences(store)
    except sqlite3.DatabaseError as error:
        wrong = [str(error)]
    if wrong:
        return Finding(
            "tallies", False, "; ".join(wrong[:5]), "Keep a copy of the data folder and report this."
        )
    return Finding("tallies", True, "the counts are those of the tables")


async def invariants(store: Store) -> list[Finding]:
    """Whether of each lane enqueued = delivered + pending + parked + discarded."""
    findings = []
    try:
        balances = await lanes.balances(store)
    except IngestError as error:
        return [Finding("invariant", False, f"lanes cannot be counted: {error.detail}", error.remedy)]
    for balance in balances:
        sums = (
            f"lane {balance.lane}: enqueued {balance.enqueued} = delivered {balance.delivered}"
            f" + pending {balance.pending} + parked {balance.parked}"
            f" + discarded {balance.discarded}"
        )
        remedy = "" if balance.holds else "Keep a copy of the data folder and report this."
        findings.append(Finding("invariant", balance.holds, sums, remedy))
    return findings


async def kept(store: Store, settings: Settings) -> Finding:
    """What is kept of what was delivered, and whether something forgotten keeps it all."""
    try:
        found = await store.read_with(retention.kept)
    except IngestError as error:
        return Finding("retention", False, f"it cannot be read: {error.detail}", error.remedy)
    days = settings.store.delivered_days
    told = f"lines are kept for {days} days after every lane has them" if days else "all lines are kept"
    if found.oldest_ms is not None:
        told += f"; the oldest is {found.oldest_seq}, of {iso(found.oldest_ms)}"
    if found.purged_ms is not None:
        mb = found.purged_bytes / MIB
        told += f"; {found.purged_lines} were removed ({mb:.1f} MB), the last at {iso(found.purged_ms)}"
    if found.held_by is None or not days:
        return Finding("retention", True, told)
    return Finding(
        "retention",
        False,
        f"{told}; lane {found.held_by} is off and has not delivered: what it lacks is kept for it",
        f"Set the lane up again, or give it up: ingestbox lanes remove {found.held_by}",
    )
