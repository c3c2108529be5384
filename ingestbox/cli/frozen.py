"""What the single-file program needs: its boot-loader unpacks it, then runs it as a second process."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from pathlib import Path


def follow_boot_loader() -> None:
    """Makes this process end when its boot-loader is killed, so that no orphan keeps port and data folder.

    A boot-loader that is killed with SIGKILL can pass nothing on. Does nothing when the parent is not one:
    in the folder form, and in a CPU child, which watches its pipe.
    """
    parent = os.getppid()
    try:
        watched = os.pidfd_open(parent)
    except OSError:
        return
    # Compared after the descriptor is open: from here on the number cannot come to mean another process.
    if not _is_boot_loader(parent):
        os.close(watched)
        return
    if sys.argv[1:2] == ["serve"]:
        # The boot-loader passes on every signal. In a group of its own the box gets Ctrl-C from it alone;
        # twice would mean "do not wait for what is in hand".
        os.setpgid(0, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # and may still write to the terminal
    threading.Thread(target=_die_with, args=(watched,), name="boot-loader-watch", daemon=True).start()


def _is_boot_loader(pid: int) -> bool:
    """Whether the process runs this same file, and is not the program itself (whose children we would be)."""
    if sys.argv[1:2] == ["_child"]:
        return False
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/exe").samefile(sys.executable)
    return False


def _die_with(watched: int) -> None:
    select.select([watched], [], [])
    # What the boot-loader would have removed at its end. By another process, so that this one dies at once;
    # it is then as a box that was killed itself, which the store is made for.
    unpacked = getattr(sys, "_MEIPASS", None)
    if unpacked is not None:
        with contextlib.suppress(OSError):
            os.posix_spawnp("rm", ["rm", "-rf", "--", unpacked], {"PATH": os.defpath})
    os.kill(os.getpid(), signal.SIGKILL)
