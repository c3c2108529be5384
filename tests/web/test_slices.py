"""Much that a client sends at once is not dealt with at once."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from ingestbox.web.http.protocol import Http
from ingestbox.web.http.slices import SLICE_BYTES
from tests.forward.support import until
from tests.web.support import Live, read_answer, serve

TINY = b"GET / HTTP/1.1\r\nHost:\r\n\r\n"
MANY = 20_000


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Of each piece that was parsed: its size, and how much of a body was to come."""
    seen: list[tuple[int, int]] = []
    parse = Http.parse

    def noted(self: Http, data: bytes) -> None:
        seen.append((len(data), self.body_left))
        parse(self, data)

    monkeypatch.setattr(Http, "parse", noted)
    return seen


def test_pipelined_requests_wait_unparsed_and_are_all_answered() -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        writer.write(live.head("GET /v1/slow") + TINY * MANY)
        await live.entered.wait()
        async with live.client() as client:  # what was sent has had its time
            for _ in range(20):
                await client.get("/")
        http = connection_of(live, writer)
        assert http.unparsed
        most = SLICE_BYTES // len(TINY)
        assert 0 < len(http.pipeline) <= most
        live.release.set()
        assert (await read_answer(reader)).body == {"slow": True}
        for number in range(MANY):
            assert (await read_answer(reader)).status == 200
            if number % 500 == 0:
                assert len(http.pipeline) <= 2 * most
        writer.write(live.head("GET /api/echo"))
        assert (await read_answer(reader)).status == 200
        writer.close()

    serve(test)


def connection_of(live: Live, writer: asyncio.StreamWriter) -> Http:
    """The server's end."""
    assert live.server.connections is not None
    for each in live.server.connections._open:
        assert isinstance(each, Http)
        if each.client == writer.get_extra_info("sockname"):
            return each
    raise AssertionError("there is none")


def test_what_comes_although_reading_is_paused_is_kept() -> None:
    """TLS may have more in hand when reading pauses."""

    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        writer.write(live.head("GET /v1/slow") + TINY * 400)
        await live.entered.wait()
        http = connection_of(live, writer)
        await until(lambda: http.unparsed, "the rest is held")
        http.data_received(TINY * 10)
        http.data_received(TINY)
        live.release.set()
        assert (await read_answer(reader)).body == {"slow": True}
        for _ in range(411):
            assert (await read_answer(reader)).status == 200
        writer.close()

    serve(test)


def test_one_that_goes_away_while_its_requests_wait_is_noticed() -> None:
    async def test(live: Live) -> None:
        _, writer = await live.connect()
        writer.write(live.head("GET /v1/slow") + TINY)
        await live.entered.wait()
        writer.transport.abort()
        await until(lambda: not live.server.connections, "the server notices")

    serve(test)


def test_a_body_is_parsed_as_it_comes_and_all_else_in_slices(parsed: list[tuple[int, int]]) -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        size = 3_000_000
        writer.write(live.head("POST /api/echo", f"Content-Length: {size}") + bytes(size) + TINY * 1_000)
        assert (await read_answer(reader)).body["size"] == size
        for _ in range(1_000):
            assert (await read_answer(reader)).status == 200
        assert max(size for size, _ in parsed) > SLICE_BYTES
        assert all(size <= max(SLICE_BYTES, left) for size, left in parsed)
        parsed.clear()
        chunks = 100_000
        writer.write(live.head("POST /api/echo", "Transfer-Encoding: chunked"))
        writer.write(b"1\r\nx\r\n" * chunks + b"0\r\n\r\n")
        assert (await read_answer(reader)).body["size"] == chunks
        assert all(size <= SLICE_BYTES for size, _ in parsed)
        writer.close()

    serve(test)


def test_byte_by_byte_and_cut_anywhere() -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        one = live.head("POST /api/echo", "Content-Length: 9000") + b"x" * 9_000
        for byte in one[:400]:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        writer.write(one[400:])
        assert (await read_answer(reader)).body["size"] == 9_000
        both = (
            one + live.head("POST /api/echo", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n"
        ) * 3
        for cut in (1, 100, 4_095, 4_096, 4_097, 9_100, len(one), len(one) + 1):
            writer.write(both[:cut])
            await asyncio.sleep(0.002)
            writer.write(both[cut:])
            sizes = [(await read_answer(reader)).body["size"] for _ in range(6)]
            assert sizes == [9_000, 3] * 3, cut
        writer.close()

    serve(test)


def test_what_is_broken_behind_others_ends_the_connection_after_them() -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        writer.write(TINY * 1_000 + b"nonsense\r\n\r\n" + TINY * 1_000)
        for _ in range(1_000):
            assert (await read_answer(reader)).status == 200
        async with asyncio.timeout(10):
            with contextlib.suppress(OSError):  # what it sent behind is never read
                left = await reader.read()
                assert left == b"" or left.startswith(b"HTTP/1.1 400 ")
        writer.close()

    serve(test)
