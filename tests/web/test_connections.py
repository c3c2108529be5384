"""Heads that never end, too many connections, answers that nobody reads: over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
import subprocess
import sys

import pytest

from ingestbox.config import Limits
from ingestbox.web.http import connections as connections_module
from ingestbox.web.http.connections import MOST_REFUSALS, Connections
from tests.forward.support import until
from tests.web.support import Answer, Live, read_answer, serve

QUICK = Limits(header_seconds=0.4, body_stall_seconds=0.4)

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends, however it does; fails when it does not within 10 s."""
    async with asyncio.timeout(10):
        with contextlib.suppress(OSError):
            return await reader.read()
    return b""


def of(live: Live) -> Connections:
    assert live.server.connections is not None
    return live.server.connections


async def drip(pair: Pair, text: bytes) -> Answer:
    """Sends a byte at a time, for ever, until there is an answer."""
    reader, writer = pair
    answer = asyncio.create_task(read_answer(reader))
    number = 0
    while not answer.done():
        writer.write(text[number : number + 1] or b"x")
        number += 1
        await asyncio.sleep(0.02)
    return answer.result()


def check_timed_out(answer: Answer) -> None:
    assert (answer.status, answer.body["code"]) == (408, "header_incomplete")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-request-id"] == answer.body["request_id"]


def test_a_head_that_does_not_end_is_408() -> None:
    async def test(live: Live) -> None:
        nothing = await live.connect()
        half = await live.connect()
        half[1].write(b"GET / HTTP/1.1\r\nHost: box\r\n")
        dripping = await live.connect()
        check_timed_out(await drip(dripping, b"GET / HTTP/1.1\r\nHost: box\r\nX-Slow: "))
        for reader, _ in (nothing, half):
            check_timed_out(await read_answer(reader))
        for reader, writer in (nothing, half, dripping):
            assert await rest(reader) == b""
            writer.transport.abort()
        assert of(live).timed_out == 3
        await until(lambda: not of(live), "the connections change")

    serve(test, QUICK)


def test_the_next_head_on_a_connection_has_its_own_time_and_between_them_there_is_more() -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        for _ in range(3):
            writer.write(live.head("GET /api/echo"))
            assert (await read_answer(reader)).status == 200
            await asyncio.sleep(0.3)  # together more than a head may take
        idle, idle_writer = await live.connect()
        idle_writer.write(live.head("GET /api/echo"))
        assert (await read_answer(idle)).status == 200
        check_timed_out(await drip((reader, writer), b"GET / HTTP/1.1\r\nX: "))
        idle_writer.write(live.head("GET /api/echo"))  # it was idle all the while, and that is no fault
        assert (await read_answer(idle)).status == 200
        writer.transport.abort()
        idle_writer.transport.abort()

    serve(test, QUICK)


def test_a_body_and_an_answer_may_take_longer_than_a_head() -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        writer.write(live.head("POST /api/echo", "Content-Length: 30"))
        for _ in range(30):
            await asyncio.sleep(0.03)
            writer.write(b"x")
        assert (await read_answer(reader)).body["size"] == 30
        writer.write(live.head("GET /v1/slow"))
        await live.entered.wait()
        await asyncio.sleep(0.8)
        live.release.set()
        assert (await read_answer(reader)).body == {"slow": True}
        writer.transport.abort()

    serve(test, QUICK)


def test_a_half_head_behind_a_request_has_its_time_from_that_ones_answer() -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        writer.write(live.head("GET /v1/slow") + b"GET / HTTP/1.1\r\n")
        await live.entered.wait()
        await asyncio.sleep(0.8)
        live.release.set()
        assert (await read_answer(reader)).body == {"slow": True}
        check_timed_out(await read_answer(reader))
        writer.transport.abort()

    serve(test, QUICK)


def test_an_idle_connection_is_closed_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections_module, "KEEP_ALIVE_SECONDS", 0.3)

    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        writer.write(live.head("GET /api/echo"))
        assert (await read_answer(reader)).status == 200
        assert await rest(reader) == b""  # without an answer, for nothing was asked
        writer.close()

    serve(test)


async def busy(live: Live, number: int) -> list[Pair]:
    """So many connections whose requests are being answered."""
    pairs = []
    for _ in range(number):
        live.entered.clear()
        reader, writer = await live.connect()
        writer.write(live.head("GET /v1/slow"))
        await live.entered.wait()
        pairs.append((reader, writer))
    return pairs


