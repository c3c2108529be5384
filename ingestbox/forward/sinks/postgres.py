"""The PostgreSQL sink: each batch one transaction that leaves, of every object, its newest version.

What was stored twice has one effect, so a batch may be sent again whenever it is not certain that it was
stored. Statements are not prepared under names, and all settings last for a transaction, so that a PgBouncer
in transaction mode may stand in between.
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from ingestbox import config
from ingestbox.clock import Clock
from ingestbox.forward.batch import LaneBatch
from ingestbox.forward.sink import Decision, Delivered, Parcel, Pause, Refused, Retry
from ingestbox.forward.sinks import postgresanswers as answers
from ingestbox.forward.sinks.knock import knocked
from ingestbox.forward.sinks.postgresaddress import Address, address
from ingestbox.forward.sinks.postgresrows import PostgresParcel, packed, piece
from ingestbox.forward.sinks.postgrestable import Table, commit
from ingestbox.model import LaneTest
from ingestbox.store.lanes import Parked

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 60.0
"""A connection that was not used for so long is not trusted: firewalls forget them silently."""

SLOWEST_BYTES_A_SECOND = 8_192
"""A batch is given this much time to leave, besides the lane's time-out: edge lines are slow."""

MOST_REFUSED = 100
"""With more refused rows in one batch, the lane sends halves: each takes some twenty statements to find."""

LONGEST_SECONDS = 1_000_000.0
"""Time-outs beyond this are more than PostgreSQL can count in milliseconds, twice over."""

TRIES = 3
"""Statements after which a table that was just made is there, or will not be."""


