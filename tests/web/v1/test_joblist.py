"""`/v1/jobs` narrowed, searched and turned round: nothing is lost, and every list is read by an index."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from ingestbox.model import JobState, Role
from ingestbox.store import DATABASE, ReadTx, Store, jobs, load_queries
from ingestbox.store.engine import connect_writer
from ingestbox.store.jobs import CLOCK_MS, VISIBLE, Wanted
from ingestbox.store.pages import Page, merged
from ingestbox.store.sight import Sight
from tests.harness import BoxProcess, post_tickets, ticket, wait_job
from tests.store.support import with_store
from tests.web.v1.imports import person, row, upload
from tests.web.v1.support import everything, get, refused

FAMILIES = ("contacts", "feedback")
PEOPLE = (Role.UPLOADER, Role.EDITOR)


@pytest.fixture(scope="module")
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    with box.client() as client:
        yield client


def listed(client: httpx2.Client, **query: str | int) -> list[str]:
    return [each["id"] for each in everything(client, "/v1/jobs", "jobs", **query)]


def sent(client: httpx2.Client, name: str) -> str:
    """A job that came as a file of this name."""
    text = b"id,summary\n" + name.encode() + b",The delivery was late\n"
    reply = client.post("/api/upload", files={"file": (name, text)})
    assert reply.status_code == 200, reply.text
    job: str = reply.json()["job_id"]
    return job


def test_oldest_first_is_newest_first_turned_round(box: BoxProcess, client: httpx2.Client) -> None:
    made = [post_tickets(client, [ticket(n, id=f"turn-{n}")])["job_id"] for n in range(7)]
    for job in made:
        wait_job(client, job)
    with person(box, "ann", *PEOPLE) as ann:
        upload(ann, "turned", [row("turned@example.com")])
    for query in (
        {},
        {"family": "feedback"},
        {"state": "completed"},
        {"all": "true"},
        {"source": "json_api"},
    ):
        down, up = listed(client, **query, limit=3), listed(client, **query, sort="oldest", limit=3)
        assert up == down[::-1], query
        assert len(set(up)) == len(up)
        assert [each for each in up if each in made] == made
    refused(client.get("/v1/jobs", params={"sort": "name"}), 400, "bad_parameter")


def test_jobs_are_narrowed_by_where_and_when_they_came(client: httpx2.Client) -> None:
    json, file = post_tickets(client, [ticket(1, id="where")])["job_id"], sent(client, "where.csv")
    assert json in listed(client, source="json_api")
    assert file not in listed(client, source="json_api")
    assert file in listed(client, source="csv_upload")
    assert listed(client, source="nowhere") == []
    at = get(client, f"/v1/jobs/{file}")["submitted_at"]
    assert file in listed(client, since=at)
    assert file not in listed(client, until=at)
    assert json in listed(client, until=at) or get(client, f"/v1/jobs/{json}")["submitted_at"] == at
    assert listed(client, since="2100-01-01T00:00:00Z") == listed(client, until="2000-01-01T00:00:00Z") == []
    assert file in listed(client, since="2000-01-01T00:00:00+07:00", until="2100-01-01T00:00:00Z")
    refused(client.get("/v1/jobs", params={"since": "yesterday"}), 400, "bad_parameter")


def test_jobs_are_found_by_words_of_their_files_name(client: httpx2.Client) -> None:
    first, second = sent(client, "Doanh_thu-Tháng 3 (bản cuối).csv"), sent(client, "doanh-thu-quy-3.csv")
    for text in ("doanh thu", "THU doa", "Doanh_thu", "3 doanh"):
        assert listed(client, q=text, limit=1) == [second, first], text
    assert listed(client, q="tháng") == listed(client, q="thang") == listed(client, q="cuối ban") == [first]
    assert listed(client, q="doanh", sort="oldest", limit=1) == [first, second]
    assert listed(client, q="doanh", family="contacts") == listed(client, q="doanh", state="failed") == []
    for nothing in ("doanhthu", "oanh", '"', "* OR", "NEAR(", "doanh -thu xyz", "\x00", "^", "(((", "😀"):
        assert set(listed(client, q=nothing)).isdisjoint({first, second}), nothing
    refused(client.get("/v1/jobs", params={"q": "x" * 201}), 400, "bad_parameter")


def test_jobs_are_found_by_the_beginning_of_their_id(client: httpx2.Client) -> None:
    job = post_tickets(client, [ticket(1, id="by-id")])["job_id"]
    assert listed(client, q=job) == listed(client, q=job[:-1]) == listed(client, q=f" {job} ") == [job]
    assert job in listed(client, q=job[:8], limit=1)
    assert listed(client, q=job, state="cancelled") == []
    named = sent(client, f"{job}.csv")
    assert listed(client, q=job, limit=1) == [named, job]
    assert listed(client, q=job, sort="oldest", limit=1) == [job, named]


def test_what_is_out_of_sight_is_not_found(box: BoxProcess, client: httpx2.Client) -> None:
    with person(box, "eve", *PEOPLE) as eve, box.client(workspace="elsewhere") as elsewhere:
        private = upload(eve, "evelyn", [row("evelyn@example.com")])["id"]
        assert listed(eve, q="evelyn") == [private]
        job = sent(client, "findable.csv")
        for text in (job, "findable"):
            assert listed(client, q=text) == [job]
            assert listed(elsewhere, q=text) == []
        for text in (private, "evelyn"):
            assert listed(client, q=text) == listed(elsewhere, q=text, all="true") == []
            assert listed(client, q=text, all="true") == [private]


def test_who_sent_a_job_has_a_name(box: BoxProcess, client: httpx2.Client) -> None:
    key = client.post("/v1/keys", json={"name": "crawler", "roles": ["ingest"]}).json()["key"]
    with httpx2.Client(
        base_url=box.url, headers={"X-API-Key": key}, trust_env=False, verify=False
    ) as crawler:
        job = post_tickets(crawler, [ticket(1, id="named-maker")])["job_id"]
    assert get(client, f"/v1/jobs/{job}")["created_by_name"] == "crawler"
    (found,) = [each for each in get(client, "/v1/jobs")["jobs"] if each["id"] == job]
    assert found["created_by_name"] == "crawler"
    mine = post_tickets(client, [ticket(1, id="no-name")])["job_id"]
    assert get(client, f"/v1/jobs/{mine}")["created_by_name"] is None


def test_a_person_who_is_erased_is_gone_from_the_names_of_files(
    box: BoxProcess, client: httpx2.Client
) -> None:
    job = sent(client, "zebulon.quark@example.com.csv")
    wait_job(client, job)
    assert listed(client, q="zebulon") == [job]
    reply = client.post("/v1/erasures", json={"email": "zebulon.quark@example.com"})
    assert reply.status_code in (200, 201, 202), reply.text
    assert listed(client, q="zebulon") == []
    assert "zebulon" not in get(client, f"/v1/jobs/{job}")["name"]
    connection = connect_writer(box.data / DATABASE)
    try:
        blocks = [bytes(block) for (block,) in connection.execute("SELECT block FROM job_words_data")]
        assert not any(b"zebulon" in block or b"ebulon" in block for block in blocks)
    finally:
        connection.close()


MANY = 100_000


def fill(folder: Path) -> None:
    """A hundred thousand jobs of two workspaces, a second apart, each tenth with a file."""
    connection = connect_writer(folder / DATABASE)
    states = [state.value for state in JobState]
    try:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO jobs (public_id, family, workspace, created_by, source, name, state, total,"
            " processed, issues, submitted_ms, updated_ms) VALUES (?, ?, ?, ?, ?, ?, ?, 1, 1, 0, ?, 0)",
            (
                (
                    f"{n:08d}-id",
                    FAMILIES[n % 2],
                    ("default", "other")[n // 2 % 2],
                    f"user:{n % 7}",
                    ("json_api", "csv_upload")[n % 10 == 0],
                    f"report-{n % 100}.csv",
                    states[n % len(states)],
                    n * 1000,
                )
                for n in range(1, MANY + 1)
            ),
        )
        connection.execute("INSERT INTO job_words (rowid, name) SELECT id, name FROM jobs WHERE id % 10 = 0")
        connection.execute("COMMIT")
    finally:
        connection.close()


class Watched:
    """A ReadTx that notes the queries it is asked."""

    def __init__(self, tx: ReadTx) -> None:
        self._tx = tx
        self.asked: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._tx, name)

        def noted(query: str, *rest: Any) -> Any:
            self.asked.add(query)
            return function(query, *rest)

        return noted


def test_each_list_of_many_jobs_is_read_by_an_index_in_its_order(tmp_path: Path) -> None:
    async def nothing(_: Store) -> None: ...

    with_store(tmp_path, nothing)
    fill(tmp_path)
    sights = (
        Sight("default", "user:3", frozenset({"contacts"})),
        Sight("default", None, frozenset({"contacts"})),
        Sight(None, None, frozenset({"contacts"})),
    )
    choices = itertools.product(
        sights,
        (None, ["contacts"]),
        (None, [JobState.FAILED]),
        (None, "csv_upload"),
        ((None, None), (40_000_000, 60_000_000)),
        (None, "report 7", "00050000"),
        (False, True),
    )

    def expected(sight: Sight, wanted: Wanted, oldest: bool) -> list[int]:
        way = range(1, MANY + 1) if oldest else range(MANY, 0, -1)
        right = (
            n
            for n in way
            if rows[n][7] in VISIBLE and wanted.keeps(rows[n])
            if sight.admits(rows[n][3], rows[n][2], rows[n][4])
        )
        return list(itertools.islice(right, 5))

    rows: dict[int, tuple[Any, ...]] = {}

    async def body(store: Store) -> set[str]:
        def read(tx: ReadTx) -> set[str]:
            for given in tx.each("jobs.everywhere", {"above": 0, "below": MANY + 1}):
                rows[given[0]] = given
            for n in range(1, MANY + 1):
                rows.setdefault(n, (n, "", "", "", "", "", "", "receiving", *([0] * 15)))
            watched = Watched(tx)
            through = cast("ReadTx", watched)
            for sight, kinds, states, source, (since, until), search, oldest in choices:
                wanted = Wanted(kinds, states, source, since, until, search)
                start = 0 if oldest else MANY + 1
                found, last = jobs.listed(through, sight, FAMILIES, wanted, start, 5, oldest=oldest)
                ids = [job.id for job in found]
                assert ids == sorted(ids, reverse=not oldest)
                if search is None and len(ids) == 5:
                    assert ids == expected(sight, wanted, oldest), wanted
                for job in found:
                    assert wanted.keeps(rows[job.id])
                    assert sight.admits(job.workspace, job.family, job.created_by)
                assert last is not None or len(ids) <= 5
            return watched.asked

        return await store.read_with(read)

    asked = with_store(tmp_path, body)
    ways = {f"jobs.{name}{way}" for name in LISTS for way in ("", "_oldest")}
    assert asked == ways | {"jobs.of_id", "jobs.submitted", "jobs.last"}
    connection = connect_writer(tmp_path / DATABASE)
    queries = load_queries({})
    try:
        for name in sorted(asked):
            query = queries[name]
            plan = [
                line[3]
                for line in connection.execute(f"EXPLAIN QUERY PLAN {query.sql}", [1] * len(query.names))
            ]
            assert not any("TEMP B-TREE" in line for line in plan), (name, plan)
            scans = [line for line in plan if line.startswith("SCAN") and "VIRTUAL TABLE INDEX" not in line]
            assert not scans, (name, plan)
    finally:
        connection.close()


LISTS = ("of_workspace", "everywhere", "of_kind", "of_creator", "named")


def test_a_clock_that_was_set_back_hides_no_job_of_a_time(tmp_path: Path) -> None:
    """Jobs 40 to 59 came after the clock was set back by almost an hour."""

    async def nothing(_: Store) -> None: ...

    with_store(tmp_path, nothing)
    back = CLOCK_MS - 1000
    connection = connect_writer(tmp_path / DATABASE)
    times = {n: n * 60_000 - (back if 40 <= n < 60 else 0) for n in range(1, 121)}
    try:
        connection.executemany(
            "INSERT INTO jobs (id, public_id, family, workspace, created_by, source, name, state, total,"
            " processed, issues, submitted_ms, updated_ms)"
            " VALUES (?, ?, 'feedback', 'default', 'me', 'json_api', '', 'completed', 1, 1, 0, ?, 0)",
            ((n, f"id-{n}", 10_000_000 + at) for n, at in times.items()),
        )
    finally:
        connection.close()

    async def body(store: Store) -> None:
        for since, until in itertools.product(range(-60, 121, 5), repeat=2):
            wanted = Wanted(since_ms=10_000_000 + since * 60_000, until_ms=10_000_000 + until * 60_000)
            right = [n for n, at in times.items() if since * 60_000 <= at < until * 60_000]

            def read(tx: ReadTx, wanted: Wanted = wanted) -> list[int]:
                sight = Sight("default")
                return [job.id for job in jobs.listed(tx, sight, ["feedback"], wanted, 1 << 62, 500)[0]]

            assert await store.read_with(read) == right[::-1], (since, until)

    with_store(tmp_path, body)


def test_lists_that_go_up_are_merged_as_far_as_each_is_known() -> None:
    cut, more, whole = Page([], 3), Page([(2,), (5,)], 5), Page([(1,), (7,)], None)
    assert merged([cut, more, whole], 5, up=True) == Page([(1,), (2,)], 3)
    assert merged([more, whole], 5, up=True) == Page([(1,), (2,), (5,)], 5)
    assert merged([more, whole], 1, up=True) == Page([(1,)], 1)
    assert merged([whole], 5, up=True) == whole
