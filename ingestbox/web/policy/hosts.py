"""The names that the box answers to, against web pages that point a name of their own at it (DNS rebinding).

Such a page is, for a browser, of the same origin as the box. A name of the box's own is not, nor is an
address, which nobody's DNS answers for.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from ingestbox.errors import IngestError, StartupError

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{0,5})?")
_NAME = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_SHOWN = 100


def host_name(host: str) -> str:
    """The name in a Host field, in lower case, without port and final dot; empty when it is not one.

    An IPv6 address is without its brackets.
    """
    match = _HOST.fullmatch(host)
    return match.group(1).lower().strip("[]").rstrip(".") if match else ""


def is_loopback_name(name: str) -> bool:
    """Whether a name, as `host_name` gives it, can only mean this machine (RFC 6761, 6.3)."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class AllowedHosts:
    """`[server] allowed_hosts`, which are not empty."""

    def __init__(self, allowed: Sequence[str]) -> None:
        """Raises StartupError for an entry that is not a name."""
        names = [_entry(each) for each in allowed]
        self._names = frozenset(name for name in names if not name.startswith("*"))
        self._endings = tuple(name[1:] for name in names if name.startswith("*"))

    def check(self, *hosts: str) -> None:
        """Raises IngestError host_not_allowed unless each of the Host fields has an allowed name, or an
        address.

        The status is 421 (RFC 9110, 15.5.20), which says that the request was well but went astray, rather
        than 400: a client that forwards then knows that the address is wrong, and not its data.
        """
        for host in hosts:
            name = host_name(host)
            if name in self._names or (name and name.endswith(self._endings)):
                continue
            if not (is_loopback_name(name) or _is_address(name)):
                shown = f"`{host[:_SHOWN]}`" if name else "a missing or unreadable Host"
                raise IngestError("host_not_allowed", f"This box does not answer to {shown}.")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _entry(text: str) -> str:
    name = text.strip().lower().rstrip(".")
    if name == "*":
        raise StartupError("server.allowed_hosts: `*` is what an empty list means; leave it out.")
    bare = name.removeprefix("[").removesuffix("]")
    if not (_NAME.fullmatch(name) or _is_address(bare)):
        raise StartupError(
            f"server.allowed_hosts: `{text}` is not a host name; write box.example.com or *.example.com, "
            "without scheme, port and path."
        )
    return bare
