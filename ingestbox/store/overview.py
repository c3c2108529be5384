"""What a person's work comes to in numbers: of shared families the workspace's, of private ones their own.

The former come from tallies and cost no scan (`tallies`); the latter from the person's newest jobs.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from ingestbox.model import JobState
from ingestbox.store import tallies
from ingestbox.store.readers import ReadTx
from ingestbox.store.sight import Sight
from ingestbox.store.tallies import ObjectTally

NEWEST = 5_000
"""How many jobs of a person are counted at most: some 10 ms."""

UNFINISHED = frozenset({JobState.QUEUED.value, JobState.RUNNING.value})


@dataclass(frozen=True, slots=True)
class FamilyCounts:
    """One family: jobs by state, their records, those of unfinished jobs that are pending, open issues."""

    jobs: dict[str, int] = field(default_factory=dict)
    records: int = 0
    pending: int = 0
    issues: int = 0

    def with_jobs(self, state: str, jobs: int, records: int, processed: int) -> FamilyCounts:
        """These and some jobs in a state."""
        if state == JobState.RECEIVING or not jobs:
            return self
        waits = records - processed if state in UNFINISHED else 0
        return replace(
            self,
            jobs={**self.jobs, state: self.jobs.get(state, 0) + jobs},
            records=self.records + records,
            pending=self.pending + waits,
        )


@dataclass(frozen=True, slots=True)
class Counts:
    """By family; and the objects."""

    families: dict[str, FamilyCounts]
    objects: tuple[ObjectTally, ...]


def read(tx: ReadTx, families: Collection[str], jobs: Sight, issues: Sight) -> Counts:
    """What is seen of these families: jobs and objects within the one sight, open issues within the other."""
    found = tallies.read(tx, jobs.workspace)
    counts: dict[str, FamilyCounts] = {}
    objects = [each for each in found.objects if not _own_alone(jobs, each.family)]
    for family in sorted(families):
        own_jobs, own_issues = _own_alone(jobs, family), _own_alone(issues, family)
        made = _made(tx, family, jobs if own_jobs else issues) if own_jobs or own_issues else FamilyCounts()
        one = made
        if not own_jobs:
            one = FamilyCounts(issues=made.issues if own_issues else found.issues.get(family, 0))
            for each in found.jobs:
                if each.family == family:
                    one = one.with_jobs(each.state, each.jobs, each.records, each.processed)
        counts[family] = one
        if own_jobs and tx.has(f"{family}.held"):
            scope = {"workspace": jobs.workspace, "owner": jobs.subject}
            objects += [
                ObjectTally(family, kind, False, number)
                for kind, number in tx.all(f"{family}.held", scope)
                if number
            ]
    return Counts(counts, tuple(objects))


def _own_alone(sight: Sight, family: str) -> bool:
    return sight.subject is not None and family in sight.private


def _made(tx: ReadTx, family: str, sight: Sight) -> FamilyCounts:
    scope = {"workspace": sight.workspace, "family": family, "subject": sight.subject, "limit": NEWEST}
    made = FamilyCounts()
    for state, jobs, records, processed, issues in tx.all("overview.made", scope):
        made = made.with_jobs(state, jobs, records, processed)
        made = replace(made, issues=made.issues + issues)
    return made
