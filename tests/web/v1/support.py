"""Batches with records that wait for a person, and what `/v1` says of them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from typing import Any

import httpx2

from tests.harness import BoxProcess, post_tickets, ticket, until, wait_job

Json = dict[str, Any]

CALLS = (
    ("GET", "/v1/jobs/{job}"),
    ("GET", "/v1/jobs/{job}/records"),
    ("GET", "/v1/jobs/{job}/events"),
    ("POST", "/v1/jobs/{job}/cancel"),
    ("POST", "/v1/jobs/{job}/reprocess"),
    ("GET", "/v1/records/{record}"),
    ("PATCH", "/v1/records/{record}"),
    ("GET", "/v1/issues?job={job}"),
    ("GET", "/v1/issues/{issue}"),
    ("POST", "/v1/issues/{issue}/resolve"),
    ("GET", "/v1/deliveries/{delivery}"),
)
"""Every call that names something."""


def under_way(client: httpx2.Client, job: str) -> Json:
    """The job once some of it is done, and some is not."""

    def begun() -> Json | None:
        found = get(client, f"/v1/jobs/{job}")
        return found if found["counts"]["finished"] else None

    found = until(begun, "some of the job is done")
    assert found["processed"] < found["total"]
    return found


@contextlib.contextmanager
def held(box: BoxProcess) -> Iterator[None]:
    """The box's children stand still meanwhile, so that a job under way stays so. They have to be at work:
    one that has not begun yet would hold up the box itself."""
    children = box.children()
    assert children
    for pid in children:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def get(client: httpx2.Client, path: str, **query: str | int) -> Json:
    found: Json = client.get(path, params=query).raise_for_status().json()
    return found


def post(client: httpx2.Client, path: str, body: object = None, **query: str | int) -> Json:
    reply = client.post(path, json=body, params=query)
    assert reply.status_code == 200, reply.text
    found: Json = reply.json()
    return found


def refused(reply: httpx2.Response, status: int, code: str) -> Json:
    """The problem, once it is this one."""
    assert (reply.status_code, reply.json()["code"]) == (status, code), reply.text
    found: Json = reply.json()
    return found


def partial(client: httpx2.Client, prefix: str, good: int = 2, bad: int = 1) -> str:
    """A job with `good` tickets and, after them, `bad` ones without a text; analysed. Gives its id."""
    records = [ticket(number, id=f"{prefix}-{number}") for number in range(good)]
    records += [{"id": f"{prefix}-{good + number}", "summary": " ", "vip": 1.50} for number in range(bad)]
    job: str = post_tickets(client, records, params={"mode": "partial"})["job_id"]
    wait_job(client, job)
    return job


def waiting(client: httpx2.Client, job: str) -> list[Json]:
    """The open issues of a job in the order of its records."""
    found = get(client, "/v1/issues", job=job, state="open", limit=500)["issues"]
    return sorted(found, key=lambda issue: int(issue["record"]))


def settled(client: httpx2.Client, job: str) -> Json:
    """The job once nothing more happens to it."""

    def ended() -> Json | None:
        found = get(client, f"/v1/jobs/{job}")
        return found if found["state"] in ("completed", "failed", "cancelled") else None

    return until(ended, f"job {job} is at its end")


def counts(job: Json) -> tuple[int, int, int, int]:
    """Pending, finished, issue, discarded; checked against the job's own numbers."""
    found = job["counts"]
    four = (found["pending"], found["finished"], found["issue"], found["discarded"])
    assert sum(four) == job["total"]
    assert job["issues"] == found["issue"]
    assert job["processed"] == job["total"] - found["pending"]
    return four


def states(client: httpx2.Client, job: str) -> list[str]:
    """The state of each record of a job, in order."""
    return [each["state"] for each in everything(client, f"/v1/jobs/{job}/records", "records")]


def everything(client: httpx2.Client, path: str, member: str, **query: str | int) -> list[Json]:
    """A list to its end, page by page."""
    found: list[Json] = []
    cursor: dict[str, str] = {}
    while True:
        page = get(client, path, **query, **cursor)
        found += page[member]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def numbers(found: Sequence[Json], member: str = "id") -> list[int]:
    return [int(each[member]) for each in found]