def check_no_room(answer: Answer) -> None:
    assert (answer.status, answer.body["code"]) == (503, "overloaded")
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["connection"] == "close"


def test_past_the_cap_a_new_connection_is_told_to_come_again() -> None:
    async def test(live: Live) -> None:
        held = await busy(live, 3)
        reader, writer = await live.connect()
        check_no_room(await read_answer(reader))  # at once: it has not asked for anything yet
        assert await rest(reader) == b""
        writer.close()
        reader, writer = await live.connect()
        writer.write(live.head("POST /api/echo", "Content-Length: 300000") + bytes(300_000))
        check_no_room(await read_answer(reader))  # not a reset, though what it sent is not read
        writer.close()
        assert of(live).refused == 2
        live.release.set()
        for one, own in held:
            assert (await read_answer(one)).status == 200
            own.close()
        await until(lambda: len(of(live)) < 3, "the connections change")
        reader, writer = await live.connect()
        writer.write(live.head("GET /api/echo"))
        assert (await read_answer(reader)).status == 200
        writer.close()

    serve(test, Limits(connections=3))


def test_a_crowd_that_finds_no_room_holds_few_descriptors(caplog: pytest.LogCaptureFixture) -> None:
    async def test(live: Live) -> None:
        held = await busy(live, 3)
        crowd = [await live.connect() for _ in range(4 * MOST_REFUSALS)]
        await until(lambda: of(live).refused >= len(crowd), "the connections change")
        assert len(of(live)) == 3
        assert live.server._uvicorn is not None
        known = live.server._uvicorn.server_state.connections
        await until(lambda: len(known) <= 3 + MOST_REFUSALS, "the connections change")
        told = await asyncio.gather(*(rest(reader) for reader, _ in crowd))
        assert sum(text.startswith(b"HTTP/1.1 503 ") for text in told) >= MOST_REFUSALS
        assert set(told) - {b""} == {text for text in told if text.startswith(b"HTTP/1.1 503 ")}
        for _, writer in (*held, *crowd):
            writer.transport.abort()

    with caplog.at_level(logging.WARNING, "ingestbox.web"):
        serve(test, Limits(connections=3))
    assert len([record for record in caplog.records if "turned away" in record.getMessage()]) in range(1, 20)


def test_those_idle_longest_make_room_first_then_unfinished_heads_then_bodies() -> None:
    async def test(live: Live) -> None:
        body = await live.connect()
        body[1].write(live.head("POST /api/echo", "Content-Length: 10") + b"x")
        head = await live.connect()
        head[1].write(b"GET / HTTP/1.1\r\n")
        (asked,) = await busy(live, 1)
        idle = []
        for _ in range(2):
            reader, writer = await live.connect()
            writer.write(live.head("GET /api/echo"))
            assert (await read_answer(reader)).status == 200
            idle.append((reader, writer))
            await asyncio.sleep(0.1)
        await asyncio.sleep(2.1)
        gone, late = [], []
        for victim in (*idle, head, body):
            late.append(await live.connect())
            late[-1][1].write(live.head("GET /v1/slow"))
            gone.append((await rest(victim[0])).split(b"\r\n")[0])
            victim[1].close()
        assert gone == [b"", b"", *[b"HTTP/1.1 503 Service Unavailable"] * 2]
        last, last_writer = await live.connect()
        check_no_room(await read_answer(last))  # all are being answered: nobody has to go
        last_writer.close()
        live.release.set()
        assert (await read_answer(asked[0])).status == 200
        asked[1].close()
        for reader, writer in late:
            assert (await read_answer(reader)).status == 200
            writer.close()
        assert of(live).evicted == 4

    serve(test, Limits(connections=5))


def test_nobody_has_to_go_for_one_that_does_not_come() -> None:
    async def test(live: Live) -> None:
        pairs = []
        for _ in range(3):  # as many as may be open, the last when the others have been idle for long
            reader, writer = await live.connect()
            writer.write(live.head("GET /api/echo"))
            assert (await read_answer(reader)).status == 200
            pairs.append((reader, writer))
            await asyncio.sleep(1.1)
        for reader, writer in pairs:
            writer.write(live.head("GET /api/echo"))
            assert (await read_answer(reader)).status == 200
            writer.close()
        assert of(live).evicted == 0

    serve(test, Limits(connections=3))


