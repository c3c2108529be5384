"""uvicorn's HTTP/1.1 connection on httptools, with what it leaves open closed.

- A client may offer another protocol with any request (Java's HTTP client offers h2c with the first one of a
  connection). A server that does not take the offer ignores it (RFC 9110, 7.8), but httptools ends its
  parsing there: the request comes without its body, and the connection's next one is refused.
- The head of a request has no limit there, and takes time and memory that grow with its square.
- Trailers are added to the headers when they come in time: a sender could authenticate after its body.
- What cannot be parsed is answered in plain text, without a request id, in the middle of another answer.
- When a connection with pipelined requests is lost, the one in hand is not told, and writes to it.
- A request may have no Host, or two, any version, or a transfer coding that nobody undoes.
- A head may take for ever, and each answer arms a timer for the next (`connections` looks after both).
- Pipelined requests are read without measure (see `slices`).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import http
import logging
import socket
import struct
import termios
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from ingestbox.errors import IngestError
from ingestbox.web.headers import new_request_id
from ingestbox.web.http.connections import Connections, Phase, Track
from ingestbox.web.http.heads import MAX_HEAD_BYTES, HeadTooLarge, body_length, reason, without_offer
from ingestbox.web.http.slices import SlicedHttp
from ingestbox.web.replies import wire_error

LINGER_SECONDS = 1.0
"""After a refusal the connection stays open for reading this long: a client that still writes would otherwise
get a reset instead of its answer."""

RETRY_SECONDS = 2
"""`Retry-After` of a connection for which there is no room."""

GIVE_WAY_SECONDS = 0.1
"""What a client gets to take its 503 when its connection has to make room."""

_INT = struct.Struct("i")

log = logging.getLogger("ingestbox.web")


class Http(SlicedHttp):
    """One connection."""

    _offer = False
    """Whether the head just parsed offers an upgrade; it is then parsed again without the offer."""

    _in_head = False
    """Whether the parser is in a head, and not in a body or its trailers."""

    _head_bytes = 0
    """Bytes of the fields so far, trailers included."""

    _moved = False
    """Whether the piece of data in hand began or ended something, or held a part of a body."""

    _silent_bytes = 0
    """Bytes of the pieces since the last one that moved: a field that has not ended yet is in no callback,
    but it lies in memory."""

    _length = 0
    """The Content-Length of the last request."""

    _broken = False
    """Whether the parser has given up: the connection ends after the answers that are due."""

    _answering: RequestResponseCycle | None = None
    """The request that is being answered; `cycle` is the last one read."""

    _accepted: socket.socket | None = None
    """The socket, until the connection is made of it."""

    _refused = False
    """Whether the client is only told that there is no room."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        loop: asyncio.AbstractEventLoop,
        connections: Connections,
    ) -> None:
        """A connection that is accepted now."""
        super().__init__(config, server_state, app_state, loop)
        self._connections = connections
        self.phase = Phase.OPENING
        self.since = loop.time()
        self.track = Track(self.since)
        self.received = 0

    def accepted(self, accepted: socket.socket) -> None:
        """The socket that the connection will be made of."""
        self._accepted = accepted

    def refuse(self) -> None:
        """Before it is made: it is to be told that there is no room."""
        self._refused = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The connection is there, after the handshake with TLS; its head's time runs since it was opened."""
        super().connection_made(transport)
        self._accepted = None
        self.phase = Phase.HEAD
        if self._refused:
            self._end(_no_room())
        elif self._connections.closed:
            self.leave()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; so is whoever waits for the answer in hand, not only for the last one."""
        self._connections.discard(self)
        super().connection_lost(exc)
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def parse(self, data: bytes) -> None:
        """Feeds the parser; after it has given up, nothing more."""
        if self._broken:
            return
        if self.phase is Phase.IDLE:
            self.phase, self.since = Phase.HEAD, self.loop.time()
        self._moved, size = False, len(data)
        try:
            while data:
                data = self._feed(data)
        except httptools.HttpParserError as error:
            self._give_up(reason(error))
            return
        self._silent_bytes = 0 if self._moved else self._silent_bytes + size
        if self._silent_bytes > MAX_HEAD_BYTES:
            self._give_up(IngestError("header_too_large"))

    @property
    def body_left(self) -> int:
        """Bytes of the body that are announced and did not come yet; 0 when it comes in chunks."""
        return self._length - self.received

    @property
    def blocked(self) -> bool:
        """Whether bytes of an answer wait for the client to take them."""
        return self.flow is not None and (self.flow.write_paused or self.transport.is_closing())

    @property
    def unsent(self) -> int:
        """How many do, those in the system's buffer counted: it takes more of them only in lumps."""
        waiting = self.transport.get_write_buffer_size()
        plain = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError, AttributeError, ValueError):  # closed in the meantime
            (held,) = _INT.unpack(fcntl.ioctl(plain.fileno(), termios.TIOCOUTQ, bytes(_INT.size)))
            return waiting + int(held)
        return waiting

    @property
    def lacking(self) -> bool:
        """Whether the request in hand waits for more of its body, and the client is free to send it."""
        cycle = self._answering
        if cycle is None or not cycle.more_body or cycle.body:
            return False
        return not (self.flow.read_paused or self.unparsed)

    def time_out(self) -> None:
        """Answers 408 for a head that took too long."""
        if self.transport is None:
            self._cut()
        else:
            self._give_up(IngestError("header_incomplete"))

    def give_way(self) -> None:
        """Makes room: answers 503 where that is possible, and is gone in a moment."""
        if self.transport is None or self.blocked or self.phase in (Phase.IDLE, Phase.LEAVING):
            self.abort()
            return
        self._end(_no_room(), linger=False)
        self.loop.call_later(GIVE_WAY_SECONDS, self.abort)

    def leave(self) -> None:
        """Closes an idle connection."""
        self.phase, self.since = Phase.LEAVING, self.loop.time()
        self.transport.close()

    def abort(self) -> None:
        """Cuts the connection."""
        if self.transport is None:
            self._cut()
        else:
            self.phase = Phase.LEAVING
            self.transport.abort()

    def _cut(self) -> None:
        """Ends what is not made yet: the handshake finds the socket closed."""
        self.phase = Phase.LEAVING
        if self._accepted is not None:
            with contextlib.suppress(OSError):
                self._accepted.shutdown(socket.SHUT_RDWR)

    def on_message_begin(self) -> None:
        """The parser has found the start of a request."""
        self._moved = self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of the request's target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or a trailer, which is not wanted (RFC 9110, 6.5.1)."""
        self._count(len(name) + len(value) + 4)
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The parser has read a request's head."""
        self._moved = True
        self._offer = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if not self._offer:
            self._length = body_length(self.headers, self.parser.get_http_version())
            self._in_head = False
            self.received = 0
            if self.phase is not Phase.LEAVING:
                self.phase, self.since = Phase.ASKED, self.loop.time()
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._moved = True
        self.received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The parser has read a request's body, or has stopped at an offer."""
        self._moved = True
        if not self._offer:
            super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """An answer is out. As uvicorn has it, but for the timer, which would cost each request 2 µs."""
        if self._broken and not self.pipeline:
            self.transport.close()
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.since = self.loop.time()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self.phase = Phase.HEAD if self._in_head or self.unparsed else Phase.IDLE
        self.flow.resume_reading()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise HeadTooLarge

    def _give_up(self, error: IngestError) -> None:
        """Answers what cannot be read and ends the connection; whole requests before it come first."""
        self._broken = True
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                return
            if self.pipeline:
                self.pipeline.popleft()  # the one whose body broke; nobody has begun with it
                return
        self._end(error)

    def _end(self, error: IngestError, *, linger: bool = True) -> None:
        """Answers with the error, unless an answer has begun, and closes; with `linger` the client gets time
        to read it."""
        self._broken = True
        self.phase, self.since = Phase.LEAVING, self.loop.time()
        cycle = self._answering
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            self.pipeline.clear()
            if cycle.response_started:
                self.transport.close()
                return
        self.flow.resume_reading()  # what lies unread would turn the end into a reset
        request_id = new_request_id()
        answer = wire_error(error, None, request_id)
        if error.code != "overloaded":  # those come by the thousand, and are counted
            log.info("a request could not be read", extra={"code": error.code, "request_id": request_id})
        reason = http.HTTPStatus(answer.status).phrase.encode()
        fields = [*self.server_state.default_headers, *answer.headers, (b"connection", b"close")]
        lines = [b"HTTP/1.1 %d %s" % (answer.status, reason), *(b"%s: %s" % each for each in fields)]
        self.transport.write(b"\r\n".join([*lines, b"", answer.body]))
        if linger and self.transport.can_write_eof():
            self.transport.write_eof()
            self.loop.call_later(LINGER_SECONDS, self.transport.close)
        else:
            self.transport.close()

    def _feed(self, data: bytes) -> bytes:
        """Feeds the parser; what is to be fed next is given back."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            if not self._offer:
                raise httptools.HttpParserError from None
            taken: int = stopped.args[0]
            method, version = self.parser.get_method(), self.parser.get_http_version()
            head = without_offer(method, self.url, version, self.headers)
            self.parser = httptools.HttpRequestParser(self)
            # As uvicorn has it: data after the last request of a connection is no error.
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            return head + data[taken:]
        return b""


def _no_room() -> IngestError:
    return IngestError(
        "overloaded", "The box has as many connections as it can take.", retry_after=RETRY_SECONDS
    )
