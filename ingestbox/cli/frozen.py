"""What the single-file program needs: its boot-loader unpacks it, then runs it as a second process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import stat
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

UNPACKED = re.compile(r"_MEI([0-9a-f]{8})\w{6}")
"""The name of a folder that a boot-loader unpacks into, with its process number."""

OURS = "ingestbox"
"""What is in such a folder if it is this program's."""

MARK = "_INGESTBOX_UNPACKED"
"""The variable by which the program tells what it starts itself that it is not a boot-loader that did."""

STALE_SECONDS = 120.0
"""How old an unpacked folder is that nobody holds before it counts as left behind; unpacking takes one."""


def follow_boot_loader() -> None:
    """Makes this process end when its boot-loader is killed, so that no orphan keeps port and data folder.

    A boot-loader that is killed with SIGKILL can pass nothing on. Does nothing in the folder form, which has
    none, and in boxes that a demo starts, which watch its process by themselves.
    A box also removes what programs that were killed left unpacked.
    """
    unpacked = Path(getattr(sys, "_MEIPASS", ""))
    named = UNPACKED.fullmatch(unpacked.name)
    if named is None or os.environ.get(MARK) == str(unpacked):
        return
    os.environ[MARK] = str(unpacked)
    boot_loader = int(named[1], 16)
    try:
        watched = os.pidfd_open(boot_loader)
    except ProcessLookupError:
        _die(unpacked)
    except OSError:  # the kernel or what confines the program does not allow it
        return
    # Compared after the descriptor is open: from here on the number cannot come to mean another process.
    if os.getppid() != boot_loader:
        _die(unpacked)
    hold(unpacked)
    if sys.argv[1:2] == ["serve"]:
        # The boot-loader passes on every signal. In a group of its own the box gets Ctrl-C from it alone;
        # twice would mean "do not wait for what is in hand".
        os.setpgid(0, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # and may still write to the terminal
        threading.Thread(target=sweep, args=(unpacked.parent,), name="sweep", daemon=True).start()
    threading.Thread(target=_die_with, args=(watched, unpacked), name="boot-loader", daemon=True).start()


def hold(unpacked: Path) -> bool:
    """Whether an unpacked folder could be taken hold of: until this process ends no other sweeps it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(unpacked, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    return False


def sweep(folder: Path) -> list[Path]:
    """Removes, and returns, what boot-loaders that were killed left unpacked in a folder.

    That is what this user unpacked of this program some time ago, whose boot-loader is gone, and which nobody
    holds. The hold counts in other containers, too, where process numbers mean others.
    """
    import shutil

    removed = []
    with contextlib.suppress(OSError):
        for each in sorted(folder.iterdir()):
            with contextlib.suppress(OSError):
                if _is_stale(each):
                    shutil.rmtree(each)
                    removed.append(each)
    return removed


def _is_stale(unpacked: Path) -> bool:
    named = UNPACKED.fullmatch(unpacked.name)
    if named is None or Path(f"/proc/{int(named[1], 16)}").exists():
        return False
    descriptor = os.open(unpacked, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        about = os.fstat(descriptor)
        if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) != stat.S_IRWXU:
            return False
        if time.time() - about.st_mtime < STALE_SECONDS or not (unpacked / OURS).is_dir():
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)
    return True


def _die_with(watched: int, unpacked: Path) -> None:
    select.select([watched], [], [])
    _die(unpacked)


def _die(unpacked: Path) -> NoReturn:
    """Ends this process at once; it is then as a box that was killed itself, which the store is made for."""
    # What the boot-loader would have removed at its end, by another process.
    with contextlib.suppress(OSError):
        os.posix_spawnp("rm", ["rm", "-rf", "--", str(unpacked)], {"PATH": os.defpath})
    os.kill(os.getpid(), signal.SIGKILL)
    os._exit(1)
