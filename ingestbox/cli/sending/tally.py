"""What a call of `send` has come to, and what it says at the end."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

SHOWN = 20
"""How many refused records are named; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A record the box did not take, or could not process: where it lies and why. `along`: nothing is wrong
    with it, but with others of its batch."""

    place: str
    message: str
    along: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """An upload that is processed: its id and name, how many records it has, how many of these are duplicates
    of others or have an invalid address, and how many more wait as issues."""

    upload_id: str
    upload_name: str
    records: int
    duplicates: int
    invalid: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Articles:
    """A batch of articles that is processed: how many of them are completed, or failed; those that are of low
    quality and wait for a person before they are forwarded; and how many were there already."""

    batch_id: str
    completed: int
    failed: int
    low: list[Refused]
    duplicates: int

    def added_to(self, other: Articles | None) -> Articles:
        """The batch with another chunk of it."""
        if other is None:
            return self
        return Articles(
            self.batch_id,
            self.completed + other.completed,
            self.failed + other.failed,
            [*other.low, *self.low],
            self.duplicates + other.duplicates,
        )


@dataclass(slots=True)
class Tally:
    """Counts so far. `repeated` are jobs that an earlier call had made already; `files` says of each file of
    rows what the box assumes of it, `looked` of each upload what was found out, `articles` of each batch of
    them. A job is called `noun`."""

    noun: str = "job"

    taken: int = 0
    bytes: int = 0
    jobs: list[str] = field(default_factory=list)
    repeated: int = 0
    refused: list[Refused] = field(default_factory=list)
    completed: int = 0
    failed: list[str] = field(default_factory=list)
    files: list[dict[str, object]] = field(default_factory=list)
    refused_files: list[Refused] = field(default_factory=list)
    issues: list[Refused] = field(default_factory=list)
    looked: list[Looked] = field(default_factory=list)
    articles: dict[str, Articles] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every record was taken and nothing failed afterwards."""
        return not (self.refused or self.refused_files or self.failed or self.issues)

    def report(self, seconds: float, url: str, waited: bool) -> dict[str, object]:
        """The summary as `--json` prints it; `processed` is null unless it was waited for."""
        return {
            "ok": self.ok,
            "url": url,
            "records": self.taken,
            "bytes": self.bytes,
            "jobs": self.jobs,
            "repeated_jobs": self.repeated,
            "seconds": round(seconds, 3),
            "records_per_second": self._rate(seconds),
            "refused": [{"place": each.place, "message": each.message} for each in self.refused],
            "completed_jobs": self.completed if waited else None,
            "failed_jobs": self.failed if waited else None,
            "issues": [{"place": each.place, "message": each.message} for each in self.issues],
            "files": self.files,
            "refused_files": [{"place": each.place, "message": each.message} for each in self.refused_files],
            "uploads": [asdict(each) for each in self.looked],
            "batches": [
                {
                    "batch_id": each.batch_id,
                    "completed": each.completed,
                    "failed": each.failed,
                    "low_quality": [{"place": one.place, "message": one.message} for one in each.low],
                    "duplicates": each.duplicates,
                }
                for each in self.articles.values()
            ],
        }

    def lines(self, seconds: float, waited: bool) -> list[str]:
        """The summary for people: what went wrong first, one line of counts last."""
        said = [f"Failed job: {job}" for job in self.failed]
        said += _first("Refused file", self.refused_files)
        refused = sorted(self.refused, key=lambda each: each.along)  # what is to be put right comes first
        said += _first("Refused", refused) + _first("Not processed", self.issues)
        said += _first("Low quality", [one for each in self.articles.values() for one in each.low])
        counts = [
            f"{_count(self.taken, 'record')} in {_count(len(self.jobs), self.noun)}",
            f"{seconds:.1f} s",
            f"{self._rate(seconds):,} records/s",
        ]
        if self.repeated:
            counts.append(f"{_count(self.repeated, self.noun)} from an earlier call")
        if self.refused:
            counts.append(f"{_count(len(self.refused), 'record')} refused")
        if self.refused_files:
            counts.append(f"{_count(len(self.refused_files), 'file')} refused")
        if waited:
            counts.append(f"{_count(self.completed, self.noun)} completed")
        if self.failed:
            counts.append(f"{len(self.failed):,} failed")
        if self.issues:
            counts.append(f"{_count(len(self.issues), 'record')} not processed")
        return [*said, ", ".join(counts)]

    def found(self) -> list[str]:
        """What was found out about each upload, for people."""
        return [
            f"{each.upload_id}  {each.upload_name}: {_count(each.records, 'record')}, "
            f"{_count(each.duplicates, 'duplicate')}, "
            f"{each.invalid:,} invalid address{'' if each.invalid == 1 else 'es'}"
            + (
                f", {each.waiting:,} more {'waits as an issue' if each.waiting == 1 else 'wait as issues'}"
                if each.waiting
                else ""
            )
            for each in self.looked
        ] + [
            f"{each.batch_id}: {each.completed:,} completed, {each.failed:,} failed, "
            f"{len(each.low):,} of low quality, {_count(each.duplicates, 'duplicate')}"
            for each in self.articles.values()
        ]

    def _rate(self, seconds: float) -> int:
        return round(self.taken / seconds) if seconds > 0 else 0


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _first(label: str, found: list[Refused]) -> list[str]:
    said = [f"{label}: {each.place}: {each.message}" for each in found[:SHOWN]]
    if len(found) > SHOWN:
        said.append(f"{label}: {len(found) - SHOWN:,} more")
    return said
