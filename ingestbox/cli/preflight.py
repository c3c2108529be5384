"""What a start would stumble over, looked at without starting: nothing is made or changed."""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import msgspec

from ingestbox.config.words import is_secret, masked
from ingestbox.errors import StartupError

if TYPE_CHECKING:
    from ingestbox.config import Lane, Loaded

Level = Literal["ok", "warning", "error"]


class Check(msgspec.Struct, frozen=True):
    """One look: at what, how it is, and a sentence that says what to do where something is."""

    level: Level
    about: str
    message: str


def look(loaded: Loaded) -> list[Check]:
    """Every check, in the order in which a start would meet them."""
    found = [Check("warning", "settings", each) for each in loaded.warnings]
    for part in (_file, _folder, _server, _tls, _identity, _alarms, _senders, _address, _reachable):
        found += part(loaded)
    for part in (_lanes, _filters, _steps, _outbound):
        found += part(loaded)
    return found


def _file(loaded: Loaded) -> Iterator[Check]:
    """Whether others can read secrets in the configuration file."""
    if loaded.file is None:
        return
    holds = any(
        origin.kind == "file" and isinstance(path[-1], str) and is_secret(path[-1])
        for path, origin in loaded.origins.items()
    )
    status = loaded.file.stat()
    mode = stat.S_IMODE(status.st_mode)
    by_group = status.st_uid == 0 != status.st_gid  # so a service reads what root alone may change
    if holds and mode & (0o037 if by_group else 0o077):
        yield Check(
            "warning",
            "file",
            f"{loaded.file} holds secrets and can be reached by other users (mode {mode:o}). "
            f"Close it to them: chmod {640 if by_group else 600} {loaded.file}.",
        )


def _folder(loaded: Loaded) -> Iterator[Check]:
    folder = Path(loaded.settings.data)
    about = "data folder"
    other = "Choose another with `data` in the file, INGESTBOX_DATA or --data."
    try:
        if not folder.exists():
            nearest = next(parent for parent in folder.absolute().parents if parent.exists())
            if not nearest.is_dir():
                yield Check("error", about, f"{folder} cannot be made: {nearest} is not a folder. {other}")
            elif not os.access(nearest, os.W_OK | os.X_OK):
                yield Check("error", about, f"{folder} cannot be made: no permission in {nearest}. {other}")
            else:
                yield Check("ok", about, f"{folder} is made at the first start")
            return
        if not folder.is_dir():
            yield Check("error", about, f"{folder} is not a folder. {other}")
            return
        status = folder.stat()
    except OSError as error:
        yield Check("error", about, f"{folder} cannot be used: {error.strerror}. {other}")
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Check("error", about, f"{folder} cannot be used by this user (uid {os.getuid()}). {other}")
    elif status.st_uid not in (os.geteuid(), 0) and os.geteuid() == 0:
        yield Check(
            "warning",
            about,
            f"{folder} belongs to uid {status.st_uid}, which cannot read what root makes in it. Start the "
            "box as its owner.",
        )
    elif stat.S_IMODE(status.st_mode) & 0o077:
        yield Check(
            "warning", about, f"{folder} can be reached by other users. Close it: chmod 700 {folder}."
        )
    else:
        yield Check("ok", about, f"{folder} can be used")


def _identity(loaded: Loaded) -> Iterator[Check]:
    """Whether a start could read what identity is made of; by the very functions that it calls."""
    from ingestbox.clock import SystemClock
    from ingestbox.identity.apikeys import static_keys
    from ingestbox.identity.first import wanted
    from ingestbox.identity.issuers import Issuers

    auth, issuers = loaded.settings.auth, loaded.settings.issuers
    names = ", ".join(entry.name for entry in issuers)
    yield from _tried("static keys", lambda: static_keys(auth.api_keys), str(len(auth.api_keys) or "none"))
    yield from _tried(
        "first administrator", lambda: wanted(loaded.settings.console), "as the settings say, or by a link"
    )
    yield from _tried(
        "issuers", lambda: Issuers(issuers, SystemClock(), auth.leeway_seconds), names or "none"
    )


