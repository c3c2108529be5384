"""A disk that fails on command and recovers on command: `shim.c`, built here, preloaded into the box.

It stands for device-mapper's error targets, which need a kernel with dm: what the box sees are the same
answers of the same system calls.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.faults.privileged.tools import need, run

SOURCE = Path(__file__).with_name("shim.c")


class FailingDisk:
    """The switch of one box's disk."""

    def __init__(self, folder: Path, data: Path) -> None:
        """`data` is the folder whose files fail; `folder` takes the library and the switch."""
        need("gcc")
        self._library = folder / "shim.so"
        self._control = folder / "fault"
        self._data = data
        run(
            "gcc",
            "-O1",
            "-Wall",
            "-Werror",
            "-shared",
            "-fPIC",
            "-o",
            str(self._library),
            str(SOURCE),
            "-ldl",
        )

    def environ(self) -> Mapping[str, str]:
        """What the box is started with."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAULT_CONTROL": str(self._control),
            "FAULT_FOLDER": str(self._data),
        }

    @contextlib.contextmanager
    def failing(self, code: int, calls: str) -> Iterator[None]:
        """For the time of a block the calls named by their letters (see shim.c) fail with errno `code`."""
        prepared = self._control.with_suffix(".new")
        prepared.write_text(f"{code} {calls}")
        prepared.rename(self._control)
        try:
            yield
        finally:
            self._control.unlink()
