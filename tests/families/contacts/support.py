"""Files of contacts at the door of a real box."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2

from ingestbox.model import Role
from tests.harness import PATIENCE, BoxProcess

HEADER = "email,first_name,last_name,company\n"
_numbers = itertools.count(1)


def row(number: int, **fields: str) -> dict[str, str]:
    """A contact; `number` gives it its address."""
    return {
        "email": f"anna{number}@example.com",
        "first_name": "Anna",
        "last_name": f"Lee {number}",
        "company": "Acme",
        **fields,
    }


def content(rows: int = 2) -> bytes:
    """A file that no earlier call has given."""
    lines = [",".join(row(next(_numbers)).values()) for _ in range(rows)]
    return (HEADER + "\n".join(lines) + "\n").encode()


@contextlib.contextmanager
def person(box: BoxProcess, subject: str, *roles: Role) -> Iterator[httpx2.Client]:
    """A client of somebody's own."""
    token = box.token(*(roles or (Role.UPLOADER,)), subject=subject)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(
        base_url=box.url, headers=headers, timeout=PATIENCE, trust_env=False, verify=False
    ) as client:
        yield client


def send(
    client: httpx2.Client, name: str, body: bytes, path: str = "/jobs/upload", **options: Any
) -> httpx2.Response:
    """Posts a file."""
    return client.post(path, files={"file": (name, body)}, **options)


def taken(client: httpx2.Client, name: str, body: bytes, **options: Any) -> dict[str, Any]:
    """Posts a file that is to be taken; the answer."""
    reply = send(client, name, body, **options)
    assert reply.status_code == 201, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def previewed(client: httpx2.Client, name: str, body: bytes, **options: Any) -> dict[str, Any]:
    """How a file would be read."""
    reply = send(client, name, body, "/jobs/preview", **options)
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def refused(reply: httpx2.Response, status: int, detail: str) -> Mapping[str, Any]:
    """The body of a refusal, with exactly this detail."""
    body: dict[str, Any] = reply.json()
    assert (reply.status_code, body["detail"]) == (status, detail), reply.text
    assert body["request_id"] == reply.headers["X-Request-ID"]
    assert isinstance(body["code"], str)
    return body


def stored(box: BoxProcess) -> set[Path]:
    """The files in the data folder that hold what people sent."""
    return {path for name in ("incoming", "files") for path in (box.data / name).iterdir()}


def fields(body: Mapping[str, Any]) -> dict[str, str]:
    """Field → column, of an answer's mapping."""
    return {each["field"]: each["column"] for each in body["mapping"] if each["field"]}
