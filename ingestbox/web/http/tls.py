"""TLS of the box's door: its certificate, renewed while it runs, and the clients it asks for theirs.

A command on the same machine trusts the very certificate that the box shows, by what the lock file says; no
name is compared, for it calls the box by its loopback address.
"""

from __future__ import annotations

import datetime
import logging
import os
import ssl
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ingestbox.config import Server
from ingestbox.errors import StartupError

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2; those of TLS 1.3 are all good."""

LOOK_SECONDS = 10.0
"""How often the files are looked at for a new certificate."""

WARN_DAYS = 14
COMMAND_FILE = "command.pem"
"""In the data folder: what commands on this machine show a box that asks clients for certificates."""

COMMAND_NAME = "ingestbox command"
_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which `ssl` has no name for."""

log = logging.getLogger("ingestbox.web")


class Tls:
    """The context for new connections."""

    def __init__(self, settings: Server, folder: Path) -> None:
        """Reads the files. `folder` is where COMMAND_FILE is kept, if clients have to show certificates.

        Raises StartupError with a sentence for the operator.
        """
        self._settings = settings
        self._folder = folder
        self._seen = self._marks()
        self.context, self.certificate = self._load()
        self.on_renewal: Callable[[str], None] = lambda _: None
        """Called with the new certificate (PEM)."""

    def look(self) -> None:
        """Takes new files into use; when they are not good, the old ones stay."""
        marks = self._marks()
        if marks == self._seen:
            return
        self._seen = marks
        try:
            self.context, self.certificate = self._load()
        except StartupError as error:
            log.error("The new TLS files are not used, the old ones stay: %s", error)
            return
        log.info("The TLS files were read anew.")
        self.on_renewal(self.certificate)

    def _marks(self) -> list[tuple[int, int, int] | None]:
        """What changes when a file does, also behind a symbolic link."""
        settings = self._settings
        marks: list[tuple[int, int, int] | None] = []
        for name in (settings.tls_cert, settings.tls_key, settings.tls_client_ca):
            try:
                found = Path(name).stat()
                marks.append((found.st_ino, found.st_size, found.st_mtime_ns))
            except OSError:
                marks.append(None)
        return marks

    def _load(self) -> tuple[ssl.SSLContext, str]:
        settings = self._settings
        pem = _read(settings.tls_cert, "tls_cert")
        _read(settings.tls_key, "tls_key")
        certificate = _first_certificate(pem, settings.tls_cert)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(settings.tls_cert, settings.tls_key, password=_no_password)
        except ssl.SSLError as error:
            raise StartupError(_complaint(error, settings)) from None
        if settings.tls_client_ca:
            authorities = _read(settings.tls_client_ca, "tls_client_ca")
            try:
                context.load_verify_locations(cadata=authorities)
            except (ssl.SSLError, ValueError):
                raise StartupError(
                    f"server.tls_client_ca: {settings.tls_client_ca} holds no certificates (PEM)."
                ) from None
            context.load_verify_locations(cadata=_command_certificate(self._folder))
            context.verify_mode = ssl.CERT_REQUIRED
        _warn_of_age(certificate, settings.tls_cert)
        return context, certificate.public_bytes(serialization.Encoding.PEM).decode()


def tls_of(settings: Server, folder: Path) -> Tls | None:
    """The TLS that the settings ask for, or None for plain HTTP. Raises StartupError."""
    if settings.tls_cert and settings.tls_key:
        return Tls(settings, folder)
    if settings.tls_cert or settings.tls_key:
        given, missing = ("tls_cert", "tls_key") if settings.tls_cert else ("tls_key", "tls_cert")
        raise StartupError(f"server.{given} is set, but not server.{missing}: TLS needs both.")
    if settings.tls_client_ca:
        raise StartupError(
            "server.tls_client_ca is set, but not server.tls_cert and tls_key: TLS needs both."
        )
    return None


def command_context(certificate: str, folder: Path) -> ssl.SSLContext:
    """For a command's client: trusts exactly this certificate (PEM), whatever its name, and shows the
    command's own, if the box made one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    # The certificate itself is the anchor, whoever signed it. It is known, so its age says nothing more.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags = ssl.VerifyFlags(context.verify_flags | _NO_CHECK_TIME)
    context.load_verify_locations(cadata=certificate)
    own = folder / COMMAND_FILE
    if own.exists():
        context.load_cert_chain(own)
    return context


def _read(name: str, setting: str) -> str:
    try:
        return Path(name).read_text("ascii", errors="replace")
    except OSError as error:
        raise StartupError(f"server.{setting}: {name} cannot be read: {error.strerror}.") from None


def _first_certificate(pem: str, name: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(pem.encode("ascii", errors="replace"))[0]
    except (ValueError, IndexError):
        raise StartupError(f"server.tls_cert: {name} holds no certificate (PEM).") from None


def _no_password() -> str:
    raise StartupError(
        "server.tls_key: the key is encrypted, and nobody is there to give its password. Decrypt it: "
        "openssl pkey -in <encrypted> -out <plain>, mode 0600."
    )


def _complaint(error: ssl.SSLError, settings: Server) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"server.tls_key: {settings.tls_key} is not the key of the certificate in {settings.tls_cert}."
    why = (error.reason or "not a PEM file").lower().replace("_", " ")
    return f"server.tls_cert and tls_key: {settings.tls_cert} and {settings.tls_key} cannot be used: {why}."


def _warn_of_age(certificate: x509.Certificate, name: str) -> None:
    now = datetime.datetime.now(datetime.UTC)
    end = certificate.not_valid_after_utc
    if end <= now:
        log.warning("The certificate in %s has expired: clients will refuse it.", name)
    elif certificate.not_valid_before_utc > now:
        log.warning("The certificate in %s is not valid yet: clients will refuse it.", name)
    elif end - now < datetime.timedelta(days=WARN_DAYS):
        log.warning("The certificate in %s expires on %s.", name, end.date().isoformat())


def _command_certificate(folder: Path) -> str:
    """The certificate (PEM) of COMMAND_FILE, which is made when it is not there. Who can read the data folder
    can make tokens too, so that this gives nobody more than he has."""
    path = folder / COMMAND_FILE
    if not path.exists():
        _make_command_file(path)
    certificate = _first_certificate(path.read_text("ascii"), str(path))
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _make_command_file(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, COMMAND_NAME)])
    now = datetime.datetime.now(datetime.UTC)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=False)
        .sign(key, SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(private + certificate.public_bytes(serialization.Encoding.PEM))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
