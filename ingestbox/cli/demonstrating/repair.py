"""The tour's second part: a file with faults, repaired row by row as a person would, and its way to the
central box."""

from __future__ import annotations

from typing import Any

import msgspec

from ingestbox import samples
from ingestbox.cli.demonstrating.boxes import BoxFailed, DemoBox
from ingestbox.cli.demonstrating.screen import Screen
from ingestbox.cli.demonstrating.waiting import until
from ingestbox.samples import SampleFile

RESTS = frozenset({"NEEDS_REVIEW", "COMPLETED", "FAILED"})
HEADS = ("rows", "issue", "description")


class Repair:
    """Takes one file from the edge box to the central one."""

    def __init__(self, edge: DemoBox, central: DemoBox, screen: Screen, sample: SampleFile) -> None:
        self._edge = edge
        self._central = central
        self._screen = screen
        self._sample = sample

    async def go(self) -> None:
        """Upload, issues, repairs, reprocessing, contacts. Raises BoxFailed, httpx2.TransportError."""
        sample, say = self._sample, self._screen.say
        say()
        say(f"Sending {sample.file}, {sample.rows} rows with some faults, to POST {sample.path}", strong=True)
        say()
        content = (samples.FOLDER / sample.file).read_bytes()
        job = (await self._edge.upload(sample.path, sample.file, content))["job_id"]
        await self._rests(job, "NEEDS_REVIEW")
        found = (await self._edge.get(f"/issues/job/{job}"))["issues"]
        self._screen.table(HEADS, [_shown(issue) for issue in reversed(found)])
        say()
        say(f"  {len(found)} issues wait for a person; no row is a contact before all are settled.")
        await self._repair(found)
        say(
            f"  {len(sample.repairs)} rows are put right with PUT /staging/{{id}}; POST /jobs/{job}/reprocess"
        )
        await self._edge.post(f"/jobs/{job}/reprocess", b"")
        await self._rests(job, "COMPLETED")
        made: int = (await self._edge.get("/contacts?limit=1"))["total"]

        async def arrived() -> bool:
            there: int = (await self._central.get("/contacts?all=true&limit=1"))["total"]
            return there == made

        await until(arrived, "contacts on the central box")
        say(f"  {made} contacts, all at once; forwarded, and on the central box now")
        say()
        rows = []
        for key in sample.shown:
            (contact,) = (await self._central.get(f"{sample.look}{key}&all=true"))["contacts"]
            name = f"{contact['contact_first_name']} {contact['contact_last_name']}"
            rows.append((contact["contact_email"], name, contact["contact_company"]))
        self._screen.table(("email", "name", "company"), rows)

    async def _repair(self, found: list[dict[str, Any]]) -> None:
        every = {row["row_number"]: row["staging_id"] for issue in found for row in issue["affected_rows"]}
        for number, members in self._sample.repairs:
            body = msgspec.json.encode({"staging_status": "READY", **members})
            await self._edge.put(f"/staging/{every[number]}", body)

    async def _rests(self, job: int, wanted: str) -> None:
        """Waits until nothing works on the job. Raises BoxFailed when it is not as it should be then."""

        async def rests() -> str | None:
            status: str = (await self._edge.get(f"/jobs/{job}"))["job_status"]
            return status if status in RESTS else None

        if (status := await until(rests, f"the end of job {job}")) != wanted:
            raise BoxFailed(f"Job {job} is {status}, not {wanted}.")


def _shown(issue: dict[str, Any]) -> tuple[str, str, str]:
    rows = ", ".join(str(row["row_number"]) for row in issue["affected_rows"])
    return rows, issue["issue_type"], issue["issue_description"]