class PostgresSink:
    """One table of one database, over one connection that is kept from batch to batch."""

    def __init__(self, lane: config.Lane, clock: Clock) -> None:
        """Nothing is connected yet. Raises StartupError for settings that cannot be used."""
        self._address = address(lane)
        self._clock = clock
        self._timeout = lane.timeout_seconds
        self._refusals = lane.refusals
        self._table = Table(lane.table)
        milliseconds = max(1, int(min(self._timeout, LONGEST_SECONDS) * 1000))
        # Of a role's own settings two could lose a batch, or refuse it now and then. What is left of a box
        # that was killed in a transaction must not hold locks for hours.
        self._begin_sql = (
            "BEGIN ISOLATION LEVEL READ COMMITTED; "
            f"SET LOCAL statement_timeout = {milliseconds}; "
            f"SET LOCAL idle_in_transaction_session_timeout = {2 * milliseconds}; "
            "SELECT set_config('synchronous_commit', 'on', true) "
            "WHERE current_setting('synchronous_commit') = 'off'"
        )
        self._connection: Any = None
        self._used = 0.0

    def pack(self, batch: LaneBatch) -> PostgresParcel:
        """The batch's lines as rows."""
        return packed(batch)

    async def send(self, parcel: Parcel) -> Decision:
        """Stores the batch, within the lane's time-out."""
        assert isinstance(parcel, PostgresParcel)  # it was packed here
        if not parcel.pieces:
            return Delivered(parcel.broken)
        upload = parcel.size / SLOWEST_BYTES_A_SECOND
        try:
            async with asyncio.timeout(self._timeout + upload):
                decision = await self._stored(parcel)
        except BaseException as error:
            self._drop()
            if (said := _meaning(error)) is None:
                raise
            return said
        self._used = self._clock.monotonic()
        return decision

    async def test(self) -> LaneTest:
        """Connects anew, tries the statement without rows, makes what is missing, and takes it all back."""
        began = self._clock.monotonic()
        decision: Delivered | Retry | Pause = Delivered()
        connection = None
        try:
            async with asyncio.timeout(self._timeout):
                connection = await self._opened()
                await self._tried(connection)
        except Exception as error:
            if (said := _meaning(error)) is None:
                raise
            decision = said
        finally:
            if connection is not None:
                connection.terminate()
        return knocked(decision, None, self._clock.monotonic() - began)

    async def close(self) -> None:
        """Lets go of the connection."""
        self._drop()

    # One batch.

    async def _stored(self, parcel: PostgresParcel) -> Decision:
        missing: asyncpg.PostgresError | None = None
        for _ in range(TRIES):
            connection = await self._begun()
            try:
                for each in parcel.pieces:
                    await connection.execute(self._table.put, *each.parameters)
                await commit(connection)
            except asyncpg.UndefinedTableError as error:
                missing = error
                await connection.execute("ROLLBACK")
                if (fault := await self._table.create(connection, self._begin_sql)) is not None:
                    return fault
            except Exception as error:
                if not answers.about_record(error):
                    raise
                await connection.execute("ROLLBACK")
                return await self._piecemeal(parcel)
            else:
                return Delivered(parcel.broken)
        assert missing is not None  # every other way ends the loop
        raise missing

    async def _piecemeal(self, parcel: PostgresParcel) -> Decision:
        """Stores the batch without the rows that the server refuses, which halving finds.

        In one transaction, with a savepoint a piece: what a lane does by sending halves would cost it a
        commit for each. Where not some rows are refused, but all, or so many that finding them would take too
        long, that is still the lane's to do.
        """
        give_up = self._clock.monotonic() + self._timeout / 2
        connection = await self._begun()
        waiting = list(reversed(parcel.pieces))
        refused: list[Parked] = []
        stored = 0
        last = Refused(answers.RECORD_INVALID)
        while waiting:
            each = waiting.pop()
            await connection.execute("SAVEPOINT piece")
            try:
                await connection.execute(self._table.put, *each.parameters)
            except Exception as error:
                if not answers.about_record(error):
                    raise
                last = answers.refused(error)
                await connection.execute("ROLLBACK TO SAVEPOINT piece")
            else:
                stored += len(each.rows)
                await connection.execute("RELEASE SAVEPOINT piece")
                continue
            if len(each.rows) > 1:
                waiting += reversed(each.halves())
            else:
                (row,) = each.rows
                refused.append(Parked(row.seq, last.code, last.message))
                if (older := row.without_newest()) is not None:
                    waiting.append(piece([older]))
            hopeless = not stored and len(refused) >= self._refusals
            if hopeless or len(refused) > MOST_REFUSED or self._clock.monotonic() > give_up:
                stored = 0
                break
        if not stored:
            await connection.execute("ROLLBACK")
            return last
        try:
            await commit(connection)
        except asyncpg.PostgresError as error:
            if answers.about_record(error):  # a constraint that is checked at the end
                return answers.refused(error)
            raise
        return Delivered((*parcel.broken, *refused))

    # The connection.

    async def _tried(self, connection: Any) -> None:
        nothing = piece([]).parameters
        await connection.execute(self._begin_sql)
        try:
            await connection.execute(self._table.put, *nothing)
        except asyncpg.UndefinedTableError:
            await connection.execute("ROLLBACK")
            if (fault := await self._table.create(connection, self._begin_sql, keep=False)) is not None:
                raise _Unconnected(fault) from None
            await connection.execute(self._table.put, *nothing)
        await connection.execute("ROLLBACK")

    async def _begun(self) -> Any:
        """The connection, in a new transaction. One that was kept may have been closed at the other end."""
        tls = self._address.tls
        if tls is not None and tls.changed() and tls.renew():
            self._drop()
        if self._connection is not None and self._clock.monotonic() - self._used > IDLE_SECONDS:
            self._drop()
        if self._connection is not None:
            try:
                await self._connection.execute(self._begin_sql)
            except (OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
                self._drop()
            else:
                return self._connection
        self._connection = await self._opened()
        self._used = self._clock.monotonic()
        await self._connection.execute(self._begin_sql)
        return self._connection

    async def _opened(self) -> Any:
        try:
            return await _connect(self._address, min(CONNECT_SECONDS, self._timeout))
        except Exception as error:
            decision = answers.meaning(error, connecting=True)
            if decision is None:
                raise
            if isinstance(decision, Pause) and self._address.tls is not None:
                self._address.tls.renew()  # the next try is with what is on the disk then
            raise _Unconnected(decision) from error

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


class _Unconnected(Exception):  # noqa: N818 - a finding, not a fault of the program
    """It did not come to a statement; `decision` says why."""

    def __init__(self, decision: Retry | Pause) -> None:
        super().__init__()
        self.decision = decision


async def _connect(to: Address, seconds: float) -> Any:
    settings = {} if "application_name=" in to.dsn else {"application_name": "ingestbox"}
    return await asyncpg.connect(
        to.dsn,
        password=to.password,
        ssl=to.encryption(),
        target_session_attrs=to.servers,
        server_settings=settings,
        timeout=seconds,
        statement_cache_size=0,
    )


def _meaning(error: BaseException) -> Retry | Pause | None:
    if isinstance(error, _Unconnected):
        return error.decision
    return answers.meaning(error, connecting=False) if isinstance(error, Exception) else None
