"""What a client sends, parsed a slice at a time, and not before it is wanted.

The event loop reads 256 KB at once. uvicorn parses all of it on the spot: ten thousand tiny requests take a
fifth of a second and 25 MB, and each answer lets the next 256 KB in before the first are dealt with.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SLICE_BYTES = 4_096
"""Holds at most 160 requests, which take 2 ms and 0.4 MB."""

SLICES_AT_ONCE = 16
"""Slices parsed before other connections get their turn: chunks of one byte take 10 ms."""


class SlicedHttp(HttpToolsProtocol):
    """A connection that parses nothing while reading is paused, as it is while a pipelined request waits.

    It holds at most what the loop reads at once, besides the requests of one slice.
    """

    _rest = b""
    """What was read and not parsed yet, from `_at` on."""

    _at = 0
    _turn: asyncio.Handle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The connection is there."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._rest = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._rest or self.flow.read_paused:
            self._rest, self._at = self._rest[self._at :] + data, 0
            self.transport.pause_reading()
        elif len(data) <= SLICE_BYTES or len(data) <= self.body_left:
            self.parse(data)
            if self.pipeline and not self.transport.is_closing():
                self.transport.resume_reading()
        else:
            self._rest, self._at = data, 0
            self._go_on()

    @property
    def unparsed(self) -> bool:
        """Whether bytes of the client wait for their turn."""
        return bool(self._rest)

    @property
    def body_left(self) -> int:
        """How many of the next bytes can only be of a body, and so cost little."""
        raise NotImplementedError

    def parse(self, data: bytes) -> None:
        """Feeds the parser; what is not wanted any more is dropped."""
        raise NotImplementedError

    def resume(self) -> None:
        """Goes on with what was read, and then with reading."""
        if not self._rest:
            self.transport.resume_reading()
        elif self._turn is None:
            self._turn = self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._turn = None
        flow, transport = self.flow, self.transport
        for _ in range(SLICES_AT_ONCE):
            if not self._rest or flow.read_paused:
                break
            end = self._at + max(SLICE_BYTES, self.body_left)
            piece = self._rest[self._at : end]
            self._at = end
            if end >= len(self._rest):
                self._rest = b""
            self.parse(piece)
        if transport.is_closing():
            self._rest = b""
            return
        if self._rest:
            transport.pause_reading()
        if not flow.read_paused or (self.pipeline and not self._rest):
            self.resume()


class _Flow(FlowControl):
    """As uvicorn has it, but while a request waits behind another, what is read is only kept. It is read all
    the same, for otherwise nobody would see that the client has gone."""

    def __init__(self, transport: asyncio.Transport, connection: SlicedHttp) -> None:
        super().__init__(transport)
        self._connection = connection

    def resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = bool(self._connection.pipeline)
            self._connection.resume()
