"""From a name to its addresses, in threads of its own: the system's call cannot be ended, and those of the
event loop are needed by others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence

from ingestbox.outbound.fetched import FetchError

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a name, of which none is taken without being checked. Raises OSError or FetchError.
"""

MOST_LOOKUPS = 8
"""At once, those included that nobody waits for any more: servers for names can be slow on purpose."""


class SystemResolver:
    """Asks as every program of the machine does."""

    def __init__(self) -> None:
        self._running = 0

    async def __call__(self, name: str, port: int) -> Sequence[str]:
        """See `Resolver`."""
        if self._running >= MOST_LOOKUPS:
            raise FetchError("timeout", "Too many names are being looked up; try again later.")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()

        def done(addresses: Sequence[str] | None, error: OSError | None) -> None:
            self._running -= 1
            if answer.done():
                return
            if error is None:
                answer.set_result(addresses or ())
            else:
                answer.set_exception(error)

        def ask() -> None:
            addresses: Sequence[str] | None = None
            failed: OSError | None = None
            try:
                addresses = _look_up(name, port)
            except OSError as error:
                failed = error
            except UnicodeError:
                failed = OSError("this is no name")
            with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
                loop.call_soon_threadsafe(done, addresses, failed)

        self._running += 1
        # A daemon: a box that stops does not wait for somebody's name server.
        threading.Thread(target=ask, name="outbound-lookup", daemon=True).start()
        return await answer


def _look_up(name: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
