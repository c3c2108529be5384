"""People who import contacts, over real HTTP, and what the store holds of their imports."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import httpx2

from ingestbox.model import Role, record_id
from ingestbox.store import DATABASE
from ingestbox.store.engine import connect_reader
from tests.harness import PATIENCE, BoxProcess, until

HEADER = "email,first_name,last_name,company"
BOTH = (Role.UPLOADER, Role.EDITOR)

_numbers = itertools.count(1)


class Person:
    """Somebody with their own imports and contacts."""

    def __init__(self, box: BoxProcess, *roles: Role, subject: str = "", workspace: str = "default") -> None:
        self.box = box
        self.subject = subject or f"person-{next(_numbers)}"
        token = box.token(*(roles or BOTH), subject=self.subject, workspace=workspace)
        self.client = httpx2.Client(
            base_url=box.url,
            # Nothing to close at the end, also after a box was killed.
            headers={"Authorization": f"Bearer {token}", "Connection": "close"},
            timeout=PATIENCE,
            trust_env=False,
            verify=False,
        )

    def upload(self, *lines: str, header: str = HEADER, name: str = "") -> int:
        """The job of a file with these rows."""
        content = "\n".join([header, *lines, ""]).encode()
        files = {"file": (name or f"file-{next(_numbers)}.csv", content, "text/csv")}
        answer = self.client.post("/jobs/upload", files=files)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["job_id"])

    def job(self, job_id: int) -> dict[str, Any]:
        """The job as it is."""
        found: dict[str, Any] = self.client.get(f"/jobs/{job_id}").raise_for_status().json()
        return found

    def settled(self, job_id: int) -> dict[str, Any]:
        """The job once nothing works on it."""

        def rests() -> dict[str, Any] | None:
            job = self.job(job_id)
            return None if job["job_status"] in ("PENDING", "PROCESSING") else job

        return until(rests, f"job {job_id} rests")

    def imported(self, *lines: str, **options: Any) -> tuple[int, dict[str, Any]]:
        """A file taken in, and its job once nothing works on it."""
        job_id = self.upload(*lines, **options)
        return job_id, self.settled(job_id)

    def issues(self, job_id: int) -> list[dict[str, Any]]:
        """Its issues, oldest first."""
        found = self.client.get(f"/issues/job/{job_id}").raise_for_status().json()
        return list(reversed(found["issues"]))

    def issue(self, job_id: int, kind: str) -> dict[str, Any]:
        """Its only issue of a type."""
        (found,) = [each for each in self.issues(job_id) if each["issue_type"] == kind]
        return found

    def row(self, job_id: int, number: int) -> httpx2.Response:
        """A row, by its number from 1."""
        return self.client.get(f"/staging/{staging_id(job_id, number)}").raise_for_status()

    def put_row(self, job_id: int, number: int, *, headers: Any = None, **cells: object) -> httpx2.Response:
        """Changes a row: `status`, `email` …"""
        body = {f"staging_{name}": cell for name, cell in cells.items()}
        return self.client.put(f"/staging/{staging_id(job_id, number)}", json=body, headers=headers or {})

    def put_issue(self, issue_id: int, headers: Any = None, **members: object) -> Any:
        """Says something of an issue."""
        return self.client.put(f"/issues/{issue_id}", json=members, headers=headers or {})

    def reprocessed(self, job_id: int) -> dict[str, Any]:
        """The job after it went on."""
        answer = self.client.post(f"/jobs/{job_id}/reprocess")
        assert answer.status_code == 200, answer.text
        return self.settled(job_id)

    def contacts(self) -> dict[str, dict[str, Any]]:
        """This person's contacts, by address."""
        found = self.client.get("/contacts").raise_for_status().json()
        assert found["total"] == len(found["contacts"])
        return {each["contact_email"]: each for each in found["contacts"]}


def staging_id(job_id: int, number: int) -> int:
    """The id of a row, by its number from 1."""
    return record_id(job_id, number - 1)


def line(number: int, **cells: str) -> str:
    """A row that is right, but for what `cells` say."""
    row = {"email": f"p{number}@example.com", "first_name": f"P{number}", "last_name": "Q", "company": "R"}
    return ",".join({**row, **cells}.values())


BAD = line(1, email="no address")


def stored(box: BoxProcess, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of the box's database."""
    connection = connect_reader(box.data / DATABASE)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


def payload(box: BoxProcess, job_id: int, number: int) -> dict[str, Any]:
    """A row as it is stored."""
    ((found,),) = stored(box, "SELECT payload FROM records WHERE id = ?", staging_id(job_id, number))
    decoded: dict[str, Any] = json.loads(found)
    return decoded


def trail(box: BoxProcess, noun: str, object_id: object) -> list[dict[str, Any]]:
    """What the audit trail has of something, oldest first."""
    rows = stored(
        box,
        "SELECT actor, action, before, after, request_id FROM audit WHERE object = ? AND object_id = ?"
        " ORDER BY id",
        noun,
        str(object_id),
    )
    return [
        {
            "actor": actor,
            "action": action,
            "before": json.loads(before or "null"),
            "after": json.loads(after or "null"),
            "request_id": request_id,
        }
        for actor, action, before, after, request_id in rows
    ]


def public_id(box: BoxProcess, job_id: int) -> str:
    """What `/v1` calls a job."""
    ((found,),) = stored(box, "SELECT public_id FROM jobs WHERE id = ?", job_id)
    return str(found)


def check_counts(box: BoxProcess, job_id: int) -> None:
    """Everything that is counted of a job is what counting again gives."""
    ((processed, issues, discarded, total, open_issues, seen),) = stored(
        box,
        "SELECT j.processed, j.issues, j.discarded, j.total, s.open_issues, s.issues_seen"
        " FROM jobs AS j JOIN staged_jobs AS s ON s.job_id = j.id WHERE j.id = ?",
        job_id,
    )
    states = [row[0] for row in stored(box, "SELECT state FROM records WHERE id >> 24 = ?", job_id)]
    resolved = [row[0] for row in stored(box, "SELECT resolved_ms FROM issues WHERE job_id = ?", job_id)]
    assert total == len(states)
    assert processed == total - states.count("pending")
    assert issues == states.count("issue")
    assert discarded == states.count("discarded")
    assert open_issues == resolved.count(None)
    assert seen == len(resolved)
    links = stored(
        box,
        "SELECT COUNT(*) FROM issue_records AS l JOIN records AS r ON r.id = l.record_id"
        " WHERE l.given_up <> (r.state = 'discarded') AND r.id >> 24 = ?",
        job_id,
    )
    assert links == [(0,)]


def is_refused(answer: httpx2.Response, status: int, code: str, sentence: str = "") -> None:
    """The answer is this error, in the family's shape."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["code"] == code
    assert isinstance(body["detail"], str)
    assert sentence in body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]


Call = Callable[[Person, int], httpx2.Response]
"""A call of one person on the job of another."""
