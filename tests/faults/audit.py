"""Compares the journal with what boxes hold, through their front door: lost, doubled, different."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from tests.faults.journal import Journal, Shipment, as_sent, digest
from tests.harness import PATIENCE, BoxProcess, until

SETTLE_SECONDS = 90.0


@dataclass
class Verdict:
    """What is wrong, as sentences; all empty when nothing is."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    landed: list[Shipment] = field(default_factory=list)
    """Shipments that are there, acknowledged or not."""

    def assert_clean(self) -> None:
        """Fails with the first of everything that is wrong."""
        found = {"lost": self.lost, "doubled": self.doubled, "other": self.other}
        wrong = {name: (len(each), each[:5]) for name, each in found.items() if each}
        assert not wrong, wrong


class Reader:
    """GETs over one connection, with little around it: an audit makes thousands."""

    def __init__(self, box: BoxProcess) -> None:
        host, _, port = box.url.removeprefix("http://").rpartition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
        self._headers = {"Authorization": f"Bearer {box.token()}"}

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON."""
        self._connection.request("GET", path, headers=self._headers)
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())

    def must(self, path: str) -> Any:
        """The JSON of a 200."""
        status, body = self.get(path)
        assert status == 200, f"{path}: {status} {body}"
        return body

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()


@contextmanager
def reading(box: BoxProcess) -> Iterator[Reader]:
    """A reader for the time of a block."""
    reader = Reader(box)
    try:
        yield reader
    finally:
        reader.close()


def settle(box: BoxProcess, seconds: float = SETTLE_SECONDS) -> dict[str, Any]:
    """Waits until the box has nothing left to process or to deliver; returns its statistics."""
    with reading(box) as reader:

        def settled() -> dict[str, Any] | None:
            stats: dict[str, Any] = reader.must("/v1/stats")
            idle = not any(stats["jobs"][state] for state in ("receiving", "queued", "running"))
            return stats if idle and not any(lane["pending"] for lane in stats["lanes"]) else None

        return until(settled, "everything is processed and delivered", seconds)


def audit(journal: Journal, box: BoxProcess, upstream: BoxProcess | None = None) -> Verdict:
    """Waits for the boxes to settle, then checks every shipment, every ticket and every sum."""
    stats = settle(box)
    verdict = Verdict(other=list(journal.violations))
    with reading(box) as reader:
        holdings = _holdings(reader, "the box", journal, verdict)
        verdict.landed = _landed(journal, holdings, verdict)
        _check_jobs(reader, journal, verdict)
        _check_tickets("the box", journal, verdict.landed, holdings, verdict)
        _check_sums(stats, verdict)
        _check_doctor(reader, "the box", verdict)
    if upstream is not None:
        with reading(upstream) as reader:
            above = _holdings(reader, "the upstream", journal, verdict)
            _check_tickets("the upstream", journal, verdict.landed, above, verdict)
            _check_doctor(reader, "the upstream", verdict)
            _check_chain(reader, stats, verdict)
    return verdict


def _holdings(reader: Reader, where: str, journal: Journal, verdict: Verdict) -> dict[str, str]:
    """Every id that the box has, with the digest of its content, read one by one."""
    found: dict[str, str] = {}
    cursor = ""
    while True:
        query = {"limit": "500", "cursor": cursor} if cursor else {"limit": "500"}
        page = reader.must("/api/tickets?" + urlencode(query))
        for line in page["results"]:
            if line["ticket_id"] in found:
                verdict.doubled.append(f"{line['ticket_id']} is listed twice by {where}")
            found[line["ticket_id"]] = ""
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
    if page["total"] != len(found):
        verdict.other.append(f"{where} counts {page['total']} tickets and lists {len(found)}")
    sent = {record_id for shipment in journal.shipments for record_id in shipment.digests}
    for record_id in found:
        if record_id not in sent:
            verdict.other.append(f"{where} has {record_id}, which was never sent")
            continue
        status, ticket = reader.get(f"/api/tickets/{quote(record_id, safe='')}")
        if status == 200:
            found[record_id] = digest(as_sent(ticket))
        else:
            verdict.lost.append(f"{where} answers {status} for {record_id}, which it lists")
    return found


def _landed(journal: Journal, holdings: dict[str, str], verdict: Verdict) -> list[Shipment]:
    """What is there. A shipment without an answer may be, but whole; its ids are its own."""
    landed = []
    for shipment in journal.shipments:
        if shipment.acknowledged:
            landed.append(shipment)
        elif shipment.attempts:
            there = sum(record_id in holdings for record_id in shipment.digests)
            if there == len(shipment.digests):
                landed.append(shipment)
            elif there:
                verdict.other.append(f"shipment {shipment.number} is there in part: {there} records")
    return landed


def _check_jobs(reader: Reader, journal: Journal, verdict: Verdict) -> None:
    owners: dict[str, int] = {}
    for shipment in journal.acknowledged():
        job_id = shipment.job_id or ""
        if job_id in owners:
            verdict.other.append(f"shipments {owners[job_id]} and {shipment.number} share job {job_id}")
        owners[job_id] = shipment.number
        status, job = reader.get(f"/api/job/{job_id}")
        if status != 200:
            verdict.lost.append(f"job {job_id} of shipment {shipment.number}: {status}")
            continue
        size = len(shipment.digests)
        said = (job["status"], job["total_records"], job["records_processed"], job["progress"])
        if said != ("completed", size, size, 1.0) or job["sentiment_records"] != size or job["errors"]:
            verdict.other.append(f"job {job_id} of {size} records says {said}, errors {job['errors'][:2]}")


def _check_tickets(
    where: str, journal: Journal, landed: list[Shipment], holdings: dict[str, str], verdict: Verdict
) -> None:
    """Each id holds what its latest shipment said."""
    expected: dict[str, str] = {}
    for shipment in sorted(landed, key=lambda each: each.number):
        expected |= shipment.digests
    for record_id, wanted in expected.items():
        if record_id not in holdings:
            verdict.lost.append(f"{where} has no {record_id}")
        elif holdings[record_id] != wanted:
            older = any(each.digests.get(record_id) == holdings[record_id] for each in journal.shipments)
            verdict.lost.append(f"{where} has {'an older' if older else 'another'} {record_id}")
    for record_id in holdings.keys() - expected.keys():
        verdict.other.append(f"{where} has {record_id} of a shipment that is not there whole")


def _check_sums(stats: dict[str, Any], verdict: Verdict) -> None:
    jobs, records = len(verdict.landed), sum(len(each.digests) for each in verdict.landed)
    if sum(stats["jobs"].values()) != jobs:
        verdict.doubled.append(f"{sum(stats['jobs'].values())} jobs from {jobs} shipments")
    if stats["records"] != records:
        verdict.doubled.append(f"{stats['records']} records stored, {records} sent")
    if stats["processed"] != records or stats["open_issues"]:
        verdict.other.append(f"{stats['processed']} of {records} processed, {stats['open_issues']} issues")
    for lane in stats["lanes"]:
        sums = lane["delivered"] + lane["pending"] + lane["parked"] + lane["discarded"]
        if lane["enqueued"] != sums or lane["parked"] or lane["discarded"]:
            verdict.other.append(f"lane {lane['name']} does not add up: {lane}")


def _check_doctor(reader: Reader, where: str, verdict: Verdict) -> None:
    report = reader.must("/v1/doctor")
    verdict.other += [f"{where}: {each['message']}" for each in report["findings"] if not each["ok"]]


def _check_chain(reader: Reader, stats: dict[str, Any], verdict: Verdict) -> None:
    """The upstream has applied as many lines of this box as the box made, without a gap."""
    boxes = reader.must("/v1/sync/boxes")["boxes"]
    mine = [each for each in boxes if each["box"] == stats["box"]]
    made = stats["lanes"][0]["enqueued"]
    if len(mine) != 1 or mine[0]["last_seq"] != made or mine[0]["gaps"]:
        verdict.other.append(f"{made} deliveries were made; the upstream's chain says {mine}")
