"""What a client can do to a connection below the level of a request."""

from __future__ import annotations

import asyncio
import logging

import pytest

from ingestbox.web.http.heads import MAX_HEAD_BYTES
from tests.forward.support import until
from tests.web.support import Live, read_answer, serve


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends; fails when it does not end within 10 s."""
    async with asyncio.timeout(10):
        return await reader.read()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",  # a TLS client
        b"nonsense\r\n\r\n",
        "GET /é HTTP/1.1\r\nHost: box\r\n\r\n".encode(),
        b"POST /api/echo HTTP/1.1\r\nHost: box\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /api/echo HTTP/1.1\r\nHost: box\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n",
        b"POST /api/echo HTTP/1.1\r\nHost: box\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: box\r\n\r\n",
    ],
)
def test_what_is_no_request_is_a_problem_with_an_id(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        writer.write(sent)
        answer = await read_answer(reader)
        assert (answer.status, answer.body["code"]) == (400, "malformed_request")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-request-id"] == answer.body["request_id"]
        assert answer.headers["connection"] == "close"
        assert await rest(reader) == b""
        assert answer.body["request_id"] in [vars(record).get("request_id") for record in caplog.records]
        writer.transport.abort()

    with caplog.at_level(logging.INFO, "ingestbox.web"):
        serve(test)


@pytest.mark.parametrize(
    ("version", "fields", "status"),
    [
        ("1.1", "", 400),
        ("1.1", "Host: box\r\nHost: box\r\n", 400),
        ("1.1", "Host: box\r\nhost: other\r\n", 400),
        ("1.1", "Host: box, other\r\n", 400),
        ("1.1", "Host: box/path\r\n", 400),
        ("1.1", "Host: user@box\r\n", 400),
        ("1.1", "Host: [::1\r\n", 400),
        ("1.1", "Host:\r\n", 200),
        ("1.1", "Host: Box_1.example:8000\r\n", 200),
        ("1.1", "Host: [::1]:8000\r\n", 200),
        ("1.0", "", 200),
        ("1.0", "Host: box\r\nHost: box\r\n", 400),
    ],
)
def test_a_request_has_one_host(version: str, fields: str, status: int) -> None:
    """RFC 9112, 3.2; a proxy and the box might each believe another one."""

    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        writer.write(f"GET /healthz HTTP/{version}\r\n{fields}\r\n".encode())
        answer = await read_answer(reader)
        assert answer.status == status
        if status == 400:
            assert answer.body["code"] == "malformed_request" and "Host" in answer.body["detail"]
            assert await rest(reader) == b""
        writer.transport.abort()

    serve(test)


def padded(live: Live, size: int, *, fields: int) -> bytes:
    """A request whose target and header fields have about so many bytes."""
    each = "x" * (size // fields - 20)
    return live.head("GET /api/echo", *(f"X-Field-{n:05}: {each}" for n in range(fields)))


@pytest.mark.parametrize("fields", [1, 40])
@pytest.mark.parametrize("piece", [1_000, 10**6])
def test_a_head_has_a_limit_however_it_arrives(fields: int, piece: int) -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        for _ in range(2):
            good = padded(live, MAX_HEAD_BYTES - 2_000, fields=fields)
            for start in range(0, len(good), piece):
                writer.write(good[start : start + piece])
                await asyncio.sleep(0)
            assert (await read_answer(reader)).status == 200
        bad = padded(live, MAX_HEAD_BYTES + 2_000, fields=fields)
        for start in range(0, len(bad), piece):
            writer.write(bad[start : start + piece])
            await asyncio.sleep(0)
        answer = await read_answer(reader)
        assert (answer.status, answer.body["code"]) == (431, "header_too_large")
        assert await rest(reader) == b""
        writer.transport.abort()

    serve(test)


def test_a_head_that_never_ends_is_refused_before_it_fills_the_memory() -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        writer.write(b"GET /api/echo HTTP/1.1\r\nX-Field: ")
        for _ in range(3 * MAX_HEAD_BYTES // 1_000):
            writer.write(b"x" * 1_000)
            await asyncio.sleep(0.001)  # so that the pieces arrive one by one
        assert (await read_answer(reader)).status == 431
        writer.transport.abort()

    serve(test)


def test_a_large_body_before_a_head_does_not_count_as_one() -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        size = 4 * MAX_HEAD_BYTES
        one = live.head("POST /api/echo", f"Content-Length: {size}") + b"x" * size
        writer.write(one * 2 + live.head("GET /api/echo"))
        assert [(await read_answer(reader)).status for _ in range(3)] == [200, 200, 200]
        writer.transport.abort()

    serve(test)


@pytest.mark.parametrize("ending", [b"a: " + b"x" * (3 * MAX_HEAD_BYTES), b"a: b\r\n" * MAX_HEAD_BYTES])
def test_trailers_have_the_limit_too(ending: bytes) -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        writer.write(live.head("POST /api/echo", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n")
        for start in range(0, len(ending), 10_000):
            writer.write(ending[start : start + 10_000])
            await asyncio.sleep(0.001)
        assert (await read_answer(reader)).status == 431
        writer.transport.abort()

    serve(test)


def test_a_trailer_is_not_a_header() -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        credentials = f"Authorization: Bearer {live.token()}\r\n".encode()
        chunked = live.head("POST /api/echo", "Transfer-Encoding: chunked", token=False) + b"2\r\n{}\r\n0\r\n"
        writer.write(chunked + credentials + b"\r\n")
        assert (await read_answer(reader)).status == 401
        chunked = live.head("POST /api/echo", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n"
        writer.write(chunked + b"Content-Encoding: gzip\r\nX-Request-ID: late\r\n\r\n")
        answer = await read_answer(reader)
        assert (answer.status, answer.body["size"]) == (200, 2)
        assert answer.headers["x-request-id"] != "late"
        writer.transport.abort()

    serve(test)


@pytest.mark.parametrize(
    "broken", [b"\x00\x00\r\n\r\n", b"POST /api/echo HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
def test_whole_requests_before_a_broken_one_get_their_answers(broken: bytes) -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        whole = live.head("POST /api/echo", "Content-Length: 2") + b"{}"
        writer.write(whole * 3 + broken)
        for _ in range(3):
            answer = await read_answer(reader)
            assert (answer.status, answer.body["size"]) == (200, 2)
        assert await rest(reader) == b""
        writer.transport.abort()

    serve(test)


def test_a_request_whose_body_breaks_behind_another_ends_the_connection_after_the_others_answer() -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        slow = live.head("GET /v1/slow")
        writer.write(slow + live.head("POST /api/echo", "Transfer-Encoding: chunked") + b"no number\r\n")
        await live.entered.wait()
        live.release.set()
        answer = await read_answer(reader)
        assert answer.body == {"slow": True}
        assert await rest(reader) == b""
        writer.transport.abort()

    serve(test)


def test_many_slashes_cost_no_time() -> None:
    """Looking for the nearest ancestor once cost time with the square of the depth: 1.4 s."""

    async def test(live: Live) -> None:
        async with asyncio.timeout(10):
            for _ in range(30):
                reader, writer = await live.connect()
                writer.write(live.head("GET /api/echo" + "/" * 60_000))
                assert (await read_answer(reader)).status == 404
                writer.transport.abort()

    serve(test)


def test_a_path_parameter_may_hold_a_line_feed() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            answer = await client.get("/api/thing/a%0Ab")
            assert answer.json()["path"] == {"thing_id": "a\nb"}

    serve(test)


def test_a_lost_connection_is_told_to_the_request_in_hand_also_behind_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It once wrote to the closed connection, and left a stack in the log."""

    async def test(live: Live) -> None:
        _, writer = await live.connect()
        echo = live.head("GET /api/echo")
        writer.write(echo + live.head("GET /v1/slow") + echo)
        await live.entered.wait()
        writer.transport.abort()
        assert live.server._uvicorn is not None
        connections = live.server._uvicorn.server_state.connections
        await until(lambda: not connections, "the server notices")
        live.release.set()
        async with live.client(headers=live.bearer) as client:
            assert (await client.get("/api/echo")).status_code == 200
        assert len(live.asked) == 2  # what nobody waits for is not begun

    serve(test)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
