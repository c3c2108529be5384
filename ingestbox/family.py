"""The contract that a family fulfils, and what the box offers to a family's handlers.

A family is data and pure functions: routes, decoding of bodies into records with per-record faults,
`process` for chunks (run in a child process), and how its states and errors look on the wire. Everything
else (identity, limits, idempotency, storing, queueing, progress, issues, forwarding) is done once, outside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from ingestbox.config import Limits
from ingestbox.errors import Fault, IngestError
from ingestbox.model import Caller, Chunk, Job, JobState, Notice, Outcome, Role

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Intake(msgspec.Struct, frozen=True):
    """One record of a batch: its key (the object's id), its bytes as received, and what is wrong with it.

    A record with a fault is stored as an issue (only in a batch taken with `mode=partial`); one that a later
    record of the same batch replaces is stored as superseded.
    """

    key: str
    payload: bytes
    fault: Fault | None = None
    superseded: bool = False


class Batch(msgspec.Struct, frozen=True):
    """What a body was decoded into, ready to be stored under one job."""

    family: str
    source: str
    name: str
    records: Sequence[Intake]
    warnings: Sequence[Notice] = ()


class Reply(msgspec.Struct, frozen=True):
    """An answer: `body` is encoded as JSON, unless it is bytes that already are."""

    body: object
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class Box(Protocol):
    """What a handler may ask of the box. Every call is scoped by the caller it is given."""

    async def accept(
        self,
        ask: Ask,
        batch: Batch,
        answer: Callable[[str, int], object],
    ) -> Reply:
        """Stores the batch durably and rings for it; the reply is sent only after the commit.

        `answer(public_id, internal_id)` builds the body of the 200. Honours Idempotency-Key: a repeat gets
        the stored answer. Raises IngestError (idempotency_mismatch, request_in_progress, overloaded,
        storage_full, store_unavailable).
        """

    async def job(self, caller: Caller, family: str, public_id: str) -> Job | None:
        """The caller's job, or None when it does not exist or is out of sight."""

    async def jobs(self, caller: Caller, family: str, states: Sequence[JobState], limit: int) -> list[Job]:
        """The caller's newest jobs of a family, filtered by state before the limit is applied."""

    async def faults(self, job: Job, limit: int) -> list[Fault]:
        """The open issues of a job, by record index."""

    async def read(self, query: str, params: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Rows of one of the family's own read queries (`<family>.<name>` in its queries.sql)."""


class Ask(Protocol):
    """One request, authenticated and with its body read, as a handler sees it."""

    method: str
    url_path: str  # the path as it was asked for
    route_path: str  # the route's path, with its placeholders
    query_string: str
    headers: Mapping[str, str]  # names in lower case
    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    box: Box
    limits: Limits


class Route(msgspec.Struct, frozen=True):
    """One endpoint, as data: web binds it.

    `roles` empty admits every authenticated caller. `body_limit` names a field of `[limits]` ending in
    `_mb` or `_kb`; None means the call takes no body. `summary` is for the API's documentation.
    `media_types` are the body's; `application/json` also admits every `…+json`.
    """

    method: Method
    path: str
    handler: Callable[[Any], Awaitable[Reply]]
    summary: str
    roles: frozenset[Role] = frozenset()
    body_limit: str | None = None
    media_types: tuple[str, ...] = ("application/json",)


class Family(msgspec.Struct, frozen=True):
    """A kind of data the box takes in.

    `process` names a function `(Chunk) -> list[Outcome]` as `module:function`; it runs in a child process
    that imports that module alone, so the module must be light and pure. `project` gives the named values
    of the query `<name>.put_<kind>` from a delivery's record and result (both JSON); it serves a central
    box, where results arrive finished. `kinds` are the kinds
    of objects the family puts; `queries` is its file of named SQL.
    """

    name: str
    kinds: frozenset[str]
    queries: Path
    routes: Sequence[Route]
    process: str
    project: Callable[[str, bytes, bytes], dict[str, str | int | float | None]]
    error_body: Callable[[IngestError, str], dict[str, object]]


Process = Callable[[Chunk], list[Outcome]]
"""The type of the function that `Family.process` names."""

DEFAULT_LIMIT = 50
MAX_LIMIT = 500


def limit_of(query: Mapping[str, str]) -> int:
    """The `limit` of a list (contract: common, Answers). Raises IngestError `bad_parameter`."""
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_LIMIT):
        raise IngestError("bad_parameter", f"limit must be a whole number from 1 to {MAX_LIMIT}.")
    return int(text)
