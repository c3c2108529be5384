"""An upgrade of a store: a snapshot, the migrations, and the way back when one of them fails.

Each migration is a transaction of its own, so that a stop between two leaves a sound store of a schema in
between. What is under way is told by a note in the data folder, and by its name, since renaming takes no room
on a full disk:

- `upgrading`: migrations run. A start that finds it goes on with them; the snapshot is there already.
- `upgrade-failed`: the snapshot is to take the store's place. A start that finds it does that first.

The store is replaced by one rename. Before it, the failed one gets a second name, and its write-ahead log is
moved there, too: SQLite must never find it beside the database that was put back.
"""

from __future__ import annotations

import contextlib
import errno
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from ingestbox.clock import Clock
from ingestbox.errors import LastingStartupError, StartupError
from ingestbox.store import migrations, snapshots
from ingestbox.store.copying import DamagedCopyError, sync
from ingestbox.store.engine import connect_reader, sqlite3

log = logging.getLogger(__name__)

UNDER_WAY = "upgrading"
FAILED = "upgrade-failed"

TICK_SECONDS = 5.0
"""How often `told` hears of something that lasts."""

INSTRUCTIONS = 200_000
"""Steps of SQLite's machine between two looks at the clock: some milliseconds."""


class Plan(msgspec.Struct, frozen=True, rename={"schema": "from"}):
    """What the note says: the snapshot's name (empty: none was wanted), and from which schema to which."""

    snapshot: str
    schema: int
    to: int


class UpgradeError(Exception):
    """A migration failed; `cause` is what it raised."""

    def __init__(self, migration: str, cause: BaseException) -> None:
        super().__init__(f"{migration}: {cause}")
        self.migration = migration
        self.cause = cause


