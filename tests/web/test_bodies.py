"""Bodies: capped, compressed, slow, cut off, refused; over real connections."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import pytest

from ingestbox.config import MIB, Limits
from tests.web.packing import raw_deflate, zstd_pack
from tests.web.support import Live, read_answer, serve

BODY = b'{"records":[' + b",".join(b'{"id":"T-%d"}' % n for n in range(2_000)) + b"]}"
WANTED = {"size": len(BODY), "sha256": hashlib.sha256(BODY).hexdigest()}
QUICK = Limits(body_stall_seconds=0.2)


async def in_parts(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(BODY)),
        ("X-Gzip", gzip.compress(BODY)),
        ("gzip", gzip.compress(BODY[:5]) + gzip.compress(BODY[5:])),
        ("zstd", zstd_pack(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", raw_deflate(BODY)),
        ("identity", BODY),
        (None, BODY),
    ],
)
def test_the_handler_gets_the_body_as_it_was_before_compression(encoding: str | None, packed: bytes) -> None:
    async def test(live: Live) -> None:
        headers = {**live.bearer, **({"Content-Encoding": encoding} if encoding else {})}
        async with live.client(headers=headers) as client:
            assert (await client.post("/api/echo", content=packed)).json() == WANTED
            chunked = await client.post("/api/echo", content=in_parts(packed, 777))
            assert chunked.json() == WANTED

    serve(test)


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd,gzip", "gzip;q=1", "compress"])
def test_an_unknown_or_second_coding_is_415_and_says_what_is_taken(encoding: str) -> None:
    async def test(live: Live) -> None:
        async with live.client(headers={**live.bearer, "Content-Encoding": encoding}) as client:
            reply = await client.post("/api/echo", content=b"{}")
        assert (reply.status_code, reply.json()["code"]) == (415, "unsupported_media_type")
        assert "gzip, zstd, deflate" in reply.json()["detail"]
        assert reply.headers["accept-encoding"] == "gzip, zstd, deflate"
        assert live.asked == []

    serve(test)


def test_the_same_header_twice_counts_as_two_codings() -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        twice = ("Content-Encoding: gzip", "Content-Encoding: gzip", "Content-Length: 2")
        writer.write(live.head("POST /api/echo", *twice) + b"{}")
        assert (await read_answer(reader)).status == 415
        writer.close()

    serve(test)


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "deflate"])
def test_compressed_bytes_that_are_not_are_malformed(encoding: str) -> None:
    async def test(live: Live) -> None:
        async with live.client(headers={**live.bearer, "Content-Encoding": encoding}) as client:
            for content in (b"{}", b"", gzip.compress(BODY)[:-5], zstd_pack(BODY)[:-5]):
                reply = await client.post("/api/echo", content=content)
                assert (reply.status_code, reply.json()["code"]) == (400, "malformed_encoding")
        assert live.asked == []

    serve(test)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (None, 200),
        ("application/json", 200),
        ("Application/JSON; charset=UTF-8", 200),
        ('application/json;charset="utf-8"', 200),
        ("application/vnd.crm.v1+json", 200),
        ("application/json; charset=iso-8859-1", 415),
        ("text/plain", 415),
        ("text/x+json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
    ],
)
def test_json_calls_take_json(content_type: str | None, status: int) -> None:
    async def test(live: Live) -> None:
        headers = {**live.bearer, **({} if content_type is None else {"Content-Type": content_type})}
        async with live.client(headers=headers) as client:
            reply = await client.post("/api/echo", content=b"{}")
            assert reply.status_code == status
            if status == 415:
                assert "application/json" in reply.json()["detail"] or "UTF-8" in reply.json()["detail"]

    serve(test)


def test_a_call_with_a_type_of_its_own_takes_that_alone_and_one_without_a_body_any() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            for media, status in (("application/x-ndjson", 200), ("application/json", 415)):
                reply = await client.post("/v1/lines", content=b"{}\n", headers={"Content-Type": media})
                assert reply.status_code == status
            for headers in ({"Content-Type": "text/plain", "Content-Encoding": "br"}, {}):
                for content in (b"", b"ignored"):
                    reply = await client.post("/v1/things/7/cancel", content=content, headers=headers)
                    assert reply.json()["path"] == {"thing_id": "7"}

    serve(test)


def test_the_cap_holds_to_the_byte_on_the_wire_and_after_decompression() -> None:
    limits = Limits(control_kb=1)

    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            for size, status in ((1024, 200), (1025, 413)):
                content = b"x" * size
                gzipped = {"Content-Encoding": "gzip"}
                for reply in (
                    await client.post("/v1/echo", content=content),
                    await client.post("/v1/echo", content=in_parts(content, 100)),
                    await client.post("/v1/echo", content=gzip.compress(content), headers=gzipped),
                ):
                    assert reply.status_code == status
            assert reply.json()["code"] == "payload_too_large" and "1024 bytes" in reply.json()["detail"]
            # Compressed it is larger than the cap, decompressed it would fit.
            padded = gzip.compress(b"{}") + gzip.compress(b"") * 60
            for whole_or_not in (padded, in_parts(padded, 100)):
                reply = await client.post("/v1/echo", content=whole_or_not, headers=gzipped)
                assert reply.status_code == 413

    serve(test, limits)


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "deflate"])
def test_a_gigabyte_of_zeros_in_a_small_body_is_refused_with_flat_memory(encoding: str) -> None:
    part = bytes(16 * MIB)
    if encoding == "deflate":
        packer = zlib.compressobj(1)
        bomb = b"".join(packer.compress(part) for _ in range(64)) + packer.flush()
    else:
        bomb = (gzip.compress(part) if encoding == "gzip" else zstd_pack(part)) * 64

    async def test(live: Live) -> None:
        headers = {**live.bearer, "Content-Encoding": encoding}
        async with live.client(headers=headers) as client:
            tracemalloc.start()
            try:
                reply = await client.post("/v1/echo", content=bomb[: 60 * 1024])
                assert (reply.status_code, reply.json()["code"]) == (413, "payload_too_large")
                small = tracemalloc.get_traced_memory()[1]
                reply = await client.post("/api/echo", content=bomb)
                assert (reply.status_code, reply.json()["code"]) == (413, "payload_too_large")
                large = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert small < len(bomb) + 4 * MIB  # a cap of 64 KiB, inflated in pieces of 256 KiB
            assert large < len(bomb) * 2 + 20 * MIB  # a cap of 16 MiB
            assert (await client.post("/api/echo", content=gzip.compress(b"{}"))).status_code in (200, 400)
        assert all(len(ask.body) == 2 for ask in live.asked)

    serve(test)


def test_a_large_refused_body_is_drained_so_that_the_client_reads_the_answer() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            for content in (bytes(20 * MIB), in_parts(bytes(20 * MIB), 65_536)):
                refused = await client.post("/api/echo", content=content, headers=live.bearer)
                assert (refused.status_code, refused.headers["connection"]) == (413, "close")
            unknown = await client.post("/api/echo", content=bytes(20 * MIB))
            assert unknown.status_code == 401
            assert (await client.post("/api/nowhere", content=bytes(20 * MIB))).status_code == 404

    serve(test)


def test_a_small_refused_body_leaves_the_connection_usable() -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        for _ in range(3):
            writer.write(live.head("POST /api/echo", "Content-Length: 300000", token=False))
            for _ in range(3):
                writer.write(bytes(100_000))
                await writer.drain()
            reply = await read_answer(reader)
            assert reply.status == 401 and "connection" not in reply.headers
        writer.close()

    serve(test)


def test_the_answer_to_a_large_body_does_not_wait_for_its_end() -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        writer.write(live.head("POST /api/echo", f"Content-Length: {17 * MIB}") + b"x")
        reply = await read_answer(reader)
        assert (reply.status, reply.headers["connection"]) == (413, "close")
        writer.write(bytes(MIB))  # still read, so that no reset kills the answer
        await writer.drain()
        async with asyncio.timeout(10):
            assert await reader.read() == b""  # then the connection closes
        writer.close()

    serve(test)


def test_a_client_that_waits_for_100_continue_gets_it_or_the_refusal_without_sending() -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        expect = ("Expect: 100-continue", "Content-Length: 2")
        writer.write(live.head("POST /api/echo", *expect))
        async with asyncio.timeout(10):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert (await read_answer(reader)).body["size"] == 2
        writer.write(live.head("POST /api/echo", *expect, token=False))
        reply = await read_answer(reader)
        assert (reply.status, reply.headers["connection"]) == (401, "close")
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()

    serve(test)


def test_a_body_that_stalls_is_408_and_the_connection_closes() -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        writer.write(live.head("POST /api/echo", "Content-Length: 10") + b"{")
        reply = await read_answer(reader)
        assert (reply.status, reply.body["code"]) == (408, "body_incomplete")
        assert reply.headers["connection"] == "close"
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
        assert live.asked == []

    serve(test, QUICK)


def test_a_body_that_is_slow_but_does_not_stall_is_taken() -> None:
    async def test(live: Live) -> None:
        async def drops() -> AsyncIterator[bytes]:
            for _ in range(12):
                await asyncio.sleep(0.05)
                yield b"x"

        async with live.client(headers=live.bearer) as client:
            assert (await client.post("/api/echo", content=drops())).json()["size"] == 12

    serve(test, QUICK)


def test_a_client_that_goes_away_is_given_up_and_others_are_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(live: Live) -> None:
        _, writer = await live.connect()
        writer.write(live.head("POST /api/echo", "Content-Length: 10") + b"{")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        async with live.client(headers=live.bearer) as client:
            assert (await client.post("/api/echo", content=b"{}")).status_code == 200
        assert [ask.body for ask in live.asked] == [b"{}"]

    with caplog.at_level(logging.INFO, "ingestbox.access"):
        serve(test)
    facts = [vars(record) for record in caplog.records if record.name == "ingestbox.access"]
    assert sorted((fact["status"], fact["code"]) for fact in facts) == [
        (200, None),
        (499, "client_disconnected"),
    ]
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
