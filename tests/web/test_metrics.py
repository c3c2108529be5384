"""GET /metrics of a real box."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from ingestbox.enrich.steps import MODULES
from ingestbox.errors import CATALOGUE
from ingestbox.families import FAMILIES
from ingestbox.model import JobState, Role
from tests.families.contacts.support import person, taken
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.journeys.upstream import Answer, Upstream, upstream

LANE = """
[[lanes]]
name = "up"
url = "{url}"
token = "the-upstream-token"
probe_seconds = 0.1
backoff_seconds = 0.05
"""

REQUIRED = frozenset(
    {
        "alarm_raised",
        "analysis_server_texts",
        "analysis_server_up",
        "build_info",
        "child_restarts",
        "children",
        "chunk_duration_seconds",
        "connections",
        "connections_ended",
        "deliveries",
        "delivery_attempts",
        "disk_free_bytes",
        "issuer_up",
        "issues_open",
        "jobs",
        "lane_discarded",
        "lane_imbalance",
        "lane_oldest_pending_seconds",
        "lane_parked",
        "lane_pending",
        "lane_state",
        "objects",
        "oldest_pending_seconds",
        "records_pending",
        "records_processed",
        "records_received",
        "refused",
        "request_body_bytes",
        "request_duration_seconds",
        "requests",
        "requests_in_flight",
        "staged_jobs",
        "store_bytes",
        "store_free_bytes",
        "store_wal_bytes",
        "worker_restarts",
        "writer_commit_seconds",
        "writer_failed_groups",
        "writer_group_units",
        "writer_waiting",
    }
)

LABELS: dict[str, Callable[[str], bool]] = {
    "method": lambda value: value in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"),
    "route": lambda value: value == "unmatched" or value.startswith("/"),
    "status": lambda value: (
        re.fullmatch("[2-5][0-9][0-9]", value) is not None or value in ("active", "disabled", "unconfigured")
    ),
    "code": lambda value: value in CATALOGUE,
    "family": lambda value: value in FAMILIES,
    "kind": lambda value: value in ("ticket", "contact"),
    "phase": lambda value: value in ("loading", "checking", "turn", "consolidating", "waiting", "undoing"),
    "origin": lambda value: value in ("own", "remote"),
    "state": lambda value: value in {*JobState, "running", "retrying", "paused"},
    "outcome": lambda value: (
        value
        in ("done", "superseded", "issue", "discarded", "delivered", "parked", "retried", "split", "refused")
    ),
    "lane": lambda value: value == "up",
    "reason": lambda value: value in ("refused", "evicted", "timed_out"),
    "step": lambda value: value in MODULES,
    "by": lambda value: value in ("server", "box"),
    "alarm": lambda value: re.fullmatch("[a-z_]+(:[a-z0-9_-]+)?", value) is not None,
    "version": lambda value: True,
    "le": lambda value: True,
}
"""Every label there may be, and what its values are taken from."""


class Scrape:
    """One answer of /metrics, parsed."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self.families = list(families)

    def __call__(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name with these labels; 0 without any."""
        return sum(
            sample.value
            for family in self.families
            for sample in family.samples
            if sample.name == f"ingestbox_{name}" and labels.items() <= sample.labels.items()
        )

    @property
    def series(self) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
        return {
            (sample.name, tuple(sorted(sample.labels.items())))
            for family in self.families
            for sample in family.samples
        }


def scrape(box: BoxProcess) -> Scrape:
    answer = httpx2.get(f"{box.url}/metrics", trust_env=False, verify=False)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return Scrape(parse_text(answer.text))


@pytest.fixture(scope="module")
def central() -> Iterator[Upstream]:
    with upstream() as server:
        yield server


@pytest.fixture(scope="module")
def lane_box(tmp_path_factory: pytest.TempPathFactory, central: Upstream) -> Iterator[BoxProcess]:
    with running(tmp_path_factory.mktemp("box"), config=LANE.format(url=central.url)) as started:
        yield started


@pytest.fixture
def client(lane_box: BoxProcess) -> Iterator[httpx2.Client]:
    with lane_box.client() as opened:
        yield opened


def delivered(box: BoxProcess, count: float) -> Scrape:
    def done() -> Scrape | None:
        found = scrape(box)
        return found if found("deliveries_total") >= count else None

    return until(done, f"{count} lines are delivered")


def test_counters_rise_by_what_happened(lane_box: BoxProcess, client: httpx2.Client) -> None:
    before = scrape(lane_box)
    job = post_tickets(client, [ticket(number) for number in range(40)])
    wait_job(client, job["job_id"])
    post_tickets(client, [ticket(number) for number in range(5)], headers={"Idempotency-Key": "k1"})
    post_tickets(client, [ticket(number) for number in range(5)], headers={"Idempotency-Key": "k1"})
    refused = client.post("/api/data-ingest", json={"records": [{"id": "x"}]})
    assert refused.status_code == 422
    after = delivered(lane_box, before("deliveries_total") + 45)

    def rose(name: str, **labels: str) -> float:
        return after(name, **labels) - before(name, **labels)

    posts = {"method": "POST", "route": "/api/data-ingest"}
    assert rose("requests_total", **posts, status="200") == 3
    assert rose("requests_total", **posts, status="422") == 1
    assert rose("refused_total", code="validation_failed") == 1
    assert rose("request_duration_seconds_count", route="/api/data-ingest") == 4
    assert rose("request_body_bytes_count", route="/api/data-ingest") == 3
    assert rose("request_body_bytes_sum", route="/api/data-ingest") > 1000
    assert rose("records_received_total", family="feedback") == 45  # a replayed request brings nothing
    assert rose("records_processed_total", family="feedback", outcome="done") == 45
    assert rose("chunk_duration_seconds_count", family="feedback") == 2
    assert rose("deliveries_total", lane="up", outcome="delivered") == 45
    assert rose("delivery_attempts_total", lane="up", outcome="delivered") >= 1
    assert rose("writer_group_units_sum") >= rose("writer_group_units_count") > 5
    assert rose("writer_commit_seconds_sum") > 0
    assert rose("jobs", state="completed") == 2
    assert (after("records_pending"), after("oldest_pending_seconds")) == (0, 0)
    assert after("objects", kind="ticket", origin="own") >= 40
    assert (after("lane_state", lane="up", state="running"), after("lane_state", lane="up")) == (1, 1)
    assert after("lane_imbalance", lane="up") == 0
    assert after("children") >= 1
    assert after("children_resident_memory_bytes") > 1_000_000
    assert after("store_bytes") > 0 < after("store_wal_bytes")
    assert after("requests_in_flight") >= 1 <= after("connections")


def test_an_import_shows_how_far_it_is_and_what_became_of_its_rows(lane_box: BoxProcess) -> None:
    before = scrape(lane_box)

    def rose(name: str, **labels: str) -> float:
        return scrape(lane_box)(name, family="contacts", **labels) - before(name, family="contacts", **labels)

    lines = [f"m{number}@example.com,A,B,C" for number in range(5)]
    lines += ["m0@example.com,A,B,C", "m1@example.com,A,B,Other", "m6@example.com,A,B,"]
    with person(lane_box, "ann", Role.UPLOADER, Role.EDITOR) as ann:
        body = "\n".join(["email,first_name,last_name,company", *lines, ""]).encode()
        job = taken(ann, "metrics.csv", body)["job_id"]
        until(lambda: rose("staged_jobs", phase="waiting") == 1, "the job waits for a person")
        assert rose("records_received_total") == 8
        assert rose("issues_open") == 2
        assert rose("records_processed_total", outcome="issue") == 3
        assert rose("records_processed_total", outcome="discarded") == 1
        found = ann.get(f"/issues/job/{job}").raise_for_status().json()["issues"]
        for each in found:
            row = each["affected_rows"][-1]["staging_id"]
            ann.put(f"/staging/{row}", json={"staging_status": "DISCARD"}).raise_for_status()
        ann.post(f"/jobs/{job}/reprocess").raise_for_status()
        until(lambda: rose("records_processed_total", outcome="done") == 5, "the contacts are made")
        until(lambda: rose("staged_jobs") == 0, "no job waits any more")
    assert rose("issues_open") == 0
    assert rose("objects", kind="contact", origin="own") == 5
    # What waited and was given up by a person was counted when it came to wait.
    assert rose("records_processed_total", outcome="issue") == 3
    assert rose("records_processed_total", outcome="discarded") == 1


def test_the_text_is_as_prometheus_asks(lane_box: BoxProcess, client: httpx2.Client) -> None:
    """What `promtool check metrics` looks at, and that each name of the documentation is there."""
    wait_job(client, post_tickets(client, [ticket(1)])["job_id"])
    text = httpx2.get(f"{lane_box.url}/metrics", trust_env=False, verify=False).text
    found = scrape(lane_box)
    names = {family.name.removeprefix("ingestbox_") for family in found.families}
    assert names >= REQUIRED
    for family in found.families:
        assert text.count(f"# HELP {family.name} ") + text.count(f"# HELP {family.name}_total ") == 1
        assert text.count(f"# TYPE {family.name} ") + text.count(f"# TYPE {family.name}_total ") == 1
        assert family.documentation, family.name
        assert re.fullmatch(r"(ingestbox|process|python)_[a-z][a-z0-9_]*", family.name), family.name
        assert family.type in ("gauge", "counter", "histogram"), family.name
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|percent)(_|$)", family.name), family.name
        assert (family.type == "gauge") or not family.name.endswith(("_info", "_ratio"))
        for sample in family.samples:
            if family.type == "counter":
                assert sample.name.endswith("_total"), sample.name
            if family.type == "gauge":
                assert not sample.name.endswith(("_total", "_count", "_sum", "_bucket")), sample.name
            assert family.type == "histogram" or "le" not in sample.labels
    assert len(found.series) == sum(len(family.samples) for family in found.families)  # none twice


def test_open_metrics_when_asked_for(lane_box: BoxProcess) -> None:
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    answer = httpx2.get(f"{lane_box.url}/metrics", headers={"Accept": accept}, trust_env=False, verify=False)
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    found = Scrape(parse_openmetrics(answer.text))  # type: ignore[no-untyped-call]
    assert found("build_info") == 1


def test_no_label_is_unbounded(lane_box: BoxProcess, client: httpx2.Client) -> None:
    """Random paths, methods, ids and tokens: the second hundred makes no series that the first did not."""

    def storm(first: int) -> None:
        for number in range(first, first + 100):
            client.get(f"/nothing/{number}")
            client.get(f"/api/job/{number}")
            client.get(f"/v1/jobs/{number}?x={number}", headers={"X-Request-ID": f"r{number}"})
            client.request(("PROPFIND", "MKCOL", "LOCK", "REPORT")[number % 4], "/api/jobs")
            client.get("/api/jobs", headers={"Authorization": f"Bearer {number}"})

    storm(0)
    before = scrape(lane_box)
    storm(1_000)
    after = scrape(lane_box)
    assert {
        each for each in after.series - before.series if dict(each[1]).get("route") != "/metrics"
    } == set()
    ours = {each for each in after.series if each[0].startswith("ingestbox_")}
    assert after("requests_total", route="unmatched") - before("requests_total", route="unmatched") >= 200
    assert after("requests_total", method="other") - before("requests_total", method="other") == 100
    for name, labels in ours:
        for label, value in labels:
            assert LABELS[label](value), (name, label, value)


def test_a_lane_that_is_refused_shows_and_its_sums_stay_right(tmp_path: Path) -> None:
    plan: list[Answer] = [Answer(503), Answer(401)]

    def answer(number: int) -> Answer:
        return plan[number] if number < len(plan) else Answer(401)

    with upstream(answer) as server, running(tmp_path, config=LANE.format(url=server.url)) as box:
        with box.client() as client:
            wait_job(client, post_tickets(client, [ticket(number) for number in range(7)])["job_id"])

        def paused() -> Scrape | None:
            found = scrape(box)
            return found if found("lane_state", state="paused") else None

        found = until(paused, "the lane is paused")
        assert found("delivery_attempts_total", outcome="retried") == 1
        assert found("delivery_attempts_total", outcome="refused") >= 1
        assert found("deliveries_total") == 0
        assert (found("lane_pending"), found("lane_imbalance"), found("lane_enqueued")) == (7, 0, 7)
        assert found("lane_oldest_pending_seconds") > 0
        assert found("lane_pending_bytes") > 7 * 100
        server.plan = lambda _: Answer(body=b'{"rejected":[{"seq":3,"code":"bad","message":"no"}]}')
        found = delivered(box, 7)
        assert found("deliveries_total", outcome="delivered") == 6
        assert found("deliveries_total", outcome="parked") == 1
        # What is counted in memory is read after what the store says, so it can be ahead for one scrape.
        until(lambda: scrape(box)("lane_parked") == 1, "the store says so too")
        assert scrape(box)("lane_imbalance") == 0


@pytest.mark.parametrize(
    ("roles", "status"),
    [((Role.ADMIN,), 200), ((Role.ANALYST,), 200), ((Role.INGEST, Role.FORWARDER), 403), ((), 401)],
)
def test_from_elsewhere_it_takes_a_token(lane_box: BoxProcess, roles: tuple[Role, ...], status: int) -> None:
    """What came through a proxy is not from this machine, whoever runs the proxy."""
    headers: dict[str, Any] = {"X-Forwarded-For": "203.0.113.9"}
    if roles:
        headers["Authorization"] = f"Bearer {lane_box.token(*roles)}"
    answer = httpx2.get(f"{lane_box.url}/metrics", headers=headers, trust_env=False, verify=False)
    assert answer.status_code == status
    assert ("ingestbox_" in answer.text) is (status == 200)
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_page_whose_name_points_here_does_not_read_it(lane_box: BoxProcess) -> None:
    answer = httpx2.get(
        f"{lane_box.url}/metrics", headers={"Host": "evil.example"}, trust_env=False, verify=False
    )
    assert answer.status_code == 401
