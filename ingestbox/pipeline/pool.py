"""The parent's side of the CPU children: who is free, who is late, who died, who is not needed any more.

Children start when work asks for them and end when they have been idle for a while, so that an idle box is
small. A chunk, and a question about data, has one child to itself. `run` and `ask` are the whole service; the
protocol is in `child.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Coroutine, Sequence
from typing import TypeVar

import msgspec

from ingestbox.clock import Clock, SystemClock
from ingestbox.model import Chunk, Outcome
from ingestbox.pipeline.child import HEADER, Answer, Call
from ingestbox.pipeline.endpoints import Endpoint
from ingestbox.pipeline.servers import Servers

_START_SECONDS = 30.0
"""A child that is not ready after this long did not start."""
_BACKOFF_FIRST, _BACKOFF_LAST = 0.1, 5.0
"""Seconds between attempts to start a child while none will start; doubled each time."""
_EXIT_SECONDS = 1.0
"""How long a child whose pipe closed is given to exit by itself, so that its own status is reported."""
_READ_BUFFER = 1 << 20
"""Bytes read ahead from a child's pipe."""
_CLOCK = SystemClock()
_NOTHING = Chunk("", [])

T = TypeVar("T")

_log = logging.getLogger(__name__)
_encoder = msgspec.msgpack.Encoder()
_answers = msgspec.msgpack.Decoder(Answer)


class ChildDied(Exception):  # noqa: N818 - says what happened
    """The child ended, or was killed, while it held the chunk; `reason` is a phrase for people."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class ChildTimeout(ChildDied):
    """The child did not answer in time and was killed."""


class PoolStopped(Exception):  # noqa: N818 - says what happened
    """The pool is stopping: the chunk was not processed, and neither it nor a child is to blame."""


class PoolBusy(Exception):  # noqa: N818 - says what happened
    """No child was free in time."""


class FunctionRefused(Exception):  # noqa: N818 - says what happened
    """The named function cannot be loaded in a child: the program is at fault, not the chunk."""


class FunctionFailed(Exception):  # noqa: N818 - says what happened
    """A function that was asked about data raised an exception of this type; the child's log says where."""


