"""The tour's articles: a bulk upload, what the box finds out about it, searches, and the way to the central
box."""

from __future__ import annotations

from typing import Any

import msgspec

from ingestbox import samples
from ingestbox.cli.demonstrating.boxes import DemoBox
from ingestbox.cli.demonstrating.screen import Screen
from ingestbox.cli.demonstrating.waiting import until
from ingestbox.samples import SampleArticles

CONTENT = "/knowledge-management/content"

MARK = "[email"
"""How an address that is hidden begins."""

SHOWN = 3
"""Hits of a search that are shown."""


class Knowledge:
    """Takes articles from the edge box to the central one, and searches them on the way."""

    def __init__(self, edge: DemoBox, central: DemoBox, screen: Screen, sample: SampleArticles) -> None:
        self._edge = edge
        self._central = central
        self._screen = screen
        self._sample = sample
        self._total = len(samples.records(sample.file))

    async def go(self) -> None:
        """Upload, results, searches, all on the central box. Raises BoxFailed, httpx2.TransportError."""
        sample, say = self._sample, self._screen.say
        say()
        say(f"Sending {self._total} articles of {sample.family} to POST {sample.path}", strong=True)
        say()
        await self._edge.post(sample.path, samples.articles(sample))
        items = (await until(self._processed, "the results of the articles"))["items"]
        every = [await self._edge.get(f"{CONTENT}/{each['content_id']}") for each in items]
        alike = sum(bool(each["near_duplicates"]) for each in every)
        say(f"  {len(every)} articles: {alike} have a near-duplicate among them")
        say()
        rows = [
            (each["title"], each["result"]["language"]["code"], f"{each['quality_score']:.2f}")
            for each in every
        ]
        self._screen.table(("title", "language", "quality"), rows)
        for text, _ in sample.searches:
            await self._search(text)
        await until(self._arrived, f"the {sample.family} on the central box")
        held = sum(bool(each.get("held")) for each in items)
        say()
        said = "is of low quality and waits" if held == 1 else "are of low quality and wait"
        say(f"  {self._total - held} articles are on the central box now; {held} {said} for a person")
        personal = items[sample.personal]["content_id"]
        text = (await self._central.get(f"{CONTENT}/{personal}?all=true"))["result"]["text"]
        say("  What is personal stays on the edge box; the central one has:")
        say()
        say(f"  {next(line for line in text.splitlines() if MARK in line)}")

    async def _processed(self) -> dict[str, Any] | None:
        """The batch once all that can be found out about its articles is."""
        found: dict[str, Any] = await self._edge.get(f"{CONTENT}/status?batch_id={self._sample.batch_id}")
        return None if found["overall_status"] in ("queued", "processing") else found

    async def _search(self, text: str) -> None:
        """Searches, and shows what is found best."""
        body = msgspec.json.encode({"query": text, "top_k": SHOWN})
        found = (await self._edge.post(self._sample.search, body))["results"]
        self._screen.say()
        self._screen.say(f'  Searching "{text}"')
        self._screen.say()
        rows = [(each["title"], each["source_id"], f"{each['score']:.2f}") for each in found]
        self._screen.table(("title", "source", "score"), rows)

    async def _arrived(self) -> bool:
        """Whether the central box has every article but those of low quality."""
        found = await self._central.get("/v1/stats?all=true")
        there = sum(
            int(each["count"])
            for each in found["objects"]
            if each["family"] == self._sample.family and each["remote"]
        )
        return there == self._total - self._sample.low
