"""Rows of a job's file becoming its records, a slice at a time, while a worker holds the job."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec

from ingestbox.errors import IngestError
from ingestbox.family import Family
from ingestbox.pipeline.claims import Claim, Claims
from ingestbox.pipeline.loader import Loader, superseded_in, warnings_of
from ingestbox.pipeline.pool import ChildDied, FunctionFailed
from ingestbox.pipeline.tables import Rows
from ingestbox.store import Store, files, staging
from ingestbox.store.files import FileState, GiveUpFile, LoadSlice
from ingestbox.store.staging import AT_ONCE, SLICE, SettleRows

log = logging.getLogger(__name__)


class Filling:
    """Fills jobs from their files."""

    def __init__(
        self, store: Store, claims: Claims, loader: Loader | None, moved: Callable[[int], None]
    ) -> None:
        """`moved(job_id)` hears of each slice that is on disk. Without `loader` there are no files."""
        self._store = store
        self._claims = claims
        self._loader = loader
        self._moved = moved

    async def load(self, family: Family, claim: Claim, file: FileState, under_way: Mapping[str, int]) -> None:
        """Makes records of the next rows of the job's file. `under_way` has the index of the last record with
        each key among those that are loaded and not settled."""
        if self._loader is None or family.table is None:
            raise IngestError("internal", f"This program cannot read files for `{family.name}`.")
        try:
            staged = family.staging is not None
            reading = asyncio.create_task(self._loader.rows(family.table, file, claim.pace, staged=staged))
            made = await self._claims.holding(claim, reading)
        except (ChildDied, FunctionFailed) as death:
            log.warning(
                "Rows of a file could not be read: %s.",
                death,
                extra={"job_id": claim.job.public_id, "rows": claim.pace.most, "loaded": file.loaded},
            )
            if claim.pace.died():
                await self._give_up(claim, file, "a row ends the process that reads it")
            else:
                await self._claims.keep(claim)
            return
        if made.damaged is not None:
            await self._give_up(claim, file, made.damaged)
            return
        apart = staged or family.table.apart
        repeated = [] if apart else await self._repeated(family, claim, file, made, under_way)
        if repeated:
            total = file.repeated + len(repeated)
            warnings = warnings_of(claim.job.warnings, total, min(repeated))
            claim.job = msgspec.structs.replace(claim.job, warnings=warnings)
        await self._store.write(
            LoadSlice(
                job=claim.job,
                owner=claim.owner,
                first=file.loaded,
                records=made.records,
                position=made.position,
                done=made.done,
                repeated=len(repeated),
                warnings=claim.job.warnings if repeated else None,
                lease_at=self._claims.lease_at(),
                now_ms=self._store.clock.now_ms(),
                staged=staged,
            ),
            # Room that is kept back is not for them; how many wait is no concern of what was taken already.
            intake=True,
            admitted=True,
        )
        if staged:
            await self._fail_others(claim, file.loaded, made)
        claim.pace.went_well(len(made.records))
        issues = sum(1 for record in made.records if record.fault)
        claim.progress = replace(claim.progress, issues=claim.progress.issues + issues)
        self._moved(claim.job.id)

    async def _fail_others(self, claim: Claim, first: int, made: Rows) -> None:
        """Writes the issues that did not fit into the slice's own unit. A crash before that leaves these rows
        to the check."""
        failing = staging.failing_in(claim.job.id, first, made.records)[AT_ONCE:]
        for start in range(0, len(failing), SLICE):
            part = failing[start : start + SLICE]
            checked = [each.record_id for each in part]
            await self._store.write(SettleRows(self._claims.hold(claim), 1, part, checked=checked))

    async def _repeated(
        self, family: Family, claim: Claim, file: FileState, made: Rows, under_way: Mapping[str, int]
    ) -> list[int]:
        """The indices of records that a later row of the file replaces, as this slice shows."""
        repeated = superseded_in(made.records, file.loaded)
        if not file.loaded:
            return repeated
        keys = {record.key for record in made.records if not (record.fault or record.superseded)}
        # What a record under way will replace was counted when that one was loaded.
        repeated += [under_way[key] for key in keys if key in under_way]
        settled = sorted(keys - under_way.keys())
        return repeated + await self._store.read_with(
            lambda tx: files.repeats(tx, claim.job, family.kinds, settled)
        )

    async def _give_up(self, claim: Claim, file: FileState, reason: str) -> None:
        """No more rows come from the file; those that are missing count as discarded."""
        error = (
            f"The uploaded file cannot be read any more: {reason}. "
            f"{file.total - file.loaded:,} of {file.total:,} rows were not read; send it again."
        )
        log.error("A file was given up.", extra={"job_id": claim.job.public_id, "reason": reason})
        now = self._store.clock.now_ms()
        unit = GiveUpFile(claim.job, claim.owner, error, self._claims.lease_at(), now)
        lost = await self._store.write(unit)
        claim.progress = replace(claim.progress, issues=claim.progress.issues + lost)
        self._moved(claim.job.id)
