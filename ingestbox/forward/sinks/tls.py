"""TLS of a lane: the CAs it trusts, the certificate it shows, and who refuses whose.

Certificates are renewed under a running box: the files are looked at before each batch, and everything,
the system's CAs too, is read again after a certificate was refused.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx2
from cryptography import x509

from ingestbox import config
from ingestbox.errors import StartupError

log = logging.getLogger(__name__)

KEYS = ("tls_ca", "tls_cert", "tls_key")

_OURS_REFUSED = frozenset(
    {
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "TLSV1_ALERT_ACCESS_DENIED",
        "TLSV1_ALERT_UNKNOWN_CA",
    }
)
"""Alerts that an upstream can send only about the certificate that we show (RFC 8446, section 6.2), as
OpenSSL calls them."""

_SAID = {
    b"No required SSL certificate was sent": "client_certificate_refused",
    b"The SSL certificate error": "client_certificate_refused",
    b"plain HTTP request was sent to HTTPS port": "tls_wanted",
    b"sent an HTTP request to an HTTPS server": "tls_wanted",
    b"speaking plain HTTP to an SSL-enabled server": "tls_wanted",
}
"""What nginx, Apache and programs in Go say in the body of a 400, where others end the connection."""

WARN_DAYS = 14
"""A certificate that we show is warned about for so long before it expires."""


class LaneTls:
    """The context for a lane's connections. Only the first reading may stop a start."""

    def __init__(self, lane: config.Lane) -> None:
        """Raises StartupError for files that cannot be used, naming the lane and the key."""
        self._lane = lane
        self._marks = self._look()
        self.context = read(lane)

    def changed(self) -> bool:
        """Whether a file is another than the one that was read last."""
        return self._look() != self._marks

    def renew(self) -> bool:
        """Reads everything again. False when it is no good: the old stays in use, and the log says why."""
        marks = self._look()  # before reading: what is written meanwhile is seen by the next look
        known, self._marks = marks == self._marks, marks
        try:
            self.context = read(self._lane, warn=not known)
        except StartupError as error:
            log.error("New TLS files of a lane are not used, the old ones stay: %s", error)
            return False
        return True

    def _look(self) -> list[tuple[int, int, int] | None]:
        """What changes when a file does, also behind a symbolic link."""
        marks: list[tuple[int, int, int] | None] = []
        for name in (getattr(self._lane, key) for key in KEYS):
            try:
                found = Path(name).stat() if name else None
            except OSError:
                found = None
            marks.append(found and (found.st_ino, found.st_size, found.st_mtime_ns))
        return marks


def read(lane: config.Lane, *, warn: bool = True) -> ssl.SSLContext | None:
    """A context as the lane's settings and files are now; None for one that speaks without TLS.

    With `tls_ca`, the certificates of that file are the ones that are trusted, and no others. With `warn` the
    log says when the certificate that is shown is about to expire. Raises StartupError.
    """
    given = [key for key in KEYS if getattr(lane, key)]
    if not lane.url.startswith(("https:", "postgres")):  # PostgreSQL's asks for it only with TLS
        if given:
            raise _fault(lane, given[0], "its url is not https://, so that nothing would be encrypted.")
        return None
    for key, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
        if key in given and other not in given:
            raise _fault(lane, key, f"it is set, but not {other}: a client certificate needs both.")
    texts = {key: _text(lane, key) for key in given}
    context = _trusting(lane, texts["tls_ca"]) if lane.tls_ca else httpx2.create_ssl_context(trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if lane.tls_cert:
        _show(lane, context)
        if warn:
            _warn_of_age(lane, texts["tls_cert"])
    return context


def refused(error: BaseException) -> str | None:
    """Which certificate a failure is about, as the reason of a pause; None for neither."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "certificate_refused"
        if isinstance(cause, ssl.SSLError) and cause.reason in _OURS_REFUSED:
            return "client_certificate_refused"
    return None


def said(status: int, body: bytes) -> str | None:
    """What an answer says of TLS, as the word of a pause; None for nothing. It is not about the records."""
    if status != 400:
        return None
    return next((reason for words, reason in _SAID.items() if words in body), None)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _trusting(lane: config.Lane, authorities: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # What the file holds is what the operator trusts, also when it is not the root.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=authorities)
    except (ssl.SSLError, ValueError):
        raise _fault(lane, "tls_ca", f"{lane.tls_ca} holds no certificates (PEM).") from None
    return context


def _show(lane: config.Lane, context: ssl.SSLContext) -> None:
    def no_password() -> str:
        raise _fault(
            lane,
            "tls_key",
            "the key is encrypted, and nobody is there to give its password. Decrypt it: "
            "openssl pkey -in <encrypted> -out <plain>, mode 0600.",
        )

    try:
        context.load_cert_chain(lane.tls_cert, lane.tls_key, password=no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            what = f"{lane.tls_key} is not the key of the certificate in {lane.tls_cert}."
            raise _fault(lane, "tls_key", what) from None
        why = (error.reason or "not a PEM file").lower().replace("_", " ")
        what = f"{lane.tls_cert} and {lane.tls_key} cannot be used: {why}."
        raise _fault(lane, "tls_cert and tls_key", what) from None
    except OSError as error:  # it was there a moment ago
        raise _fault(lane, "tls_cert and tls_key", f"they cannot be read: {error.strerror}.") from None


def _warn_of_age(lane: config.Lane, pem: str) -> None:
    with contextlib.suppress(ValueError, IndexError):  # OpenSSL has read it
        end = x509.load_pem_x509_certificates(pem.encode("ascii", errors="replace"))[0].not_valid_after_utc
        left = end - datetime.datetime.now(datetime.UTC)
        if left < datetime.timedelta(days=WARN_DAYS):
            log.warning(
                "Lane %s: tls_cert: the certificate in %s %s on %s.",
                lane.name,
                lane.tls_cert,
                "has expired" if left < datetime.timedelta() else "expires",
                end.date().isoformat(),
            )


def _text(lane: config.Lane, key: str) -> str:
    name = getattr(lane, key)
    try:
        return Path(name).read_text("ascii", errors="replace")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise _fault(lane, key, f"{name} cannot be read: {why}.") from None


def _fault(lane: config.Lane, key: str, what: str) -> StartupError:
    return StartupError(f"Lane {lane.name}: {key}: {what}")
