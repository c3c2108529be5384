"""Answers that come before the request is out: an upstream that refuses a body may say so and hang up.

What it said would be lost when the connection breaks under a body that is still being written. So it is
listened for meanwhile, and a refusal ends the writing. A success counts only once all is written: nobody can
have stored what never arrived.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import Any

import anyio
import httpcore2
import httpx2

_SMALL_BYTES = 16 * 1024
"""What is written at once, without listening: it fits into what any system buffers."""

_READ_BYTES = 64 * 1024
_MOST_BYTES = 256 * 1024
"""An upstream that talks for longer than this while it is talked to is not listened to any more."""

_INTERIM = re.compile(rb"HTTP/1\.[01] 1\d\d[^\n]*\n(?:[^\r\n][^\n]*\n)*\r?\n")
_REFUSED = 300
"""A status from here on is no success."""

_STATUS = re.compile(rb"HTTP/1\.[01] (\d\d\d)[ \r\n]")


class Transport(httpx2.AsyncHTTPTransport):
    """The client's own transport over connections that listen."""

    def __init__(self, tls: ssl.SSLContext | None, limits: httpx2.Limits) -> None:
        context = tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        super().__init__(verify=context, trust_env=False, limits=limits)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_Backend(),
        )


class _Backend(httpcore2.AnyIOBackend):
    async def connect_tcp(self, *args: Any, **options: Any) -> httpcore2.AsyncNetworkStream:
        return _Listening(await super().connect_tcp(*args, **options))


class _Listening(httpcore2.AsyncNetworkStream):
    """A connection that is read from while a large piece is written."""

    def __init__(self, inner: httpcore2.AsyncNetworkStream) -> None:
        self._inner = inner
        self._heard = b""
        self._failed: Exception | None = None
        self._broken_off = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - its interface
        if self._broken_off:
            self._broken_off = False
            await self._last_words(timeout)
        if self._heard:
            heard, self._heard = self._heard[:max_bytes], self._heard[max_bytes:]
            return heard
        if self._failed is not None:
            raise self._failed
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - its interface
        if len(buffer) <= _SMALL_BYTES:
            await self._inner.write(buffer, timeout)
            return
        writing = asyncio.ensure_future(self._inner.write(buffer, timeout))
        listening = asyncio.ensure_future(self._listen())
        try:
            await asyncio.wait((writing, listening), return_when=asyncio.FIRST_COMPLETED)
            if not writing.done() and not listening.result():
                await asyncio.wait((writing,))
            if writing.done():
                writing.result()
            else:
                raise httpcore2.WriteError("the upstream has answered")
        except (httpcore2.WriteError, anyio.BusyResourceError) as error:
            # Busy: TLS had to write for the reader in that very moment. The client now reads what there is.
            self._broken_off = True
            raise httpcore2.WriteError(str(error)) from error
        finally:
            for task in (writing, listening):
                task.cancel()
            await asyncio.wait((writing, listening))
            for task in (writing, listening):
                _ = task.cancelled() or task.exception()  # it is looked at, and so not reported

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - its interface
    ) -> httpcore2.AsyncNetworkStream:
        return _Listening(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    async def _listen(self) -> bool:
        """Whether the upstream refuses, or is gone. A success before the end is not one yet."""
        while len(self._heard) < _MOST_BYTES:
            try:
                part = await self._inner.read(_READ_BYTES, None)
            except (httpcore2.NetworkError, OSError) as error:  # an alert of TLS comes as an SSLError
                self._failed = error
                return True
            except anyio.BusyResourceError:
                return False
            if not part:
                return True
            self._heard += part
            if (_status(self._heard) or 0) >= _REFUSED:
                return True
        return False

    async def _last_words(self, timeout: float | None) -> None:  # noqa: ASYNC109 - as `read`
        """Hears the upstream out, up to its status; a success is forgotten: the answer is a cut one."""
        while (status := _status(self._heard)) is None and self._failed is None:
            part = await self._inner.read(_READ_BYTES, timeout)
            if not part or len(self._heard) > _MOST_BYTES:
                return
            self._heard += part
        if status is not None and status < _REFUSED:
            self._heard = b""
            self._failed = self._failed or httpcore2.ReadError("it answered before all was written")


def _status(heard: bytes) -> int | None:
    """The status of the first answer that is not an interim one, if it is there yet."""
    while found := _INTERIM.match(heard):
        heard = heard[found.end() :]
    status = _STATUS.match(heard)
    return int(status[1]) if status else None
