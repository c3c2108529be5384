"""A box that was started for a while by another process, and ends with it."""

from __future__ import annotations

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1


def follow(pid: int) -> None:
    """Has the kernel kill this process when its parent `pid` ends; at once if it has ended already.

    Killed, not asked to stop: a box that stands still (SIGSTOP) would never hear it. The store is made for
    such an end, and the box's own children end with their pipes. Raises OSError where Linux does not run.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    # Asked after the signal is arranged: a parent that ended before that sends none.
    if os.getppid() != pid:
        os.kill(os.getpid(), signal.SIGKILL)
