"""The secret that signs the box's own tokens: the file `secret` in the data folder, mode 0600.

Beside it `secret.old` holds the secrets that were replaced while tokens they signed may still be good.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import stat
from pathlib import Path

import msgspec

from ingestbox.errors import IngestError, StartupError

NAME = "secret"
RETIRED_NAME = "secret.old"
MIN_CHARACTERS = 32
"""HS256 wants a key of at least 256 bits (RFC 7518, 3.2); an operator's own secret is held to it too."""

LONGEST_SECONDS = 10 * 366 * 86_400
"""The longest life of a token that the box makes: a replaced secret is kept as long, unless told else."""

MAX_RETIRED = 16

log = logging.getLogger(__name__)


class Retired(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A secret that was replaced at `retired_ms`; what it signed is good until `until_ms` at the latest."""

    secret: bytes
    retired_ms: int
    until_ms: int


class Secrets(msgspec.Struct, frozen=True):
    """The secret that signs, and those that only verify, the newest first. Each is the HMAC key as it is."""

    current: bytes
    retired: tuple[Retired, ...] = ()


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    """What `secret.old` holds."""

    retired: list[Retired]


def load_secret(folder: Path) -> bytes:
    """The secret's text as bytes, which is the HMAC key as it is; made on the first call.

    A file that others can read or write is closed to them, with a warning. Raises StartupError when it
    cannot be read, made or closed, or is too short.
    """
    path = folder / NAME
    try:
        try:
            text = _read(path)
        except FileNotFoundError:
            _make(path)
            text = _read(path)
    except OSError as error:
        raise StartupError(
            f"The secret {path} cannot be read or made: {error.strerror}. Give the user that runs ingestbox "
            "access to it."
        ) from None
    secret = text.strip()
    if len(secret) < MIN_CHARACTERS:
        raise StartupError(
            f"The secret {path} is damaged: it has fewer than {MIN_CHARACTERS} characters. Put it back from "
            "a backup, or remove it: a new one is made, and every token made so far ends."
        )
    return secret


def load_secrets(folder: Path) -> Secrets:
    """The secret and those it replaced. Raises StartupError as `load_secret` does, for either file."""
    current = load_secret(folder)
    path = folder / RETIRED_NAME
    try:
        kept = msgspec.json.decode(_read(path), type=_Kept)
    except FileNotFoundError:
        return Secrets(current)
    except OSError as error:
        raise StartupError(
            f"The old secrets {path} cannot be read: {error.strerror}. Give the user that runs ingestbox "
            "access to it."
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise StartupError(
            f"The old secrets {path} are damaged. Put the file back from a backup, or remove it: tokens from "
            "before the last rotation end."
        ) from None
    # The current one is among them when a rotation was cut short between its two writes.
    return Secrets(current, tuple(each for each in kept.retired if each.secret != current))


class Rotation(msgspec.Struct, frozen=True):
    """A rotation that is prepared: what counts while the files are written, and after.

    Programs read the new secret from its file, and sign with it, as soon as it is there; until then with the
    old one. So while it is written both are good.
    """

    during: Secrets
    after: Secrets


def prepare(folder: Path, now_ms: int, keep_seconds: int | None = None) -> Rotation:
    """A new secret, not yet written. What older ones signed is good until it ends by itself, or for
    `keep_seconds` at the most from when each was replaced; 0 ends it now.

    An old secret is dropped when nothing it signed can be good: when the longest token that the box makes
    has ended, counted from the moment it was replaced. Raises IngestError too_many_secrets; StartupError as
    `load_secrets`.
    """
    before = load_secrets(folder)
    longest = LONGEST_SECONDS if keep_seconds is None else min(keep_seconds, LONGEST_SECONDS)
    replaced = Retired(before.current, now_ms, now_ms + LONGEST_SECONDS * 1000)
    retired = (replaced, *before.retired)
    ends = [min(each.until_ms, each.retired_ms + longest * 1000) for each in retired]
    kept = tuple(
        msgspec.structs.replace(each, until_ms=until_ms)
        for each, until_ms in zip(retired, ends, strict=True)
        if until_ms > now_ms
    )
    if len(kept) > MAX_RETIRED:
        raise IngestError("too_many_secrets")
    secret = secrets.token_urlsafe(32).encode()
    return Rotation(Secrets(secret, retired), Secrets(secret, kept))


def commit(folder: Path, rotation: Rotation) -> None:
    """Writes both files, each whole or not at all; the old secrets first, so that after a crash in between
    the same secret signs as before (those before it may have ended, as the rotation would have it).

    The caller sees to it that only one rotates. Raises IngestError `secret_unwritable`.
    """
    kept = _Kept(list(rotation.after.retired))
    try:
        for name in (NAME, RETIRED_NAME):
            for left in folder.glob(f".{name}-*"):  # by a process that was killed
                left.unlink(missing_ok=True)
        _replace(folder / RETIRED_NAME, msgspec.json.encode(kept) + b"\n")
        _replace(folder / NAME, rotation.after.current + b"\n")
    except OSError as error:
        log.error("The secret could not be rotated: %s.", error)
        raise IngestError("secret_unwritable") from None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_IMODE(mode) & 0o077:
            os.fchmod(file.fileno(), 0o600)
            log.warning(
                "%s could be read by other users (mode %o) and was set to 600; if one of them may have read "
                "it, end it: ingestbox secret rotate --end-now.",
                path,
                stat.S_IMODE(mode),
            )
        return file.read()


def _make(path: Path) -> None:
    """Makes the file whole or not at all; when two processes make it at once, the first one's stays."""
    temporary = _write(path, secrets.token_urlsafe(32).encode() + b"\n")
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink()
    _sync_folder(path.parent)


def _replace(path: Path, content: bytes) -> None:
    """Puts a file in the place of another, whole or not at all."""
    temporary = _write(path, content)
    try:
        temporary.replace(path)
    except BaseException:
        temporary.unlink()
        raise
    _sync_folder(path.parent)


def _write(path: Path, content: bytes) -> Path:
    """A new file beside `path`, closed to others and on disk."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if os.geteuid() == 0:  # an administrator's command; the box that has to read it is somebody else
                folder = path.parent.stat()
                with contextlib.suppress(PermissionError):
                    os.fchown(descriptor, folder.st_uid, folder.st_gid)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
