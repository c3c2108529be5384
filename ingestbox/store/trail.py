"""What the lines of the audit trail are about, as people call it: who, which row of which import.

It is looked up when the lines are read: names are not kept in the trail, and go where their owners go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Literal

from msgspec import Meta
from msgspec.structs import asdict

from ingestbox.store import ReadTx, Store, records
from ingestbox.store.audit import AuditLine
from ingestbox.store.keys import NOUN as KEY
from ingestbox.store.users import NOUN as USER

AT_ONCE = 100
"""Lines that one read looks things up for: some 5 ms."""

OPERATIONS = ("issue.bulk", "rule.apply")
"""Actions that can be taken back as a whole: the line's id is the operation's."""

Undo = Literal["possible", "done"]


class ToldLine(AuditLine, frozen=True):
    """A line, and what it is about by its name, as far as that is there still."""

    actor_name: Annotated[
        str | None, Meta(description="The address of the user, or the name of the key, that did it.")
    ] = None
    job: Annotated[str | None, Meta(description="The job of what it was done to: its public id.")] = None
    job_name: Annotated[
        str | None, Meta(description="What that job came as, such as the name of a file.")
    ] = None
    row: Annotated[int | None, Meta(description="Of a record: its place in that job, from 1.")] = None
    undo: Annotated[
        Undo | None,
        Meta(description="Whether POST /v1/audit/{id}/undo takes it back, or did; null: neither."),
    ] = None


async def told(store: Store, lines: list[AuditLine]) -> list[ToldLine]:
    """The lines with what they are about."""
    found: list[ToldLine] = []
    for start in range(0, len(lines), AT_ONCE):
        run = lines[start : start + AT_ONCE]
        found += await store.read_with(_Telling(run).read)
    return found


class _Telling:
    """Some lines, told in one read; what several are about is looked up once."""

    def __init__(self, lines: Iterable[AuditLine]) -> None:
        self._lines = lines
        self._names: dict[str, str | None] = {}
        self._jobs: dict[int, tuple[str, str, str] | None] = {}

    def read(self, tx: ReadTx) -> list[ToldLine]:
        """The lines, told."""
        return [self._told(tx, line) for line in self._lines]

    def _told(self, tx: ReadTx, line: AuditLine) -> ToldLine:
        if line.actor not in self._names:
            self._names[line.actor] = name_of(tx, line.actor)
        job_id, row = _PLACES.get(line.object, _nowhere)(tx, line.object_id)
        job = None if job_id is None else self._job(tx, job_id)
        if job is None or line.workspace != job[2]:
            job, row = None, None  # the trail of one workspace tells nothing of another's jobs
        return ToldLine(
            **asdict(line),
            actor_name=self._names[line.actor],
            job=None if job is None else job[0],
            job_name=None if job is None else job[1],
            row=row,
            undo=_undo(tx, line),
        )

    def _job(self, tx: ReadTx, job_id: int) -> tuple[str, str, str] | None:
        if job_id not in self._jobs:
            found = tx.one("trail.job", {"id": job_id})
            self._jobs[job_id] = None if found is None else (found[0], found[1], found[2])
        return self._jobs[job_id]


def name_of(tx: ReadTx, actor: str) -> str | None:
    """What an actor is called: a user's address, a key's name; None for others, and for who is gone."""
    kind, _, text = actor.partition(":")
    query = {USER: "trail.user", KEY: "trail.key"}.get(kind)
    number = _number(text)
    row = None if query is None or number is None else tx.one(query, {"id": number})
    return None if row is None else str(row[0])


_Place = tuple[int | None, int | None]


def _nowhere(_tx: ReadTx, _object_id: str) -> _Place:
    return None, None


def _of_record(_tx: ReadTx, object_id: str) -> _Place:
    number = _number(object_id)
    if number is None:
        return None, None
    job_id, index = records.place(number)
    return job_id, index + 1


def _of_issue(tx: ReadTx, object_id: str) -> _Place:
    number = _number(object_id)
    row = None if number is None else tx.one("trail.issue", {"id": number})
    return (None, None) if row is None else (records.place(row[0])[0], None)


def _of_job(tx: ReadTx, object_id: str) -> _Place:
    row = tx.one("trail.job_of_public_id", {"public_id": object_id})
    return (None, None) if row is None else (int(row[0]), None)


_PLACES: dict[str, Callable[[ReadTx, str], _Place]] = {
    "record": _of_record,
    "issue": _of_issue,
    "job": _of_job,
}


def _undo(tx: ReadTx, line: AuditLine) -> Undo | None:
    if line.action not in OPERATIONS:
        return None
    row = tx.one("trail.operation", {"id": int(line.id)})
    return None if row is None else "possible" if row[0] is None else "done"


def _number(text: str) -> int | None:
    """An id; None for a text that is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
