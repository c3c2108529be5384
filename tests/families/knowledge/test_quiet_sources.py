"""A source that is quiet for twice the time it is crawled in is an alarm, until something comes of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import httpx2

from ingestbox.appliance import Appliance
from ingestbox.clock import SystemClock
from ingestbox.config import Alarms, Rates, Server, Settings, Work
from ingestbox.families.knowledge.sources import quiet
from ingestbox.identity.secretfile import load_secret
from ingestbox.identity.tokens import mint
from ingestbox.model import Role
from tests.families.knowledge.support import BULK, UPLOAD, article
from tests.families.knowledge.test_sources import SOURCES
from tests.harness import PATIENCE, until

HOUR = 3_600.0


class Ahead(SystemClock):
    """The machine's clocks, and as much as the test says."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now_ms(self) -> int:
        return super().now_ms() + int(self.seconds * 1_000)


class Seen:
    """The box as its metrics and its list of sources show it."""

    def __init__(self, client: httpx2.Client, clock: Ahead) -> None:
        self.client = client
        self.clock = clock

    def text(self) -> str:
        return self.client.get("/metrics").raise_for_status().text

    def raised(self) -> set[str]:
        return set(re.findall(r'ingestbox_alarm_raised\{alarm="(source_quiet[^"]*)"\} 1', self.text()))

    def wait(self, *alarms: str) -> None:
        until(lambda: self.raised() == set(alarms), f"the alarms are {alarms}, and not {self.raised()}")

    def make(self, source_id: str, **members: object) -> None:
        body = {"id": source_id, "name": source_id.title(), "crawl_frequency": "hourly", **members}
        self.client.post(SOURCES, json=body).raise_for_status()

    def quiet(self) -> list[str]:
        return [each["id"] for each in self.client.get(SOURCES).json()["sources"] if each["quiet"]]


def watched(folder: Path, test: Callable[[Seen], None]) -> None:
    async def main() -> None:
        clock = Ahead()
        settings = Settings(
            data=str(folder / "data"),
            server=Server(port=0),
            work=Work(children=1),
            alarms=Alarms(check_seconds=0.02),
            rates=Rates(knowledge_sources=0, knowledge_read=0, knowledge_upload=0),
        )
        box = Appliance(settings, clock=clock)
        await box.start()
        try:
            secret = load_secret(folder / "data")
            token = mint(
                secret,
                subject="ada",
                roles=[Role.ADMIN],
                workspace="default",
                ttl_seconds=3_600 * 24 * 365,
                clock=clock,
            )
            headers = {"Authorization": f"Bearer {token}"}
            with httpx2.Client(
                base_url=box.url, headers=headers, timeout=PATIENCE, trust_env=False, verify=False
            ) as client:
                await asyncio.to_thread(test, Seen(client, clock))
        finally:
            await box.stop()

    asyncio.run(main())


def test_silence_is_an_alarm_until_it_ends(tmp_path: Path) -> None:
    def test(seen: Seen) -> None:
        for source_id in ("news", "slow", "off", "never", "gone"):
            seen.make(source_id)
        seen.client.put(f"{SOURCES}/slow", json={"crawl_frequency": "daily"}).raise_for_status()
        seen.client.put(f"{SOURCES}/off", json={"status": "disabled"}).raise_for_status()
        seen.make("unsaid", crawl_frequency="unknown")
        item = article(1, source_id="news")
        seen.client.post(UPLOAD, json=item).raise_for_status()
        seen.client.post(UPLOAD, json=article(2, source_id="stranger")).raise_for_status()
        counted = re.findall(r'ingestbox_knowledge_sources\{status="(\w+)"\} (\S+)', seen.text())
        assert dict(counted) == {"active": "5.0", "disabled": "1.0", "unconfigured": "1.0"}

        seen.clock.seconds = 1.9 * HOUR
        assert (seen.quiet(), seen.raised()) == ([], set())
        seen.clock.seconds = 2.1 * HOUR
        seen.wait("source_quiet:news", "source_quiet:never", "source_quiet:gone")
        assert seen.quiet() == ["gone", "never", "news"]
        told = {each["name"]: each["detail"] for each in seen.client.get("/v1/stats").json()["alarms"]}
        heard = next(each for each in seen.client.get(SOURCES).json()["sources"] if each["id"] == "news")
        assert told["source_quiet:news"] == (
            f"nothing has come of news since {heard['last_heard']}; it is to be crawled hourly. "
            "See to its crawler, or disable the source"
        )
        assert "since it was made" in told["source_quiet:never"]

        again = seen.client.post(UPLOAD, json=item)  # nothing new; but it was crawled
        assert again.status_code == 200
        seen.client.put(f"{SOURCES}/never", json={"status": "disabled"}).raise_for_status()
        seen.client.delete(f"{SOURCES}/gone").raise_for_status()
        seen.wait()
        source = seen.client.get(f"{SOURCES}/news").json()["source"]
        assert (source["total_content"], source["last_heard"] > heard["last_heard"]) == (1, True)

        seen.clock.seconds = 60 * HOUR
        seen.wait("source_quiet:news", "source_quiet:slow")
        other = {**item, "source_url": "https://moh.example.vn/other"}  # long known, and refused
        assert seen.client.post(UPLOAD, json=other).status_code == 409
        seen.client.put(f"{SOURCES}/never", json={"status": "active"}).raise_for_status()  # counts anew
        seen.wait("source_quiet:slow")

        seen.clock.seconds = 62.5 * HOUR
        seen.client.put(f"{SOURCES}/never", json={"status": "disabled"}).raise_for_status()
        seen.wait("source_quiet:news", "source_quiet:slow")
        news = {"batch_id": "b", "items": [item, article(3, source_id="stranger")]}  # news has nothing new
        reply = seen.client.post(BULK, json=news).raise_for_status().json()
        assert [each["status"] for each in reply["items"]] == ["rejected", "accepted"]
        seen.wait("source_quiet:slow")

    watched(tmp_path, test)


def test_of_many_the_longest_silent_are_named_and_the_others_counted(tmp_path: Path) -> None:
    many = quiet.MOST + 7

    def test(seen: Seen) -> None:
        for number in range(many):
            seen.make(f"source-{number:03}")
            seen.clock.seconds += 1
        seen.clock.seconds += 3 * HOUR
        named = {f"source_quiet:source-{number:03}" for number in range(quiet.MOST)}
        seen.wait("source_quiet", *named)
        told = {each["name"]: each["detail"] for each in seen.client.get("/v1/stats").json()["alarms"]}
        assert told["source_quiet"] == "and 7 more sources are quiet; see the list of sources"

    watched(tmp_path, test)
