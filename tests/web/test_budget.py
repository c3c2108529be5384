"""The bytes of bodies in memory are bounded over all requests, and nobody is starved."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from ingestbox.config import MIB, Limits
from ingestbox.errors import IngestError
from ingestbox.web import budget as budget_module
from ingestbox.web.budget import MOST_WAITING, SMALL_BYTES, Budget, Hold
from ingestbox.web.http.server import run
from tests.forward.support import until_async
from tests.web.packing import zstd_pack
from tests.web.support import Answer, Live, read_answer, serve

NARROW = Limits(bodies_mb=2)
"""Of which 256 KB are for small bodies."""

LARGE = 3 * MIB // 2
"""Fits once."""

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_module, "WAIT_SECONDS", 0.2)


async def begin(live: Live, length: int, *headers: str) -> Pair:
    """A request whose body has begun, and is not complete."""
    reader, writer = await live.connect()
    writer.write(live.head("POST /api/echo", f"Content-Length: {length}", *headers) + b"x")
    return reader, writer


async def post(live: Live, body: bytes, *headers: str) -> Answer:
    reader, writer = await live.connect()
    writer.write(live.head("POST /api/echo", f"Content-Length: {len(body)}", *headers) + body)
    try:
        return await read_answer(reader)
    finally:
        writer.transport.abort()


def check_refused(answer: Answer) -> None:
    assert (answer.status, answer.body["code"]) == (503, "overloaded")
    assert int(answer.headers["retry-after"]) >= 1


def test_past_the_budget_it_is_503_before_the_body_is_read_and_then_it_goes_on() -> None:
    async def test(live: Live) -> None:
        first, first_writer = await begin(live, LARGE)
        await taken(live)
        reader, writer = await live.connect()
        writer.write(live.head("POST /api/echo", f"Content-Length: {LARGE}"))
        check_refused(await read_answer(reader))  # nothing of its body was sent
        writer.transport.abort()
        check_refused(await post(live, bytes(LARGE)))  # nor is it lost on one who sends at once
        first_writer.write(bytes(LARGE - 1))
        assert (await read_answer(first)).body["size"] == LARGE
        first_writer.transport.abort()
        assert (await post(live, bytes(LARGE))).body["size"] == LARGE

    serve(test, NARROW)


async def taken(live: Live) -> None:
    """Until a body that fits only beside nothing is refused."""
    await refused(live, LARGE)


async def refused(live: Live, size: int) -> None:
    """Until a body of this size is refused."""

    async def is_refused() -> bool:
        return (await post(live, bytes(size))).status == 503

    await until_async(is_refused, "a body is refused")


def test_a_client_that_waits_for_100_continue_gets_the_503_instead() -> None:
    async def test(live: Live) -> None:
        _, first_writer = await begin(live, LARGE)
        await taken(live)
        reader, writer = await live.connect()
        writer.write(live.head("POST /api/echo", f"Content-Length: {LARGE}", "Expect: 100-continue"))
        answer = await read_answer(reader)
        check_refused(answer)
        assert answer.headers["connection"] == "close"
        writer.transport.abort()
        first_writer.transport.abort()

    serve(test, NARROW)


def test_one_that_comes_while_another_ends_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_module, "WAIT_SECONDS", 20.0)

    async def test(live: Live) -> None:
        first, first_writer = await begin(live, LARGE)
        reader, writer = await live.connect()
        writer.write(live.head("POST /api/echo", f"Content-Length: {LARGE}") + bytes(LARGE))
        await asyncio.sleep(0.1)
        first_writer.write(bytes(LARGE - 1))
        for each in (first, reader):
            assert (await read_answer(each)).body["size"] == LARGE
        writer.transport.abort()
        first_writer.transport.abort()

    serve(test, NARROW)


def test_small_bodies_are_taken_when_large_ones_are_not_and_the_other_way_round() -> None:
    async def test(live: Live) -> None:
        pairs = [await begin(live, LARGE)]
        await taken(live)
        for _ in range(20):
            assert (await post(live, bytes(SMALL_BYTES))).status == 200
        pairs[0][1].transport.abort()
        pairs = [await begin(live, SMALL_BYTES) for _ in range(4)]
        await refused(live, SMALL_BYTES)
        assert (await post(live, bytes(LARGE))).status == 200
        for _, writer in pairs:
            writer.transport.abort()

    serve(test, NARROW)


def test_a_body_larger_than_the_budget_is_taken_alone() -> None:
    async def test(live: Live) -> None:
        assert (await post(live, bytes(15 * MIB))).body["size"] == 15 * MIB
        assert (await post(live, gzip.compress(bytes(15 * MIB)), "Content-Encoding: gzip")).status == 200

    serve(test, Limits(bodies_mb=1))


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", gzip.compress(bytes(LARGE))), ("zstd", zstd_pack(bytes(LARGE))), ("", b"")],
    ids=["gzip", "zstd", "chunked"],
)
def test_a_body_of_unknown_length_counts_as_it_grows(encoding: str, packed: bytes) -> None:
    async def test(live: Live) -> None:
        async def grow() -> Answer:
            if encoding:
                return await post(live, packed, f"Content-Encoding: {encoding}")
            reader, writer = await live.connect()
            writer.write(live.head("POST /api/echo", "Transfer-Encoding: chunked"))
            for _ in range(LARGE // 8_192):
                writer.write(b"2000\r\n" + bytes(8_192) + b"\r\n")
            writer.write(b"0\r\n\r\n")
            try:
                return await read_answer(reader)
            finally:
                writer.transport.abort()

        assert (await grow()).body["size"] == LARGE
        _, writer = await begin(live, LARGE)
        await taken(live)
        check_refused(await grow())
        writer.transport.abort()

    serve(test, NARROW)


def test_whatever_becomes_of_a_request_its_part_is_given_back() -> None:
    async def test(live: Live) -> None:
        for _ in range(3):
            _, writer = await begin(live, LARGE)
            writer.transport.abort()  # goes away
            assert (await post(live, bytes(LARGE), "Content-Encoding: gzip")).status == 400
            assert (await post(live, gzip.compress(bytes(17 * MIB)), "Content-Encoding: gzip")).status == 413
            stalled, writer = await begin(live, LARGE)
            assert (await read_answer(stalled)).status == 408
            writer.transport.abort()
        # If something were still held, two halves would not fit: only one that is alone may be too large.
        one = await begin(live, LARGE // 2)
        two = await begin(live, LARGE // 2)
        for reader, writer in (one, two):
            writer.write(bytes(LARGE // 2 - 1))
            assert (await read_answer(reader)).body["size"] == LARGE // 2
            writer.transport.abort()

    serve(test, Limits(bodies_mb=2, body_stall_seconds=0.3))


def test_a_body_that_comes_too_slowly_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_module, "SLOW_AFTER_SECONDS", 0.3)
    monkeypatch.setattr(budget_module, "WAIT_SECONDS", 20.0)

    async def test(live: Live) -> None:
        slow, slow_writer = await begin(live, LARGE)
        await asyncio.sleep(0.5)
        assert (await post(live, bytes(LARGE))).body["size"] == LARGE
        check_refused(await read_answer(slow))
        slow_writer.transport.abort()

    serve(test, NARROW)


def test_first_come_first_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_module, "WAIT_SECONDS", 20.0)

    async def main() -> None:
        budget = Budget(MIB)
        room = MIB - 4 * SMALL_BYTES
        first = budget.hold()
        await first.take(room // 2)  # the small one would fit beside it
        done: list[str] = []

        async def wait(name: str, size: int) -> Hold:
            hold = budget.hold()
            await hold.take(size)
            done.append(name)
            return hold

        large = asyncio.create_task(wait("large", room))
        await asyncio.sleep(0)
        small = asyncio.create_task(wait("less", SMALL_BYTES + 1))
        await asyncio.sleep(0)
        first.release()
        (await large).release()
        hold = await small
        assert done == ["large", "less"]
        hold.release()
        assert budget.used == 0

    run(main())


def test_one_that_gives_up_waiting_leaves_nothing_behind() -> None:
    async def main() -> None:
        budget = Budget(MIB)
        first = budget.hold()
        await first.take(MIB)

        async def wait() -> None:
            await budget.hold().take(MIB)

        gone = [asyncio.create_task(wait()) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(IngestError, match="as many bodies in hand"):
            await budget.hold().take(MIB)  # at once: enough are waiting
        gone[0].cancel()
        found = await asyncio.gather(*gone, return_exceptions=True)
        assert [type(each) for each in found] == [asyncio.CancelledError, *[IngestError] * (MOST_WAITING - 1)]
        first.release()
        first.release()
        assert budget.used == 0
        second = budget.hold()
        await second.take(MIB)
        assert budget.refused == MOST_WAITING

    run(main())


def test_a_hold_that_grows_takes_more_in_advance_but_not_past_its_limit() -> None:
    async def main() -> None:
        budget = Budget(64 * MIB)
        hold = budget.hold()
        await hold.take(None)
        sizes = []
        for size in (10_000, 20_000, 40_000, 100_000, 3 * MIB, 3 * MIB + 1, 5 * MIB):
            hold.grow(size, 5 * MIB)
            assert hold.size >= size
            sizes.append(budget.used)
        assert sizes == sorted(sizes) and sizes[0] < SMALL_BYTES and sizes[-1] == 5 * MIB
        hold.release()
        assert budget.used == 0

    run(main())
