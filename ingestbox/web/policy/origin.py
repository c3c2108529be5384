"""Where a request comes from: the client's address, and how it named the box.

A proxy hands on what it was asked for with other addresses and names. What it says about that in
`X-Forwarded-…` is believed only from the proxies that are configured (contract: common, Requests): anybody
can send these fields.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import msgspec

from ingestbox.errors import StartupError
from ingestbox.web.policy.hosts import host_name, is_loopback_name

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_HOPS = 32
"""Proxies that a request can have come through; what a longer list says further left is not looked at."""

_FORWARDING = frozenset(
    {
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-prefix",
        "x-forwarded-proto",
        "x-real-ip",
    }
)
_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")


class Origin(msgspec.Struct, frozen=True):
    """`address` is the client's IP address, empty when it has none; `scheme` is `http` or `https`; `host` is
    the name that it used, with the port if it said one. `prefix` is where a proxy publishes the box, to be
    put before the path of a link. `forwarded` is true for what came through a proxy that says so.
    """

    address: str
    scheme: str
    host: str
    prefix: str = ""
    forwarded: bool = False

    @property
    def is_loopback(self) -> bool:
        """Whether the client runs on this machine, and means it.

        Not so through a proxy, which itself may run here for the whole world, nor under a name from the
        world's DNS: that is a web page whose own name was pointed here.
        """
        if self.forwarded or not (self.host == "" or is_loopback_name(host_name(self.host))):
            return False
        address = _address(self.address)
        return address is not None and address.is_loopback


class Origins:
    """Finds where requests come from."""

    def __init__(self, trusted: Sequence[str] = (), prefix: str = "") -> None:
        """`trusted` is `[server] trusted_proxies`, `prefix` the configured path prefix.

        Raises StartupError for an entry that is neither an address nor a network.
        """
        self._trusted = [_network(entry.strip()) for entry in trusted]
        self._prefix = prefix

    def of(self, scope: MutableMapping[str, Any], headers: Mapping[str, str]) -> Origin:
        """The origin of an ASGI scope. What a proxy says badly is as if it had not been said."""
        client = scope.get("client")
        peer = client[0] if client else ""
        scheme, host = scope.get("scheme", "http"), headers.get("host", "")
        if _FORWARDING.isdisjoint(headers):
            return Origin(peer, scheme, host, self._prefix)
        if not (self._trusted and self._trusts(_address(peer))):
            return Origin(peer, scheme, host, self._prefix, forwarded=True)
        address, hops = self._walk(peer, headers.get("x-forwarded-for", ""))
        said = _said(headers, "x-forwarded-proto", hops).lower()
        named = _said(headers, "x-forwarded-host", hops)
        prefix = _said(headers, "x-forwarded-prefix", hops).rstrip("/")
        return Origin(
            address,
            said if said in ("http", "https") else scheme,
            named if host_name(named) else host,
            prefix if _PREFIX.fullmatch(prefix) else self._prefix,
            forwarded=True,
        )

    def _walk(self, peer: str, said: str) -> tuple[str, int]:
        """The first address from the right that is not a trusted proxy's, and how many proxies came before.

        Where the list ends, or holds no address, the last proxy's own is the answer.
        """
        found, hops = peer, 1
        for entry in reversed(said.rsplit(",", MAX_HOPS)[-MAX_HOPS:]):
            address = _address(entry.strip())
            if address is None:
                break
            found = str(address)
            if not self._trusts(address):
                break
            hops += 1
        return found, hops

    def _trusts(self, address: _Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


def _said(headers: Mapping[str, str], name: str, hops: int) -> str:
    """What the outermost of `hops` trusted proxies said; each adds to the right, or there is one for all."""
    entries = headers.get(name, "").rsplit(",", MAX_HOPS)
    return entries[max(-hops, -len(entries))].strip()


def _address(text: str) -> _Address | None:
    """An address as it stands in X-Forwarded-For, perhaps with a port; of a mapped one (::ffff:…) the IPv4
    address, since a list of networks means that."""
    match = _WITH_PORT.fullmatch(text)
    if match is not None:
        text = match.group(1) or match.group(2)
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (parsed.version == 6 and parsed.ipv4_mapped) or parsed


def _network(text: str) -> _Network:
    try:
        parsed = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise StartupError(
            f"server.trusted_proxies: `{text}` is neither an address nor a network; write 10.0.0.7, "
            "10.0.0.0/8 or fd00::/8."
        ) from None
    if parsed.version == 6 and parsed.prefixlen >= 96 and parsed.network_address.ipv4_mapped:
        address = parsed.network_address.ipv4_mapped
        return ipaddress.IPv4Network((address, parsed.prefixlen - 96), strict=False)
    return parsed
