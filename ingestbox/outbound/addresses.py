"""Which addresses may be reached: global ones, and what the operator opens.

The special addresses are those of IANA's registries (RFC 6890), written out: what Python calls global has
changed between its versions, and says nothing of addresses that carry others in them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from ingestbox.errors import StartupError
from ingestbox.outbound.fetched import FetchError
from ingestbox.outbound.names import host_of, local

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Special:
    """A network that is not reached: what it is, and whether the name of a host opens addresses in it, as the
    operator may give one; others are opened as addresses or networks alone."""

    network: IPNetwork
    what: str
    opened_by_name: bool = False


def _special(text: str, what: str, *, opened_by_name: bool = False) -> Special:
    return Special(ipaddress.ip_network(text), what, opened_by_name)


SPECIAL: tuple[Special, ...] = (
    _special("0.0.0.0/8", "an unspecified address (RFC 1122)"),
    _special("10.0.0.0/8", "a private address (RFC 1918)", opened_by_name=True),
    _special("100.64.0.0/10", "an address of a carrier's NAT (RFC 6598)", opened_by_name=True),
    _special("127.0.0.0/8", "a loopback address (RFC 1122)", opened_by_name=True),
    _special("169.254.0.0/16", "a link-local address (RFC 3927)", opened_by_name=True),
    _special("172.16.0.0/12", "a private address (RFC 1918)", opened_by_name=True),
    _special("192.0.0.0/24", "an address for protocols (RFC 6890)"),
    _special("192.0.2.0/24", "an address for documentation (RFC 5737)"),
    _special("192.88.99.0/24", "an address of 6to4 relays (RFC 7526)"),
    _special("192.168.0.0/16", "a private address (RFC 1918)", opened_by_name=True),
    _special("198.18.0.0/15", "an address for benchmarks (RFC 2544)"),
    _special("198.51.100.0/24", "an address for documentation (RFC 5737)"),
    _special("203.0.113.0/24", "an address for documentation (RFC 5737)"),
    _special("224.0.0.0/4", "a multicast address (RFC 5771)"),
    _special("255.255.255.255/32", "the broadcast address (RFC 919)"),
    _special("240.0.0.0/4", "a reserved address (RFC 1112)"),
    _special("::1/128", "a loopback address (RFC 4291)", opened_by_name=True),
    _special("::/128", "an unspecified address (RFC 4291)"),
    _special("::ffff:0:0/96", "an IPv4-mapped address (RFC 4291)"),
    _special("::ffff:0:0:0/96", "an IPv4-translated address (RFC 2765)"),
    _special("::/96", "an IPv4-compatible address (RFC 4291)"),
    _special("64:ff9b::/96", "an address of NAT64 (RFC 6052)"),
    _special("64:ff9b:1::/48", "an address of a local NAT64 (RFC 8215)"),
    _special("100::/64", "a discard address (RFC 6666)"),
    _special("2001::/32", "a Teredo address (RFC 4380)"),
    _special("2001::/23", "an address for protocols (RFC 2928)"),
    _special("2001:db8::/32", "an address for documentation (RFC 3849)"),
    _special("2002::/16", "a 6to4 address (RFC 3056)"),
    _special("3fff::/20", "an address for documentation (RFC 9637)"),
    _special("5f00::/16", "an address for segment routing (RFC 9602)"),
    _special("fc00::/7", "a unique local address (RFC 4193)", opened_by_name=True),
    _special("fe80::/10", "a link-local address (RFC 4291)", opened_by_name=True),
    _special("fec0::/10", "a site-local address (RFC 3879)", opened_by_name=True),
    _special("ff00::/8", "a multicast address (RFC 4291)"),
)
"""Of networks that lie in each other the smaller one is named first."""

GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
"""What is given out as global unicast (RFC 4291, section 2.4): all else is refused, named or not."""

METADATA: frozenset[IPAddress] = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Google, Azure, and most others
        "169.254.170.2",  # AWS, credentials of containers
        "169.254.170.23",
        "168.63.129.16",  # Azure, in public space
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",
        "fd20:ce::254",  # Google
    )
)
"""Where clouds tell a machine its own secrets: opened by nothing but the address itself."""

WEB_PORTS = frozenset({80, 443, 8000, 8008, 8080, 8443, 8888})
"""Ports that sites have. Others belong to other services, and are for hosts that the operator opens."""


class Reach:
    """What may be reached, with `[outbound] allow_hosts`."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        """Each entry is a name, `*.` and a name for all below it, an address or a network. Raises
        StartupError."""
        self._names: set[str] = set()
        self._below: list[str] = []
        self._networks: list[IPNetwork] = []
        for entry in allow:
            self._add(entry.strip())

    def _add(self, entry: str) -> None:
        try:
            self._networks.append(ipaddress.ip_network(entry))
            return
        except ValueError:
            pass
        try:
            name = host_of(entry.removeprefix("*."))
        except FetchError:
            name = ipaddress.IPv4Address(0)
        if not isinstance(name, str) or "/" in entry:
            raise StartupError(
                f"outbound.allow_hosts: `{entry}` is no name, address or network; write cms.example.vn, "
                "*.example.vn, 10.0.0.7 or 10.0.0.0/8."
            )
        if entry.startswith("*."):
            self._below.append(f".{name}")
        else:
            self._names.add(name)

    def named(self, name: str) -> bool:
        """Whether the operator opens a host by its name."""
        return name in self._names or any(name.endswith(end) for end in self._below)

    def check_name(self, name: str) -> None:
        """Refuses names that mean this machine whatever they resolve to (RFC 6761). Raises FetchError."""
        if local(name) and not self.named(name):
            raise FetchError("refused", f"{name} is this machine, which is not reached from here.")

    def check(self, address: IPAddress, port: int, name: str | None = None) -> None:
        """Refuses an address that may not be reached; `name` is what led to it. Raises FetchError."""
        by_name = name is not None and self.named(name)
        # A zone is no part of what is reached, and an address with one is in no network.
        scoped = isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None
        opened = not scoped and self._opened(address)
        if not opened and (why := _refusal(address, by_name=by_name)) is not None:
            # Not which address a name has: that is for those inside to know.
            shown = f"{address} is" if name is None else f"The name {name} leads to"
            raise FetchError("refused", f"{shown} {why}: it is not reached from here.")
        if not (opened or by_name) and port not in WEB_PORTS:
            raise FetchError("refused", f"Port {port} is none of the web's: it is not reached from here.")

    def _opened(self, address: IPAddress) -> bool:
        if address in METADATA:
            return any(each.num_addresses == 1 and address in each for each in self._networks)
        return any(address.version == each.version and address in each for each in self._networks)


def _refusal(address: IPAddress, *, by_name: bool) -> str | None:
    """What an address is that it is not reached for; None of one that may be."""
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return "an address of one link (RFC 4007)"
    if address in METADATA:
        return "an address where clouds keep a machine's secrets"
    for special in SPECIAL:
        if address.version == special.network.version and address in special.network:
            return None if special.opened_by_name and by_name else special.what
    if isinstance(address, ipaddress.IPv6Address) and address not in GLOBAL_V6:
        return "an address that is not global (RFC 4291)"
    return None
