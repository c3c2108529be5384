"""Fifty boxes at once over real HTTP: exact counts, each in its order, the box's own work in between."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import random
import ssl
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from ingestbox.store.health import ProbeWrite
from tests.forward.rig import Node, node, token
from tests.forward.support import run, ticket_line

BOXES, LINES, OBJECTS = 50, 20, 7


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of a box's lane."""

    box: str
    after: int
    lines: Sequence[dict[str, Any]]

    def request(self) -> tuple[bytes, dict[str, str]]:
        body = gzip.compress(b"".join(msgspec.json.encode(line) + b"\n" for line in self.lines), mtime=0)
        return body, {
            "authorization": f"Bearer {token()}",
            "content-type": "application/x-ndjson",
            "content-encoding": "gzip",
            "content-digest": f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:",
            "ingestbox-box": self.box,
            "ingestbox-epoch": "e1",
            "ingestbox-after": str(self.after),
            "ingestbox-seq": f"{self.lines[0]['seq']}-{self.lines[-1]['seq']}",
            "ingestbox-lane": "central",
        }


def told(box: str, chance: random.Random) -> tuple[list[Batch], dict[str, int]]:
    """What a box sends: its batches with some of them again, and the versions that stand in the end."""
    versions: dict[str, int] = {}
    lines = []
    for seq in range(1, LINES + 1):
        name = f"T-{chance.randrange(OBJECTS)}"
        versions[name] = versions.get(name, 0) + 1
        lines.append(ticket_line(box, "e1", seq, version=versions[name], object_id=name))
    batches = []
    start = 0
    while start < LINES:
        size = chance.randint(1, 9)
        batch = Batch(box, start, lines[start : start + size])
        # The answer got lost, so it comes again, maybe after the next one.
        batches += [batch] * chance.choice((1, 1, 2))
        start += size
    for place in range(1, len(batches)):
        if chance.random() < 0.2:
            batches[place - 1], batches[place] = batches[place], batches[place - 1]
    return batches, versions


async def send(client: httpx2.AsyncClient, batches: Sequence[Batch], answered: list[str]) -> tuple[int, int]:
    """Sends a box's batches, one after the other, and notes each; accepted and duplicate lines."""
    accepted = duplicate = 0
    for each in batches:
        body, headers = each.request()
        while True:
            answer = await client.post("/v1/sync/batches", content=body, headers=headers)
            if answer.status_code != 503:
                break
            await asyncio.sleep(float(answer.headers["retry-after"]) / 100)  # it has its hands full
        assert answer.status_code == 200, answer.text
        answered.append(each.box)
        found = answer.json()
        assert found["rejected"] == []
        assert found["box"] == each.box
        accepted += found["accepted"]
        duplicate += found["duplicate"]
    return accepted, duplicate


async def own_work(box: Node, answered: list[str], done: asyncio.Event) -> list[int]:
    """How many batches of others are answered while each of the box's own writes waits."""
    found = []
    while not done.is_set():
        before = len(answered)
        await box.store.write(ProbeWrite(1))
        found.append(len(answered) - before)
        await asyncio.sleep(0.005)
    return found


def test_fifty_boxes_send_at_once_and_each_line_counts_once(tmp_path: Path) -> None:
    chance = random.Random(7)
    plans = {f"b{number}": told(f"b{number}", chance) for number in range(BOXES)}
    sent = sum(len(each.lines) for batches, _ in plans.values() for each in batches)

    async def test() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        done = asyncio.Event()
        answered: list[str] = []
        async with (
            node(tmp_path) as box,
            httpx2.AsyncClient(
                base_url=box.url,
                verify=context,
                trust_env=False,
                timeout=60,
                limits=httpx2.Limits(max_connections=BOXES),
            ) as client,
        ):
            tracemalloc.start()
            own = asyncio.create_task(own_work(box, answered, done))
            sums = await asyncio.gather(*(send(client, batches, answered) for batches, _ in plans.values()))
            done.set()
            waited = await own
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert sum(accepted for accepted, _ in sums) == BOXES * LINES
            assert sum(duplicate for _, duplicate in sums) == sent - BOXES * LINES
            assert await box.tickets() == {
                (name, object_id): version
                for name, (_, versions) in plans.items()
                for object_id, version in versions.items()
            }
            found = await box.senders()
            assert [(each.last_seq, each.gaps, each.reused) for each in found] == [(LINES, (), 0)] * BOXES
            # The box's own work waits for what the writer has in hand, not for all that fifty boxes send.
            assert len(waited) > 3
            assert max(waited) <= BOXES < len(answered), waited
            assert peak < 32 * 1_048_576

    run(test())
