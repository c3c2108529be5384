"""Posts batches, several at once, each until the box has answered for good; then waits for the jobs."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from typing import Any

import click
import httpx2
import msgspec

from ingestbox.cli.reach import complaint
from ingestbox.cli.sending.asking import Asker, Sleep, not_a_box
from ingestbox.cli.sending.batches import Batch
from ingestbox.cli.sending.feedback import Feedback
from ingestbox.cli.sending.files import PATH as UPLOAD
from ingestbox.cli.sending.files import Form, Rows, UploadTaken, assumed, post
from ingestbox.cli.sending.progress import Progress
from ingestbox.cli.sending.service import Service
from ingestbox.cli.sending.tally import Refused, Tally

FEEDBACK = Feedback()

REFUSED = frozenset({400, 413, 422})
"""The fault is the batch's own; other batches may be good."""

TOO_LARGE = " Split the file, or raise limits.feedback_csv_mb where the box is."


class _Fault(msgspec.Struct):
    message: str
    index: int | None = None
    field: str | None = None


class _Refusal(msgspec.Struct):
    errors: list[_Fault] = []


class Sender:
    """Sends what it is given and keeps the tally."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        tally: Tally,
        progress: Progress,
        *,
        in_flight: int,
        patience: float,
        partial: bool = False,
        compress: bool = False,
        sleep: Sleep = asyncio.sleep,
        service: Service = FEEDBACK,
    ) -> None:
        """`patience` is how many seconds one batch is tried for before the call fails."""
        self._service = service
        self._asker = Asker(client, progress, patience=patience, sleep=sleep)
        self._tally = tally
        self._progress = progress
        self._in_flight = in_flight
        self._partial = partial
        self._compress = compress
        self._places: dict[str, Sequence[str]] = {}

    async def send(self, batches: AsyncIterator[Batch]) -> None:
        """Posts every batch. Raises ClickException when it is of no use to go on."""
        under_way: dict[asyncio.Task[None], Batch] = {}
        coming = asyncio.create_task(_next(batches))
        try:
            while True:
                # Looked at together: a batch that fails for good must not wait for a slow pipe.
                while not coming.done():
                    await _one_done(under_way, coming)
                batch = coming.result()
                if batch is None:
                    break
                # The later record of an id has to be taken in later: not beside one with the same id.
                while len(under_way) >= self._in_flight or any(
                    not batch.ids.isdisjoint(other.ids) for other in under_way.values()
                ):
                    await _one_done(under_way)
                under_way[asyncio.create_task(self._deliver(batch))] = batch
                coming = asyncio.create_task(_next(batches))
            while under_way:
                await _one_done(under_way)
        finally:
            for task in (coming, *under_way):
                task.cancel()
            await asyncio.gather(coming, *under_way, return_exceptions=True)

    async def wait(self) -> None:
        """Returns once every job has ended; failures and issues go to the tally."""
        jobs = self._tally.jobs
        for done, job_id in enumerate(jobs):
            self._progress.waiting(done, len(jobs))
            await self._service.follow(self._asker, job_id, self._places[job_id], self._tally)
        self._progress.waiting(len(jobs), len(jobs))

    async def send_file(self, form: Form) -> None:
        """Uploads one file of rows. What the box refuses of it goes to the tally. Raises ClickException."""
        response = await post(self._asker, self._progress, UPLOAD, form)
        if response.status_code in (*REFUSED, 415):
            hint = TOO_LARGE if response.status_code == 413 else ""
            self._tally.refused_files.append(Refused(str(form.path), complaint(response) + hint))
            return
        if response.status_code != 200:
            raise click.ClickException(
                f"{self._asker.about(response)}{self._service.next.get(response.status_code, '')}"
            )
        try:
            taken = msgspec.json.decode(response.content, type=UploadTaken)
        except msgspec.DecodeError:
            not_a_box(response)
        self._progress.note(assumed(taken))
        self._progress.sent(0, taken.file_info.rows)
        self._tally.jobs.append(taken.job_id)
        self._tally.files.append(msgspec.to_builtins(taken))
        self._places[taken.job_id] = Rows(str(form.path), taken.file_info.rows)
        self._tally.repeated += response.headers.get("Idempotency-Replayed") == "true"
        self._tally.taken += taken.file_info.rows
        self._tally.bytes += form.size

    async def _deliver(self, batch: Batch) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": batch.idempotency_key}
        body = batch.body
        if self._compress:
            headers["Content-Encoding"] = "gzip"
            body = await asyncio.to_thread(gzip.compress, body, 6)
        query = {"mode": "partial"} if self._partial else {}
        response = await self._asker.ask(
            "POST", self._service.path, content=body, headers=headers, query=query
        )
        taken = self._take(batch, response) if response.status_code == 200 else self._refuse(batch, response)
        self._progress.sent(batch.span, taken)

    def _take(self, batch: Batch, response: httpx2.Response) -> int:
        try:
            taken = self._service.taken(response.content)
        except msgspec.DecodeError:
            not_a_box(response)
        self._tally.jobs.append(taken.id)
        self._places[taken.id] = batch.places
        if response.headers.get("Idempotency-Replayed") == "true":
            self._tally.repeated += 1
        rejected = [each for each in taken.outcomes if each.outcome == "rejected"]
        self._tally.refused += [
            Refused(batch.places[each.index], each.message or "rejected") for each in rejected
        ]
        accepted = len(batch.places) - len(rejected)
        self._tally.taken += accepted
        self._tally.bytes += len(batch.body)
        return accepted

    def _refuse(self, batch: Batch, response: httpx2.Response) -> int:
        """Notes a refused batch: the records at fault, and the others that went down with them."""
        if response.status_code not in REFUSED:
            raise click.ClickException(
                f"{self._asker.about(response)}{self._service.next.get(response.status_code, '')}"
            )
        try:
            faults = msgspec.json.decode(response.content, type=_Refusal).errors
        except msgspec.DecodeError:
            faults = []
        blamed = {fault.index: fault.message for fault in reversed(faults) if fault.index is not None}
        rest = complaint(response)
        if blamed:
            rest = "it is in a batch that was refused for other records; --partial takes it"
        self._tally.refused += [
            Refused(place, blamed.get(index, rest), along=bool(blamed) and index not in blamed)
            for index, place in enumerate(batch.places)
        ]
        return 0


async def _next(batches: AsyncIterator[Batch]) -> Batch | None:
    return await anext(batches, None)


async def _one_done(under_way: dict[asyncio.Task[None], Batch], *others: asyncio.Task[Batch | None]) -> None:
    """Waits for a delivery, or one of `others`, to end. Raises what a delivery raised."""
    waited_for: set[asyncio.Task[Any]] = {*under_way, *others}
    await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
    for task in [task for task in under_way if task.done()]:
        del under_way[task]
        task.result()
