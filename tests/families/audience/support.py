"""Batches of audience records at the door of a real box."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2

from ingestbox.families.audience.shapes import PATH
from ingestbox.model import Role
from tests.harness import PATIENCE, BoxProcess, until

T = TypeVar("T")

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class People:
    """Clients of one box: two users and an administrator of a workspace, and a user of another one."""

    anna: httpx2.Client
    boris: httpx2.Client
    admin: httpx2.Client
    stranger: httpx2.Client
    workspace: str


@contextmanager
def people(box: BoxProcess) -> Iterator[People]:
    """Somebody new each time, in workspaces that nobody else has."""
    number = next(_numbers)
    here, there = f"here-{number}", f"there-{number}"
    with ExitStack() as stack:

        def client(subject: str, role: Role, workspace: str) -> httpx2.Client:
            who = f"{subject}-{number}"
            return stack.enter_context(box.client(role, subject=who, workspace=workspace))

        yield People(
            anna=client("anna", Role.UPLOADER, here),
            boris=client("boris", Role.UPLOADER, here),
            admin=client("ada", Role.ADMIN, here),
            stranger=client("sam", Role.UPLOADER, there),
            workspace=here,
        )


def person(number: int, **members: object) -> dict[str, object]:
    """A record that is good; `number` gives it its address."""
    return {
        "business_email": f"test{number}@example.com",
        "first_name": "Test",
        "last_name": f"Person {number}",
        **members,
    }


def send(
    client: httpx2.Client, records: object, name: object = "test_upload", **options: Any
) -> httpx2.Response:
    """Posts a batch; `body` adds members to it, `params` and `headers` are the request's."""
    body = {"upload_name": name, "records": records, **options.pop("body", {})}
    return client.post(PATH, json=body, **options)


def post(
    client: httpx2.Client, records: Sequence[Mapping[str, object]], name: str = "test_upload", **options: Any
) -> str:
    """Posts a batch that is to be taken; its `upload_id`."""
    reply = send(client, list(records), name, **options)
    assert reply.status_code == 200, reply.text
    upload_id: str = reply.json()["upload_id"]
    return upload_id


def read(client: httpx2.Client, upload_id: str, **params: Any) -> dict[str, Any]:
    """An upload as it is read."""
    reply = client.get(f"{PATH}/{upload_id}", params=params)
    assert reply.status_code == 200, reply.text
    upload: dict[str, Any] = reply.json()
    return upload


def wait_processed(client: httpx2.Client, upload_id: str, seconds: float = PATIENCE) -> dict[str, Any]:
    """The upload, once there is a result of each record that waits on no issue."""

    def processed() -> dict[str, Any] | None:
        upload = read(client, upload_id)
        return upload if upload["rows_processed"] == upload["rows_stored"] else None

    return until(processed, f"upload {upload_id} is processed", seconds)


def refused(reply: httpx2.Response, status: int, message: str) -> dict[str, Any]:
    """The body of a refusal in the family's shape, with exactly this message."""
    body: dict[str, Any] = reply.json()
    assert (reply.status_code, body["message"]) == (status, message), reply.text
    assert body["status"] == "error"
    assert body["request_id"] == reply.headers["X-Request-ID"]
    assert isinstance(body["code"], str)
    return body


def turns_of(work: Coroutine[Any, Any, T]) -> tuple[T, int]:
    """What a coroutine gives, and how often others had their turn meanwhile."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def both() -> T:
        counting = asyncio.create_task(count())
        try:
            return await work
        finally:
            counting.cancel()

    return asyncio.run(both()), turns
