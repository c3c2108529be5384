"""The demo's folder: made for this call, removed at its end, and swept up later if the end was a kill."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

PREFIX = "ingestbox-demo-"
LOCK = "demo.lock"
"""Held while the demo runs. A folder whose lock is free belongs to a demo that was killed."""


@contextlib.contextmanager
def temporary() -> Iterator[Path]:
    """A new folder of mode 0700, removed with all it holds; what killed demos left goes first."""
    sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with _held(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def kept(folder: Path) -> Iterator[Path]:
    """A folder that stays. Raises ClickException unless it is empty or can be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise click.ClickException(f"{folder} is not empty. Name a new folder with --keep.")
        folder.chmod(0o700)  # keys will lie in it
    except OSError as error:
        raise click.ClickException(
            f"{folder} cannot be used: {error.strerror}. Name another folder with --keep."
        ) from None
    yield folder.absolute()


def sweep(place: Path) -> None:
    """Removes the folders that demos of this user left in `place` when they were killed."""
    for left in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if left.is_symlink() or left.stat().st_uid != os.getuid():
                continue
            descriptor = os.open(left / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(descriptor)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    unnamed = folder / f".{LOCK}"
    descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unnamed.rename(folder / LOCK)  # held before a sweep can find it
        yield
    finally:
        os.close(descriptor)
