"""What the children of test_pool run: they import this module by its name, from PYTHONPATH."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from pathlib import Path

from ingestbox.model import Chunk, Item, Outcome, Put


def _put(item: Item, **columns: str | int) -> Outcome:
    return Outcome(item.index, Put("thing", item.key, item.payload, dict(columns), "sha256:0"))


def upper(chunk: Chunk) -> list[Outcome]:
    return [_put(item, text=item.payload.decode().upper()) for item in chunk.items]


def mirror(chunk: Chunk) -> list[Outcome]:
    return [_put(item) for item in chunk.items]


def pid(chunk: Chunk) -> list[Outcome]:
    return [_put(item, pid=os.getpid(), nice=os.nice(0)) for item in chunk.items]


def modules(chunk: Chunk) -> list[Outcome]:
    return [_put(item, names=" ".join(sorted(sys.modules))) for item in chunk.items]


def picky(chunk: Chunk) -> list[Outcome]:
    for item in chunk.items:
        match item.payload:
            case b"a secret":
                raise ValueError(f"cannot read {item.payload!r}")
            case b"deep":
                _deeper()
            case b"memory":
                raise MemoryError
    return [_put(item, **({"n": 1 << 70} if item.payload == b"wide" else {})) for item in chunk.items]


def _deeper() -> None:
    _deeper()


def forgetful(chunk: Chunk) -> list[Outcome]:
    return mirror(chunk)[1:] if len(chunk.items) > 2 else list(reversed(mirror(chunk)))


def chatty(chunk: Chunk) -> list[Outcome]:
    print("a stray line")  # noqa: T201 - it is what the test is about
    os.write(1, b"\x00\x00\x00\x01raw")
    assert sys.stdin.read() == ""
    return mirror(chunk)


def deadly(chunk: Chunk) -> list[Outcome]:
    if any(item.payload == b"die" for item in chunk.items):
        os.kill(os.getpid(), signal.SIGSEGV)
    return mirror(chunk)


def endless(chunk: Chunk) -> list[Outcome]:
    """Computes for ever, once it has touched the file that the payload names."""
    Path(os.fsdecode(chunk.items[0].payload)).touch()
    while True:
        pass


def stuck(chunk: Chunk) -> list[Outcome]:
    """The same inside C code, which does not let another thread of the process run."""
    Path(os.fsdecode(chunk.items[0].payload)).touch()
    re.match(r"(a+)+$", "a" * 64 + "b")
    return []


def until_told(chunk: Chunk) -> list[Outcome]:
    """Touches the file that the payload names, then computes until it is gone again."""
    path = Path(os.fsdecode(chunk.items[0].payload))
    path.touch()
    while path.exists():
        pass
    return mirror(chunk)


def mute(chunk: Chunk) -> list[Outcome]:
    """Answers, and cuts the process off from its parent when the file that the payload names appears."""
    path = Path(os.fsdecode(chunk.items[0].payload))

    def cut() -> None:
        while not path.exists():
            pass
        os.closerange(3, 256)

    threading.Thread(target=cut, daemon=True).start()
    return mirror(chunk)
