"""A database in trouble: what passes by itself is tried again, what needs a person pauses."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from ingestbox.forward.sink import Delivered, Pause, Retry
from ingestbox.forward.sinks.postgres import PostgresSink
from ingestbox.store import Store, lanes
from tests.forward.support import HeldClock, enqueue, forwarding, until, until_async, until_state
from tests.forward.support import opened as store
from tests.postgres.support import PASSWORD, EnqueueRecords, Server, deliver, line, opened, run, send

DONE = Delivered()


def test_a_table_that_is_dropped_is_made_again(server: Server, table: str) -> None:
    async def test() -> None:
        async with opened(server.lane(table)) as (sink,):
            assert await send(sink, line(1, "a")) == DONE
            server.sql(f"DROP TABLE {table}")
            assert await send(sink, line(2, "b")) == DONE
            server.sql(f"DROP TABLE {table}_epochs")
            assert await send(sink, line(3, "c")) == DONE

    run(test())
    assert [row[0] for row in server.rows(table)] == ["b", "c"]


def test_a_table_of_another_shape_pauses_the_lane(server: Server, table: str) -> None:
    server.sql(f"CREATE TABLE {table} (box text); GRANT ALL ON {table} TO box")
    (decision,) = deliver(server.lane(table), [line(1)])
    assert isinstance(decision, Pause)
    assert decision.reason.startswith("table_differs: column ")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("SET default_transaction_read_only = on", "read_only: 25006"),
        ("CONNECTION LIMIT 0", "too_many_connections: 53300"),
    ],
)
def test_a_database_that_takes_nothing_now_is_tried_again(
    server: Server, table: str, options: str, reason: str
) -> None:
    server.role("limited")
    try:
        server.sql(f"GRANT CREATE ON SCHEMA public TO limited; ALTER ROLE limited {options}")
        to = server.lane(table, url=server.url("limited"))
        assert deliver(to, [line(1)]) == [Retry(reason)]
        server.sql("ALTER ROLE limited RESET ALL; ALTER ROLE limited CONNECTION LIMIT -1")
        assert deliver(to, [line(1)]) == [DONE]
    finally:
        server.sql(f"DROP TABLE IF EXISTS {table}, {table}_epochs; DROP OWNED BY limited; DROP ROLE limited")


def test_a_connection_that_was_closed_meanwhile_costs_no_try(server: Server, table: str) -> None:
    async def test() -> None:
        async with opened(server.lane(table)) as (sink,):
            assert await send(sink, line(1, "a")) == DONE
            server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'box'")
            assert await send(sink, line(2, "b")) == DONE

    run(test())
    assert len(server.rows(table)) == 2


def test_a_connection_is_kept_from_batch_to_batch_and_not_for_ever(server: Server, table: str) -> None:
    async def test() -> list[int]:
        clock, pids = HeldClock(), []
        sink = PostgresSink(server.lane(table), clock)
        for seq, pause in enumerate((0, 59, 61), start=1):
            clock.advance(pause)
            assert await send(sink, line(seq)) == DONE
            pids.append(sink._connection.get_server_pid())
        await sink.close()
        return pids

    first, second, third = run(test())
    assert first == second != third


def test_a_lock_that_somebody_holds_is_waited_for_and_no_longer_than_the_time_out(
    server: Server, table: str
) -> None:
    async def test() -> None:
        async with opened(server.lane(table), server.lane(table, timeout_seconds=0.4)) as (holder, sink):
            assert await send(holder, line(1, "a")) == DONE
            connection = await holder._begun()
            await connection.execute(f"LOCK TABLE {table}")
            assert await send(sink, line(2, "b")) == Retry("timeout")
            await connection.execute("ROLLBACK")
            assert await send(sink, line(2, "b")) == DONE

    run(test())


def test_a_server_that_stops_answering_is_left(server: Server, table: str) -> None:
    """No time-out of its own counts then. The connection goes at once, and with it any locks."""

    async def test() -> None:
        async with opened(server.lane(table, timeout_seconds=0.4)) as (sink,):
            assert await send(sink, line(1, "a")) == DONE
            backend = sink._connection.get_server_pid()
            os.kill(backend, signal.SIGSTOP)
            try:
                assert await send(sink, line(2, "b")) == Retry("timeout")
                assert sink._connection is None
            finally:
                os.kill(backend, signal.SIGCONT)
            assert await send(sink, line(2, "b")) == DONE

    run(test())


def test_an_upstream_that_is_no_database(server: Server, table: str) -> None:
    """One that says nothing, one that says something else, one that hangs up."""

    async def answer(said: bytes | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if said is None:
            await reader.read()
        else:
            writer.write(said)
        writer.close()

    async def test(said: bytes | None) -> object:
        peer = await asyncio.start_server(lambda *ends: answer(said, *ends), "127.0.0.1", 0)
        port = peer.sockets[0].getsockname()[1]
        to = server.lane(table, url=f"postgresql://box@127.0.0.1:{port}/box", timeout_seconds=0.3)
        try:
            async with opened(to) as (sink,):
                return await send(sink, line(1))
        finally:
            peer.close()

    assert run(test(None)) == Retry("timeout")
    assert run(test(b"")) == Retry("connect")
    assert run(test(b"HTTP/1.1 400 Bad Request\r\n\r\n")) in (Retry("connect"), Retry("tls"))


def test_a_role_cannot_make_it_unsafe(server: Server, table: str) -> None:
    """What counts as delivered is on the server's disk, and lanes do not make each other's batches fail."""
    server.role("hasty")
    server.sql("ALTER ROLE hasty SET synchronous_commit = off")
    server.sql("ALTER ROLE hasty SET default_transaction_isolation = serializable")

    async def test() -> list[str]:
        names = ("synchronous_commit", "transaction_isolation", "statement_timeout")
        to = server.lane(table, url=server.url("hasty"), timeout_seconds=1e9)
        async with opened(to) as (sink,):
            connection = await sink._begun()
            return [await connection.fetchval(f"SHOW {name}") for name in names]

    assert run(test()) == ["on", "read committed", "1000000s"]


def test_a_lane_pauses_for_a_wrong_password_and_goes_on_when_it_is_right(
    server: Server, table: str, tmp_path: Path
) -> None:
    server.role("changing")
    server.sql("GRANT CREATE ON SCHEMA public TO changing; ALTER ROLE changing PASSWORD 'another'")
    to = server.lane(table, url=server.url("changing"), probe_seconds=0.05)

    async def test() -> None:
        async with store(tmp_path) as ledger, forwarding(ledger, to) as forwarder:
            await enqueue(ledger, 30)
            forwarder.wake()
            state = await until(
                lambda: next((s for s in forwarder.states() if s.state == "paused"), None), "it pauses"
            )
            assert state.reason == 'unauthorized: password authentication failed for user "changing" (28P01)'
            assert state.url == f"postgresql://127.0.0.1:{server.port}/box"
            server.sql(f"ALTER ROLE changing PASSWORD '{PASSWORD}'")
            await until_state(forwarder, "running")
            await until_async(lambda: _delivered(ledger, 30), "all is delivered")

    run(test())
    assert len(server.rows(table)) == 30


async def _delivered(ledger: Store, count: int) -> bool:
    (found,) = await lanes.overview(ledger)
    return found.delivered == count


def test_a_lane_parks_what_the_server_refuses_and_delivers_the_rest(
    server: Server, table: str, tmp_path: Path
) -> None:
    async def test() -> None:
        to = server.lane(table)
        async with store(tmp_path) as ledger, forwarding(ledger, to) as forwarder:
            records = [{"id": f"T-{n}", "summary": "a\0b" if n == 7 else "short"} for n in range(1, 21)]
            await ledger.write(EnqueueRecords(ledger.identity, records))
            forwarder.wake()
            await until_async(lambda: _delivered(ledger, 19), "all others are delivered")
            (found,) = await lanes.overview(ledger)
            assert found.parked == 1
            assert (await lanes.balances(ledger))[0].holds

    run(test())
    assert len(server.rows(table)) == 19


def test_kill_9_of_the_server_in_mid_drain_loses_and_repeats_nothing(
    server: Server, table: str, tmp_path: Path
) -> None:
    count = 1_500

    async def test() -> None:
        to = server.lane(table, batch_lines=20, backoff_seconds=0.01)
        async with store(tmp_path) as ledger:
            await enqueue(ledger, count)
            async with forwarding(ledger, to) as forwarder:
                for share in (0.2, 0.6):
                    some = partial(_beyond, ledger, share * count)
                    await until_async(some, "some are delivered")
                    await asyncio.to_thread(server.kill)
                    await until_state(forwarder, "retrying")
                    await asyncio.to_thread(server.start)
                await until_async(lambda: _delivered(ledger, count), "all are delivered")
                assert (await lanes.balances(ledger))[0].holds

    run(test())
    seqs = [row[0] for row in server.rows(table, "seq")]
    assert sorted(seqs) == list(range(1, count + 1))


async def _beyond(ledger: Store, count: float) -> bool:
    (found,) = await lanes.overview(ledger)
    return found.delivered >= count
