"""Children of forked boxes, forked as well: of a child's start, too, loading is the larger part.

A child has what a started one has: pipes, a session of its own, nothing else that was open, and its own entry
with its own arguments. Boxes that are not forked start theirs as the program does.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import traceback
import warnings
from typing import Any, NoReturn

CHILD = ("-P", "-m", "ingestbox.pipeline.child")

_exec = asyncio.create_subprocess_exec


class ForkedChild:
    """What the pool uses of `asyncio.subprocess.Process`."""

    def __init__(self, pid: int, stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader) -> None:
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout
        self.returncode: int | None = None
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._pidfd = os.pidfd_open(pid)
        self._loop.add_reader(self._pidfd, self._reap)

    async def wait(self) -> int:
        """The exit code, once there is one."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        """`kill -9`."""
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self._ended.set()


async def start(program: str, *arguments: str, **options: Any) -> Any:
    """In place of `asyncio.create_subprocess_exec`, which does all that is no child of a box's."""
    if arguments[: len(CHILD)] != CHILD:
        return await _exec(program, *arguments, **options)
    (given, ours_in), (ours_out, answers) = os.pipe(), os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads hold nothing that a child takes
        pid = os.fork()
    if pid == 0:
        _become(given, answers, list(arguments[len(CHILD) :]))
    os.close(given)
    os.close(answers)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=options["limit"])
    writing = asyncio.StreamReaderProtocol(asyncio.StreamReader())  # it knows when a pipe has been closed
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours_out, "rb", 0))
    transport, _ = await loop.connect_write_pipe(lambda: writing, os.fdopen(ours_in, "wb", 0))
    return ForkedChild(pid, asyncio.StreamWriter(transport, writing, None, loop), reader)


def _become(given: int, answers: int, arguments: list[str]) -> NoReturn:
    """Takes on what a started process would have, and never returns to what the box was at."""
    try:
        gc.freeze()  # nothing of the box's is finalised here
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals():
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.setsid()
        os.dup2(given, 0)
        os.dup2(answers, 1)
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - of numbers
            if int(name) > 2:
                with contextlib.suppress(OSError):  # the listing's own
                    os.close(int(name))
        sys.argv = [sys.argv[0], *arguments]
        from ingestbox.pipeline.child import main

        main()
    except BaseException:  # noqa: BLE001 - said as a process of its own says it
        traceback.print_exc()
    finally:
        os._exit(1)
