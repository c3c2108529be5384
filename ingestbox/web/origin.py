"""Where a request comes from: the client's address, and how it named the box."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, MutableMapping
from typing import Any

import msgspec


class Origin(msgspec.Struct, frozen=True):
    """`address` is the client's IP address, empty when it has none; `scheme` is `http` or `https`."""

    address: str
    scheme: str
    host: str

    @property
    def is_loopback(self) -> bool:
        """Whether the client runs on this machine."""
        try:
            return ipaddress.ip_address(self.address).is_loopback
        except ValueError:
            return False


def origin_of(scope: MutableMapping[str, Any], headers: Mapping[str, str]) -> Origin:
    """The origin of an ASGI scope."""
    client = scope.get("client")
    return Origin(client[0] if client else "", scope.get("scheme", "http"), headers.get("host", ""))
