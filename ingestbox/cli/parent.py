"""A box that was started for a while by another process, and ends with it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time

LAST_SECONDS = 15.0
"""How long an orderly stop may take once the parent is gone."""


def follow(pid: int) -> None:
    """Ends this process, as SIGTERM does, when its parent `pid` has ended; at once if it has already."""
    watched = None
    with contextlib.suppress(ProcessLookupError):
        watched = os.pidfd_open(pid)
    # Compared after the descriptor is open: from here on the number cannot come to mean another process.
    if watched is None or os.getppid() != pid:
        os.kill(os.getpid(), signal.SIGKILL)  # nothing has begun yet
        return
    threading.Thread(target=_end_with, args=(watched,), name="parent-watch", daemon=True).start()


def _end_with(watched: int) -> None:
    select.select([watched], [], [])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
