"""Putting once more what was put before there was something to find it by, slice by slice.

A migration cannot read texts; it leaves its rows `indexed` 0. The values are made outside the writer, and a
row that was replaced meanwhile is left alone: that put was a new one.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingestbox.model import Columns, checksum
from ingestbox.store import Store
from ingestbox.store.unit import Tx, weight_of
from ingestbox.store.work import PROJECTION_ROWS, searched_weight

log = logging.getLogger(__name__)

SLICE = 40
SLICE_BYTES = 98_304
"""Objects read and put together, and what they may have in all (one at least): 5 to 10 ms of the writer."""

Project = Callable[[str, bytes, bytes], Columns]
"""The named values of a put, from kind, record and result (`family.Family.project`)."""


@dataclass(frozen=True, slots=True)
class PutAgain:
    """Puts objects of one kind with all that is found by them, unless they have changed since they were read.

    `puts` are the values of `put_<kind>`, `hopeless` the ids of those that no values can be made for.
    """

    family: str
    kind: str
    puts: Sequence[Mapping[str, object]]
    hopeless: Sequence[int]
    size: int

    @property
    def weight(self) -> int:
        """As many rows as in a settled chunk."""
        count = len(self.puts)
        searched = searched_weight([self.size // count] * count) if count else 0
        return PROJECTION_ROWS * count + len(self.hopeless) + weight_of(self.size) + searched

    def apply(self, tx: Tx) -> int:
        """How many were put."""
        done = 0
        for put in self.puts:
            if tx.one(f"{self.family}.waits_{self.kind}", put) is not None:
                tx.run(f"{self.family}.put_{self.kind}", put)
                done += 1
        tx.many(f"{self.family}.give_up_{self.kind}", [(number,) for number in self.hopeless])
        return done


async def go_on(store: Store, family: str, kind: str, project: Project) -> int:
    """Puts one slice; how many it had (0: all are done).

    A row of `not_indexed_<kind>` ends with owner and import, if a put of its kind takes them, and its id. A
    family whose objects have been found from the first on has no such query.
    What is damaged, or nothing can be made of, stays as it is: listed and counted, but found by no word.
    """
    waiting = f"{family}.not_indexed_{kind}"
    if not await store.read_with(lambda tx: tx.has(waiting)):
        return 0
    rows = await store.read(waiting, {"limit": SLICE, "bytes": SLICE_BYTES})
    puts: list[Mapping[str, object]] = []
    hopeless: list[int] = []
    size = 0
    for row in rows:
        put = _put(kind, project, row)
        await asyncio.sleep(0)  # other requests get their turn
        if put is None:
            hopeless.append(row[-1])
            log.warning("An object cannot be found by its text.", extra={"kind": kind, "object": row[2]})
            continue
        puts.append(put)
        size += sum(len(value) for value in put.values() if isinstance(value, str))
    if rows:
        await store.write(PutAgain(family, kind, puts, hopeless, size))
    return len(rows)


def _put(kind: str, project: Project, row: tuple[Any, ...]) -> Mapping[str, object] | None:
    workspace, origin, object_id, version, record_id, job_id, at_ms = row[:7]
    result, record, crc, payload, mark = row[7:12]
    whose = dict(zip(("owner", "job"), row[12:-1], strict=False))
    if zlib.crc32(result + (record or b"")) != crc:
        return None
    text = record
    if text is None:
        if payload is None or checksum(object_id.encode(), payload) != mark:
            return None
        text = payload
    try:
        columns = project(kind, text, result)
    except (ValueError, TypeError, KeyError, RecursionError):  # made by an older version, or by a stranger
        return None
    return {
        **columns,
        "workspace": workspace,
        "origin": origin,
        "object_id": object_id,
        "version": version,
        "record_id": record_id,
        "job_id": job_id,
        "at_ms": at_ms,
        "result": result,
        "record": record,
        "crc": crc,
        **whose,
    }
