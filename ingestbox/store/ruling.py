"""Applying a rule to issues of staged jobs: reading their rows, planning what becomes of each, and writing it
in slices that are small enough for the writer.

A rule that is applied twice changes nothing the second time: what a crash cut short is finished by doing it
again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

from ingestbox import rules
from ingestbox.family import Family
from ingestbox.model import RecordState, checksum, index_of
from ingestbox.rules import Rule
from ingestbox.store import ReadTx, Store, records
from ingestbox.store.bulk import SLICE, SLICE_BYTES, Done, Ending, Planned
from ingestbox.store.staged import WAITING, RowEdit

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


@dataclass(slots=True)
class Verdict:
    """What became of an issue, or would: `code` is what stood in the way of it, or of a row."""

    facts: Facts | None
    code: str | None = None
    resolved: bool = False
    changed: int = 0
    discarded: int = 0
    kept: int = 0
    rows: list[Planned] = field(default_factory=list)

    @property
    def touched(self) -> int:
        """Rows that are not as they were."""
        return self.changed + self.discarded + self.kept


@dataclass(frozen=True, slots=True)
class _Row:
    """A row that is decided about, what is planned, and what that is."""

    planned: Planned
    kind: Kind


@dataclass(frozen=True, slots=True)
class _Search:
    """The row to keep (with its checksum and its filled cells), as far as was looked: up to the record
    `last`, None at the end."""

    best: tuple[int, int] | None = None
    filled: int = -1
    last: int | None = 0


@dataclass(slots=True)
class _Looked:
    """An issue as far as it was looked at: up to the record `last` (None: to its end). `settled` is whether
    what was seen so far leaves nothing to a person. With `search` the row to keep is still looked for."""

    facts: Facts
    kept: tuple[int, int] | None = None
    rows: list[_Row] = field(default_factory=list)
    seen: int = 0
    last: int | None = None
    settled: bool = True
    damaged: bool = False
    search: _Search | None = None


Write = Callable[[str, Sequence[Planned], Sequence[Ending]], Awaitable[Done]]
"""Writes a slice, of issues of one workspace."""


class Ruling:
    """One rule, applied to issues."""

    def __init__(
        self,
        store: Store,
        families: Mapping[str, Family],
        rule: Rule,
        *,
        write: Write | None = None,
        note: Callable[[str], str] = str,
        noted: bool = False,
        waiting: bool = True,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        """Without `write` nothing is changed. `note(text)` is what a row is to say of itself, with `noted`
        also one that is not given up for another. With `waiting` the jobs have to wait for a person. `facts`
        are what the trail says of each issue; None: nothing."""
        self._store = store
        self._families = families
        self._rule = rule
        self._write = write
        self._note = note
        self._noted = noted
        self._waiting = waiting
        self._facts = facts
        self._verdicts: dict[int, Verdict] = {}
        self._rows: list[_Row] = []
        self._size = 0
        self._workspace = ""
        self._endings: list[Ending] = []

    async def apply(self, issues: Sequence[int], most: int, shown: int = 0) -> dict[int, Verdict]:
        """Applies it to these issues, in order, until it changed `most` rows: what became of each by its id.

        The first `shown` rows are kept with them. Issues that were not reached are missing; one that was
        reached and is not at its end has the code `in_part`.
        """
        verdicts = self._verdicts = {}
        left, at = most, 0
        while at < len(issues) and left > 0:
            some = issues[at : at + SLICE]
            looks = await self._store.read_with(partial(self._look, issues=some))
            for issue, looked in zip(some, looks, strict=False):
                if left <= 0:
                    break
                at += 1
                if isinstance(looked, Verdict):
                    verdicts[issue] = looked
                    continue
                left -= await self._decide(looked, left, shown)
                shown = max(0, shown - len(verdicts[issue].rows))
        await self._flush()
        return verdicts

    async def _decide(self, looked: _Looked, left: int, shown: int) -> int:
        """Plans and writes one issue; how many rows were planned."""
        issue, count = looked.facts.id, 0
        verdict = self._verdicts[issue] = Verdict(looked.facts)
        if self._workspace != looked.facts.workspace:
            await self._flush()
            self._workspace = looked.facts.workspace
        if looked.search is not None:
            looked = await self._search(looked)
        settled = True
        while True:
            settled = settled and looked.settled
            if looked.damaged:
                verdict.code = verdict.code or "damaged"
            for row in looked.rows:
                if count >= left:
                    verdict.code = verdict.code or "in_part"
                    return count
                count += 1
                if len(verdict.rows) < shown:
                    verdict.rows.append(row.planned)
                await self._add(row)
            if looked.last is None:
                break
            start = looked
            looked = await self._store.read_with(partial(self._go_on, before=start))
        if count:
            await self._end(verdict, settled=settled and verdict.code is None)
        return count

    async def _search(self, looked: _Looked) -> _Looked:
        """Finds the row to keep among more than one read may look at."""
        facts, search = looked.facts, looked.search
        while search is not None and search.last is not None:
            search = await self._store.read_with(partial(_most_complete, facts=facts, so_far=search))
        found = _Looked(facts, None if search is None else search.best)
        return await self._store.read_with(lambda tx: self._read(tx, found, 0))

    async def _add(self, row: _Row) -> None:
        size = len(row.planned.edit.payload)
        if self._rows and (len(self._rows) >= SLICE or self._size + size > SLICE_BYTES):
            await self._flush()
        self._rows.append(row)
        self._size += size

    async def _end(self, verdict: Verdict, *, settled: bool) -> None:
        assert verdict.facts is not None
        if len(self._endings) >= SLICE:
            await self._flush()
        self._endings.append(Ending(verdict.facts.id, settled, self._facts))

    async def _flush(self) -> None:
        """Writes what was planned, or counts it."""
        rows, endings = self._rows, self._endings
        self._rows, self._endings, self._size = [], [], 0
        if not rows and not endings:
            return
        codes: Sequence[str | None] = [None] * len(rows)
        if self._write is not None:
            done = await self._write(self._workspace, [row.planned for row in rows], endings)
            codes = done.rows
            for issue in done.resolved:
                if issue in self._verdicts:
                    self._verdicts[issue].resolved = True
        for row, code in zip(rows, codes, strict=True):
            verdict = self._verdicts[row.planned.issue_id]
            if code is not None:
                verdict.code = verdict.code or code
            elif row.kind == "discarded":
                verdict.discarded += 1
            elif row.kind == "kept":
                verdict.kept += 1
            else:
                verdict.changed += 1

    def _look(self, tx: ReadTx, issues: Sequence[int]) -> list[Verdict | _Looked]:
        """The first of these issues, as many as one read may look at (one at least)."""
        found: list[Verdict | _Looked] = []
        seen = 0
        for issue in issues:
            if seen >= READ_ROWS:
                break
            row = tx.one("bulk.issue", {"id": issue})
            facts = None if row is None else Facts(*row)
            code = self._refusal(facts)
            if facts is None or code is not None:
                found.append(Verdict(facts, code))
                continue
            looked = _Looked(facts)
            if self._rule.kind == "keep":
                search = _most_complete(tx, facts, _Search())
                looked.kept = search.best
                if search.last is not None:
                    looked.search = search
                    found.append(looked)
                    break
            found.append(self._read(tx, looked, 0))
            seen += looked.seen
        return found

    def _go_on(self, tx: ReadTx, before: _Looked) -> _Looked:
        return self._read(tx, _Looked(before.facts, before.kept), before.last or 0)

    def _refusal(self, facts: Facts | None) -> str | None:
        """Why the rule does not go with an issue, if it does not."""
        if facts is None:
            return "not_found"
        family = self._families.get(facts.family)
        if family is None or family.staging is None:
            return "not_staged"
        if facts.resolved_ms is not None:
            return "issue_resolved"
        if self._rule.kind == "keep" and facts.code != family.staging.repeated[0]:
            return "rule_not_applicable"
        if self._waiting and facts.job_state not in WAITING:
            return "job_not_waiting"
        return None

    def _read(self, tx: ReadTx, looked: _Looked, after: int) -> _Looked:
        """Looks at the next rows after this record."""
        size = 0
        for row in _rows_of(tx, looked.facts, after):
            if looked.seen >= READ_ROWS or size > READ_BYTES:
                return looked
            looked.seen += 1
            looked.last = row.id
            size += len(row.payload)
            if not row.sound:
                looked.damaged = True
                looked.settled = False
                continue
            planned = self._plan(looked, row)
            if planned is not None:
                looked.rows.append(planned)
        looked.last = None
        return looked

    def _plan(self, looked: _Looked, row: _IssueRow) -> _Row | None:
        """What becomes of a row; None: it stays as it is."""
        if self._rule.kind == "keep":
            return self._keep(looked, row)
        if row.state != _ISSUE:
            return None
        if self._rule.kind == "discard":
            note = self._note("Given up") if self._noted else None
            return _row(looked.facts, row, row.key, rules.given_up(row.payload, note), "discarded")
        return self._change(looked, row)

    def _keep(self, looked: _Looked, row: _IssueRow) -> _Row | None:
        if looked.kept is None or not _competes(looked.facts, row):
            return None
        best, _ = looked.kept
        if row.id != best:
            note = self._note(f"Row {index_of(best) + 1} is kept instead")
            payload = rules.given_up(row.payload, note)
            return _row(looked.facts, row, row.key, payload, "discarded", looked.kept)
        if row.state != _ISSUE or row.elsewhere:
            return None
        return _row(looked.facts, row, row.key, row.payload, "kept")

    def _change(self, looked: _Looked, row: _IssueRow) -> _Row | None:
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
        waits = not right or row.elsewhere
        return _row(looked.facts, row, checked.key, payload, "changed", waits=waits)

    def _said(self) -> str:
        if isinstance(self._rule.set, rules.SetMember):
            return f"{self._rule.set.field} was set"
        return f"Cleaned: {', '.join(self._rule.fields or ())}"


class _IssueRow(NamedTuple):
    """A row of an issue; `elsewhere`: it waits on another one as well."""

    id: int
    key: str
    state: str
    payload: bytes
    crc: int
    mark: str
    sound: bool
    elsewhere: bool


def _rows_of(tx: ReadTx, facts: Facts, after: int) -> Iterator[_IssueRow]:
    place = {"issue_id": facts.id, "after": after, "run": facts.run}
    for rid, key, state, payload, crc, newest, elsewhere in tx.each("bulk.rows_of_issue", place):
        sound = checksum(key, payload) == crc
        mark = records.mark(state, crc, newest)
        yield _IssueRow(rid, records.text(key), state, payload, crc, mark, sound, bool(elsewhere))


def _competes(facts: Facts, row: _IssueRow) -> bool:
    """Whether a row repeats the others still: nobody gave it up, or another key."""
    return row.state in (_ISSUE, _PENDING) and row.key == facts.key


def _most_complete(tx: ReadTx, facts: Facts, so_far: _Search) -> _Search:
    """The row to keep is the one with the most cells filled in, and the first of several; looks at as many
    rows as one read may."""
    best, most, last = so_far.best, so_far.filled, so_far.last or 0
    size = 0
    for number, row in enumerate(_rows_of(tx, facts, last)):
        if number >= READ_ROWS or size > READ_BYTES:
            return _Search(best, most, last)
        last = row.id
        size += len(row.payload)
        if row.sound and _competes(facts, row) and (count := rules.filled(row.payload)) > most:
            best, most = (row.id, row.crc), count
    return _Search(best, most, None)


def _row(
    facts: Facts,
    row: _IssueRow,
    key: str,
    payload: bytes,
    kind: Kind,
    kept: tuple[int, int] | None = None,
    *,
    waits: bool = False,
) -> _Row:
    state: Literal["pending", "issue", "discarded"]
    state = "discarded" if kind == "discarded" else "issue" if waits else "pending"
    before, after = rules.differences(row.payload, payload)
    if state != row.state:
        before["state"], after["state"] = row.state, state
    return _Row(Planned(facts.id, RowEdit(row.id, row.mark, key, payload, state, before, after), kept), kind)
