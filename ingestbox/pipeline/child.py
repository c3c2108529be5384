"""The CPU child: a process of the same program that computes chunks, so that the API's process never does.

It reads calls from stdin and answers on its own copy of stdout, both as frames: four bytes of length, big
endian, then msgpack. Its first frame is empty and says that it is ready. One call is in hand at a time.

Kept light, because every child pays for it: msgspec, the nouns, the logs, and what `process` imports.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import logging
import os
import signal
import struct
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, BinaryIO, NoReturn

import msgspec

from ingestbox import logs
from ingestbox.model import Chunk, Outcome
from ingestbox.pipeline.endpoints import Endpoint
from ingestbox.pipeline.servers import Served

HEADER = struct.Struct(">I")
"""A frame's length in bytes, without these four."""

NICENESS = 5
"""Children yield to the API's process when cores are short."""

_GRACE_SECONDS = 2.0
"""The parent kills at the time-out; a child that is left alone ends itself this much later."""

_STACK_ENTRIES = -30
"""How much of a stack a log line holds: the innermost entries (a RecursionError has a thousand)."""

_log = logging.getLogger("ingestbox.pipeline.child")  # not __name__, which is __main__ here

Process = Callable[..., list[Outcome]]
"""Called with the chunk; and with `enrich.steps.Steps` when a server does any of them."""

_FOR_SERVERS = 0.5
"""The share of a chunk's time that may pass with asking servers; the rest is for doing it here."""


class Call(msgspec.Struct, frozen=True, array_like=True):
    """What the parent asks: run `function` (`module:function`) on `chunk` within `timeout` seconds; or, when
    there are `data`, on these, which gives data back. `endpoints` do their steps of the analysis; a function
    of data is given the steps only if it is to be (`stepped`)."""

    function: str
    timeout: float
    chunk: Chunk
    data: bytes | None = None
    endpoints: tuple[Endpoint, ...] = ()
    stepped: bool = False


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """One outcome per item, in order; or `refused`: why the function cannot be called at all. For data: what
    it gave back, or `failed`: the type of what it raised. `served`: what servers did of the analysis."""

    outcomes: list[Outcome]
    refused: str | None = None
    data: bytes = b""
    failed: str | None = None
    served: list[Served] = []


class BadResult(Exception):  # noqa: N818 - its name is what people read in the record's message
    """`process` did not give exactly one outcome for each item, in order."""


class _Encoded(msgspec.Struct, frozen=True, array_like=True):
    """`Answer` on its way out, its outcomes encoded already."""

    outcomes: list[msgspec.Raw]
    refused: str | None = None
    data: bytes = b""
    failed: str | None = None
    served: list[Served] = []


_encoder = msgspec.msgpack.Encoder()
_calls = msgspec.msgpack.Decoder(Call)


def answer(frame: bytes) -> bytes:
    """Runs the call in `frame` (msgpack of `Call`) and returns the msgpack of its `Answer`."""
    call = _calls.decode(frame)
    try:
        function = _resolve(call.function)
    except Exception as error:  # noqa: BLE001 - logged, and said to the parent
        # The program is at fault, not the records: say so instead of failing every one of them.
        _log.error("A function cannot be loaded.", exc_info=error, extra={"function": call.function})
        return _encoder.encode(_Encoded([], f"{call.function}: {type(error).__name__}"))
    # The thread at stdin cannot run while C code holds the interpreter (a runaway regular expression, say);
    # the kernel's timer needs nobody's help, so that even then no orphan outlives its chunk.
    signal.setitimer(signal.ITIMER_REAL, call.timeout + _GRACE_SECONDS)
    try:
        if call.data is not None:
            return _encoder.encode(_given_back(function, call, call.data))
        return _encoder.encode(_processed(function, call))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _processed(function: Process, call: Call) -> _Encoded:
    if not call.endpoints:
        return _Encoded(_outcomes(function, call.chunk))
    from ingestbox.pipeline.stepping import served, stepping

    asked = stepping(call.endpoints, call.timeout * _FOR_SERVERS)
    outcomes = _outcomes(functools.partial(function, steps=asked), call.chunk)
    return _Encoded(outcomes, served=served(asked))


def _given_back(function: Any, call: Call, data: bytes) -> _Encoded:
    name = call.function
    try:
        if not call.stepped:
            return _Encoded([], data=function(data))
        from ingestbox.pipeline.stepping import served, stepping

        asked = stepping(call.endpoints, call.timeout * _FOR_SERVERS)
        return _Encoded([], data=function(data, steps=asked), served=served(asked))
    except Exception as error:  # noqa: BLE001 - its place is logged; its text may quote what was sent
        stack = "".join(traceback.format_tb(error.__traceback__, limit=_STACK_ENTRIES))
        kind = type(error).__name__
        _log.error("A function failed.", extra={"function": name, "error": kind, "stack": stack})
        return _Encoded([], failed=kind)


