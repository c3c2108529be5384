"""What a rule makes of the rows of an issue: read, and planned, while nothing is written yet."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ingestbox import rules
from ingestbox.family import Family
from ingestbox.model import RecordState, checksum, index_of
from ingestbox.rules import Rule
from ingestbox.store import ReadTx, records
from ingestbox.store.bulk import Planned
from ingestbox.store.parked import REFUSED
from ingestbox.store.staged import WAITING, RowEdit, with_state

READ_ROWS = 500
READ_BYTES = 4 * 1_048_576
"""What one read looks at: it takes some 20 ms."""

Kind = Literal["changed", "discarded", "kept"]

_ISSUE, _PENDING = RecordState.ISSUE.value, RecordState.PENDING.value


class Facts(NamedTuple):
    """What a rule has to know of an issue; its rows are those that failed in `run`."""

    id: int
    job_id: int
    job: str
    workspace: str
    family: str
    code: str
    key: str | None
    resolved_ms: int | None
    job_state: str
    run: int


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is decided about, what is planned, and what that is."""

    planned: Planned
    kind: Kind


@dataclass(frozen=True, slots=True)
class Search:
    """The row to keep (with its checksum and its filled cells), as far as was looked: up to the record
    `last`, None at the end."""

    best: tuple[int, int] | None = None
    filled: int = -1
    last: int | None = 0


