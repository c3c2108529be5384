"""The way of an erasure through all places, a slice at a time, and what is cleaned up behind it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ingestbox.enrich.addresses import Spellings
from ingestbox.family import Family
from ingestbox.store import Store, erasures, health, tidy
from ingestbox.store.erasing import columns, files
from ingestbox.store.erasing.lines import Answers, Deliveries
from ingestbox.store.erasing.objects import Objects
from ingestbox.store.erasing.records import Records
from ingestbox.store.erasing.slices import Place, Position, Slice, Wanted
from ingestbox.store.erasures import CarryOut, EndErasure, Erasure, MergeWords, Vacuum
from ingestbox.store.shelf import Shelf

Rest = Literal["more", "waiting", "done"]
"""Whether the next step may follow at once, or has to wait for something else, or there is none."""

STORED, WAITING, WORDS, PAGES, LOG = "stored files", "waiting", "words", "pages", "log"
"""Places that are no tables."""

MERGE_PAGES = 40
"""Of full text, written anew in one unit (queries `merge_<kind>`)."""

INDEX_PAGES = 4
"""Pages of full text in one of the database's."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Who has to know: `changed(job_id)` of a job whose records changed, `reworded()` that lines which are
    not delivered yet are others now."""

    changed: Callable[[int], None]
    reworded: Callable[[], None]


class Walk:
    """Takes erasures on, step by step. One task at a time is to use it; two do no harm."""

    def __init__(self, store: Store, shelf: Shelf, families: Mapping[str, Family], hooks: Hooks) -> None:
        self._store = store
        self._shelf = shelf
        self._families = families
        self._hooks = hooks
        self._places: tuple[Place, ...] = (
            columns.JOBS,  # their names travel with lines that are made below
            columns.STAGED,
            columns.UPLOADS,
            columns.RULINGS,  # or what they do to records would come after these
            columns.RULES,
            Records(),
            *(Objects(family, kind) for family in families.values() for kind in sorted(family.kinds)),
            columns.CONTENTS,  # those of records that became nothing
            columns.BATCHES,
            columns.SOURCES,
            columns.BULK,
            columns.ISSUES,
            columns.MAPPINGS,
            Answers(),
            Deliveries(),
            columns.BECAME,  # where what a line said may go meanwhile
            columns.PARKED,
            columns.AUDIT,
            columns.FILES,
        )
        self._order: Sequence[str] = (*(place.name for place in self._places), STORED)

    async def step(self, erasure_id: int) -> Rest:
        """The next slice. Raises IngestError as a write does; RacedError: it is to be tried again."""
        erasure = await self._store.read_with(lambda tx: erasures.one(tx, erasure_id))
        if erasure is None or erasure.state == "done":
            return "done"
        if erasure.state == "cleaning" or erasure.address is None:
            return await self._clean(erasure)
        if erasure.place in (erasures.FIRST_PLACE, WAITING):
            return await self._begin(erasure)
        if erasure.place == STORED:
            return await self._stored(erasure, erasure.address)
        place = next((each for each in self._places if each.name == erasure.place), None)
        if place is None:  # one that another version knew: all over again
            await self._move(erasure, Slice(), erasures.FIRST_PLACE, ())
            return "more"
        look = functools.partial(
            place.look, wanted=self._wanted(erasure, erasure.address), after=erasure.position
        )
        found = await self._store.read_with(lambda tx: look(tx))
        await self._go_on(erasure, found)
        return "more"

    def _wanted(self, erasure: Erasure, address: str) -> Wanted:
        return Wanted(
            spelt=_spellings(address),
            workspace=erasure.workspace,
            last_job=erasure.last_job,
            families=self._families,
            identity=self._store.identity,
            now_ms=self._store.clock.now_ms(),
            actor=erasure.actor,
        )

    async def _begin(self, erasure: Erasure) -> Rest:
        """Goes through all places, once more if what it waited for is in. What is still to come in now
        makes it wait at the end."""
        coming = await self._store.read_with(lambda tx: erasures.coming_in(tx, erasure))
        if erasure.place == WAITING and coming:
            return "waiting"
        again = coming and not erasure.dry_run
        await self._move(erasure, Slice(), self._order[0], (), state="running", again=again)
        return "more"

    async def _go_on(self, erasure: Erasure, found: Slice) -> None:
        """Writes what a slice found, and moves on."""
        if found.position is not None:
            await self._move(erasure, found, erasure.place, found.position)
            return
        following = self._order[self._order.index(erasure.place) + 1 :]
        if following:
            await self._move(erasure, found, following[0], ())
        elif erasure.again:
            await self._move(erasure, found, WAITING, (), state="waiting")
        else:
            await self._move(erasure, found, WORDS, (), state="cleaning")

    async def _move(
        self,
        erasure: Erasure,
        found: Slice,
        place: str,
        position: Position,
        *,
        state: str | None = None,
        again: bool | None = None,
    ) -> None:
        unit = CarryOut(
            erasure=erasure,
            found=found,
            place=place,
            position=position,
            state=state or erasure.state,
            again=erasure.again if again is None else again,
            now_ms=self._store.clock.now_ms(),
        )
        await self._store.write(unit)
        if erasure.place == Deliveries.name:
            self._hooks.reworded()  # and what the places before have put or removed is to be told
        if not erasure.dry_run:
            for job_id in found.jobs:
                self._hooks.changed(job_id)

    async def _stored(self, erasure: Erasure, address: str) -> Rest:
        """The next uploaded files; reading them takes its time, and no connection."""
        after = erasure.position[0] if erasure.position else 0
        asked = {"after": after, "last_job": erasure.last_job, "limit": files.AT_ONCE}
        rows = await self._store.read("erasures.stored_files", asked)
        wanted = self._wanted(erasure, address)
        found = Slice()
        for job_id, workspace, stored, rows_file, form in rows:
            if wanted.covers(workspace):
                paths = [self._shelf.path(name) for name in dict.fromkeys((stored, rows_file))]
                look = functools.partial(files.has, paths, form, wanted.spelt)
                if await self._shelf.run(look):
                    found.add(files.RetireFile(job_id, wanted.now_ms), files=1)
        if len(rows) == files.AT_ONCE:
            found.position = (rows[-1][0],)
        await self._go_on(erasure, found)
        return "more"

    async def _clean(self, erasure: Erasure) -> Rest:
        """Removes what is left of it where no row is."""
        if erasure.dry_run and erasure.place != LOG:
            await self._move(erasure, Slice(), LOG, ())  # the address itself was written there
        elif erasure.place == WORDS:
            await self._merge(erasure)
        elif erasure.place == PAGES:
            if await self._store.write(Vacuum()):
                await self._move(erasure, Slice(), LOG, ())
        elif not await self._fold():
            return "waiting"
        else:
            await self._end(erasure)
            return "done"
        return "more"

    async def _fold(self) -> bool:
        if self._shelf.held:
            return False  # a backup is being taken; then the files go
        await tidy.sweep_files(self._store, self._shelf)
        return await self._store.fold()

    async def _end(self, erasure: Erasure) -> None:
        await self._store.write(EndErasure(erasure, self._store.clock.now_ms()))

    async def _merge(self, erasure: Erasure) -> None:
        """A slice of each index. Where words keep coming there is always something to merge: what was there
        at the beginning is through after so many slices as the whole store would take, twice."""
        done = int(erasure.position[0]) if erasure.position else 0
        pages = MERGE_PAGES if done else -MERGE_PAGES
        whole = True
        if erasure.counts:
            for family in self._families.values():
                if family.full_text:
                    for kind in sorted(family.kinds):
                        merge = MergeWords(f"{family.name}.merge_{kind}", pages)
                        whole = await self._store.write(merge) and whole
        size = await self._store.read_with(health.size)
        most = 2 * INDEX_PAGES * size.total // 4096 // MERGE_PAGES + 10
        if whole or done >= most:
            await self._move(erasure, Slice(), PAGES, ())
        else:
            await self._move(erasure, Slice(), WORDS, (done + 1,))


@functools.lru_cache(maxsize=4)
def _spellings(address: str) -> Spellings:
    return Spellings(address)
