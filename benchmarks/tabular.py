"""Reading tables: the survey of a file and its rows in slices, against the standard library's csv."""

from __future__ import annotations

import csv
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.report import Options, Row, alternate
from ingestbox.tabular import Format, Position, read, survey

MEGABYTES, FULL_MEGABYTES = 20, 500
SLICE_ROWS = 1_000


def words_of(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


ENGLISH = words_of("the delivery was late and nobody of your support team answered a single call for days")
VIETNAMESE = words_of("giao hàng chậm nhân viên rất thân thiện sản phẩm tốt đóng gói cẩn thận tôi hài lòng")

MEMORY = '''
import sys
from pathlib import Path
from ingestbox.tabular import read, survey
path = Path(sys.argv[1])
def peak() -> int:
    """Kilobytes; of this program alone, which the resource usage of a child is not."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))

before = peak()
found = survey(path)
position, done = found.start, False
while not done:
    part = read(path, found.format, position, 1000)
    position, done = part.position, part.done
print((peak() - before) / 1024)
'''


def measure(options: Options) -> list[Row]:
    """Megabytes per second of both passes over three tables, and the memory of both over the largest."""
    megabytes = FULL_MEGABYTES if options.full else MEGABYTES
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        tables = {
            "English": _table(Path(folder, "english.csv"), megabytes, ENGLISH),
            "Vietnamese": _table(Path(folder, "vietnamese.csv"), megabytes, VIETNAMESE),
            "rows over lines": _table(Path(folder, "lines.csv"), megabytes, ENGLISH, lines=True),
        }
        for name, path in tables.items():
            rows += _passes(options, name, path)
        rows.append(_memory(tables["Vietnamese"], megabytes))
    return rows


def _table(path: Path, megabytes: int, words: Sequence[str], *, lines: bool = False) -> Path:
    rng = random.Random(7)
    blank = "\n" if lines else " "
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["id", "summary", "description", "author"])
        number = 0
        while out.tell() < megabytes * 1_000_000:
            for _ in range(200):
                number += 1
                text = " ".join(rng.choices(words, k=30)) + ", " + blank.join(rng.choices(words, k=4))
                writer.writerow([f"T-{number}", " ".join(rng.choices(words, k=6)), text, rng.choice(words)])
    return path


def _passes(options: Options, name: str, path: Path) -> list[Row]:
    size = path.stat().st_size / 1e6
    found = survey(path)

    def rate(work: Callable[[], int]) -> Callable[[int], float]:
        def timed(_: int) -> float:
            began = time.perf_counter()
            if work() != found.total:
                raise RuntimeError(f"{name}: the counts differ")
            return size / (time.perf_counter() - began)

        return timed

    rows = []
    for what, work in (("survey", lambda: survey(path).total), ("read", lambda: _read(path, found.format))):
        floors, boxes = alternate(options.rounds, rate(lambda: _csv(path)), rate(work))
        rows.append(
            Row(
                name=f"{what} a table, {name}",
                unit="MB/s",
                rounds=boxes,
                floor_name="stdlib csv, one pass",
                floor_rounds=floors,
                bound=0.5,
                on=f"{size:.0f} MB of UTF-8"
                + (
                    f"; slices of {SLICE_ROWS} rows" if what == "read" else "; encoding, dialect, exact count"
                ),
            )
        )
    return rows


def _csv(path: Path) -> int:
    with path.open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def _read(path: Path, form: Format) -> int:
    position = Position(form.offset, form.line)
    rows = 0
    while True:
        part = read(path, form, position, SLICE_ROWS)
        rows += len(part.rows)
        position = part.position
        if part.done:
            return rows


def _memory(path: Path, megabytes: int) -> Row:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True, timeout=1_800
    )
    return Row(
        name="memory of survey and read, beyond the interpreter",
        unit="MB",
        rounds=[float(done.stdout)],
        bound=60.0,
        bound_is="most",
        on=f"{megabytes} MB of UTF-8; peak of the process, in one of its own",
    )
