"""The secret that signs the box's own tokens: the file `secret` in the data folder, mode 0600."""

from __future__ import annotations

import logging
import os
import secrets
import stat
from pathlib import Path

from ingestbox.errors import StartupError

NAME = "secret"
MIN_CHARACTERS = 32
"""HS256 wants a key of at least 256 bits (RFC 7518, 3.2); an operator's own secret is held to it too."""

log = logging.getLogger(__name__)


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


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_IMODE(mode) & 0o077:
            os.fchmod(file.fileno(), 0o600)
            log.warning(
                "%s could be read by other users (mode %o) and was set to 600; if one of them may have read "
                "it, remove it and restart: every token made so far ends.",
                path,
                stat.S_IMODE(mode),
            )
        return file.read(65_536)


def _make(path: Path) -> None:
    """Makes the file whole or not at all; when two processes make it at once, the first one's stays."""
    temporary = path.with_name(f".{NAME}-{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_urlsafe(32).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        temporary.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
