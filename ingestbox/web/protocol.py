"""uvicorn's HTTP/1.1 connection on httptools, with one fault of the two mended.

A client may offer another protocol with any request (Java's HTTP client offers h2c with the first one of a
connection). A server that does not take the offer ignores it (RFC 9110, 7.8), but httptools ends its parsing
there: the request comes without its body, and the connection's next one is refused.
"""

from __future__ import annotations

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Http(HttpToolsProtocol):
    """One connection."""

    _offer = False
    """Whether the head just parsed offers an upgrade; it is then parsed again without the offer."""

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._unset_keepalive_if_required()
        try:
            while data:
                data = self._parse(data)
        except httptools.HttpParserError:
            if not self.transport.is_closing():
                self.send_400_response("Invalid HTTP request received.")

    def on_headers_complete(self) -> None:
        """The parser has read a request's head."""
        self._offer = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if not self._offer:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The parser has read a request's body, or has stopped at an offer."""
        if not self._offer:
            super().on_message_complete()

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
