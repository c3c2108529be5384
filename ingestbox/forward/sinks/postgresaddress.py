"""Where a lane's PostgreSQL database is, how it is spoken to, and which settings mean nothing there."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from ingestbox import config
from ingestbox.errors import StartupError
from ingestbox.forward.sinks.tls import KEYS, LaneTls

SCHEMES = ("postgres", "postgresql")

_OPEN, _CHECKED = ("disable", "allow", "prefer"), ("verify-ca", "verify-full")
_MODES = (*_OPEN, "require", *_CHECKED)
_SERVERS = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")

_BY_SETTING = {
    "sslrootcert": "tls_ca",
    "sslcert": "tls_cert",
    "sslkey": "tls_key",
    "sslpassword": "tls_key, which is to be decrypted",
    "sslcrl": "tls_ca",
    "passfile": "token_file",
    "service": "url, with all that is in it",
    "servicefile": "url, with all that is in it",
}
"""Parameters of a URL that name files, and which of the lane's settings says the same."""

_HTTP_ONLY = (
    "token_header",
    "signing_secret",
    "signing_secret_file",
    "format",
    "envelope_member",
    "compression",
    "answers",
)

_AUTHORITY = re.compile(r"(?P<begin>^[a-z]+://)(?:[^/?#]*@)?(?P<host>[^/?#@]*)(?P<path>[^?#]*)")


@dataclass(frozen=True, slots=True)
class Address:
    """What the driver is told. `dsn` may hold a password; `tls` makes the context, where one is needed."""

    dsn: str
    password: str | None
    servers: str
    mode: str
    tls: LaneTls | None

    def encryption(self) -> ssl.SSLContext | str | bool:
        """How the connection is encrypted, as the driver takes it."""
        if self.tls is not None:
            context = self.tls.context
            assert context is not None  # it was read for this
            context.check_hostname = self.mode != "verify-ca"
            return context
        if self.mode == "require":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        return False if self.mode == "disable" else self.mode


def shown(url: str) -> str:
    """The address without what may be secret in it: user, password, parameters. Of any text."""
    found = _AUTHORITY.match(url)
    return "".join(found.group("begin", "host", "path")) if found else url.partition("://")[0] + "://"


def address(lane: config.Lane) -> Address:
    """The address of a lane whose URL has one of SCHEMES.

    Raises StartupError for a URL that names no host or database, or files and modes that cannot be used, and
    for settings of the lane that would change nothing.
    """
    for key in _HTTP_ONLY:
        if getattr(lane, key) != getattr(_PLAIN, key):
            raise _fault(lane, f"{key} means nothing to PostgreSQL. Take it out.")
    try:
        parts = urlsplit(lane.url)
        given = {
            name: values[-1]
            for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()
        }
        _check_ports(parts, given)
    except ValueError:
        raise _fault(
            lane,
            "its url cannot be read. It looks like postgresql://user@host:5432/database; in names and "
            "passwords @ : / ? # % are written as %40 %3A %2F %3F %23 %25.",
        ) from None
    for name, instead in _BY_SETTING.items():
        if name in given:
            raise _fault(lane, f"{name} does not go into its url. Use {instead}.")
    hosts = parts.netloc.rpartition("@")[2] or given.get("host", "")
    if not all(host and not host.startswith(":") for host in hosts.split(",")):
        raise _fault(
            lane, "its url names no host. For a socket: postgresql://user@/database?host=/run/postgresql"
        )
    if not (parts.path.strip("/") or given.get("dbname") or given.get("database")):
        raise _fault(lane, "its url names no database: postgresql://user@host/database")
    if lane.token and (parts.password or given.get("password")):
        raise _fault(lane, "token and the password in its url are both set. Leave one.")
    mode = _one_of(lane, given, "sslmode", _MODES)
    servers = _one_of(lane, given, "target_session_attrs", _SERVERS) or "any"
    tls = None
    if files := [key for key in KEYS if getattr(lane, key)]:
        if mode in _OPEN:
            raise _fault(lane, f"{files[0]} and sslmode={mode} contradict each other. Take one out.")
        mode = mode or "verify-full"
    if files or mode in _CHECKED:
        tls = LaneTls(lane)
    return Address(lane.url, lane.token or None, servers, mode or "prefer", tls)


def _check_ports(parts: SplitResult, given: Mapping[str, str]) -> None:
    """Raises ValueError for what the driver could not read, at the first batch."""
    hosts = parts.netloc.rpartition("@")[2]
    if "@" in parts.netloc.rpartition("@")[0]:
        raise ValueError("a second @")
    for host in (*hosts.split(","), *given.get("host", "").split(",")):
        if not host.startswith(("/", "%2F", "%2f")):
            _, _, port = host.rpartition("]")[2].partition(":")
            if port and not 0 < int(unquote(port)) < 65_536:
                raise ValueError("no port")
    for port in filter(None, given.get("port", "").split(",")):
        if not 0 < int(port) < 65_536:
            raise ValueError("no port")


def _one_of(lane: config.Lane, given: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    word = given.get(name, "")
    if word and word not in known:
        raise _fault(lane, f"{name} in its url is to be one of: {', '.join(known)}.")
    return word


def _fault(lane: config.Lane, what: str) -> StartupError:
    return StartupError(f"Lane {lane.name}: {what}")


_PLAIN = config.Lane(name="plain", url="postgresql://")
