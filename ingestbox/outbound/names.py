"""Who a URL means: its host, whichever way it is spelt.

Hosts are read as browsers read them (WHATWG URL, sections 3.5 and 4.4), since that is how addresses are
disguised; what is connected to is what was read here, written in the one usual way.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from urllib.parse import unquote_to_bytes, urljoin

import idna
import msgspec

from ingestbox.outbound.fetched import FetchError

MOST_CHARACTERS = 2_048

_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)(?:#.*)?", re.IGNORECASE | re.DOTALL)
_BAD = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029]")
_PORT = re.compile(r":([0-9]{0,5})\Z")
_PORTS = {"http": 80, "https": 443}
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_HEX = re.compile(r"0[xX][0-9a-fA-F]*")

Host = str | ipaddress.IPv4Address | ipaddress.IPv6Address


class Place(msgspec.Struct, frozen=True):
    """Where a URL leads: `url` as it is asked for, and its parts. `host` is an address, or a name in ASCII
    and lower case without the dot at its end."""

    url: str
    scheme: str
    host: Host
    port: int

    @property
    def origin(self) -> str:
        """The URL's beginning, up to its path."""
        return f"{self.scheme}://{_authority(self.scheme, self.host, self.port)}"


def place_of(text: str) -> Place:
    """The place that a URL names. Raises FetchError for what is no URL that can be fetched."""
    if len(text) > MOST_CHARACTERS:
        raise _no_url(f"A URL has at most {MOST_CHARACTERS} characters.")
    if _BAD.search(text):
        raise _no_url("A URL has no spaces, control characters or backslashes.")
    found = _URL.fullmatch(text)
    if found is None:
        raise _no_url("Only http:// and https:// URLs are fetched.")
    scheme, authority, rest = found[1].lower(), found[2], found[3]
    if "@" in authority:
        raise FetchError("refused", "A URL with a user or a password in it is not fetched.")
    port = _PORTS[scheme]
    if ported := _PORT.search(authority):
        authority = authority[: ported.start()]
        port = int(ported[1]) if ported[1] else port
    if not 1 <= port <= 65_535:
        raise _no_url("A port is a number from 1 to 65535.")
    host = host_of(authority)
    path = rest if rest.startswith("/") else f"/{rest}"
    return Place(f"{scheme}://{_authority(scheme, host, port)}{path}", scheme, host, port)


def led_to(place: Place, location: str) -> Place:
    """Where a redirect leads. Raises FetchError."""
    if _BAD.search(location):
        raise _no_url("It leads to what is no URL.")
    try:
        return place_of(urljoin(place.url, location))
    except ValueError:
        raise _no_url("It leads to what is no URL.") from None


def host_of(text: str) -> Host:
    """The host that a text means: percent-encoded, full-width, with a dot at its end, an address in parts of
    any base. Raises FetchError for what is none."""
    if text.startswith("["):
        return _v6(text)
    try:
        name = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise _no_host(text) from None
    # Full-width and circled characters, and the dots of other scripts (UTS 46), are what they stand for.
    name = unicodedata.normalize("NFKC", name).replace("\u3002", ".").casefold()
    name = unicodedata.normalize("NFKC", name).removesuffix(".")
    if not name or _BAD.search(name):
        raise _no_host(text)
    if _ends_in_number(name):
        return _v4(name)
    try:
        ascii_name = name if name.isascii() else idna.encode(name, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise _no_host(text) from None
    if len(ascii_name) > 253 or not all(_LABEL.fullmatch(label) for label in ascii_name.split(".")):
        raise _no_host(text)
    return ascii_name


def local(name: str) -> bool:
    """Whether a name means this machine, whatever it resolves to (RFC 6761, section 6.3)."""
    return name in ("localhost", "localhost.localdomain") or name.endswith(".localhost")


def _authority(scheme: str, host: Host, port: int) -> str:
    shown = f"[{host}]" if isinstance(host, ipaddress.IPv6Address) else str(host)
    return shown if port == _PORTS[scheme] else f"{shown}:{port}"


def _v6(text: str) -> ipaddress.IPv6Address:
    try:
        address = ipaddress.IPv6Address(text[1:-1]) if text.endswith("]") else None
    except ValueError:
        address = None
    if address is None or address.scope_id is not None or "%" in text:
        raise _no_host(text)
    return address


def _ends_in_number(name: str) -> bool:
    last = name.rpartition(".")[2]
    return (last.isascii() and last.isdigit()) or _HEX.fullmatch(last) is not None


def _v4(name: str) -> ipaddress.IPv4Address:
    """One to four parts, each decimal, octal (0…) or hexadecimal (0x…); the last one fills what is left."""
    parts = [_number(part) for part in name.split(".")]
    numbers = [each for each in parts if each is not None]
    if len(parts) > 4 or len(numbers) < len(parts) or any(each > 255 for each in numbers[:-1]):
        raise _no_host(name)
    left = 5 - len(numbers)
    if numbers[-1] >= 256**left:
        raise _no_host(name)
    value = numbers[-1]
    for position, number in enumerate(numbers[:-1]):
        value += number << 8 * (3 - position)
    return ipaddress.IPv4Address(value)


def _number(part: str) -> int | None:
    if not part or len(part) > 20:
        return None
    if _HEX.fullmatch(part):
        return int(part[2:] or "0", 16)
    base, digits = (8, part[1:]) if part.startswith("0") and len(part) > 1 else (10, part)
    try:
        return int(digits, base) if digits.isascii() and digits.isdigit() else None
    except ValueError:  # 8 and 9 are no octal digits
        return None


def _no_url(told: str) -> FetchError:
    return FetchError("unknown", told)


def _no_host(text: str) -> FetchError:
    return FetchError("unknown", f"`{text[:100]}` is no host that can be reached.")
