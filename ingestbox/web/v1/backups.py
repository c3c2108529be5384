"""`/v1/backups`: copies of the whole box (role admin). They are put back by `ingestbox restore` alone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Protocol

from msgspec import Meta

from ingestbox.errors import IngestError
from ingestbox.model import Role
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.store import Store
from ingestbox.store.audit import Act
from ingestbox.store.unit import Tx
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists
from ingestbox.web.v1.audit import act
from ingestbox.web.v1.backupshapes import BackupBegun, BackupLine, BackupList

ADMIN = frozenset({Role.ADMIN})

WAIT_SECONDS = 5
LONGEST_WAIT_SECONDS = 50

WAIT = Parameter(
    "wait",
    f"Seconds to wait for its end, {WAIT_SECONDS} unless given.",
    Annotated[int, Meta(ge=0, le=LONGEST_WAIT_SECONDS)],
)


class Keeper(Protocol):
    """Who takes backups, and knows those that there are."""

    def begin(self) -> tuple[str, asyncio.Future[BackupLine]]:
        """Begins one: its name, and what becomes of it. Raises IngestError `backup_running`."""

    async def state(self) -> BackupList:
        """How things are. Raises IngestError `backup_unwritable`."""


@dataclass(frozen=True, slots=True)
class NoteBackup:
    """A line in the trail about a backup that somebody asked for."""

    act: Act
    name: str
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        """Writes the line."""
        self.act.note(tx, "backup.take", "backup", self.name)


class Backups:
    """The backups of the box."""

    def __init__(self, store: Store, keeper: Keeper) -> None:
        self._store = store
        self._keeper = keeper

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/backups",
                self.list,
                "Backups of the box, newest first",
                ADMIN,
                description="Those in the box's folder, as they say of themselves; `ingestbox backup verify` "
                "reads one whole. With what is being taken now, how the last one ended, and whether a "
                "scheduled one is overdue. For those who operate the box: administrators of the default "
                "workspace.",
                answers=(Answer(BackupList),),
                errors=("backup_unwritable",),
            ),
            Route(
                "POST",
                "/v1/backups",
                self.take,
                "Take a backup of the whole box",
                ADMIN,
                description="Store, uploaded files and secrets of one moment, compressed, in one file in the "
                "box's folder ([backup] folder). Clients go on meanwhile. It is verified before it has its "
                "name. Those taken so are never removed by the box. For administrators of the default "
                "workspace.",
                parameters=(WAIT,),
                answers=(
                    Answer(BackupBegun, 201, "The backup is there, and verified."),
                    Answer(BackupBegun, 202, "It is being taken: see GET /v1/backups."),
                ),
                errors=(
                    "bad_parameter",
                    "backup_running",
                    "backup_unwritable",
                    "backup_failed",
                    "storage_full",
                    "damaged",
                    "shutting_down",
                ),
            ),
        )

    async def list(self, ask: Request) -> Reply:
        """GET /v1/backups."""
        lists.operator_only(ask.caller)
        return Reply(await self._keeper.state())

    async def take(self, ask: Request) -> Reply:
        """POST /v1/backups: begins one, and waits for it for a while; it goes on without its caller."""
        lists.operator_only(ask.caller)
        seconds = _seconds(ask)
        name, ending = self._keeper.begin()
        # A backup that the trail does not know of is better than none when the store takes no writes.
        noting = asyncio.ensure_future(self._note(act(ask, self._store.clock.now_ms()), name))
        try:
            async with asyncio.timeout(seconds):
                line = await asyncio.shield(ending)
        except TimeoutError:
            return Reply(BackupBegun(name, None), 202)
        finally:
            await asyncio.shield(noting)
        return Reply(BackupBegun(name, line), 201)

    async def _note(self, who: Act, name: str) -> None:
        try:
            await self._store.write(NoteBackup(who, name))
        except IngestError:
            return


def _seconds(ask: Request) -> int:
    given = ask.query.get("wait")
    if given is None:
        return WAIT_SECONDS
    if not (given.isascii() and given.isdigit() and len(given) < 3 and int(given) <= LONGEST_WAIT_SECONDS):
        raise IngestError("bad_parameter", f"wait must be a whole number from 0 to {LONGEST_WAIT_SECONDS}.")
    return int(given)
