"""The three standard streams, so that no command ends with a trace on their account."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path


def prepare() -> None:
    """Stands /dev/null in for each stream that was closed, and has stdout escape what it cannot show.

    Without it the first file or socket that is opened would take the closed stream's number. Escaped as
    `\\u1ef3`, a text in JSON stays what it was, also in a locale that knows no Vietnamese.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    nowhere = Path(os.devnull)
    sys.stdin = sys.stdin or nowhere.open(encoding="utf-8")
    sys.stdout = sys.stdout or nowhere.open("w", encoding="utf-8")
    sys.stderr = sys.stderr or nowhere.open("w", encoding="utf-8")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def settle() -> None:
    """Writes what stdout still holds, or drops it where that fails: Python would complain at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
