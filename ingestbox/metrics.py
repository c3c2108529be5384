"""The box's instruments, and their text for Prometheus.

What happens is counted where it happens, through the methods of one `Metrics`, which the appliance hands to
its parts as plain callbacks: nothing is global, so that several boxes in a process do not share counts. What
can be read at any time (the store, lanes, children) is not counted a second time: it is gathered when
somebody asks (`render`).

Names follow Prometheus' rules: `ingestbox_…`, base units, `_total` on counters. Labels are bounded by the
program or its configuration: routes as declared, codes of the catalogue, lanes; never an id or an address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ingestbox import __version__

# Else each counter has a second series, with a time that nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

PREFIX = "ingestbox_"

UNMATCHED = "unmatched"
"""The route of requests that no route takes: their paths must not make series."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""The method of requests with any further one: a client can make up as many as it likes."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Buckets for what takes from a millisecond to a time-out."""

BYTES = tuple(float(4**power) for power in range(4, 15))
"""Buckets for bodies: 256 bytes to 256 MB."""

UNITS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
"""Buckets for the units of a transaction."""


class Metrics:
    """The instruments of one box."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry(auto_describe=False)
        self._seen = _Seen()
        registry.register(self._seen)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._requests = Counter(
            PREFIX + "requests",
            "Requests answered, but for what was no well-formed HTTP.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            PREFIX + "request_duration_seconds",
            "Time from a request's headers to its answer; streams of events do not count.",
            ("route",),
            buckets=SECONDS,
            registry=registry,
        )
        self._bytes = Histogram(
            PREFIX + "request_body_bytes",
            "Size of request bodies on the wire, where the client declared it.",
            ("route",),
            buckets=BYTES,
            registry=registry,
        )
        self._refused = Counter(
            PREFIX + "refused", "Requests answered with an error, by its code.", ("code",), registry=registry
        )
        self._received = Counter(
            PREFIX + "records_received", "Records taken in and on disk.", ("family",), registry=registry
        )
        self._processed = Counter(
            PREFIX + "records_processed",
            "Records with an outcome on disk.",
            ("family", "outcome"),
            registry=registry,
        )
        self._chunks = Histogram(
            PREFIX + "chunk_duration_seconds",
            "Time a chunk took from its reading to its settling, waiting for a child included.",
            ("family",),
            buckets=SECONDS,
            registry=registry,
        )
        self._deliveries = Counter(
            PREFIX + "deliveries",
            "Lines that a lane delivered or parked, once each.",
            ("lane", "outcome"),
            registry=registry,
        )
        self._attempts = Counter(
            PREFIX + "delivery_attempts",
            "Batches sent: delivered, retried (to be sent again), split (not taken whole, and sent again in "
            "pieces), or refused (the lane pauses, or the batch's one line is parked).",
            ("lane", "outcome"),
            registry=registry,
        )
        self._units = Histogram(
            PREFIX + "writer_group_units",
            "Units of work in one transaction.",
            buckets=UNITS,
            registry=registry,
        )
        self._commit = Histogram(
            PREFIX + "writer_commit_seconds",
            "Time of one transaction, its commit to disk included.",
            buckets=SECONDS,
            registry=registry,
        )
        # `labels()` costs more than counting: what it gives for the same labels is kept.
        self._request_parts: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._body_parts: dict[str, Histogram] = {}

    def request(
        self, method: str, route: str | None, status: int, seconds: float, size: int, code: str | None
    ) -> None:
        """A request was answered. `route` is its template, None when there is none; `size` the declared
        bytes of its body; `code` that of its error. Negative `seconds` stand for a stream."""
        place = route or UNMATCHED
        parts = self._request_parts.get((method, place, status))
        if parts is None:
            parts = self._parts_of(method if method in METHODS else OTHER, place, status)
        parts[0].inc()
        if seconds >= 0:
            parts[1].observe(seconds)
        if size:
            self._body_of(place).observe(size)
        if code is not None:
            self._refused.labels(code).inc()

    def received(self, family: str, records: int) -> None:
        """A batch is on disk, and was not before."""
        self._received.labels(family).inc(records)

    def settled(self, family: str, outcomes: Mapping[str, int], seconds: float) -> None:
        """A chunk is on disk, `seconds` after it was begun: so many records `done`, `superseded`, `issue`,
        `discarded`. Negative `seconds` stand for what was no chunk: a check of a staged job."""
        for outcome, records in outcomes.items():
            self._processed.labels(family, outcome).inc(records)
        if seconds >= 0:
            self._chunks.labels(family).observe(seconds)

    def sent(self, lane: str, outcome: str) -> None:
        """A batch was sent: `delivered`, `retried` or `refused`."""
        self._attempts.labels(lane, outcome).inc()

    def delivered(self, lane: str, lines: int, parked: int) -> None:
        """Lines were decided for the first time; `parked` could not be delivered, the others were."""
        self._deliveries.labels(lane, "delivered").inc(lines)
        if parked:
            self._deliveries.labels(lane, "parked").inc(parked)

    def group(self, units: int, seconds: float) -> None:
        """The writer committed a transaction."""
        self._units.observe(units)
        self._commit.observe(seconds)

    def render(self, accept: str, seen: Iterable[Metric]) -> tuple[bytes, str]:
        """Everything as text, and its media type: what `accept` asks for of the text format 0.0.4 and
        OpenMetrics. `seen` is what was gathered just now."""
        encode, media_type = choose_encoder(accept)
        self._seen.metrics = [_build(), *seen]
        return encode(self._registry), media_type

    def _parts_of(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        key = (method, route, status)
        parts = self._request_parts.get(key)
        if parts is None:
            parts = (self._requests.labels(method, route, str(status)), self._seconds.labels(route))
            self._request_parts[key] = parts
        return parts

    def _body_of(self, route: str) -> Histogram:
        part = self._body_parts.get(route)
        if part is None:
            part = self._body_parts[route] = self._bytes.labels(route)
        return part


class _Seen(Collector):
    """What was gathered for the text that is being made."""

    def __init__(self) -> None:
        self.metrics: list[Metric] = []

    def collect(self) -> Iterable[Metric]:
        """The metrics, for the registry."""
        return self.metrics


def gauge(name: str, help_: str, values: float | Mapping[tuple[str, ...], float], *labels: str) -> Metric:
    """A gauge as gathered: a number, or one for each combination of the labels' values."""
    return _filled(GaugeMetricFamily(PREFIX + name, help_, labels=labels), values)


def counter(name: str, help_: str, values: float | Mapping[tuple[str, ...], float], *labels: str) -> Metric:
    """A counter as gathered; `name` without `_total`."""
    return _filled(CounterMetricFamily(PREFIX + name, help_, labels=labels), values)


def _filled(
    family: GaugeMetricFamily | CounterMetricFamily, values: float | Mapping[tuple[str, ...], float]
) -> Metric:
    if isinstance(values, Mapping):
        for labels, value in values.items():
            family.add_metric(labels, value)
    else:
        family.add_metric((), values)
    return family


def _build() -> Metric:
    return gauge("build_info", "Always 1; the version that runs.", {(__version__,): 1}, "version")
