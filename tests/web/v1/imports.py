"""Imports of contacts whose rows wait for a person, as several people make them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import httpx2

from ingestbox.model import Role
from tests.harness import PATIENCE, BoxProcess, until
from tests.web.v1.support import Json, get

HEADER = "email,first_name,last_name,company"
PEOPLE = (Role.UPLOADER, Role.EDITOR, Role.ANALYST)
"""The roles of somebody who may do everything with contacts of their own."""

SETTLED = ("review", "completed", "failed", "cancelled")


@contextlib.contextmanager
def person(
    box: BoxProcess, subject: str, *roles: Role, workspace: str = "default"
) -> Iterator[httpx2.Client]:
    """An HTTP client of somebody; without roles with those of PEOPLE."""
    token = box.token(*(roles or PEOPLE), subject=subject, workspace=workspace)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(
        base_url=box.url, headers=headers, timeout=PATIENCE, trust_env=False, verify=False
    ) as client:
        yield client


def row(email: str, first: str = "Anna", last: str = "Lee", company: str = "Acme") -> str:
    return f"{email},{first},{last},{company}"


def upload(client: httpx2.Client, name: str, rows: Sequence[str], header: str = HEADER) -> Json:
    """The job of a file with these rows, once nothing more happens to it by itself."""
    text = "\n".join([header, *rows, ""])
    reply = client.post("/jobs/upload", files={"file": (f"{name}.csv", text.encode())})
    assert reply.status_code == 201, reply.text
    newest = get(client, "/v1/jobs", family="contacts", limit=1)["jobs"][0]
    assert newest["name"] == f"{name}.csv"
    return still(client, newest["id"])


def still(client: httpx2.Client, job: str) -> Json:
    """The job once nothing more happens to it by itself."""

    def found() -> Json | None:
        now = get(client, f"/v1/jobs/{job}")
        return now if now["state"] in SETTLED and now["staging"]["phase"] != "undoing" else None

    return until(found, f"import {job} stands still")


def records(client: httpx2.Client, job: str, **query: str | int) -> list[Json]:
    found: list[Json] = get(client, f"/v1/jobs/{job}/records", limit=500, **query)["records"]
    return found


def open_issues(client: httpx2.Client, job: str) -> dict[str, Json]:
    """The open issues of a job, by code; of one code there is one."""
    found = get(client, "/v1/issues", job=job, state="open", limit=500)["issues"]
    assert len({issue["code"] for issue in found}) == len(found)
    return {issue["code"]: issue for issue in found}
