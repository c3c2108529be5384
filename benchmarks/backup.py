"""A backup of a store of some hundred MB that is written to: how long it takes, the longest write meanwhile,
and what it adds to the box's memory.

Processing is held back, so that the writes are those of the clients alone. The beat does not wait for
answers, so that a stall is counted whole.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx2
import msgspec

from benchmarks import boxes, load
from benchmarks.load import Load, Spec, Target
from benchmarks.report import Options, Row
from tests.harness import BoxProcess

BATCHES, FULL_BATCHES = 250, 1_500
"""Of 1,000 records, some 0.8 KB each with their rows: 200 MB, and 1.2 GB."""

EVERY = 0.01
CONNECTIONS = 16
IDLE_SECONDS = 8.0
LONGEST_SECONDS = 300.0
PAUSE_MS = 100.0
"""How long a write may wait at the most because a backup is being taken."""

FIRST = 100_000_000


class Round(msgspec.Struct, frozen=True):
    """One backup: seconds, the longest write meanwhile and its 99th percentile (ms), bytes before and after,
    and by how much the box's process grew (MB)."""

    seconds: float
    longest: float
    p99: float
    data_bytes: int
    bytes: int
    grown: float


def measure(options: Options) -> list[Row]:
    """The longest write during a backup, beside the longest without one; speed, size, memory."""
    batches = FULL_BATCHES if options.full else BATCHES
    with boxes.fresh(boxes.HELD) as box, boxes.holding_back(box):
        to = boxes.target(box)
        load.run(Spec(target=to, requests=batches, batch=1_000, connections=4)).must_have_succeeded()
        idle: list[tuple[float, float]] = []
        rounds: list[Round] = []
        for number in range(options.rounds):
            idle.append(_idle(to, FIRST + number * 1_000_000))
            rounds.append(_backup(box, to, FIRST + number * 1_000_000 + 500_000))
    size = rounds[0].data_bytes / 1_048_576
    on = f"a store of {size:.0f} MB, FULL, {1 / EVERY:.0f} POSTs/s of one record, client on the same machine"
    return [
        Row(
            name="the longest write while a backup is taken",
            unit="ms",
            rounds=[each.longest for each in rounds],
            bound=PAUSE_MS,
            bound_is="most",
            on=on,
        ),
        Row(name="the longest write without one", unit="ms", rounds=[each[0] for each in idle], on=on),
        Row(
            name="p99 of writes while a backup is taken",
            unit="ms",
            rounds=[each.p99 for each in rounds],
            floor_name="without one",
            floor_rounds=[each[1] for each in idle],
            on=on,
        ),
        Row(
            name="a backup, until it is verified",
            unit="MB/s",
            rounds=[each.data_bytes / 1_048_576 / each.seconds for each in rounds],
            on=on,
        ),
        Row(
            name="a backup's size, of what is in it",
            unit="×",
            rounds=[each.bytes / each.data_bytes for each in rounds],
            on=on,
        ),
        Row(
            name="what it adds to the box's memory",
            unit="MB",
            rounds=[each.grown for each in rounds],
            on="peak RSS, its own process",
        ),
    ]


def _idle(to: Target, first: int) -> tuple[float, float]:
    return _beat(to, first, IDLE_SECONDS, threading.Event())


def _backup(box: BoxProcess, to: Target, first: int) -> Round:
    done = threading.Event()
    found: list[tuple[float, dict[str, int]]] = []

    def take() -> None:
        with box.client() as client:
            began = time.perf_counter()
            begun = client.post("/v1/backups?wait=0").raise_for_status().json()["name"]
            found.append((_finished(client, begun) - began, _line(client, begun)))
        done.set()

    before = _memory(box, "VmRSS")
    Path(f"/proc/{_pid(box)}/clear_refs").write_text("5")  # the peak counts anew
    threading.Thread(target=take, daemon=True).start()
    longest, p99 = _beat(to, first, LONGEST_SECONDS, done)
    ((seconds, line),) = found
    return Round(seconds, longest, p99, line["data_bytes"], line["bytes"], _memory(box, "VmHWM") - before)


def _finished(client: httpx2.Client, name: str) -> float:
    while True:
        state = client.get("/v1/backups").raise_for_status().json()
        if state["last"] is not None and state["last"]["name"] == name:
            if state["last"]["state"] != "taken":
                raise RuntimeError(state["last"]["detail"])
            return time.perf_counter()
        time.sleep(0.1)


def _line(client: httpx2.Client, name: str) -> dict[str, int]:
    lines = client.get("/v1/backups").raise_for_status().json()["backups"]
    found: dict[str, int] = next(each for each in lines if each["name"] == name)
    return found


def _beat(to: Target, first: int, seconds: float, done: threading.Event) -> tuple[float, float]:
    """The longest write, and the 99th percentile (ms), in rounds of a second until it is time or `done`."""
    latencies: list[float] = []
    began = time.perf_counter()
    while not done.is_set() and time.perf_counter() - began < seconds:
        requests = int(1 / EVERY)
        spec = Spec(target=to, requests=requests, first=first, connections=CONNECTIONS, every=EVERY)
        with Load(spec) as client:
            client.start()
            latencies += client.report().must_have_succeeded().latencies
        first += requests
    latencies.sort()
    return 1000 * latencies[-1], 1000 * latencies[int(0.99 * len(latencies))]


def _pid(box: BoxProcess) -> int:
    assert box.process is not None
    return box.process.pid


def _memory(box: BoxProcess, name: str) -> float:
    for line in Path(f"/proc/{_pid(box)}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"there is no {name}")