@functools.cache
def _resolve(name: str) -> Process:
    module, _, function = name.partition(":")
    process: Process = getattr(importlib.import_module(module), function)
    return process


def _outcomes(function: Process, chunk: Chunk) -> list[msgspec.Raw]:
    """The chunk's outcomes; when it fails as a whole, those of its items one by one."""
    if len(chunk.items) != 1:
        try:
            return _attempt(function, chunk)
        except Exception as error:  # noqa: BLE001 - logged by _report, without the record's text
            _report("A chunk failed; its records are processed one by one.", error, chunk)
    return [_single(function, msgspec.structs.replace(chunk, items=[item])) for item in chunk.items]


def _single(function: Process, alone: Chunk) -> msgspec.Raw:
    try:
        return _attempt(function, alone)[0]
    except Exception as error:  # noqa: BLE001 - logged by _report, without the record's text
        _report("A record failed.", error, alone)
        # Only the exception's type: its text may quote the record.
        message = f"Processing failed: {type(error).__name__}."
        failed = Outcome(alone.items[0].index, fault_code="processing_failed", fault_message=message)
        return msgspec.Raw(_encoder.encode(failed))


def _attempt(function: Process, chunk: Chunk) -> list[msgspec.Raw]:
    """Calls the function and encodes each outcome here, where a value that cannot be encoded (an integer
    over 64 bits, a lone surrogate) is still the failure of its own record."""
    outcomes = function(chunk)
    if not isinstance(outcomes, list) or not all(isinstance(one, Outcome) for one in outcomes):
        raise BadResult
    if [one.index for one in outcomes] != [item.index for item in chunk.items]:
        raise BadResult
    if chunk.pii != "off":
        from ingestbox.enrich.pii import marking  # which most boxes have no use for

        outcomes = marking.marked(chunk, outcomes)
    return [msgspec.Raw(_encoder.encode(one)) for one in outcomes]


def _report(message: str, error: Exception, chunk: Chunk) -> None:
    """Logs where it failed: the stack's places and the exception's type, never the exception's text."""
    _log.error(
        message,
        extra={
            "family": chunk.family,
            "first_index": chunk.items[0].index if chunk.items else None,
            "records": len(chunk.items),
            "error": type(error).__name__,
            "stack": "".join(traceback.format_tb(error.__traceback__, limit=_STACK_ENTRIES)),
        },
    )


def _listen(requests: BinaryIO, calls: SimpleQueue[bytes]) -> NoReturn:
    """Hands frames to the main thread; ends the process, whatever it computes, when the parent is gone."""
    while True:
        header = requests.read(HEADER.size)
        if len(header) < HEADER.size:
            os._exit(0)
        (length,) = HEADER.unpack(header)
        frame = requests.read(length)
        if len(frame) < length:
            os._exit(0)
        calls.put(frame)


def _private(fd: int, replacement: int) -> int:
    """A copy of `fd` for the protocol alone; whoever uses `fd` from now on gets `replacement`."""
    copy = os.dup(fd)
    os.dup2(replacement, fd)
    return copy


def _send(answers: BinaryIO, frame: bytes) -> None:
    answers.write(HEADER.pack(len(frame)))
    answers.write(frame)
    answers.flush()


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Serves calls until stdin ends. `argv` defaults to the command line, less a leading `_child`.

    `--preload MODULE` (repeated) imports what the first chunk will need; a module that cannot be imported
    ends the child before it is ready.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="ingestbox _child", add_help=False)
    parser.add_argument("--preload", action="append", default=[])
    parser.add_argument("--log-level", default="INFO")
    parser.add_argument("--log-format", default="json")
    options = parser.parse_args(given[1:] if given[:1] == ["_child"] else given)

    nothing = os.open(os.devnull, os.O_RDONLY)
    requests = os.fdopen(_private(0, nothing), "rb")
    answers = os.fdopen(_private(1, 2), "wb")  # a stray print goes to stderr and cannot break the protocol
    os.close(nothing)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    os.nice(NICENESS)
    logs.set_up(options.log_level, options.log_format)

    calls: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(requests, calls), name="parent-watch", daemon=True).start()
    for module in options.preload:
        importlib.import_module(module)
    try:
        _send(answers, b"")
        while True:
            _send(answers, answer(calls.get()))
    except BrokenPipeError:
        os._exit(0)  # the parent is gone; the answer is nobody's


if __name__ == "__main__":
    main()
