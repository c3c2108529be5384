"""Connections to addresses that were checked, and to no others.

The check lies where connections are made, below everything that reads URLs: a name is resolved once, all of
its addresses are checked, and one of these is connected to. What the name resolves to a moment later has no
effect. The name stays what TLS asks for and checks the certificate against.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore2
import httpx2

from ingestbox.outbound.addresses import IPAddress, Reach
from ingestbox.outbound.fetched import FetchError
from ingestbox.outbound.names import host_of
from ingestbox.outbound.resolver import Resolver

MOST_ADDRESSES = 16
"""Of one answer: a host has a few. More are checked, and not tried."""


class Pinned(httpx2.AsyncHTTPTransport):
    """The client's own transport over connections that are checked."""

    def __init__(self, reach: Reach, resolver: Resolver, tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls, trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=1,
            max_keepalive_connections=0,
            network_backend=_Checked(reach, resolver),
        )


class _Checked(httpcore2.AnyIOBackend):
    def __init__(self, reach: Reach, resolver: Resolver) -> None:
        self._reach = reach
        self._resolver = resolver

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - its interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        failed: Exception | None = None
        for address in (await self._addresses(host, port))[:MOST_ADDRESSES]:
            try:
                return await super().connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed or httpcore2.ConnectError("it has no address")

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        raise FetchError("refused", "A socket of this machine is not reached from here.")

    async def _addresses(self, host: str, port: int) -> list[IPAddress]:
        """All addresses of a host, each of them checked. Raises FetchError."""
        # The pool gives IPv6 addresses without their brackets.
        known = host_of(f"[{host}]" if ":" in host else host)
        if not isinstance(known, str):
            self._reach.check(known, port)
            return [known]
        self._reach.check_name(known)
        try:
            answers = await self._resolver(known, port)
        except OSError:
            raise FetchError("unreachable", f"The name {known} is not known.") from None
        found: list[IPAddress] = []
        for answer in answers:
            try:
                address = ipaddress.ip_address(answer)
            except ValueError:
                raise FetchError("refused", f"{known} has something for an address that is none.") from None
            self._reach.check(address, port, known)
            found.append(address)
        if not found:
            raise FetchError("unreachable", f"The name {known} has no address.")
        return found
