"""How much there is: jobs, records, objects and open issues, from tallies that triggers keep.

They are exact in every transaction and cost no scan; the migrations `0007_observation.sql` and
`0008_tickets.sql` have the triggers. What tickets come to by day and by entity is read by their family, and
compared here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ingestbox.store.readers import ReadTx

if TYPE_CHECKING:
    from ingestbox.store import Store

_COUNTED = (
    *("jobs", "objects", "issues", "refused", "tickets", "totals", "entities", "staged", "contacts"),
    *("companies", "uploads"),
)


@dataclass(frozen=True, slots=True)
class JobTally:
    """The jobs of a family in one state, and their records: all, and those with an outcome."""

    family: str
    state: str
    jobs: int
    records: int
    processed: int


@dataclass(frozen=True, slots=True)
class ObjectTally:
    """The objects of a kind; `remote` ones came from other boxes."""

    family: str
    kind: str
    remote: bool
    objects: int


@dataclass(frozen=True, slots=True)
class Tallies:
    """The numbers of a workspace, or of the whole store; `issues` are the open ones, by family.

    `oldest_ms` is when the oldest unfinished job of the store came in, or None without one. Among more than a
    thousand jobs that are put off it is the oldest of those due first. `staged` are the staged jobs that are
    not at their end, by family and phase.
    """

    jobs: tuple[JobTally, ...]
    objects: tuple[ObjectTally, ...]
    issues: dict[str, int]
    oldest_ms: int | None
    staged: dict[tuple[str, str], int] = field(default_factory=dict)


def read(tx: ReadTx, workspace: str | None) -> Tallies:
    """The numbers of a workspace, or of all (None)."""
    scope = {"workspace": workspace}
    return Tallies(
        jobs=tuple(JobTally(*row) for row in tx.all("tallies.jobs", scope)),
        objects=tuple(
            ObjectTally(family, kind, bool(remote), objects)
            for family, kind, remote, objects in tx.all("tallies.objects", scope)
            if objects
        ),
        issues=dict(tx.all("tallies.issues", scope)),
        oldest_ms=tx.all("tallies.oldest_unfinished")[0][0],
        staged={(family, phase): jobs for family, phase, jobs in tx.all("tallies.staged", scope)},
    )


async def differences(store: Store) -> list[str]:
    """What a true count finds wrong with the tallies, as short phrases; for the doctor.

    It reads jobs, objects, issues, tickets and entities whole: some seconds for a million of each. Raises
    sqlite3.DatabaseError.
    """

    def compare(tx: ReadTx) -> list[str]:
        found = []
        for what in _COUNTED:
            kept = set(tx.all(f"tallies.kept_{what}"))
            true = set(tx.all(f"tallies.true_{what}"))
            found += [_line(f"wrong {what}", row) for row in sorted(kept - true)]
            found += [_line(f"missing {what}", row) for row in sorted(true - kept)]
        return found

    return await store.read_long(compare)


def _line(label: str, row: tuple[Any, ...]) -> str:
    return f"{label}: {' '.join(str(value) for value in row)}"
