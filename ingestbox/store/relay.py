"""Passing on: what another box sent here goes upstream from here, as a delivery of this box.

Its line names the box that made it (`origin`, `origin_epoch`) beside this one; record and result are the
bytes that came, so that the hash stays. It is made in the transaction that applies what came, and only of
what was applied: repeats and older versions end here, and so does every circle of boxes.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ingestbox.clock import iso
from ingestbox.store.enqueued import count_enqueued
from ingestbox.store.takes import Takes
from ingestbox.store.unit import Tx, weight_of

if TYPE_CHECKING:
    from ingestbox.store import Store
    from ingestbox.store.sync import SyncLine

ROWS_A_LINE = 3
"""What passing a line on costs, in rows: the delivery with its index, and what the lanes count."""


class Relay:
    """Gathers what a unit passes on, and stores it at its end."""

    def __init__(self, tx: Tx, now_ms: int) -> None:
        self._tx = tx
        self._now_ms = now_ms
        self._takes = [Takes.of_row(*row) for row in tx.all("sync.relaying")]
        self._lines: list[tuple[str, str, SyncLine]] = []

    def add(self, origin: str, epoch: str, line: SyncLine) -> None:
        """Takes a line that was applied, of an object of `origin`, which made it in `epoch`."""
        sort = (line.workspace, line.family, line.kind, line.op)
        if any(each.admits(*sort, relayed=True) for each in self._takes):
            self._lines.append((origin, epoch, line))

    def store(self) -> int:
        """Makes the deliveries; how many."""
        tx, count = self._tx, len(self._lines)
        if not count:
            return 0
        identity, first = tx.one("box.identity"), tx.one("box.take_seqs", {"n": count})
        assert identity is not None  # the box's row is made with the store
        assert first is not None
        box, epoch = identity
        rows: list[dict[str, Any]] = []
        for seq, (origin, origin_epoch, line) in enumerate(self._lines, start=int(first[0])):
            text = _text(box, epoch, seq, origin, origin_epoch, line)
            rows.append(
                {
                    "seq": seq,
                    "epoch": epoch,
                    "op": line.op,
                    "workspace": line.workspace,
                    "family": line.family,
                    "kind": line.kind,
                    "object_id": line.object_id,
                    "version": line.version,
                    "now": self._now_ms,
                    "line": text,
                    "crc": zlib.crc32(text),
                    "origin": origin,
                }
            )
        tx.many("sync.pass_on", rows)
        count_enqueued(
            tx,
            (
                (line.workspace, line.family, line.kind, line.op, True, len(row["line"]))
                for (_, _, line), row in zip(self._lines, rows, strict=True)
            ),
        )
        return count


def _text(box: str, epoch: str, seq: int, origin: str, origin_epoch: str, line: SyncLine) -> bytes:
    """The line (contract: forwarding, What is forwarded)."""
    encode = msgspec.json.encode
    parts = [
        b'{"box":%s,"epoch":%s,"seq":%d,"origin":%s,"origin_epoch":%s'
        % (encode(box), encode(epoch), seq, encode(origin), encode(origin_epoch)),
        b',"op":%s,"version":%d,"workspace":%s,"family":%s,"kind":%s,"id":%s'
        % (
            encode(line.op),
            line.version,
            encode(line.workspace),
            encode(line.family),
            encode(line.kind),
            encode(line.object_id),
        ),
        b',"owner":%s,"job_id":%s,"at":%s,"hash":%s'
        % (
            encode(line.owner or None),
            encode(line.job_id or None),
            encode(iso(line.at_ms)),
            encode(line.digest),
        ),
    ]
    for name, value in ((b"record", line.record), (b"result", line.result), (b"lineage", line.lineage)):
        if value:
            parts += (b',"%s":' % name, value)
    return b"".join((*parts, b"}"))


def weight_of_lines(lines: Sequence[SyncLine]) -> int:
    """What passing lines on adds to a unit's weight."""
    size = sum(len(line.record) + len(line.result) + len(line.lineage) for line in lines)
    return ROWS_A_LINE * len(lines) + weight_of(size)


async def is_on(store: Store) -> bool:
    """Whether a lane takes anything that other boxes sent here. Raises IngestError `store_unavailable`."""
    return bool(await store.read("sync.relaying"))
