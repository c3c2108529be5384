"""How fast a box drains its deliveries over loopback: to a bare sink, and to a second box.

Megabytes count before compression. The floor of the second box is a bare POST of the very bodies that the
edge box sent, over one connection, to another new box. A bare sink takes those at the speed of memory, so its
floor is a loop that compresses, digests and posts the same lines. A new lane starts before the first delivery
there is, so each round is a lane with a name of its own on a box that is started anew.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec

from benchmarks import boxes, load
from benchmarks.load import REPOSITORY, Spec, Target
from benchmarks.report import Options, Row
from benchmarks.sink import Seen
from ingestbox.model import Role
from tests.harness import BoxProcess, until

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BATCHES, FULL_BATCHES = 20, 200
"""Of 1,000 records, each a delivery."""
PATIENCE = 300.0

Sent = list[tuple[str, dict[str, str]]]
"""The bodies that the box sent, as files, and the headers that go with each."""

Moments = list[tuple[float, int]]
"""Times (monotonic seconds), and the seq up to which everything had arrived by then."""


def measure(options: Options) -> list[Row]:
    """Megabytes a second, before compression."""
    batches = FULL_BATCHES if options.full else BATCHES
    with boxes.scratch() as folder, boxes.fresh() as edge:
        to = boxes.target(edge)
        jobs = load.run(Spec(target=to, requests=batches, batch=1_000, connections=4, want_jobs=True)).jobs
        boxes.wait_jobs(to, jobs)
        total = batches * 1_000
        bodies = _record(edge, folder, total)
        size = _uncompressed(bodies) / total / 1_000_000
        sink_floor, to_sink, box_floor, to_box, spent = [], [], [], [], []
        for number in range(options.rounds):
            with sink() as upstream:
                sink_floor.append(size * _plain_loop(upstream.url, bodies, total))
            to_sink.append(size * _to_sink(edge, f"sink{number}", total))
            with boxes.fresh() as central:
                box_floor.append(size * _bare(boxes.target(central, Role.FORWARDER), bodies, total))
            with boxes.fresh() as central:
                began = boxes.cpu_seconds(central)
                to_box.append(size * _to_box(edge, f"box{number}", central, total))
                spent.append((boxes.cpu_seconds(central) - began) / total * 1_000_000)
    on = f"FULL on both, auth, zstd; {total:,} deliveries of {1_000_000 * size:.0f} bytes"
    return [
        _row(
            "forwarding drain to a bare sink",
            to_sink,
            "the same lines compressed and posted in a loop",
            sink_floor,
            on,
        ),
        _row("forwarding drain to a second box", to_box, "bare POST of the same bodies", box_floor, on),
        Row(name="forwarding drain to a bare sink", unit="MB/s", rounds=to_sink, bound=20.0, on=on),
        Row(name="forwarding drain to a second box", unit="MB/s", rounds=to_box, bound=20.0, on=on),
        Row(
            name="what the second box spends on a delivery: its row, full text, charts",
            unit="µs of CPU",
            rounds=spent,
            on=on,
        ),
    ]


def _row(name: str, rounds: list[float], floor_name: str, floor: list[float], on: str) -> Row:
    return Row(
        name=name,
        unit="MB/s",
        rounds=rounds,
        floor_name=floor_name,
        floor_rounds=floor,
        bound=0.5,
        on=on,
    )


class Sink:
    """A bare sink that runs, and what it has said."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.url = until(lambda: log.read_text().partition("\n")[0], "the sink listens")

    def seen(self) -> list[Seen]:
        """The requests that it has answered."""
        lines = self._log.read_bytes().split(b"\n")[1:-1]
        return [msgspec.json.decode(line, type=Seen) for line in lines]

    def moments(self) -> Moments:
        """When it had which delivery."""
        return [(each.at, _last_seq(each)) for each in self.seen()]


@contextlib.contextmanager
def sink(keep: Path | None = None) -> Iterator[Sink]:
    """A bare sink for the time of a block; bodies are kept in the folder `keep`."""
    command = [sys.executable, "-m", "benchmarks.sink", *([str(keep)] if keep else [])]
    with boxes.scratch() as folder, (folder / "seen").open("wb") as log:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=log)
        try:
            yield Sink(folder / "seen")
        finally:
            process.kill()
            process.wait()


def _uncompressed(bodies: Sent) -> int:
    """Bytes of all lines."""
    return sum(len(zstd.decompress(Path(file).read_bytes())) for file, _ in bodies)


def _last_seq(seen: Seen) -> int:
    return int(seen.headers["ingestbox-seq"].partition("-")[2])


def aim(edge: BoxProcess, lane: str, to: Target, more: str = "") -> None:
    """Starts the edge box anew with one lane; `more` are further settings of it."""
    if edge.process is not None:
        edge.stop()
    edge.configure(
        f'[[lanes]]\nname = "{lane}"\nurl = "{to.url}/v1/sync/batches"\ntoken = "{to.token}"\n{more}'
    )
    edge.start()


def _record(edge: BoxProcess, keep: Path, total: int) -> Sent:
    """What the box sends of `total` deliveries: its bodies as files, with the headers that they need."""
    with sink(keep) as upstream:
        aim(edge, "recording", Target(upstream.url))
        until(lambda: arrived(upstream.moments()) == total, "everything is sent", PATIENCE)
        return [(each.file, each.headers) for each in upstream.seen()]


def arrived(moments: Moments) -> int:
    """The seq up to which everything has arrived."""
    return moments[-1][1] if moments else 0


def pace(moments: Moments) -> float:
    """Deliveries a second from the first moment on: the start of the box is not part of it."""
    (began, first), (ended, last) = moments[0], moments[-1]
    return (last - first) / (ended - began)


def _to_sink(edge: BoxProcess, lane: str, total: int) -> float:
    with sink() as upstream:
        aim(edge, lane, Target(upstream.url))
        until(lambda: arrived(upstream.moments()) == total, "the lane is drained", PATIENCE)
        return pace(upstream.moments())


def _to_box(edge: BoxProcess, lane: str, central: BoxProcess, total: int) -> float:
    """The second box is asked how far it is, every few milliseconds."""
    moments: Moments = []
    aim(edge, lane, boxes.target(central, Role.FORWARDER))
    with central.client() as client:

        def drained() -> bool:
            known = client.get("/v1/sync/boxes").raise_for_status().json()["boxes"]
            if known and known[0]["last_seq"]:
                moments.append((time.monotonic(), known[0]["last_seq"]))
            return arrived(moments) == total

        until(drained, "the lane is drained", PATIENCE)
    return pace(moments)


def _plain_loop(url: str, bodies: Sent, total: int) -> float:
    """Deliveries a second when a loop compresses, digests and posts the same lines, and does nothing else."""
    texts = [zstd.decompress(Path(file).read_bytes()) for file, _ in bodies]
    with httpx2.Client(trust_env=False) as client:
        began = time.perf_counter()
        for text, (_, headers) in zip(texts, bodies, strict=True):
            body = zstd.compress(text, level=1)
            digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
            mine = {**headers, "content-digest": f"sha-256=:{digest}:"}
            client.post(f"{url}/v1/sync/batches", content=body, headers=mine).raise_for_status()
        return total / (time.perf_counter() - began)


def _bare(to: Target, bodies: Sent, total: int) -> float:
    """Deliveries a second when the same bodies are posted one after the other."""
    spec = Spec(target=to, requests=0, path="/v1/sync/batches", files=bodies)
    return total / load.run(spec).seconds
