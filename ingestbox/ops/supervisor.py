"""Who started this process and wants to hear how it is: systemd, a container engine, or nobody.

The protocol is systemd's (sd_notify(3), sd_watchdog_enabled(3)): lines `NAME=value` in a datagram to the
socket that NOTIFY_SOCKET names. A message that cannot be sent is lost and nothing more: the box does not
depend on who watches it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, MutableMapping
from pathlib import Path

log = logging.getLogger(__name__)

SEND_SECONDS = 0.2
"""How long a message may wait for room in the supervisor's queue."""

EXTEND_EVERY, EXTEND_BY = 10.0, 60.0
"""Seconds: while the box starts it asks this often to be given this long from then on."""

STOP_ROOM = 20.0
"""Seconds that a stop may take beyond `server.stop_seconds`: it cancels, and folds the store's log."""

LONGEST_STATUS = 500
"""Characters of a status."""


class Supervisor:
    """The other end of the socket; without one every message goes nowhere."""

    def __init__(self, address: str | None, watchdog_seconds: float | None) -> None:
        """`address` is a socket's, as the system takes it; `watchdog_seconds` how long the supervisor waits
        for a beat before it ends the box, or None when it waits for none."""
        self._address = address
        self.watchdog_seconds = watchdog_seconds if address else None
        self._socket: socket.socket | None = None
        self._status = ""
        if address is not None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.settimeout(SEND_SECONDS)

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> Supervisor:
        """The supervisor that the environment names. Its variables are taken out, for they are not meant for
        the processes that the box starts."""
        given = environ.pop("NOTIFY_SOCKET", "")
        usec, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        return cls(_address(given), _watchdog_seconds(usec, pid))

    @property
    def present(self) -> bool:
        """Whether anybody listens."""
        return self._socket is not None

    def ready(self, status: str) -> None:
        """The box listens and answers."""
        self._say("READY=1", self._stated(status))

    def say(self, status: str) -> None:
        """How the box is, as one line for `systemctl status`; sent when it has changed."""
        if status != self._status:
            self._say(self._stated(status))

    def beat(self) -> None:
        """The box is alive; the supervisor ends it when this does not come in time."""
        self._say("WATCHDOG=1")

    def stopping(self, seconds: float) -> None:
        """The box stops, and may take this long."""
        usec = round((seconds + STOP_ROOM) * 1_000_000)
        self._say("STOPPING=1", self._stated("Stopping."), f"EXTEND_TIMEOUT_USEC={usec}")

    def reload(self, look: Callable[[], None]) -> None:
        """Calls `look`, which reads files anew, and says when that begins and that it has ended."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000}")
        try:
            look()
        finally:
            self._say("READY=1")

    @contextlib.asynccontextmanager
    async def starting(
        self, status: str, every: float = EXTEND_EVERY, by: float = EXTEND_BY
    ) -> AsyncIterator[None]:
        """A start, which may take hours when a large store is copied and migrated: for the time of the block
        the supervisor is asked for more time, every so many seconds, as long as the event loop turns."""
        self._say(self._stated(status))
        asking = asyncio.create_task(self._ask_for_time(every, by), name="start-up-time")
        try:
            yield
        finally:
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking

    def close(self) -> None:
        """From now on messages go nowhere."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _ask_for_time(self, every: float, by: float) -> None:
        while self.present:
            self._say(f"EXTEND_TIMEOUT_USEC={round(by * 1_000_000)}")
            await asyncio.sleep(every)

    def _stated(self, status: str) -> str:
        self._status = status
        return f"STATUS={' '.join(status.split())[:LONGEST_STATUS]}"

    def _say(self, *lines: str) -> None:
        if self._socket is None or self._address is None:
            return
        try:
            self._socket.sendto("\n".join(lines).encode(errors="replace"), self._address)
        except OSError as error:  # also when there is no room in time
            log.debug("The supervisor cannot be told: %s", error)


def _address(given: str) -> str | None:
    """A path, or `@` and a name in the kernel; other kinds of socket (vsock) are not for a service."""
    if given.startswith("/"):
        return given
    return f"\0{given[1:]}" if given.startswith("@") else None


def _watchdog_seconds(usec: str, pid: str) -> float | None:
    """How often beats are wanted of this very process, as sd_watchdog_enabled(3) reads it."""
    if not usec.isascii() or not usec.isdigit() or int(usec) == 0:
        return None
    if pid and pid != str(os.getpid()) and not (pid == str(os.getppid()) and _is_boot_loader(int(pid))):
        return None
    return int(usec) / 1_000_000


def _is_boot_loader(pid: int) -> bool:
    """Whether the process unpacked this program, as that of the single file does: what it is asked is meant
    for the program."""
    if not getattr(sys, "frozen", False):
        return False
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/exe").samefile(sys.executable)
    return False
