"""What a staged import of contacts should be, in as little Python as possible, for a random walk to compare
with what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ingestbox.families.contacts.check import fault_of
from ingestbox.families.contacts.fields import FIELDS, key_of

MISSING, INVALID = "missing_required_field", "invalid_email"
DUPLICATE, EXISTING = "duplicate_email", "existing_email"


@dataclass
class Contact:
    """`made_of` is the row (job, index) that it was last made of, `name` the row that made it."""

    name: tuple[int, int]
    made_of: tuple[int, int]
    cells: tuple[str, ...]


@dataclass
class Row:
    """A staged row; `update` names a contact that it is to update."""

    cells: dict[str, str]
    state: str = "pending"
    update: tuple[int, int] | None = None

    @property
    def key(self) -> str:
        """What it is compared by."""
        return key_of(self.cells["email"])

    @property
    def likeness(self) -> tuple[str, ...]:
        """What makes it the same as another."""
        return (self.key, *(self.cells[name].strip() for name in FIELDS[1:]))

    def own_fault(self) -> str | None:
        """The first thing that is wrong with it by itself."""
        fault = fault_of([self.cells[name] for name in FIELDS])
        return None if fault is None else fault.code


@dataclass
class Issue:
    """One code and key; `runs` has the run in which each row last failed."""

    runs: dict[int, int] = field(default_factory=dict)
    open: bool = True
    resolution: str | None = None

    def resolve(self, resolution: str) -> None:
        """Closes it, if it is open."""
        if self.open:
            self.open, self.resolution = False, resolution

    def reopen(self) -> None:
        """Opens it."""
        self.open, self.resolution = True, None


@dataclass
class Import:
    """A staged job."""

    id: int
    owner: str
    rows: list[Row]
    baseline: bool = False
    state: str = "queued"
    undone: bool = False
    run: int = 0
    issues: dict[tuple[str, str], Issue] = field(default_factory=dict)

    def live(self) -> list[int]:
        """The rows that wait still."""
        return [index for index, row in enumerate(self.rows) if row.state in ("pending", "issue")]

    def change(self, index: int, cells: Mapping[str, str], state: str | None) -> None:
        """A person changes a row."""
        row, before = self.rows[index], self.rows[index].key
        old = row.state
        row.cells.update(cells)
        row.state = state or old
        if row.key != before:
            row.update = None
        self._moved(index, old)

    def _moved(self, index: int, old: str) -> None:
        new = self.rows[index].state
        of_row = [issue for issue in self.issues.values() if index in issue.runs]
        if new == "discarded" and old != "discarded":
            for issue in of_row:
                since = issue.runs[index]
                if all(
                    self.rows[other].state == "discarded" for other, run in issue.runs.items() if run >= since
                ):
                    issue.resolve("discard")
        if new != "discarded" and old == "discarded":
            for issue in of_row:
                if issue.resolution == "discard":
                    issue.reopen()

    def left(self, issue: Issue) -> list[int]:
        """The rows that an issue is about."""
        newest = max(issue.runs.values())
        return [
            index
            for index, run in sorted(issue.runs.items())
            if run == newest and self.rows[index].state != "discarded"
        ]

    def check(self, contacts: dict[tuple[str, str], Contact]) -> None:
        """A worker looks at all of it."""
        self.run += 1
        faults: dict[int, tuple[str, str]] = {}
        groups: dict[str, dict[tuple[str, ...], int]] = {}
        given_up: list[int] = []
        for index in self.live():
            row = self.rows[index]
            code = row.own_fault()
            if code is not None:
                faults[index] = (code, row.key or f"#{index + 1}")
                continue
            group = groups.setdefault(row.key, {})
            if row.likeness in group:
                given_up.append(index)
            else:
                group[row.likeness] = index
        for key, group in groups.items():
            for index in group.values():
                contact = contacts.get((self.owner, key))
                if len(group) > 1:
                    faults[index] = (DUPLICATE, key)
                elif contact is not None and self.baseline:
                    given_up.append(index)
                elif contact is not None and self.rows[index].update != contact.name:
                    faults[index] = (EXISTING, key)
        for index in given_up:
            self.rows[index].state = "discarded"
        for index, name in faults.items():
            issue = self.issues.setdefault(name, Issue())
            issue.runs[index] = self.run
            issue.reopen()
        for issue in self.issues.values():
            if self.run not in issue.runs.values():
                issue.resolve("reprocess")
        for index in self.live():
            self.rows[index].state = "issue" if index in faults else "pending"
        self.state = "review" if faults else "completed"
        if not faults:
            self._consolidate(contacts)

    def _consolidate(self, contacts: dict[tuple[str, str], Contact]) -> None:
        for index in self.live():
            row, place = self.rows[index], (self.id, index)
            cells = tuple(row.cells[name].strip() for name in FIELDS)
            row.state = "done"
            known = contacts.get((self.owner, row.key))
            contacts[self.owner, row.key] = Contact(place if known is None else known.name, place, cells)

    def undo(self, contacts: dict[tuple[str, str], Contact]) -> int:
        """Takes it back: how many contacts go."""
        gone = [
            name
            for name, each in contacts.items()
            if each.name == each.made_of and each.made_of[0] == self.id
        ]
        for name in gone:
            del contacts[name]
        self.undone = True
        return len(gone)


def shown(contacts: Mapping[tuple[str, str], Contact]) -> Sequence[tuple[object, ...]]:
    """The contacts as they are compared."""
    return sorted(
        (owner, key, each.name, each.made_of, *each.cells) for (owner, key), each in contacts.items()
    )