def _server(loaded: Loaded) -> Iterator[Check]:
    """Whether names, proxies and origins can be understood."""
    from ingestbox.clock import SystemClock
    from ingestbox.web.policy.policies import Policies
    from ingestbox.web.policy.ratelimit import Buckets

    server = loaded.settings.server
    lists = ("allowed_hosts", "trusted_proxies", "cors_origins")
    given = ", ".join(name for name in lists if getattr(server, name))
    yield from _tried("server", lambda: Policies(Buckets(SystemClock()), server), given or "open to any name")


def _alarms(loaded: Loaded) -> Iterator[Check]:
    from ingestbox.clock import SystemClock
    from ingestbox.ops.webhook import webhook_of

    alarms = loaded.settings.alarms
    well = "posted to a webhook" if alarms.webhook_url else "logged, not posted"
    yield from _tried("alarms", lambda: webhook_of(alarms, SystemClock()), well)


def _outbound(loaded: Loaded) -> Iterator[Check]:
    """Whether what may be fetched from can be understood."""
    from ingestbox.outbound.fetch import Fetcher

    outbound = loaded.settings.outbound
    opened = ", ".join(outbound.allow_hosts)
    well = f"pages of public sites, and of {opened}" if opened else "pages of public sites alone"
    yield from _tried("outbound", lambda: Fetcher(outbound), well)


def _senders(loaded: Loaded) -> Iterator[Check]:
    """Whether batches of other boxes can be checked as the settings want it."""
    from ingestbox.web.v1.sync import keys_of

    if secrets := loaded.settings.sync.signing_secrets:
        well = f"batches of other boxes have to be signed by one of {len(secrets)} secrets"
        yield from _tried("sync", lambda: keys_of(loaded.settings.sync), well)


def _tls(loaded: Loaded) -> Iterator[Check]:
    from ingestbox.web.http.tls import tls_of

    server = loaded.settings.server
    whole = bool(server.tls_cert and server.tls_key)
    # The CAs of clients are looked at below: a start also makes itself a certificate, in the data folder.
    alone = msgspec.structs.replace(server, tls_client_ca="") if whole else server
    folder = Path(loaded.settings.data)
    yield from _tried("TLS", lambda: tls_of(alone, folder), server.tls_cert if whole else "not used")
    if whole and server.tls_client_ca:
        yield from _tried("client CAs", lambda: _read_authorities(server.tls_client_ca), server.tls_client_ca)


def _read_authorities(file: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cafile=file)
    except ssl.SSLError:
        raise StartupError(f"server.tls_client_ca: {file} holds no certificates (PEM).") from None
    except OSError as error:
        raise StartupError(f"server.tls_client_ca: {file} cannot be read: {error.strerror}.") from None


def _tried(about: str, start: Callable[[], object], well: str) -> Iterator[Check]:
    """Does a part of a start; what that would log is a warning here."""
    heard = _Heard()
    log = logging.getLogger("ingestbox")
    log.addHandler(heard)
    try:
        start()
    except StartupError as error:
        yield Check("error", about, str(error))
    else:
        yield from (Check("warning", about, sentence) for sentence in heard.sentences)
        if not heard.sentences:
            yield Check("ok", about, well)
    finally:
        log.removeHandler(heard)


