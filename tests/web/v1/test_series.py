"""`/v1/series` and `/v1/overview`: numbers of what was sent, for whom it concerns, also after kill -9."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.families import FAMILIES
from ingestbox.model import Role
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.web.v1.imports import person, row, upload
from tests.web.v1.support import Json, get, refused

COLUMNS = ("received", "finished", "issues", "delivered")


def sums(client: httpx2.Client, **query: str) -> dict[str, tuple[int, ...]]:
    """Everything of the last day, by family."""
    found = get(client, "/v1/series", **query)
    families = {
        name: tuple(sum(each[column]) for column in COLUMNS) for name, each in found["families"].items()
    }
    for place, column in enumerate(COLUMNS):
        assert sum(found["total"][column]) == sum(each[place] for each in families.values())
    return families


def post_some(client: httpx2.Client, prefix: str, good: int, bad: int = 0) -> None:
    """A batch of which some records wait for a person, at its end."""
    records = [ticket(number, id=f"{prefix}-{number}") for number in range(good)]
    records += [{"id": f"{prefix}-bad-{number}", "summary": 7} for number in range(bad)]
    taken = client.post("/api/data-ingest?mode=partial", json={"records": records})
    assert taken.status_code == 200, taken.text
    wait_job(client, taken.json()["job_id"])


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    with running(tmp_path_factory.mktemp("upstream")) as started:
        yield started


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, upstream: BoxProcess) -> Iterator[BoxProcess]:
    """A box with a lane, some feedback of two workspaces, contacts of two people, killed on the way."""
    lane = f'[[lanes]]\nname = "up"\nurl = "{upstream.url}/v1/sync/batches"\n'
    lane += f'token = "{upstream.token(Role.FORWARDER, workspace="*")}"\n'
    with running(tmp_path_factory.mktemp("edge"), config=lane) as started:
        with started.client() as client:
            post_some(client, "a", good=20, bad=3)
        started.kill()
        started.start()
        with started.client() as client:
            post_some(client, "b", good=7)
        with started.client(workspace="north") as client:
            post_some(client, "n", good=2)
        for name, rows in (("ann", 3), ("ben", 1)):
            with person(started, name) as somebody:
                upload(somebody, name, [row(f"{name}{n}@example.com") for n in range(rows)])
        with started.client() as client:
            want = {"feedback": (32, 29, 3, 29), "contacts": (4, 4, 0, 4)}
            until(lambda: sums(client, all="true") == want, "everything is done and delivered")
        yield started


def test_the_numbers_are_those_of_what_was_sent_also_after_kill(box: BoxProcess) -> None:
    box.kill()
    box.start()
    with box.client() as client:
        assert sums(client, all="true") == {"feedback": (32, 29, 3, 29), "contacts": (4, 4, 0, 4)}
        day = get(client, "/v1/overview", all="true")["last_day"]
        assert day == {"received": 36, "finished": 33, "issues": 3, "delivered": 33}


def test_each_sees_the_own_workspace_and_the_own_of_what_is_private(box: BoxProcess) -> None:
    with person(box, "ann") as ann:
        assert sums(ann) == {"feedback": (30, 27, 3, 27), "contacts": (3, 3, 0, 0)}
    with person(box, "eve", Role.UPLOADER) as eve:
        assert sums(eve) == {"feedback": (30, 27, 3, 27)}
        refused(eve.get("/v1/series?all=true"), 403, "forbidden")
        refused(eve.get("/v1/overview?all=true"), 403, "forbidden")
    with person(box, "ann", Role.ADMIN, workspace="north") as north:
        assert sums(north) == {"feedback": (2, 2, 0, 2)}
        assert sums(north, all="true") == {"feedback": (2, 2, 0, 2)}
    with person(box, "edge", Role.FORWARDER) as edge:
        refused(edge.get("/v1/series"), 403, "forbidden")
        refused(edge.get("/v1/overview"), 403, "forbidden")


def test_the_overview_of_an_uploader_is_what_is_theirs(box: BoxProcess) -> None:
    with person(box, "ann") as ann:
        found = get(ann, "/v1/overview")
        assert found["families"]["contacts"] == family(jobs={"completed": 1}, records=3)
        assert found["families"]["feedback"] == family(jobs={"completed": 2}, records=30, open_issues=3)
        assert {each["kind"]: each["count"] for each in found["objects"]} == {"contact": 3, "ticket": 27}
        assert [lane["name"] for lane in found["lanes"]] == ["up"]
    with person(box, "eve", Role.UPLOADER) as eve:
        found = get(eve, "/v1/overview")
        assert found["families"]["contacts"] == family()
        assert found["families"]["feedback"] == family(jobs={"completed": 2}, records=30)
        assert {each["kind"] for each in found["objects"]} == {"ticket"}
    with box.client() as admin:
        everything = get(admin, "/v1/overview", all="true")
        assert everything["workspace"] is None
        assert everything["families"]["contacts"] == family(jobs={"completed": 2}, records=4)
        assert everything["families"]["feedback"]["records"] == 32
    with person(box, "boss", Role.ADMIN, workspace="north") as north:
        found = get(north, "/v1/overview", all="true")
        assert found["families"]["feedback"] == family(jobs={"completed": 1}, records=2)


def family(jobs: dict[str, int] | None = None, records: int = 0, open_issues: int = 0) -> Json:
    return {"jobs": jobs or {}, "records": records, "pending": 0, "open_issues": open_issues}


def test_an_uploader_sees_the_issues_of_what_they_sent(box: BoxProcess) -> None:
    with person(box, "uwe", Role.UPLOADER) as uwe:
        waits = upload(uwe, "uwe", [row("no address"), row("uwe@example.com")])
        assert waits["state"] == "review"
        found = get(uwe, "/v1/overview")["families"]["contacts"]
        assert found == family(jobs={"review": 1}, records=2, open_issues=1)


def test_what_waits_is_pending(box: BoxProcess) -> None:
    with person(box, "wait") as somebody:
        before = get(somebody, "/v1/overview")["families"]["feedback"]["records"]
        job = post_tickets(somebody, [ticket(number, id=f"w-{number}") for number in range(5)])["job_id"]
        now = get(somebody, "/v1/overview")["families"]["feedback"]
        assert now["records"] == before + 5
        wait_job(somebody, job)
        assert get(somebody, "/v1/overview")["families"]["feedback"]["pending"] == 0


@pytest.mark.parametrize(
    ("hours", "query", "step", "length"),
    [
        (1, {}, "minute", {60, 61}),
        (24, {}, "hour", {25}),
        (24 * 30, {}, "day", {31}),
        (24, {"step": "minute"}, "minute", {1440, 1441}),
        (24 * 90, {"step": "hour"}, "hour", {2161}),
    ],
)
def test_the_step_fits_what_is_asked_for(
    box: BoxProcess, hours: int, query: dict[str, str], step: str, length: set[int]
) -> None:
    with box.client() as client:
        now = datetime.datetime.now(datetime.UTC)
        since = now - datetime.timedelta(hours=hours)
        found = get(client, "/v1/series", **{"from": since.isoformat(), "to": now.isoformat()}, **query)
        assert found["step"] == step
        begins, ends = (datetime.datetime.fromisoformat(found[name]) for name in ("from", "to"))
        seconds = {"minute": 60, "hour": 3_600, "day": 86_400}[step]
        assert begins <= since < now <= ends
        assert (ends - begins).total_seconds() == seconds * len(found["total"]["received"])
        assert len(found["total"]["received"]) in length
        assert set(found["total"]) == set(COLUMNS)


@pytest.mark.parametrize(
    "query",
    [
        {"from": "yesterday"},
        {"from": "2026-01-01T00:00:00"},
        {"to": "9999-12-31T23:59:59Z"},
        {"to": "0001-01-01T00:00:00Z"},
        {"from": "2026-01-02T00:00:00Z", "to": "2026-01-02T00:00:00Z"},
        {"step": "second"},
        {"step": "minute", "from": "2026-01-01T00:00:00Z", "to": "2026-01-01T01:00:00Z"},
        {"step": "hour", "from": "2020-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"from": "1970-01-01T00:00:00Z"},
        {"all": "yes"},
    ],
)
def test_what_cannot_be_answered_is_refused(box: BoxProcess, query: dict[str, Any]) -> None:
    with box.client() as client:
        refused(client.get("/v1/series", params=query), 400, "bad_parameter")


def test_a_box_that_has_nothing_says_so(tmp_path: Path) -> None:
    with running(tmp_path) as started, started.client() as client:
        found = get(client, "/v1/overview", all="true")
        assert found["families"] == {name: family() for name in FAMILIES}
        assert (found["objects"], found["lanes"], found["alarms"]) == ([], [], [])
        assert get(client, "/v1/series")["families"] == {}
