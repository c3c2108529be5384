"""What the doctor says of the lanes, of certificates, and of the CAs that are trusted."""

from __future__ import annotations

import asyncio
import datetime
import os
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx2
from cryptography import x509

from ingestbox.clock import Clock, iso
from ingestbox.config import Lane, Settings
from ingestbox.errors import IngestError, StartupError
from ingestbox.forward.sinks import tls
from ingestbox.store import Store
from ingestbox.store.lanes import ON_HOLD, LaneStatus, overview
from ingestbox.web.v1.reports import Finding

WARN_DAYS = tls.WARN_DAYS

_HASHED = re.compile(r"[0-9a-fA-F]{8}\.[0-9]+")


async def lanes(store: Store) -> list[Finding]:
    """How each lane is."""
    try:
        found = await overview(store)
    except IngestError as error:
        return [Finding("lanes", False, f"they cannot be read: {error.detail}", error.remedy)]
    return [_lane(each) for each in found]


def _lane(lane: LaneStatus) -> Finding:
    told = f"{lane.name} is {lane.state} since {iso(lane.since_ms)}, {lane.pending} pending"
    if lane.held_ms is not None:
        told += f"; {lane.held_by} holds it: to let it go on: ingestbox lanes resume {lane.name}"
    elif lane.reason and lane.state != "running":
        told += f" ({lane.reason})"
    if lane.parked:
        told += f"; {lane.parked} refused lines wait for a person: ingestbox lanes parked {lane.name}"
    if lane.state == "paused" and lane.held_ms is None and lane.reason != ON_HOLD:
        remedy = (
            f"What to do says: ingestbox lanes show {lane.name}; then: ingestbox lanes resume {lane.name}"
        )
        return Finding("lanes", False, told, remedy)
    return Finding("lanes", True, told)


async def trusted() -> Finding:
    """Which CAs what the box calls is checked against, where the settings name none."""
    return await asyncio.to_thread(_trusted)


def _trusted() -> Finding:
    count, place = authorities(httpx2.create_ssl_context(trust_env=False), ssl.get_default_verify_paths())
    unread = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
    hint = (
        f"; {' and '.join(unread)} of the environment are not read, the settings name files" if unread else ""
    )
    if count:
        return Finding("authorities", True, f"{count} CAs are trusted, from {place}{hint}")
    return Finding(
        "authorities",
        False,
        f"no CA is trusted: nothing can be called by HTTPS but where the settings name a file{hint}",
        "apt-get install ca-certificates (or what your system calls it), then start the box again; or name "
        "files: tls_ca of a lane, jwks_ca of an issuer, [outbound] tls_ca.",
    )


def authorities(context: ssl.SSLContext, paths: ssl.DefaultVerifyPaths) -> tuple[int, str]:
    """How many CAs a context trusts that was made without settings, and from where. Those of a folder are
    read as they are needed, and found by the names of its files."""
    loaded = context.cert_store_stats()["x509_ca"]
    if loaded and Path(paths.openssl_cafile).is_file():
        return loaded, paths.openssl_cafile
    if loaded:
        return loaded, "the system's file"
    try:
        names = list(Path(paths.openssl_capath).iterdir())
    except OSError:
        return 0, paths.openssl_capath
    named = {path.resolve() for path in names if _HASHED.fullmatch(path.name)}
    return sum(path.is_file() for path in named), paths.openssl_capath


def certificates(settings: Settings, clock: Clock) -> list[Finding]:
    """Whether what the settings name can be read, and is not near its end."""
    findings = []
    if settings.server.tls_cert:
        findings.append(_ages("tls", "the door", [("server.tls_cert", settings.server.tls_cert)], clock))
    for lane in settings.lanes:
        findings += _of_lane(lane, clock)
    for issuer in settings.issuers:
        if issuer.jwks_ca:
            what = f"issuer {issuer.name}"
            findings.append(_ages("tls", what, [("jwks_ca", issuer.jwks_ca)], clock))
    if settings.outbound.tls_ca:
        named = [("outbound.tls_ca", settings.outbound.tls_ca)]
        findings.append(_ages("tls", "pages of clients", named, clock))
    return findings


def _of_lane(lane: Lane, clock: Clock) -> Iterator[Finding]:
    named = [(key, getattr(lane, key)) for key in ("tls_ca", "tls_cert") if getattr(lane, key)]
    if not named:
        return
    try:
        tls.read(lane, warn=False)
    except StartupError as error:
        yield Finding(
            "tls", False, str(error), "Put a good file in its place; it is taken without a restart."
        )
        return
    yield _ages("tls", f"lane {lane.name}", named, clock)


def _ages(check: str, what: str, named: list[tuple[str, str]], clock: Clock) -> Finding:
    """Of a file with several certificates the one that ends last counts for CAs, the first for its holder."""
    soonest: list[str] = []
    for key, name in named:
        try:
            held = x509.load_pem_x509_certificates(Path(name).read_bytes())
        except OSError as error:
            told = f"{what}: {key}: {name} cannot be read: {error.strerror}"
            return Finding(check, False, told, "Put the file there, and let the box's user read it.")
        except ValueError:
            told = f"{what}: {key}: {name} holds no certificates (PEM)"
            return Finding(check, False, told, "Put a file with certificates in its place.")
        ends = [each.not_valid_after_utc for each in held]
        end = max(ends) if key.endswith("ca") else ends[0]
        left = end - datetime.datetime.fromtimestamp(clock.now_ms() / 1000, datetime.UTC)
        if left < datetime.timedelta(days=WARN_DAYS):
            word = "has expired" if left < datetime.timedelta() else "expires"
            told = f"{what}: {key}: what {name} holds {word} on {end.date().isoformat()}"
            return Finding(check, False, told, "Renew it; the new file is taken without a restart.")
        soonest.append(f"{key} is good until {end.date().isoformat()}")
    return Finding(check, True, f"{what}: {', '.join(soonest)}")
