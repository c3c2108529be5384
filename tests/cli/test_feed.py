"""Reading ahead in a thread: bounded, in order, and with its failures handed over."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from ingestbox.cli.sending.batches import Batch
from ingestbox.cli.sending.feed import AHEAD, feed
from tests.harness import PATIENCE, until


def batch(number: int) -> Batch:
    return Batch(b"", (str(number),), frozenset(), 0, str(number))


def test_batches_come_in_order_and_never_far_ahead() -> None:
    made = 0

    def source() -> Iterator[Batch]:
        nonlocal made
        for number in range(50):
            made += 1
            yield batch(number)

    async def main() -> list[str]:
        used = []
        async for each in feed(source()):
            used.append(each.idempotency_key)
            # One more is under way to the queue than may lie in it.
            assert made <= len(used) + AHEAD + 1
            await asyncio.sleep(0.001)
        return used

    assert asyncio.run(main()) == [str(number) for number in range(50)]


def test_what_fails_while_reading_is_raised_after_what_was_read() -> None:
    def source() -> Iterator[Batch]:
        yield batch(1)
        raise OSError("the disk is gone")

    async def main() -> None:
        batches = feed(source())
        assert (await anext(batches)).idempotency_key == "1"
        with pytest.raises(OSError, match="the disk is gone"):
            await anext(batches)

    asyncio.run(main())


def test_a_reader_that_is_left_alone_does_not_keep_the_loop_or_fail() -> None:
    block, ended = threading.Event(), threading.Event()

    def source() -> Iterator[Batch]:
        yield batch(1)
        block.wait(PATIENCE)
        yield batch(2)
        ended.set()
        raise AssertionError("nobody is there to hear it")

    async def main() -> None:
        batches = feed(source())
        await anext(batches)
        await batches.aclose()

    asyncio.run(main())
    block.set()
    until(lambda: not any(thread.name == "reader" for thread in threading.enumerate()) or None, "it ends")
    assert ended.is_set()
