"""Applying a rule to issues of staged jobs: what is planned for their rows (`planning`) is written in slices
that are small enough for the writer.

A rule that is applied twice changes nothing the second time: what a crash cut short is finished by doing it
again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from ingestbox.family import Family
from ingestbox.rules import Rule
from ingestbox.store import Store
from ingestbox.store.bulk import SLICE, SLICE_BYTES, Done, Ending, Planned
from ingestbox.store.planning import Facts, Looked, Planner, Refused, Row


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


Plan = Mapping[int, bytes]
"""What is to become of each row: a digest of what it is now and is to be, by the record's id."""

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
        agreed: Plan | None = None,
    ) -> None:
        """Without `write` nothing is changed. `note(text)` is what a row is to say of itself, with `noted`
        also one that is not given up for another. With `waiting` the jobs have to wait for a person. `facts`
        are what the trail says of each issue; None: nothing. With `agreed` only rows of which the same is
        planned as there are changed; others stay (`record_changed`)."""
        self._store = store
        self._planner = Planner(families, rule, note=note, noted=noted, waiting=waiting)
        self._write = write
        self._facts = facts
        self._verdicts: dict[int, Verdict] = {}
        self._rows: list[Row] = []
        self._size = 0
        self._workspace = ""
        self._endings: list[Ending] = []
        self._agreed = agreed
        self.plan: dict[int, bytes] = {}
        """Of a ruling that changes nothing: what it would do."""

    async def apply(self, issues: Sequence[int], most: int, shown: int = 0) -> dict[int, Verdict]:
        """Applies it to these issues, in order, until it changed `most` rows: what became of each by its id.

        The first `shown` rows are kept with them. Issues that were not reached are missing; one that was
        reached and is not at its end has the code `in_part`.
        """
        verdicts = self._verdicts = {}
        left, at = most, 0
        while at < len(issues) and left > 0:
            some = issues[at : at + SLICE]
            looks = await self._store.read_with(partial(self._planner.look, issues=some))
            for issue, looked in zip(some, looks, strict=False):
                if left <= 0:
                    break
                at += 1
                if isinstance(looked, Refused):
                    verdicts[issue] = Verdict(looked.facts, looked.code)
                    continue
                left -= await self._decide(looked, left, shown)
                shown = max(0, shown - len(verdicts[issue].rows))
        await self._flush()
        return verdicts

    async def _decide(self, looked: Looked, left: int, shown: int) -> int:
        """Plans and writes one issue; how many rows were planned."""
        issue, count = looked.facts.id, 0
        verdict = self._verdicts[issue] = Verdict(looked.facts)
        if self._workspace != looked.facts.workspace:
            await self._flush()
            self._workspace = looked.facts.workspace
        while looked.search is not None:
            looked = await self._store.read_with(partial(self._planner.search, looked=looked))
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
                if not self._note_plan(row.planned):
                    verdict.code = verdict.code or "record_changed"
                    continue
                if len(verdict.rows) < shown:
                    verdict.rows.append(row.planned)
                await self._add(row)
            if looked.last is None:
                break
            start = looked
            looked = await self._store.read_with(partial(self._planner.go_on, before=start))
        if count:
            await self._end(verdict, settled=settled and verdict.code is None)
        return count

    def _note_plan(self, planned: Planned) -> bool:
        """Whether this was agreed to, or nobody asks."""
        if self._write is None or self._agreed is not None:
            made = _digest(planned)
            if self._agreed is not None:
                return self._agreed.get(planned.edit.record_id) == made
            self.plan[planned.edit.record_id] = made
        return True

    async def _add(self, row: Row) -> None:
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


def _digest(planned: Planned) -> bytes:
    edit = planned.edit
    facts = (edit.mark, edit.key, edit.state, planned.kept, planned.issue_id)
    return hashlib.blake2b(repr(facts).encode() + edit.payload, digest_size=16).digest()
