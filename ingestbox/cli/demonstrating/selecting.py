"""The tour's last part: uploads with names, what the box finds out about their records, a segment of them,
and their way to the central box."""

from __future__ import annotations

from typing import Any

import msgspec

from ingestbox import samples
from ingestbox.cli.demonstrating.boxes import DemoBox
from ingestbox.cli.demonstrating.screen import Screen
from ingestbox.cli.demonstrating.waiting import until
from ingestbox.samples import SampleUploads

SHOWN = 4
"""Lines of an export that are shown, its header among them."""


class Selection:
    """Takes uploads from the edge box to the central one, with a selection from the first of them."""

    def __init__(self, edge: DemoBox, central: DemoBox, screen: Screen, sample: SampleUploads) -> None:
        self._edge = edge
        self._central = central
        self._screen = screen
        self._sample = sample
        self._total = sum(count for _, count in sample.uploads)

    async def go(self) -> None:
        """Uploads, results, a segment, its export, all on the central box. Raises BoxFailed,
        httpx2.TransportError."""
        sample, say = self._sample, self._screen.say
        say()
        say(f"Sending {len(sample.uploads)} uploads of {sample.family} to POST {sample.path}", strong=True)
        say()
        ids = [(await self._edge.post(sample.path, body))["upload_id"] for _, body in samples.uploads(sample)]
        every = [await self._processed(each) for each in ids]
        for each in every:
            say(f"  {_told(each)}")
        say()
        await self._segment(ids[0], every[0]["upload_name"])
        await until(self._arrived, f"the {sample.family} on the central box")
        say(f"  {self._total} records and the segment are on the central box now")
        say()
        found = await self._central.get(f"{sample.path}?all=true")
        rows = [
            (each["upload_id"], each["upload_name"], each["rows_received"], each["box"])
            for each in reversed(found["uploads"])
        ]
        self._screen.table(("upload_id", "name", "records", "box"), rows)

    async def _processed(self, upload_id: str) -> dict[str, Any]:
        """The upload once all that can be found out about its records is."""

        async def known() -> dict[str, Any] | None:
            found: dict[str, Any] = await self._edge.get(f"{self._sample.path}/{upload_id}")
            return found if found["rows_processed"] == found["rows_stored"] else None

        return await until(known, f"the results of {upload_id}")

    async def _segment(self, upload_id: str, upload_name: str) -> None:
        """Saves a segment and shows its export."""
        sample, say = self._sample, self._screen.say
        name, condition = sample.segment
        body = msgspec.json.encode({"name": name, "filter": condition, "forward": True})
        made = (await self._edge.post(f"{sample.path}/{upload_id}/segments", body))["segment"]
        chosen = msgspec.json.encode(sample.columns).decode()
        path = f"/api/audience/segments/{made['segment_id']}.csv"
        text = await self._edge.text(path, columns=chosen)
        head, *lines = text.removeprefix("\ufeff").splitlines()
        say(f'  "{name}", a segment of "{upload_name}": {len(lines)} records; as CSV:')
        say()
        for line in (head, *lines[: SHOWN - 1]):
            say(f"  {line}")
        say(f"  … and {len(lines) - SHOWN + 1} more")
        say()

    async def _arrived(self) -> bool:
        """Whether the central box has every record and the segment."""
        found = await self._central.get("/v1/stats?all=true")
        there = {
            each["kind"]: int(each["count"])
            for each in found["objects"]
            if each["family"] == self._sample.family and each["remote"]
        }
        return there == {"record": self._total, "segment": 1}


def _told(upload: dict[str, Any]) -> str:
    """What was found out about an upload's records."""
    results = upload["results"]
    counts = {
        "duplicates": sum(each["_duplicate_of"] is not None for each in results),
        "not an address": sum(each["_email_valid"] is False for each in results),
        "free mail": sum(each["_free_mail"] for each in results),
        "throw-away": sum(each["_disposable"] for each in results),
    }
    found = ", ".join(f"{what} {count}" for what, count in counts.items())
    return f"{upload['upload_name']}  {len(results)} records: {found}"
