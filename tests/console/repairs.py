"""Imports whose rows wait for a person at the console, and the same person at the API."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx2

from tests.console.support import PASSWORD, signed_in
from tests.harness import PATIENCE, BoxProcess
from tests.web.v1.imports import records
from tests.web.v1.support import Json


@contextlib.contextmanager
def at_the_api(box: BoxProcess, email: str) -> Iterator[httpx2.Client]:
    """A program of somebody who has signed in at the console."""
    with httpx2.Client(base_url=box.url, timeout=PATIENCE, trust_env=False, verify=False) as client:
        given = {"email": email, "password": PASSWORD}
        session = client.post("/api/auth/login", json=given).raise_for_status().json()
        client.headers["Authorization"] = f"Bearer {session['access_token']}"
        yield client


def window(
    box: BoxProcess, *roles: str, workspace: str = "default", email: str = ""
) -> contextlib.closing[httpx2.Client]:
    """A browser without pages of somebody who is signed in (`support.signed_in`), closed in the end."""
    return contextlib.closing(signed_in(box, *roles, workspace=workspace, email=email))


def cells(client: httpx2.Client, job: Json, name: str) -> list[object]:
    """What the rows of an import have in a column, in their order."""
    return [each["payload"].get(name) for each in records(client, job["id"], payload="true")]


def states(client: httpx2.Client, job: Json) -> list[str]:
    return [each["state"] for each in records(client, job["id"])]
