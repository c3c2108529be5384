"""The instruments: what they count, and that their number is bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from ingestbox.metrics import Metrics, counter, gauge

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def series(
    metrics: Metrics, seen: Iterable[Metric] = ()
) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text, _ = metrics.render("", seen)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse_text(text.decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return series(metrics)[name, tuple(sorted(labels.items()))]


def test_what_happens_is_counted_once() -> None:
    metrics = Metrics()
    metrics.request("POST", "/api/data-ingest", 200, 0.02, 5_000, None)
    metrics.request("POST", "/api/data-ingest", 422, 0.001, 0, "validation_failed")
    metrics.received("feedback", 30)
    metrics.settled("feedback", {"done": 27, "superseded": 2, "issue": 1}, 0.3)
    metrics.sent("up", "delivered")
    metrics.delivered("up", 26, 1)
    metrics.group(7, 0.004)
    route = {"route": "/api/data-ingest"}
    assert value(metrics, "ingestbox_requests_total", method="POST", status="200", **route) == 1
    assert value(metrics, "ingestbox_requests_total", method="POST", status="422", **route) == 1
    assert value(metrics, "ingestbox_refused_total", code="validation_failed") == 1
    assert value(metrics, "ingestbox_request_duration_seconds_count", **route) == 2
    assert value(metrics, "ingestbox_request_duration_seconds_sum", **route) == pytest.approx(0.021)
    assert value(metrics, "ingestbox_request_body_bytes_sum", **route) == 5_000
    assert value(metrics, "ingestbox_request_body_bytes_count", **route) == 1
    assert value(metrics, "ingestbox_records_received_total", family="feedback") == 30
    assert value(metrics, "ingestbox_records_processed_total", family="feedback", outcome="done") == 27
    assert value(metrics, "ingestbox_records_processed_total", family="feedback", outcome="issue") == 1
    assert value(metrics, "ingestbox_chunk_duration_seconds_count", family="feedback") == 1
    assert value(metrics, "ingestbox_delivery_attempts_total", lane="up", outcome="delivered") == 1
    assert value(metrics, "ingestbox_deliveries_total", lane="up", outcome="delivered") == 26
    assert value(metrics, "ingestbox_deliveries_total", lane="up", outcome="parked") == 1
    assert value(metrics, "ingestbox_writer_group_units_sum") == 7
    assert value(metrics, "ingestbox_writer_commit_seconds_sum") == 0.004


def test_a_stream_has_no_duration() -> None:
    metrics = Metrics()
    metrics.request("GET", "/v1/jobs/{id}/events", 200, -1.0, 0, None)
    assert value(metrics, "ingestbox_request_duration_seconds_count", route="/v1/jobs/{id}/events") == 0
    assert (
        value(metrics, "ingestbox_requests_total", method="GET", route="/v1/jobs/{id}/events", status="200")
        == 1
    )


def test_a_check_of_a_staged_job_is_no_chunk() -> None:
    metrics = Metrics()
    metrics.settled("contacts", {"issue": 3, "discarded": 2}, -1.0)
    for outcome, rows in (("issue", 3), ("discarded", 2)):
        found = value(metrics, "ingestbox_records_processed_total", family="contacts", outcome=outcome)
        assert found == rows
    assert not [name for name, _ in series(metrics) if "chunk_duration" in name]


def test_boxes_in_one_process_do_not_share_counts() -> None:
    one, other = Metrics(), Metrics()
    one.received("feedback", 5)
    assert ("ingestbox_records_received_total", (("family", "feedback"),)) not in series(other)


def test_what_clients_make_up_makes_no_series() -> None:
    metrics = Metrics()
    metrics.request("GET", None, 404, 0.001, 0, "not_found")
    metrics.request("MADE-UP", "/api/jobs", 405, 0.001, 0, "method_not_allowed")
    before = len(series(metrics))
    for number in range(100):
        metrics.request(f"MADE-UP-{number}", "/api/jobs", 405, 0.001, 0, "method_not_allowed")
        metrics.request("GET", None, 404, 0.001, 0, "not_found")
    assert len(series(metrics)) == before
    assert value(metrics, "ingestbox_requests_total", method="other", route="/api/jobs", status="405") == 101
    assert value(metrics, "ingestbox_requests_total", method="GET", route="unmatched", status="404") == 101


def test_both_formats_say_the_same() -> None:
    metrics = Metrics()
    metrics.received("feedback", 5)
    seen = [gauge("things", "Things.", {("a",): 1.0}, "kind"), counter("turns", "Turns.", 3)]
    text, media_type = metrics.render("text/plain", seen)
    assert media_type.startswith("text/plain; version=0.0.4")
    modern, media_type = metrics.render(OPENMETRICS, seen)
    assert media_type.startswith("application/openmetrics-text; version=1.0.0")
    assert modern.endswith(b"# EOF\n")
    parsed_modern = parse_openmetrics(modern.decode())  # type: ignore[no-untyped-call]
    for parsed in (parse_text(text.decode()), parsed_modern):
        samples = {sample.name: sample.value for family in parsed for sample in family.samples}
        assert samples["ingestbox_records_received_total"] == 5
        assert samples["ingestbox_things"] == 1
        assert samples["ingestbox_turns_total"] == 3
        assert samples["ingestbox_build_info"] == 1
        assert not any(name.endswith("_created") for name in samples)


def test_labels_may_hold_any_character() -> None:
    name = 'a"b\\c\nd é'
    found = series(Metrics(), [gauge("odd", "Odd.", {(name,): 1.0}, "name")])
    assert found["ingestbox_odd", (("name", name),)] == 1


def test_what_was_gathered_for_one_text_is_not_in_the_next() -> None:
    metrics = Metrics()
    assert ("ingestbox_gone", ()) in series(metrics, [gauge("gone", "Gone.", 1)])
    assert ("ingestbox_gone", ()) not in series(metrics)


def test_names_are_as_prometheus_asks() -> None:
    metrics = Metrics()
    text, _ = metrics.render("", [])
    for family in parse_text(text.decode()):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", family.name)
        assert family.documentation.endswith(".") or family.name.startswith("python_")
