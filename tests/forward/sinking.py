"""What the tests of the HTTP sink share: batches, sinks without a lane's engine, raw upstreams."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from ingestbox.clock import Clock, SystemClock
from ingestbox.forward.batch import LaneBatch
from ingestbox.forward.sink import Decision
from ingestbox.forward.sinks.http import HttpSink
from tests.forward.support import lane

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


def batch(*seqs: int, lines: Sequence[bytes] | None = None) -> LaneBatch:
    """A batch of these seqs, or of these lines."""
    made = lines or [msgspec.json.encode({"seq": seq, "op": "put"}) for seq in seqs]
    return LaneBatch(
        box="b1",
        epoch="e1",
        lane="central",
        after=seqs[0] - 1,
        seqs=seqs,
        lines=tuple(made),
        open=frozenset(seqs),
        damaged=(),
        more=False,
    )


@asynccontextmanager
async def sink(url: str, clock: Clock | None = None, **settings: Any) -> AsyncIterator[HttpSink]:
    """A sink to an address, closed at the end."""
    made = HttpSink(lane(url, **{"timeout_seconds": 10.0, **settings}), clock or SystemClock(), "b1")
    try:
        yield made
    finally:
        await made.close()


async def sent(sink: HttpSink, what: LaneBatch | None = None) -> Decision:
    """What becomes of a batch."""
    return await sink.send(sink.pack(what or batch(1, 2)))


@asynccontextmanager
async def raw(
    handler: Handler, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[str]:
    """An upstream that a test writes out by hand: its address. Connections are cut at the end."""
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await handler(reader, writer)

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    where = f"[{host}]" if ":" in host else host
    try:
        yield f"http{'s' if tls else ''}://{where}:{server.sockets[0].getsockname()[1]}/in"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


async def request(reader: asyncio.StreamReader) -> bytes:
    """Reads one request whole; returns its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = [
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    ]
    return await reader.readexactly(length)
