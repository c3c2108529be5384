"""uvicorn's HTTP/1.1 connection on httptools, with what it leaves open closed.

- A client may offer another protocol with any request (Java's HTTP client offers h2c with the first one of a
  connection). A server that does not take the offer ignores it (RFC 9110, 7.8), but httptools ends its
  parsing there: the request comes without its body, and the connection's next one is refused.
- The head of a request has no limit there, and takes time and memory that grow with its square.
- Trailers are added to the headers when they come in time: a sender could authenticate after its body.
- What cannot be parsed is answered in plain text, without a request id, in the middle of another answer.
- When a connection with pipelined requests is lost, the one in hand is not told, and writes to it.
"""

from __future__ import annotations

import logging
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from ingestbox.errors import IngestError
from ingestbox.web.headers import new_request_id
from ingestbox.web.replies import wire_error

MAX_HEAD_BYTES = 65_536
"""The request line and the headers. A token has at most 16 KiB; common servers take 8 to 64."""

LINGER_SECONDS = 1.0
"""After a refusal the connection stays open for reading this long: a client that still writes would otherwise
get a reset instead of its answer."""

log = logging.getLogger("ingestbox.web")


class _HeadTooLarge(Exception):  # noqa: N818 - says what happened
    """Raised into the parser, which gives up."""


class Http(HttpToolsProtocol):
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

    _broken = False
    """Whether the parser has given up: the connection ends after the answers that are due."""

    _answering: RequestResponseCycle | None = None
    """The request that is being answered; `cycle` is the last one read."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; so is whoever waits for the answer in hand, not only for the last one."""
        super().connection_lost(exc)
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._unset_keepalive_if_required()
        if self._broken:
            return
        self._moved, size = False, len(data)
        try:
            while data:
                data = self._parse(data)
        except httptools.HttpParserError as error:
            too_large = isinstance(error.__context__, _HeadTooLarge)
            self._give_up("header_too_large" if too_large else "malformed_request")
            return
        self._silent_bytes = 0 if self._moved else self._silent_bytes + size
        if self._silent_bytes > MAX_HEAD_BYTES:
            self._give_up("header_too_large")

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
            self._in_head = False
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._moved = True
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
        """An answer is out."""
        if self._broken and not self.pipeline:
            self.transport.close()
        super().on_response_complete()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise _HeadTooLarge

    def _give_up(self, code: str) -> None:
        """Answers what cannot be parsed and ends the connection; whole requests before it come first."""
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
            if cycle.response_started:
                self.transport.close()
                return
        request_id = new_request_id()
        answer = wire_error(IngestError(code), None, request_id)
        log.info("a request could not be read", extra={"code": code, "request_id": request_id})
        reason = b"Bad Request" if answer.status == 400 else b"Request Header Fields Too Large"
        fields = [*self.server_state.default_headers, *answer.headers, (b"connection", b"close")]
        lines = [b"HTTP/1.1 %d %s" % (answer.status, reason), *(b"%s: %s" % each for each in fields)]
        self.transport.write(b"\r\n".join([*lines, b"", answer.body]))
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.loop.call_later(LINGER_SECONDS, self.transport.close)
        else:
            self.transport.close()

    def _parse(self, data: bytes) -> bytes:
        """Feeds the parser; what is to be fed next is given back."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            if not self._offer:
                raise httptools.HttpParserError from None
            taken: int = stopped.args[0]
            head = self._head_without_offer()
            self.parser = httptools.HttpRequestParser(self)
            # As uvicorn has it: data after the last request of a connection is no error.
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            return head + data[taken:]
        return b""

    def _head_without_offer(self) -> bytes:
        method = self.parser.get_method()
        version = self.parser.get_http_version().encode()
        kept = [(name, value) for name, value in self.headers if name != b"upgrade"]
        lines = [b"%s %s HTTP/%s" % (method, self.url, version), *(b"%s: %s" % each for each in kept)]
        return b"\r\n".join([*lines, b"", b""])
