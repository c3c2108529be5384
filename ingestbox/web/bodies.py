"""Reading a request's body: capped on the wire and after decompression, with a time-out, to its end or not.

A body that is refused is taken off the connection as far as that costs little (`drain`): a client that still
writes when the connection closes gets a reset instead of its answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from ingestbox.errors import BodyTooLargeError, IngestError
from ingestbox.web.budget import RETRY_SECONDS, Hold
from ingestbox.web.inflate import ENCODINGS, Inflater
from ingestbox.web.refusals import Refusal

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

STEPS_BETWEEN_YIELDS = 4
"""Pieces inflated before other requests get a turn: at most 1 MB, about 4 ms."""

_JSON_TYPE = "application/json"


class Body:
    """The body of one request, not yet read.

    `finished` is true once nothing of it is left on the connection (at once, for a request without a body);
    `gone` is true once the client has disconnected. `wire_sha256` is the SHA-256 of the bytes as they came,
    before any coding is undone, if the client sent a Content-Digest to compare it with (RFC 9530, section 2).
    """

    __slots__ = ("_hash", "_receive", "_wire", "expects_continue", "finished", "gone", "length")

    def __init__(self, receive: Receive, headers: Mapping[str, str]) -> None:
        """`headers` are by lower-case name; the server has checked that `content-length` is a number."""
        self._receive = receive
        length = headers.get("content-length")
        self.length = int(length) if length is not None else None
        # Without either header there is no body (RFC 9112, 6.3).
        self.finished = self.length == 0 or (length is None and "transfer-encoding" not in headers)
        self.expects_continue = not self.finished and headers.get("expect", "").lower() == "100-continue"
        self.gone = False
        self._hash = hashlib.sha256() if "content-digest" in headers else None
        self._wire: bytearray | None = None

    def keep_wire(self) -> None:
        """Keeps the bytes as they come, for `wire`."""
        self._wire = bytearray()

    @property
    def wire(self) -> bytes:
        """The bytes as they came, if they were to be kept."""
        return bytes(self._wire or b"")

    @property
    def wire_sha256(self) -> bytes:
        """The digest of what was read; empty when nobody asked for it."""
        return self._hash.digest() if self._hash else b""

    async def read(self, limit: int, encoding: str | None, stall: float, hold: Hold) -> bytes:
        """The whole body, decompressed: at most `limit` bytes on the wire and after decompression.

        `encoding` is from `content_encoding`; `hold` takes room for what is read, and grows with it. Raises
        IngestError: payload_too_large, overloaded, malformed_encoding, body_incomplete (no byte for `stall`
        seconds), client_disconnected.
        """
        first = b""
        whole: io.BytesIO | None = None  # gives its bytes away without a copy, as joining parts does not

        def take(piece: bytes, total: int) -> None:
            nonlocal first, whole
            kept = total + len(self._wire or b"")
            if kept > hold.size:
                hold.grow(kept, limit)
            if whole is not None:
                whole.write(piece)
            elif first:
                whole = io.BytesIO()
                whole.write(first)
                whole.write(piece)
                first = b""
            else:
                first = piece

        self.check_length(limit)
        if not self.finished:
            await hold.take(self.length)
        await self.pour(limit, encoding, stall, hold, take)
        return first if whole is None else whole.getvalue()

    def check_length(self, limit: int) -> None:
        """Raises IngestError `payload_too_large` for a body that says that it is over `limit`."""
        if self.length is not None and self.length > limit:
            raise _too_large(limit)

    async def pour(
        self,
        limit: int,
        encoding: str | None,
        stall: float,
        hold: Hold,
        take: Callable[[bytes, int], Awaitable[None] | None],
    ) -> None:
        """Gives the body to `take`, piece by piece as `read` has it, each with the bytes so far.

        What `take` gives back, if anything, is waited for before more is read; the client is not to blame for
        that time. Raises what `read` and `take` do.
        """
        inflater = Inflater(encoding) if encoding else None
        wire = total = steps = 0
        loop = asyncio.get_running_loop()
        hold.since = loop.time()
        try:
            async with asyncio.timeout(stall) as patience:

                def hurry() -> None:
                    if not patience.expired():
                        patience.reschedule(loop.time())

                hold.revoke = hurry
                while not self.finished:
                    data = await self._next()
                    wire += len(data)
                    if wire > limit:
                        raise _too_large(limit)
                    hold.received = wire
                    for piece in inflater.feed(data) if inflater else (data,):
                        total += len(piece)
                        if total > limit:
                            raise _too_large(limit)
                        if (behind := take(piece, total)) is not None:
                            if not hold.revoked:
                                patience.reschedule(None)
                            await behind
                        steps += 1
                        if inflater and steps % STEPS_BETWEEN_YIELDS == 0:
                            await asyncio.sleep(0)
                    if not (self.finished or hold.revoked):
                        patience.reschedule(loop.time() + stall)
        except TimeoutError:
            if hold.revoked:
                raise IngestError(
                    "overloaded", "The body came too slowly while others waited.", retry_after=RETRY_SECONDS
                ) from None
            raise IngestError(
                "body_incomplete", f"The body did not arrive: nothing came for {stall:g} s."
            ) from None
        finally:
            hold.revoke = None
        if inflater:
            inflater.finish()

    async def drain(self, seconds: float, idle: float, most: int) -> bool:
        """Takes the rest of the body off the connection and drops it; true when its end was reached.

        Gives up after `seconds`, after `idle` seconds without a byte, after `most` bytes, or when the client
        is gone. A client that waits for `100 Continue` has sent nothing: then nothing is taken either.
        """
        if self.finished or self.gone or self.expects_continue:
            return self.finished
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        try:
            async with asyncio.timeout_at(min(end, loop.time() + idle)) as patience:
                while not self.finished and most > 0:
                    most -= len(await self._next())
                    patience.reschedule(min(end, loop.time() + idle))
        except (TimeoutError, IngestError):
            return False
        return self.finished

    async def _next(self) -> bytes:
        self.expects_continue = False  # asking for the first part makes the server send 100 Continue
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.gone = True
            raise IngestError("client_disconnected")
        if not message.get("more_body", False):
            self.finished = True
        data: bytes = message.get("body", b"")
        if self._hash:
            self._hash.update(data)
        if self._wire is not None:
            self._wire += data
        return data


def content_encoding(headers: Mapping[str, str]) -> str | None:
    """The body's one coding, of ENCODINGS, or None for a plain body. Raises `unsupported_media_type`."""
    given = headers.get("content-encoding")
    if given is None:
        return None
    coding = given.strip().lower().removeprefix("x-")  # x-gzip is gzip (RFC 9110, 8.4.1.3)
    if coding in ENCODINGS:
        return coding
    if coding in ("", "identity"):
        return None
    raise Refusal(
        "unsupported_media_type",
        f"This Content-Encoding is not supported; send one of {', '.join(ENCODINGS)}, and only one.",
        headers=(("accept-encoding", ", ".join(ENCODINGS)),),  # RFC 9110, 15.5.16
    )


def check_content_type(headers: Mapping[str, str], accepted: tuple[str, ...]) -> None:
    """Raises `unsupported_media_type` unless the body's type is one of `accepted`, or not given.

    `application/json` stands for every `…+json` too; a charset other than UTF-8 is refused.
    """
    given = headers.get("content-type")
    if given is None or given in accepted:
        return
    media, *parameters = (part.strip().lower() for part in given.split(";"))
    structured = _JSON_TYPE in accepted and media.startswith("application/") and media.endswith("+json")
    if media not in accepted and not structured:
        raise IngestError(
            "unsupported_media_type", f"This Content-Type is not supported; send {' or '.join(accepted)}."
        )
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "utf8", "us-ascii"):
            raise IngestError("unsupported_media_type", "Only UTF-8 is supported as the body's charset.")


def _too_large(limit: int) -> IngestError:
    return BodyTooLargeError(limit)
