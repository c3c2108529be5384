"""Reads in a thread, so that a slow disk or pipe holds up no answer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Iterator

from ingestbox.cli.sending.batches import Batch

AHEAD = 2
"""Batches read before they are asked for."""


async def feed(batches: Iterator[Batch]) -> AsyncGenerator[Batch, None]:
    """The batches, made in a thread of their own. Raises what making them raises.

    The thread is a daemon: a read from a pipe that nobody writes to must not keep the program from ending.
    """
    loop = asyncio.get_running_loop()
    ready: asyncio.Queue[Batch | Exception | None] = asyncio.Queue()
    room = threading.Semaphore(AHEAD)

    def hand_over(item: Batch | Exception | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for it any more
            loop.call_soon_threadsafe(ready.put_nowait, item)

    def read() -> None:
        try:
            for batch in batches:
                hand_over(batch)
                room.acquire()
        except Exception as error:  # noqa: BLE001 - raised again where the batches are used
            hand_over(error)
        else:
            hand_over(None)

    threading.Thread(target=read, name="reader", daemon=True).start()
    while (item := await ready.get()) is not None:
        if isinstance(item, Exception):
            raise item
        yield item
        room.release()
