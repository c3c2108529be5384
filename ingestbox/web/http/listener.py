"""Accepts connections, as many as may be open, and tells the others to come again."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import logging
import socket
import ssl
from collections.abc import Callable

from ingestbox.web.http.connections import Connections
from ingestbox.web.http.protocol import Http

ACCEPTED_AT_ONCE = 16
"""Connections accepted before those that are open get their turn."""

NONE_LEFT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

PAUSE_SECONDS = 0.1
"""How long accepting rests when the system has no descriptor or memory for it, instead of trying on."""

CLOSE_SECONDS = 2.0
"""How long a client gets to say good-bye in TLS."""

log = logging.getLogger("ingestbox.web")


class Listener:
    """One listening socket. uvicorn closes it as it closes asyncio's own."""

    def __init__(
        self,
        listening: socket.socket,
        connections: Connections,
        make: Callable[[], Http],
        *,
        tls: Callable[[], ssl.SSLContext | None],
        handshake_seconds: float,
    ) -> None:
        """`make` gives the protocol of a new connection, `tls` the context that new ones use."""
        self._socket = listening
        self._connections = connections
        self._make = make
        self._tls = tls
        self._handshake_seconds = handshake_seconds
        self._loop = asyncio.get_running_loop()
        self._adopting: set[asyncio.Task[None]] = set()
        self._listens = self._closed = False

    def start(self) -> None:
        """Begins to accept."""
        self._socket.setblocking(False)
        # Accepted sockets inherit it; without it small answers wait for the client's acknowledgement.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._resume()

    def close(self) -> None:
        """Accepts no more; the socket itself is closed by whoever owns it."""
        self._pause()
        self._closed = self._connections.closed = True
        if self._tls() is not None:
            for handshake in self._adopting:
                handshake.cancel()

    async def wait_closed(self) -> None:
        """Returns at once: connections are waited for elsewhere."""

    def _resume(self) -> None:
        if not (self._listens or self._closed):
            self._listens = True
            # Not in the context of the request whose end made room: what it logs would carry its id.
            contextvars.Context().run(self._loop.add_reader, self._socket, self._accept)

    def _pause(self) -> None:
        if self._listens:
            self._listens = False
            self._loop.remove_reader(self._socket)

    def _accept(self) -> None:
        connections = self._connections
        for number in range(ACCEPTED_AT_ONCE):
            if connections.full:
                if number:
                    return  # is there another at all? Nobody has to go for one that does not come
                if connections.make_room():
                    self._pause()  # they are gone in a moment
                    connections.when_room(self._resume)
                    return
            try:
                accepted, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._rest(error)
                return
            http = self._make()
            if connections.full:
                http.refuse()
                connections.refuse(http)
            else:
                connections.add(http)
            http.accepted(accepted)
            task = self._loop.create_task(self._adopt(http, accepted))
            self._adopting.add(task)
            task.add_done_callback(self._adopting.discard)

    def _rest(self, error: OSError) -> None:
        """The system gives no more sockets for now: trying again at once would take all of the processor."""
        if error.errno not in NONE_LEFT:
            log.error("A connection could not be accepted: %s.", error.strerror)
        else:
            log.warning("No connection can be accepted for now: %s.", error.strerror)
            self._connections.make_room()
        self._pause()
        self._loop.call_later(PAUSE_SECONDS, self._resume)

    async def _adopt(self, http: Http, accepted: socket.socket) -> None:
        """Makes the accepted socket a connection; with TLS this is the handshake."""
        context = self._tls()
        timeouts = {"ssl_handshake_timeout": self._handshake_seconds, "ssl_shutdown_timeout": CLOSE_SECONDS}
        try:
            await self._loop.connect_accepted_socket(
                lambda: http, accepted, ssl=context, **(timeouts if context else {})
            )
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            log.debug("A connection was not made: %s", error)
        finally:
            if http.transport is None:
                self._connections.discard(http)