@dataclass(slots=True)
class Looked:
    """An issue as far as it was looked at: up to the record `last` (None: to its end). `settled` is whether
    what was seen so far leaves nothing to a person. With `search` the row to keep is still looked for."""

    facts: Facts
    kept: tuple[int, int] | None = None
    rows: list[Row] = field(default_factory=list)
    seen: int = 0
    last: int | None = None
    settled: bool = True
    damaged: bool = False
    search: Search | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The rule does not go with an issue, for the reason that `code` says."""

    facts: Facts | None
    code: str


class Planner:
    """Looks at issues as one rule does; every method is one read."""

    def __init__(
        self,
        families: Mapping[str, Family],
        rule: Rule,
        *,
        note: Callable[[str], str] = str,
        noted: bool = False,
        waiting: bool = True,
    ) -> None:
        """`note(text)` is what a row is to say of itself, with `noted` also one that is not given up for
        another. With `waiting` the jobs have to wait for a person."""
        self._families = families
        self._rule = rule
        self._note = note
        self._noted = noted
        self._waiting = waiting

    def look(self, tx: ReadTx, issues: Sequence[int]) -> list[Refused | Looked]:
        """The first of these issues, as many as one read may look at (one at least)."""
        found: list[Refused | Looked] = []
        seen = 0
        for issue in issues:
            if seen >= READ_ROWS:
                break
            row = tx.one("bulk.issue", {"id": issue})
            facts = None if row is None else Facts(*row)
            code = self._refusal(facts)
            if facts is None or code is not None:
                found.append(Refused(facts, code or "not_found"))
                continue
            looked = Looked(facts)
            if self._rule.kind == "keep":
                search = _most_complete(tx, facts, Search())
                looked.kept = search.best
                if search.last is not None:
                    looked.search = search
                    found.append(looked)
                    break
            found.append(self._read(tx, looked, 0))
            seen += looked.seen
        return found

    def go_on(self, tx: ReadTx, before: Looked) -> Looked:
        """The rows after those that were looked at."""
        return self._read(tx, Looked(before.facts, before.kept), before.last or 0)

    def search(self, tx: ReadTx, looked: Looked) -> Looked:
        """Goes on looking for the row to keep; then begins with the rows."""
        assert looked.search is not None
        search = _most_complete(tx, looked.facts, looked.search)
        if search.last is not None:
            return Looked(looked.facts, search.best, search=search)
        return self._read(tx, Looked(looked.facts, search.best), 0)

    def _refusal(self, facts: Facts | None) -> str | None:
        """Why the rule does not go with an issue, if it does not."""
        if facts is None:
            return "not_found"
        family = self._families.get(facts.family)
        if family is None or family.staging is None:
            return "not_staged"
        if facts.resolved_ms is not None:
            return "issue_resolved"
        if facts.code == REFUSED:
            return "rule_not_applicable"  # its row is right: it is an upstream that does not take it
        if self._rule.kind == "keep" and facts.code != family.staging.repeated[0]:
            return "rule_not_applicable"
        if self._waiting and facts.job_state not in WAITING:
            return "job_not_waiting"
        return None

    def _read(self, tx: ReadTx, looked: Looked, after: int) -> Looked:
        """Looks at the next rows after this record."""
        size = 0
        with closing(_rows_of(tx, looked.facts, after)) as rows:
            for row in rows:
                if looked.seen >= READ_ROWS or size > READ_BYTES:
                    return looked
                looked.seen += 1
                looked.last = row.id
                size += len(row.payload)
                if not row.sound:
                    looked.damaged = True
                    looked.settled = False
                elif (planned := self._plan(looked, row)) is not None:
                    looked.rows.append(planned)
        looked.last = None
        return looked

    def _plan(self, looked: Looked, row: _IssueRow) -> Row | None:
        """What becomes of a row; None: it stays as it is."""
        if self._rule.kind == "keep":
            return self._keep(looked, row)
        if row.state != _ISSUE:
            return None
        if self._rule.kind == "discard":
            note = self._note("Given up") if self._noted else None
            return _row(looked.facts, row, row.key, rules.given_up(row.payload, note), "discarded")
        return self._change(looked, row)

    def _keep(self, looked: Looked, row: _IssueRow) -> Row | None:
        if looked.kept is None or not _competes(looked.facts, row):
            return None
        best, _ = looked.kept
        if row.id != best:
            note = self._note(f"Row {index_of(best) + 1} is kept instead")
            payload = rules.given_up(row.payload, note)
            return _row(looked.facts, row, row.key, payload, "discarded", looked.kept)
        if row.state != _ISSUE:
            return None
        return _row(looked.facts, row, row.key, row.payload, "kept")

    def _change(self, looked: Looked, row: _IssueRow) -> Row | None:
        family = self._families[looked.facts.family]
        staging = family.staging
        assert staging is not None  # or the rule had been refused
        written = rules.applied(
            self._rule, row.payload, staging.fields, self._note(self._said()) if self._noted else None
        )
        if written is None:
            looked.settled = False
            return None
        checked = family.check(written.payload)
        payload = checked.payload
        moved = checked.key != row.key
        if moved:
            payload = rules.without_choice(payload)
        alone = looked.facts.code not in (staging.repeated[0], staging.existing[0])
        right = not checked.faults and (alone or moved)
        if not right:
            looked.settled = False
        return _row(looked.facts, row, checked.key, payload, "changed", waits=not right)

    def _said(self) -> str:
        if isinstance(self._rule.set, rules.SetMember):
            return f"{self._rule.set.field} was set"
        return f"Cleaned: {', '.join(self._rule.fields or ())}"


class _IssueRow(NamedTuple):
    """A row of an issue; `sound` is whether it matches its checksum."""

    id: int
    key: str
    state: str
    payload: bytes
    crc: int
    mark: str
    sound: bool


def _rows_of(tx: ReadTx, facts: Facts, after: int) -> Generator[_IssueRow, None, None]:
    place = {"issue_id": facts.id, "after": after, "run": facts.run}
    for rid, key, state, payload, crc, newest in tx.each("bulk.rows_of_issue", place):
        sound = checksum(key, payload) == crc
        mark = records.mark(state, crc, newest)
        yield _IssueRow(rid, records.text(key), state, payload, crc, mark, sound)


def _competes(facts: Facts, row: _IssueRow) -> bool:
    """Whether a row repeats the others still: nobody gave it up, or another key."""
    return row.state in (_ISSUE, _PENDING) and row.key == facts.key


def _most_complete(tx: ReadTx, facts: Facts, so_far: Search) -> Search:
    """The row to keep is the one with the most cells filled in, and the first of several; looks at as many
    rows as one read may."""
    best, most, last = so_far.best, so_far.filled, so_far.last or 0
    size = 0
    with closing(_rows_of(tx, facts, last)) as rows:
        for number, row in enumerate(rows):
            if number >= READ_ROWS or size > READ_BYTES:
                return Search(best, most, last)
            last = row.id
            size += len(row.payload)
            if row.sound and _competes(facts, row) and (count := rules.filled(row.payload)) > most:
                best, most = (row.id, row.crc), count
    return Search(best, most, None)


def _row(
    facts: Facts,
    row: _IssueRow,
    key: str,
    payload: bytes,
    kind: Kind,
    kept: tuple[int, int] | None = None,
    *,
    waits: bool = False,
) -> Row:
    state: Literal["pending", "issue", "discarded"]
    state = "discarded" if kind == "discarded" else "issue" if waits else "pending"
    before, after = rules.differences(row.payload, payload)
    if state != row.state:
        before, after = with_state(before, after, row.state, state)
    return Row(Planned(facts.id, RowEdit(row.id, row.mark, key, payload, state, before, after), kept), kind)
