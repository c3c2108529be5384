"""A large file uploaded: how fast it is taken and counted, what the box and its children hold meanwhile, and
whether ten times the size takes ten times as long."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks import boxes, texts
from benchmarks.report import Options, Row
from tests.harness import BoxProcess

SMALL_MB, LARGE_MB, FULL_MB = 10, 100, 500
TARGET_MB = 250.0
LOADED_SECONDS = 10.0
"""How long the loading of rows is watched; all of 500 MB would take an hour of analysis."""

_BOUNDARY = "ingestbox-benchmark-7c1f"
_PIECE = 1 << 20


class Taken(msgspec.Struct):
    """One upload: its rows, the seconds to send its bytes and to its answer, and the most memory seen."""

    rows: int
    sent: float
    answered: float
    box_mb: float
    children_mb: float


def measure(options: Options) -> list[Row]:
    """Uploads of two sizes: speed, peak memory, and time by size."""
    large = FULL_MB if options.full else LARGE_MB
    small: list[Taken] = []
    big: list[Taken] = []
    with boxes.scratch() as folder:
        files = {size: _file(folder, size) for size in (SMALL_MB, large)}
        for _ in range(options.rounds if not options.full else 1):
            for size, into in ((SMALL_MB, small), (large, big)):
                with boxes.fresh() as box:
                    into.append(_upload(box, files[size]))
    on = f"CSV of {big[0].rows:,} rows, FULL, authentication and analysis on, client on the same machine"
    return [
        Row(
            name=f"upload of {large} MB, streamed to the disk",
            unit="MB/s",
            rounds=[large / each.sent for each in big],
            on=on,
        ),
        Row(
            name=f"upload of {large} MB until its answer, counted",
            unit="MB/s",
            rounds=[large / each.answered for each in big],
            on=on,
        ),
        Row(
            name=f"the same by size: {large} MB to {SMALL_MB} MB, each by MB",
            unit="×",
            rounds=[
                (many.answered / large) / (few.answered / SMALL_MB)
                for few, many in zip(small, big, strict=True)
            ],
            bound=1.15,
            bound_is="most",
            on="seconds until the answer",
        ),
        Row(
            name=f"memory of the box's process while {large} MB come and rows are loaded",
            unit="MB",
            rounds=[each.box_mb for each in big],
            bound=TARGET_MB,
            bound_is="most",
            on="peak RSS",
        ),
        Row(
            name="memory of box and children at that time",
            unit="MB",
            rounds=[each.box_mb + each.children_mb for each in big],
            bound=TARGET_MB,
            bound_is="most",
            on="PSS, the most seen",
        ),
    ]


def _file(folder: Path, megabytes: int) -> Path:
    """A file of about so many MB, with an id, a title, a text and two other columns."""
    path = folder / f"{megabytes}.csv"
    sentences = [str(each["description"]).replace('"', "'") for each in texts.tickets(1, 500, words=40)]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("id,subject,description,region,created\r\n")
        number = 0
        while file.tell() < (megabytes << 20) - (1 << 19):
            file.write(
                "".join(
                    f'T-{n},"Ticket, no. {n}","{sentences[n % 500]}",north,2026-01-02\r\n'
                    for n in range(number, number + 1_000)
                )
            )
            number += 1_000
    return path


def _upload(box: BoxProcess, path: Path) -> Taken:
    assert box.process is not None
    host, _, port = box.url.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=3_600)
    with watched(box) as peak:
        began = time.perf_counter()
        sent = _send(connection, box.token(), path)
        sent_at = time.perf_counter()
        response = connection.getresponse()
        body = json.loads(response.read())
        answered = time.perf_counter() - began
        if response.status != 200 or sent != path.stat().st_size:
            raise RuntimeError(f"{response.status}: {body}")
        threading.Event().wait(LOADED_SECONDS)
    connection.close()
    return Taken(body["file_info"]["rows"], sent_at - began, answered, peak[0], peak[1])


def _send(connection: http.client.HTTPConnection, token: str, path: Path) -> int:
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n\r\n'
    ).encode()
    tail = f"\r\n--{_BOUNDARY}--\r\n".encode()
    size = path.stat().st_size
    connection.putrequest("POST", "/api/upload")
    connection.putheader("Authorization", f"Bearer {token}")
    connection.putheader("Content-Type", f"multipart/form-data; boundary={_BOUNDARY}")
    connection.putheader("Content-Length", str(len(head) + size + len(tail)))
    connection.endheaders()
    connection.send(head)
    with path.open("rb") as file:
        while data := file.read(_PIECE):
            connection.send(data)
        sent = file.tell()
    connection.send(tail)
    return sent


@contextlib.contextmanager
def watched(box: BoxProcess) -> Iterator[list[float]]:
    """The most MB that the box's process and its children together were seen to hold (PSS), looked at ten
    times a second; of the process itself the kernel's own peak."""
    peak = [0.0, 0.0]
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            assert box.process is not None
            peak[1] = max(peak[1], sum(_pss(pid) for pid in box.children()))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()
        assert box.process is not None
        status = Path(f"/proc/{box.process.pid}/status").read_text()
        peak[0] = int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _pss(pid: int) -> float:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(rollup.partition("\nPss:")[2].split()[0]) / 1024
    return 0.0