class Upgrade:
    """The upgrade of one data folder's store, at a start. The caller holds the folder's lock."""

    def __init__(
        self, database: Path, clock: Clock, *, snapshot: bool, told: Callable[[str], None] = lambda at: None
    ) -> None:
        """`told` hears what the upgrade is at, before each step and every few seconds in it, from the thread
        that does it: for whoever waits for this start."""
        self._database = database
        self._data = database.parent
        self._clock = clock
        self._snapshot = snapshot
        self._told = told
        self._at = ""
        self._heard = 0.0
        self._migrated = False

    def finish_earlier(self) -> None:
        """Puts the store back, where an earlier start had begun to. Nothing has the database open. Blocks.

        Raises StartupError.
        """
        plan = self._noted(FAILED)
        if plan is None:
            return
        try:
            self._put_back(plan)
        except OSError as error:
            raise self._stuck(plan, error) from error
        log.warning("The store was put back to what it was before an upgrade that failed.")

    def run(self, connection: sqlite3.Connection) -> None:
        """Brings the store up to date, with a snapshot first if it holds anything. In the writer's thread.

        Raises UpgradeError, after which the connection is to be closed and `failed` called; StartupError when
        nothing was begun.
        """
        current = migrations.check(connection, self._data)
        newest = migrations.known()[-1][0]
        if 0 < current < newest:
            self._begin(connection, current, newest)
        migration = ""

        def before(number: int, path: Path) -> None:
            nonlocal migration
            migration = path.name
            if current > 0:
                self._say(f"migration {number} of {newest}, {path.name}")

        connection.set_progress_handler(self._tick, INSTRUCTIONS)
        try:
            self._migrated = migrations.migrate(connection, self._clock.now_ms(), before) > 0
        except Exception as error:
            raise UpgradeError(migration, error) from error
        finally:
            connection.set_progress_handler(None, 0)
        if self._noted(UNDER_WAY) is not None:
            _forget(self._data / UNDER_WAY)
            log.info("The store is upgraded.", extra={"schema": newest})

    def failed(self, error: UpgradeError) -> StartupError:
        """Puts the store back to what it was; what to say then. The connection is closed. Blocks."""
        plan = self._noted(UNDER_WAY)
        why = f"The store could not be upgraded: the migration {error.migration} failed ({error.cause})."
        if plan is None:  # a new store
            return LastingStartupError(f"{why} There was nothing in it yet.")
        reached = _schema(self._database)
        if reached == plan.schema:
            _forget(self._data / UNDER_WAY)
            if plan.snapshot:
                (self._data / snapshots.FOLDER / plan.snapshot).unlink(missing_ok=True)
            return LastingStartupError(f"{why} {_as_before(plan)}")
        if not plan.snapshot:
            return LastingStartupError(
                f"{why} Those before it were made, so that the store is between two releases (its schema is "
                f"{reached}), and there is no snapshot, for store.upgrade_snapshot is off. Remove the reason "
                "and start again, or restore a backup."
            )
        try:
            (self._data / UNDER_WAY).replace(self._data / FAILED)
            sync(self._data)
            kept = self._put_back(plan)
        except OSError as stuck:
            return self._stuck(plan, stuck)
        look = f" What the upgrade had made of it is kept in {kept}." if kept.exists() else ""
        return LastingStartupError(f"{why} {_as_before(plan)}{look}")

    def settle(self) -> None:
        """After a good start: old snapshots go, and what was kept of an upgrade that had failed."""
        snapshots.prune(self._data)
        if self._migrated:
            with contextlib.suppress(OSError):
                for left in (self._data / snapshots.FOLDER).glob("failed-upgrade-*"):
                    left.unlink()

    def _begin(self, connection: sqlite3.Connection, current: int, newest: int) -> None:
        earlier = self._noted(UNDER_WAY)
        if earlier is not None and current > earlier.schema:
            # Begun before and cut off. (Of one that had done nothing yet a newer snapshot is made: the
            # program before may have run meanwhile.)
            log.info("The upgrade of the store goes on.", extra={"schema": current, "to": newest})
            return
        name = ""
        if self._snapshot:
            self._say("a snapshot of the store")
            name = self._take(connection, current, newest)
        note = self._data / UNDER_WAY
        unfinished = note.with_name(note.name + ".part")
        unfinished.write_bytes(msgspec.json.encode(Plan(name, current, newest)))
        sync(unfinished)
        unfinished.replace(note)
        sync(self._data)
        if earlier is not None and earlier.snapshot not in ("", name):
            # Of the same store: each start that is cut off would leave another one.
            (self._data / snapshots.FOLDER / earlier.snapshot).unlink(missing_ok=True)
        log.info(
            "The store is upgraded: this can take minutes.",
            extra={"schema": current, "to": newest, "snapshot": name},
        )

    def _take(self, connection: sqlite3.Connection, current: int, newest: int) -> str:
        ((pages, page),) = connection.execute(
            "SELECT page_count, page_size FROM pragma_page_count, pragma_page_size"
        ).fetchall()
        wanted = "The store has to be upgraded, and a snapshot of it could not be made first"
        try:
            path = snapshots.take(
                self._database, pages * page, current, newest, self._clock.now_ms(), self._tick
            )
        except snapshots.NoRoomError as error:
            raise StartupError(
                f"{wanted}: {error}. Nothing was changed. Free disk space, or make a backup elsewhere and "
                "set store.upgrade_snapshot = false."
            ) from error
        except DamagedCopyError as error:
            raise StartupError(
                f"{wanted}: the store is damaged ({error}). Nothing was changed. Restore a backup, or save "
                "what can be read with the program that ran before: ingestbox salvage"
            ) from error
        except (OSError, sqlite3.Error) as error:
            raise StartupError(f"{wanted}: {error}. Nothing was changed.") from error
        return path.name

    def _put_back(self, plan: Plan) -> Path:
        """Gives the snapshot the store's place; where the failed store is now. Each step may have been done
        before. Raises OSError."""
        folder = self._data / snapshots.FOLDER
        snapshot = folder / plan.snapshot
        kept = folder / f"failed-upgrade-{plan.schema}-to-{plan.to}.db"
        if snapshot.exists():
            wal, journal, shm = (
                self._database.with_name(self._database.name + end) for end in ("-wal", "-journal", "-shm")
            )
            if self._database.exists() and not _same(self._database, kept):
                kept.with_name(kept.name + "-wal").unlink(missing_ok=True)
                kept.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # a file system without second names keeps no copy of it
                    kept.hardlink_to(self._database)
            for left in (wal, journal):
                if left.exists():
                    left.replace(kept.with_name(kept.name + left.name.removeprefix(self._database.name)))
            shm.unlink(missing_ok=True)
            sync(folder)
            sync(self._data)
            snapshot.replace(self._database)
            sync(self._data)
            sync(folder)
        elif _schema(self._database) != plan.schema:
            raise FileNotFoundError(errno.ENOENT, "there is no such snapshot", str(snapshot))
        _forget(self._data / FAILED)
        return kept

    def _stuck(self, plan: Plan, error: OSError) -> StartupError:
        return StartupError(
            f"An upgrade of the store failed, and it could not be put back to what it was: {error}. Remove "
            f"the reason and start again; it is put back then, from "
            f"{self._data / snapshots.FOLDER / plan.snapshot}. Or restore a backup: ingestbox restore"
        )

    def _noted(self, name: str) -> Plan | None:
        try:
            return msgspec.json.decode((self._data / name).read_bytes(), type=Plan)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, msgspec.ValidationError) as error:
            raise StartupError(
                f"The note {self._data / name} of an upgrade cannot be read: {error}. Keep a copy of the "
                "data folder; without the note this program goes on with the store as it is."
            ) from error

    def _say(self, at: str) -> None:
        self._at = at
        self._heard = self._clock.monotonic()
        log.info("Upgrading the store: %s.", at)
        self._tell()

    def _tick(self) -> int:
        now = self._clock.monotonic()
        if self._at and now - self._heard >= TICK_SECONDS:
            self._heard = now
            self._tell()
        return 0

    def _tell(self) -> None:
        with contextlib.suppress(Exception):  # whoever listens is not to fail an upgrade
            self._told(self._at)


def forget(data: Path) -> None:
    """Forgets an upgrade that was under way, for who puts another database there. Raises OSError."""
    for name in (UNDER_WAY, FAILED):
        _forget(data / name)


def _forget(note: Path) -> None:
    note.unlink(missing_ok=True)
    sync(note.parent)


def _as_before(plan: Plan) -> str:
    return (
        f"The store is as it was before, of schema {plan.schema}: start the ingestbox that ran until now, "
        "and report this."
    )


def _schema(database: Path) -> int | None:
    """The schema that the database has; None when it cannot be read."""
    try:
        with contextlib.closing(connect_reader(database)) as reader:
            ((number,),) = reader.execute("PRAGMA user_version").fetchall()
            return int(number)
    except sqlite3.Error:
        return None


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)
