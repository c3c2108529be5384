"""The crawler that the box is made for: its habits, its limits, and that nothing it repeats is doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from ingestbox.appliance import Appliance
from ingestbox.clock import SystemClock
from ingestbox.config import Server, Settings, Work
from ingestbox.families.knowledge.shapes import PATH
from ingestbox.identity.secretfile import load_secret
from ingestbox.identity.tokens import mint
from ingestbox.model import Role
from tests.families.knowledge.crawling import Crawler, losing
from tests.families.knowledge.support import article, text
from tests.harness import PATIENCE, until


class Ahead(SystemClock):
    """The machine's clocks, and as much as the crawler sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def now_ms(self) -> int:
        return super().now_ms() + int(sum(self.slept) * 1_000)

    def monotonic(self) -> float:
        return super().monotonic() + sum(self.slept)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def crawled(folder: Path, crawl: Callable[[Ahead, str, Callable[[Role], str]], None]) -> None:
    """Runs a crawler at a box with the limits that a box has, whose time passes while the crawler sleeps."""

    async def main() -> None:
        clock = Ahead()
        settings = Settings(data=str(folder / "data"), server=Server(port=0), work=Work(children=1))
        box = Appliance(settings, clock=clock)
        await box.start()
        try:
            secret = load_secret(folder / "data")

            def token(role: Role) -> str:
                return mint(
                    secret,
                    subject=f"a {role}",
                    roles=[role],
                    workspace="default",
                    ttl_seconds=3_600,
                    clock=clock,
                )

            await asyncio.to_thread(crawl, clock, box.url, token)
        finally:
            await box.stop()

    asyncio.run(main())


def test_a_batch_in_three_parts_through_limits_and_lost_answers_is_there_once(tmp_path: Path) -> None:
    items = [
        {
            name: value
            for name, value in article(n, content=text(n, sentences=5)).items()
            if name != "source_id"
        }
        for n in range(120)
    ]

    def crawl(clock: Ahead, url: str, token: Callable[[Role], str]) -> None:
        with losing(url, b'"crawl_chunk_2"') as lossy:
            crawler = Crawler(lossy, token(Role.INGEST), clock.sleep)
            for _ in range(8):  # others of its calls have used up most of what a minute has
                headers = {"Authorization": f"Bearer {crawler.token}"}
                used = requests.post(
                    f"{url}{PATH}/content/bulk-upload", json={}, headers=headers, timeout=PATIENCE
                )
                assert used.status_code == 400
            answers = crawler.upload_all("crawl", "ministry-health", items)
            assert crawler.lost == 1, "an answer got lost on its way"
            assert crawler.statuses == [200, 429, 200, 429, 200]
            assert crawler.zipped == 3
            limited = crawler.answers[1]
            assert limited.json()["error"] == "rate_limit_exceeded"
            assert limited.headers["X-RateLimit-Remaining"] == "0"
            assert clock.slept == [1, *(int(each.headers["Retry-After"]) for each in crawler.answers[1::2])]
            assert [answer["accepted_items"] for answer in answers] == [50, 50, 20]
            said = {item["status"] for item in answers[1]["items"]}
            assert said == {"duplicate"}, "it was there when its answer got lost"
            ids = [item["content_id"] for answer in answers for item in answer["items"]]
            assert len(set(ids)) == 120
            until(
                lambda: crawler.status(batch_id="crawl")["overall_status"] == "completed", "all is processed"
            )
            whole = crawler.status(batch_id="crawl")
            assert (whole["total_items"], whole["completed"], whole["failed"]) == (120, 120, 0)
            assert [item["content_id"] for item in whole["items"]] == ids
            assert crawler.status(source_id="ministry-health")["total_items"] == 120
        headers = {"Authorization": f"Bearer {token(Role.ADMIN)}"}
        jobs = requests.get(f"{url}/v1/jobs", headers=headers, timeout=PATIENCE).json()["jobs"]
        assert sorted(job["name"] for job in jobs) == [f"crawl_chunk_{n}" for n in (1, 2, 3)]

    crawled(tmp_path, crawl)


def test_the_limits_are_the_documented_ones(tmp_path: Path) -> None:
    calls = [
        ("POST", "/content/upload", 60),
        ("POST", "/content/bulk-upload", 10),
        ("GET", "/content/status?since=2020-01-01", 120),
        ("GET", "/content/km_content_1", 120),
        ("GET", "/sources", 120),
        ("POST", "/sources/validate", 5),
    ]

    def crawl(clock: Ahead, url: str, token: Callable[[Role], str]) -> None:
        headers = {"Authorization": f"Bearer {token(Role.ADMIN)}", "Content-Type": "application/json"}
        for method, path, limit in calls:
            for used in (1, 2):
                body = "{}" if method == "POST" else None
                reply = requests.request(
                    method, f"{url}{PATH}{path}", data=body, headers=headers, timeout=PATIENCE
                )
                assert reply.headers["X-RateLimit-Limit"] == str(limit), (path, reply.text)
                assert reply.headers["X-RateLimit-Remaining"] == str(limit - used), path
                assert int(reply.headers["X-RateLimit-Reset"]) * 1_000 >= clock.now_ms() - 1_000
        for _ in range(3):
            requests.post(f"{url}{PATH}/sources/validate", data="{}", headers=headers, timeout=PATIENCE)
        reply = requests.post(f"{url}{PATH}/sources/validate", data="{}", headers=headers, timeout=PATIENCE)
        assert reply.status_code == 429
        assert 1 <= int(reply.headers["Retry-After"]) <= 12

    crawled(tmp_path, crawl)
