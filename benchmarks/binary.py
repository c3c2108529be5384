"""The built program, in both forms: how large it is, how long it takes to start, what it holds when idle.

Measured on what lies in `dist`; `make binary` first. The CPU time stands beside the time that passes: on a
machine that is busy with other things only the former tells.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import shutil
import tarfile
import time
from pathlib import Path

from benchmarks import boxes
from benchmarks.report import Options, Row, Unavailable
from tests.binary.support import FOLDER_FORM, ROOT, Frozen, gone
from tests.harness import until

DIST = ROOT / "dist"
LARGEST_MB = 45.0
STARTED = {"one file": 3.0, "folder": 1.2}
"""Seconds until /health answers."""
IDLE_MB = 90.0


def measure(options: Options) -> list[Row]:
    """Size, start and idle memory of the one file and of the folder, from its archive."""
    with boxes.scratch() as folder:
        programs = _programs(folder)
        rows = [
            _size("the one file", programs["one file"], LARGEST_MB),
            _size("the folder's archive", _archive()),
        ]
        for form, program in programs.items():
            rows += _form(form, program, folder / form, options.rounds)
    return rows


def _archive() -> Path:
    found = sorted(DIST.glob(FOLDER_FORM))
    if not found or not (DIST / "ingestbox").exists():
        raise Unavailable("there is no program in dist: make binary")
    return found[-1]


def _programs(folder: Path) -> dict[str, Path]:
    with tarfile.open(_archive()) as tar:
        tar.extraction_filter = getattr(tarfile, "tar_filter", None)  # Python 3.11.4
        tar.extractall(folder)
    (unpacked,) = (each for each in folder.glob("*/ingestbox") if each.is_file())
    shutil.copy(DIST / "ingestbox", folder / "ingestbox")
    return {"one file": folder / "ingestbox", "folder": unpacked}


def _size(what: str, file: Path, bound: float | None = None) -> Row:
    return Row(
        name=f"size of {what}",
        unit="MB",
        rounds=[file.stat().st_size / 1e6],
        bound=bound,
        bound_is="most",
        on="bytes on the disk, in millions",
    )


def _form(form: str, program: Path, folder: Path, rounds: int) -> list[Row]:
    folder.mkdir()
    seconds, processor, memory = [], [], []
    for number in range(rounds + 1):
        began = time.perf_counter()
        with Frozen(program, folder) as box:
            port = int(box.url.rpartition(":")[2])
            until(functools.partial(_is_healthy, port), "it is healthy")
            took, used = time.perf_counter() - began, _cpu_seconds(box.process.pid)
            held = _megabytes(box.process.pid)
            box.process.terminate()
            box.process.wait(60)
            until(functools.partial(gone, box.inner), "it has ended")
        if number:  # the first one reads the program from the disk, and makes the store
            seconds.append(took)
            processor.append(used)
            memory.append(held)
    on = "a data folder that it has started on before; the program in the page cache"
    return [
        Row(
            name=f"{form}: start until /health answers",
            unit="s",
            rounds=seconds,
            bound=STARTED[form],
            bound_is="most",
            on=on,
        ),
        Row(name=f"{form}: CPU time of that", unit="s", rounds=processor, on="all of its processes"),
        Row(
            name=f"{form}: memory of an idle box, just started",
            unit="MB",
            rounds=memory,
            bound=IDLE_MB,
            bound_is="most",
            on="PSS; boot-loader and children included",
        ),
    ]


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def _family(pid: int) -> list[int]:
    """A process and all below it."""
    below = []
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that just ended
            below += (thread / "children").read_text().split()
    return [pid, *(each for child in below for each in _family(int(child)))]


def _megabytes(pid: int) -> float:
    rollups = [Path(f"/proc/{each}/smaps_rollup").read_text() for each in _family(pid)]
    return sum(int(rollup.partition("\nPss:")[2].split()[0]) for rollup in rollups) / 1024


def _cpu_seconds(pid: int) -> float:
    """Of a process and all below it, with those that have ended."""
    ticks = 0
    for each in _family(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(") ")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")