class _Heard(logging.Handler):
    """Keeps what is logged as a warning or worse."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.sentences: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.sentences.append(record.getMessage())


def _address(loaded: Loaded) -> Iterator[Check]:
    """Whether the port is free, which it may not be now and yet be when the box starts."""
    from ingestbox.store.lock import is_held, read_holder

    server = loaded.settings.server
    where = f"port {server.port} on {server.host}"
    if is_held(folder := Path(loaded.settings.data)):
        holder = read_holder(folder)
        who = f" ({holder.url})" if holder and holder.url else ""
        yield Check("ok", "address", f"a box runs on the data folder now{who}")
        return
    trouble = _trouble(server.host, server.port)
    if trouble is None:
        yield Check("ok", "address", f"{where} is free" if server.port else f"a free port on {server.host}")
    elif isinstance(trouble, OSError) and trouble.errno == errno.EADDRINUSE:
        yield Check("warning", "address", f"{where} is in use now. See what uses it: ss -ltnp.")
    else:
        reason = getattr(trouble, "strerror", None) or trouble
        yield Check("warning", "address", f"{where} cannot be listened on: {reason}.")


def _trouble(host: str, port: int) -> Exception | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)  # two may bind, but only one may listen
    except (OSError, UnicodeError) as error:
        return error
    return None


def _reachable(loaded: Loaded) -> Iterator[Check]:
    """Whether secrets would travel in the clear."""
    server = loaded.settings.server
    if not (is_loopback(server.host) or server.tls_cert or server.trusted_proxies):
        yield Check(
            "warning",
            "address",
            f"the box listens on {server.host} without TLS: tokens and records can be read on the way. Set "
            "tls_cert and tls_key, or put a proxy in front and name it in trusted_proxies.",
        )


def _lanes(loaded: Loaded) -> Iterator[Check]:
    from ingestbox.clock import SystemClock
    from ingestbox.forward.sinks import open_sink

    for lane in loaded.settings.lanes:
        about = f"lane {lane.name}"
        start = partial(open_sink, lane, SystemClock(), "")
        tried = [
            msgspec.structs.replace(each, message=each.message.removeprefix(f"Lane {lane.name}: "))
            for each in _tried(about, start, str(masked("url", lane.url)))
        ]
        if tried[0].level == "error" or (weak := _credentials(lane)) is None:
            yield from tried
            continue
        yield from (each for each in tried if each.level == "warning")
        yield Check("warning", about, weak)


def _credentials(lane: Lane) -> str | None:
    """What is to be said of how a lane shows who it is, if anything. PostgreSQL has its own in the URL."""
    url = urlsplit(lane.url)
    if url.scheme not in ("http", "https"):
        return None
    if not (lane.token or url.password or lane.signing_secret or lane.tls_cert):
        return "it has no token; an upstream that asks for one refuses everything."
    if url.scheme == "http" and (lane.token or url.password) and not is_loopback(url.hostname or ""):
        what = "token" if lane.token else "password"
        return f"its {what} goes to {url.hostname} in the clear. Use https:// where the upstream has it."
    return None


def _filters(loaded: Loaded) -> Iterator[Check]:
    """What lanes leave out by a word that names nothing."""
    from ingestbox.cli.laning.filters import filters

    yield from filters(loaded)


def _steps(loaded: Loaded) -> Iterator[Check]:
    """The servers that do steps of the analysis; that none is asked is nothing to speak of."""
    from ingestbox.config import Enrich
    from ingestbox.pipeline.endpoints import STEPS, endpoints

    for step in STEPS:
        given = getattr(loaded.settings.enrich, step)
        if not given.url:
            continue
        about = f"{step} step"
        alone = partial(endpoints, msgspec.structs.replace(Enrich(), **{step: given}))
        (tried,) = _tried(about, alone, str(masked("url", given.url)))
        url = urlsplit(given.url) if tried.level == "ok" else None
        if url and url.scheme == "http" and not is_loopback(url.hostname or ""):
            what = "texts and its token go" if given.token else "texts go"
            sentence = f"{what} to {url.hostname} in the clear. Use https:// where the server has it."
            yield Check("warning", about, sentence[0].upper() + sentence[1:])
        else:
            yield tried
    if loaded.settings.enrich.embeddings.model_path:
        yield _words(loaded.settings.enrich.embeddings.model_path)


def _words(path: str) -> Check:
    """The file that vectors of words are looked up in."""
    from ingestbox.enrich.embedding.wordvectors import NoVectorsError, look

    try:
        dimension = look(Path(path))
    except NoVectorsError as error:
        return Check("error", "embeddings step", f"[enrich.embeddings] model_path: {error}")
    return Check("ok", "embeddings step", f"{path}: vectors of {dimension} numbers")


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