def test_those_that_have_had_their_answer_make_room_at_once() -> None:
    """They were left for a second; a crowd of them that came again and again left nobody else in."""

    async def test(live: Live) -> None:
        crowd = [await live.connect() for _ in range(3)]
        for reader, writer in crowd:
            writer.write(b"this is no request\r\n\r\n")
            assert (await read_answer(reader)).status == 400
        reader, writer = await live.connect()
        writer.write(live.head("GET /api/echo"))
        assert (await read_answer(reader)).status == 200
        for _, each in (*crowd, (reader, writer)):
            each.transport.abort()

    serve(test, Limits(connections=3))


def test_a_body_that_moves_and_a_fresh_idle_connection_stay() -> None:
    async def test(live: Live) -> None:
        held = await busy(live, 1)
        moving = await live.connect()
        moving[1].write(live.head("POST /api/echo", "Content-Length: 15000000"))
        sending = asyncio.create_task(send_on(moving[1]))
        await asyncio.sleep(2.5)
        fresh = await live.connect()
        fresh[1].write(live.head("GET /api/echo"))
        assert (await read_answer(fresh[0])).status == 200
        late = await live.connect()
        check_no_room(await read_answer(late[0]))
        fresh[1].write(live.head("GET /api/echo"))
        assert (await read_answer(fresh[0])).status == 200
        sending.cancel()
        for _, writer in (*held, moving, fresh, late):
            writer.transport.abort()

    serve(test, Limits(connections=3))


async def send_on(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(bytes(5_000))
        await asyncio.sleep(0.05)


def long_answers(live: Live) -> bytes:
    """Requests with answers of 40 KB, far more than the system takes for a client that does not read."""
    return live.head("GET /api/echo?long=" + "x" * 40_000) * 200


async def deaf(live: Live) -> socket.socket:
    """A client that asks, and reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", live.port))
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(0.3):
            await loop.sock_sendall(client, long_answers(live))
    return client


def test_a_client_that_does_not_read_its_answers_is_cut() -> None:
    async def test(live: Live) -> None:
        client = await deaf(live)
        await until(lambda: any(each.blocked for each in of(live)._open), "the connections change")
        await until(lambda: not of(live), "the connections change")
        assert of(live).timed_out == 1
        client.close()

    serve(test, QUICK)


def test_a_client_that_reads_slowly_is_not_cut() -> None:
    async def test(live: Live) -> None:
        client = await deaf(live)
        await until(lambda: any(each.blocked for each in of(live)._open), "the connections change")
        loop = asyncio.get_running_loop()
        for _ in range(30):
            for _ in range(20):
                assert await loop.sock_recv(client, 4_096)
            await asyncio.sleep(0.05)
        assert of(live).timed_out == 0
        client.close()

    serve(test, QUICK)


def test_without_descriptors_it_waits_instead_of_spinning_and_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(live: Live) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        clients = [socket.create_connection(("127.0.0.1", live.port)) for _ in range(5)]
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (clients[0].fileno() + 1, hard))
            await asyncio.sleep(0.55)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        tries = [each for each in caplog.records if "No connection can be accepted" in each.getMessage()]
        assert 2 <= len(tries) <= 8
        for client in clients:
            reader, writer = await asyncio.open_connection(sock=client)
            writer.write(live.head("GET /api/echo"))
            assert (await read_answer(reader)).status == 200
            writer.close()

    with caplog.at_level(logging.WARNING, "ingestbox.web"):
        serve(test)


def limited(files: str, wanted: int) -> subprocess.CompletedProcess[str]:
    program = (
        "import logging, resource; logging.basicConfig(format='%(message)s');"
        "from ingestbox.web.http.descriptors import most_connections;"
        f"print(most_connections({wanted}), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    command = ["sh", "-c", f'{files} && exec "$@"', "sh", sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_cap_is_held_below_what_the_process_may_open() -> None:
    raised = limited("ulimit -Sn 100 && ulimit -Hn 5000", 1_000)
    assert raised.stdout.split()[0] == "1000" and 1_000 < int(raised.stdout.split()[1]) <= 5_000
    held = limited("ulimit -n 200", 1_000)
    most, soft = (int(word) for word in held.stdout.split())
    assert soft == 200 and 50 < most < 150
    assert f"Only {most} connections are taken at once, not the 1000" in held.stderr
    none = limited("ulimit -n 60", 1_000)
    assert none.returncode == 1 and "leaves none for connections" in none.stderr
