"""What the children of test_loader run on rows: feedback's own function, and rows that end a child."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from ingestbox.families.feedback import table
from ingestbox.family import Intake
from ingestbox.tabular import Row


def rows(how: bytes, stem: str, found: Sequence[Row]) -> list[Intake]:
    """A row whose cell is `die` ends its child, `die N FILE` N times, counted in the file; `raise` raises."""
    for row in found:
        words = row.cells[-1].split()
        if words[:1] == ["raise"]:
            raise ValueError(row.cells)
        if words[:1] == ["die"]:
            if len(words) > 1:
                count = Path(words[2])
                with count.open("ab") as file:
                    file.write(b".")
                if count.stat().st_size > int(words[1]):
                    continue
            os.kill(os.getpid(), signal.SIGKILL)
    return table.rows(how, stem, found)


def reverse(data: bytes) -> bytes:
    """What a child can be asked about bytes."""
    return data[::-1]


def angry(data: bytes) -> bytes:
    """The same for what cannot be done."""
    raise ValueError(data)


def deadly(data: bytes) -> bytes:
    """The same, and the child does not live."""
    os.kill(os.getpid(), signal.SIGKILL)
    return data


def slow(data: bytes) -> bytes:
    """The same for what takes too long. `data` is a path of a file that counts the calls."""
    with Path(data.decode()).open("ab") as count:
        count.write(b".")
    while True:
        pass


def deadly_once(data: bytes) -> bytes:
    """The child does not live; the next one does. `data` is a path of a file that is not there yet."""
    marker = Path(data.decode())
    if marker.exists():
        return b"well"
    marker.touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return data