class _Child:
    """One child process: at most one call in hand."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        self.process = process
        self.ready = False  # it has said so
        self.dismissed = False  # its end is wanted, so it is not a failure
        self.idle_since = 0.0  # monotonic seconds

    @property
    def alive(self) -> bool:
        """Whether it can answer: its end shows at the pipe before the process has been waited for."""
        return self.process.returncode is None and not self._stdout.at_eof()

    async def receive(self) -> bytes:
        """The next frame. Raises EOFError when the child's pipe ends."""
        try:
            (length,) = HEADER.unpack(await self._stdout.readexactly(HEADER.size))
            return await self._stdout.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise EOFError from None

    async def ask(self, call: bytes) -> Answer:
        """Sends the call and waits for its answer. Raises EOFError when the child ends first, and
        msgspec.DecodeError for an answer of another shape."""
        try:
            self._stdin.write(HEADER.pack(len(call)))
            self._stdin.write(call)
            await self._stdin.drain()
        except ConnectionError:
            raise EOFError from None
        return _answers.decode(await self.receive())

    def kill(self) -> None:
        """Ends the process now; nothing is lost that the ledger does not have."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it was faster
                self.process.kill()

    async def ended(self) -> str:
        """Waits for the process to be gone and its pipes to be closed; returns how it ended."""
        status = await self.process.wait()
        self._stdin.close()
        with contextlib.suppress(ConnectionError):
            await self._stdin.wait_closed()
        if status >= 0:
            return f"exit status {status}"
        return f"killed by {_signal_name(-status)}"

    async def autopsy(self) -> str:
        """How a child ended whose pipe did; one that lingers is killed."""
        try:
            async with asyncio.timeout(_EXIT_SECONDS):
                return await self.ended()
        except TimeoutError:
            return "its pipe closed"
        finally:
            self.kill()


class Pool:
    """At most `size` children; each computes one chunk at a time.

    `preload` names modules that a child imports before it is ready. A child without work for `idle_seconds`
    is ended. `log_level` and `log_format` are those of `logs.set_up`, for the children's own lines;
    `endpoints` are the servers that do steps of the analysis.
    """

    def __init__(
        self,
        size: int,
        *,
        preload: Sequence[str] = (),
        idle_seconds: float = 60.0,
        clock: Clock = _CLOCK,
        log_level: str = "INFO",
        log_format: str = "json",
        endpoints: tuple[Endpoint, ...] = (),
    ) -> None:
        self.restarts = 0
        """Children that ended unasked or were killed for being late, since start."""
        self.servers = Servers(endpoint.step for endpoint in endpoints if endpoint.url)
        """How the servers do that are asked for steps of the analysis."""
        self._endpoints = endpoints
        self._command = _command(preload, log_level, log_format)
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._free = asyncio.Semaphore(size)
        self._children: set[_Child] = set()
        self._idle: list[_Child] = []  # the last used is last, and first to be used again
        self._tasks: set[asyncio.Task[object]] = set()
        self._running: set[asyncio.Task[object]] = set()
        self._stopping = asyncio.Event()
        self._failures = 0  # attempts to start a child that failed in a row

    @property
    def alive(self) -> int:
        """Children that exist now, busy or idle."""
        return sum(child.alive for child in self._children)

    @property
    def pids(self) -> list[int]:
        """Their process ids."""
        return [child.process.pid for child in self._children if child.alive]

    @property
    def healthy(self) -> bool:
        """False while children do not start (their last attempt failed)."""
        return self._failures == 0

    async def start(self) -> None:
        """Begins to retire idle children. No child is started before there is work."""
        self._task(self._retire_idle())

    async def run(
        self,
        function: str,
        chunk: Chunk,
        timeout: float,  # noqa: ASYNC109 - past it the child is killed, which no caller can do
    ) -> list[Outcome]:
        """Runs `function` (`module:function`) on the chunk in a child; one outcome per item, in order.

        Waits for a free child, without limit; `timeout` (seconds) counts from when it has one. Raises
        ChildTimeout or ChildDied when the child was lost with the chunk, PoolStopped, or FunctionRefused.
        Cancelling it kills the child.
        """
        answer = await self._call(Call(function, timeout, chunk, endpoints=self._endpoints))
        self.servers.note(answer.served)
        return answer.outcomes

    async def ask(
        self,
        function: str,
        data: bytes,
        timeout: float,  # noqa: ASYNC109 - as in `run`
        patience: float | None = None,
        *,
        stepped: bool = False,
    ) -> bytes:
        """Asks `function` (`module:function`, from bytes to bytes) in a child about `data`.

        With `stepped` it is given the steps of the analysis, too (`steps`, as a family's `process` is), for
        half of the time at most. Waits, and raises, as `run` does; and FunctionFailed when the function
        raised, and PoolBusy when there was no free child for `patience` seconds.
        """
        endpoints = self._endpoints if stepped else ()
        call = Call(function, timeout, _NOTHING, data=data, endpoints=endpoints, stepped=stepped)
        answer = await self._call(call, patience)
        self.servers.note(answer.served)
        if answer.failed is not None:
            raise FunctionFailed(answer.failed)
        return answer.data

    async def _call(self, call: Call, patience: float | None = None) -> Answer:
        try:
            async with asyncio.timeout(patience) as waiting, self._free:
                encoded = _encoder.encode(call)
                child = await self._take()
                waiting.reschedule(None)
                answer = await self._ask(child, encoded, call.timeout)
        except TimeoutError:  # of the wait: that of the work is a ChildTimeout
            raise PoolBusy from None
        if answer.refused is not None:
            raise FunctionRefused(answer.refused)
        return answer

    async def stop(self, deadline: float) -> None:
        """Takes no more chunks, lets running ones finish for `deadline` seconds, then kills.

        Runs that wait or are cut off raise PoolStopped. Afterwards no child and no task is left.
        """
        self._stopping.set()
        if self._running:
            await asyncio.wait(self._running, timeout=deadline)
        for child in self._children:
            self._dismiss(child)
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _ask(self, child: _Child, call: bytes, seconds: float) -> Answer:
        me = asyncio.current_task()
        assert me is not None
        self._running.add(me)
        try:
            async with asyncio.timeout(seconds):
                answer = await child.ask(call)
        except TimeoutError:
            raise await self._lost(child, late=seconds) from None
        except EOFError:
            raise await self._lost(child) from None
        except msgspec.DecodeError as error:
            _log.error("A child gave an answer of the wrong shape.", extra={"error": str(error)})
            raise await self._lost(child) from None
        except BaseException:
            # Cancelled in the middle of a frame: the pipe is of no more use.
            self._dismiss(child)
            raise
        finally:
            self._running.discard(me)
        self._rest(child)
        return answer

    async def _lost(self, child: _Child, late: float | None = None) -> ChildDied | PoolStopped:
        """What to raise for a child that did not answer; sees to it that it ends."""
        if child.dismissed:
            return PoolStopped("the pool is stopping")
        if late is not None:
            child.kill()
            return ChildTimeout(f"no answer within {late:g} s")
        return ChildDied(await child.autopsy())

    async def _take(self) -> _Child:
        """An idle child or a new one; waits while none will start. Raises PoolStopped."""
        while not self._stopping.is_set():
            while self._idle:
                child = self._idle.pop()
                if child.alive:
                    return child
                child.kill()  # its pipe has ended, though it may live on
            # Shielded: a start that is cut off half-way could leave a process that nobody knows of.
            starting = self._task(self._start_child())
            try:
                started = await asyncio.shield(starting)
            except asyncio.CancelledError:
                starting.add_done_callback(self._adopt)
                raise
            if started is not None:
                if not self._stopping.is_set():
                    return started
                self._dismiss(started)
        raise PoolStopped("the pool is stopping")

    async def _start_child(self) -> _Child | None:
        """A child that is ready, or None after a failure and the pause that follows it."""
        try:
            # A session of its own: Ctrl-C and hang-up in a terminal reach the parent alone.
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, limit=_READ_BUFFER, start_new_session=True
            )
        except OSError as error:
            await self._failed(str(error))
            return None
        child = _Child(process)
        self._children.add(child)
        self._task(self._watch(child))
        if self._stopping.is_set():
            self._dismiss(child)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await child.receive()
        except TimeoutError:
            child.kill()
            await self._failed(f"not ready after {_START_SECONDS:g} s")
            return None
        except EOFError:
            await self._failed(await child.autopsy())
            return None
        child.ready = True
        if self._failures:
            _log.info("Children start again.", extra={"failed_attempts": self._failures})
            self._failures = 0
        return child

    async def _failed(self, reason: str) -> None:
        """Notes an attempt that failed and pauses, unless the pool is stopping."""
        pause = min(_BACKOFF_FIRST * 2 ** min(self._failures, 10), _BACKOFF_LAST)
        if not self._stopping.is_set():
            self._failures += 1
            if self._failures == 1:  # said once; the recovery says how often it was tried
                _log.error("A child did not start; trying again.", extra={"reason": reason})
        await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _adopt(self, starting: asyncio.Task[_Child | None]) -> None:
        """Keeps the child of a start that nobody waits for any more."""
        child = starting.result()
        if child is not None:
            self._rest(child)

    def _rest(self, child: _Child) -> None:
        if self._stopping.is_set():
            self._dismiss(child)
        else:
            child.idle_since = self._clock.monotonic()
            self._idle.append(child)

    def _dismiss(self, child: _Child) -> None:
        child.dismissed = True
        child.kill()

    async def _watch(self, child: _Child) -> None:
        """Follows a child to its end, whoever caused it."""
        reason = await child.ended()
        self._children.discard(child)
        if child in self._idle:
            self._idle.remove(child)
        if child.ready and not child.dismissed:
            self.restarts += 1
            _log.warning("A child ended.", extra={"child": child.process.pid, "reason": reason})

    async def _retire_idle(self) -> None:
        """Ends children that were idle for long enough; looks each second, more often for a short time."""
        while not self._stopping.is_set():
            await self._pause(min(self._idle_seconds / 4, 1.0))
            oldest = self._clock.monotonic() - self._idle_seconds
            for child in [one for one in self._idle if one.idle_since <= oldest]:
                self._idle.remove(child)
                self._dismiss(child)

    def _task(self, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have none
        return f"signal {number}"


def _command(preload: Sequence[str], log_level: str, log_format: str) -> list[str]:
    """How this program starts itself as a child, frozen into one file or not."""
    if getattr(sys, "frozen", False):
        command = [sys.executable, "_child"]
    else:
        # -P: modules come from where the program is installed, never from the folder it was started in.
        command = [sys.executable, "-P", "-m", "ingestbox.pipeline.child"]
    command += ["--log-level", log_level, "--log-format", log_format]
    for module in preload:
        command += ["--preload", module]
    return command
