"""What units with full text are said to weigh: at most what a transaction takes, and long texts more."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from ingestbox.family import CHUNK_BYTES
from ingestbox.model import Job, Outcome, Put
from ingestbox.store.identity import BoxIdentity
from ingestbox.store.reindex import SLICE, SLICE_BYTES, PutAgain
from ingestbox.store.sync import RELAYED_BYTES, UNIT_BYTES, ApplyLines, SyncLine, slices
from ingestbox.store.work import SettleChunk
from ingestbox.store.writer import GROUP_WEIGHT

SIZES = (200, 500, 1_000, 3_000, 10_000, 16_384)
ROWS_A_KIB = 8
"""Of 13 µs; a ticket's full text was measured to take 110 µs for each KiB, its other rows 100 µs."""


def settled(count: int, size: int) -> SettleChunk:
    put = Put("ticket", "t", b"{}", {}, "")
    return SettleChunk(
        job=msgspec.json.decode(b"null", type=Job | None),
        owner="o",
        identity=BoxIdentity("b", "e"),
        outcomes=[Outcome(index, put) for index in range(count)],
        payloads=dict.fromkeys(range(count), b"x" * size),
        old_cursor=0,
        cursor=count,
        tallies={},
        chunk_limit=count,
        lease_at=0.0,
        now_ms=0,
    )


def line(seq: int, size: int) -> SyncLine:
    return SyncLine(seq, 0, "put", 1, "w", "feedback", "ticket", "t", "j", 0, {}, b"x" * size, b"", "")


@pytest.mark.parametrize("size", SIZES)
def test_no_chunk_holds_the_writer_longer_than_a_transaction_may(size: int) -> None:
    count = min(100, CHUNK_BYTES // size)
    assert ROWS_A_KIB * count * size // 1_024 < settled(count, size).weight <= GROUP_WEIGHT


@pytest.mark.parametrize("relays", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_neither_do_lines_of_another_box(size: int, relays: bool) -> None:
    """Those that are passed on are a delivery more each."""
    runs = slices([line(seq, size) for seq in range(1_000)], relays)
    units = [ApplyLines("b", "e", run, 0, relays=relays) for run in runs]
    assert all(len(unit.lines) * size <= (RELAYED_BYTES if relays else UNIT_BYTES) for unit in units)
    assert max(unit.weight for unit in units) <= 1.1 * GROUP_WEIGHT
    assert all(unit.weight > ROWS_A_KIB * len(unit.lines) * size // 1_024 for unit in units)


def test_where_a_line_came_from_counts_if_it_is_passed_on() -> None:
    lines = [replace(line(seq, 10), lineage=b"x" * (RELAYED_BYTES // 2)) for seq in range(6)]
    assert len(slices(lines)) == 1
    runs = slices(lines, True)
    assert [len(run) for run in runs] == [1] * 6
    bare = ApplyLines("b", "e", [line(0, 10)], 0, relays=True).weight
    assert ApplyLines("b", "e", runs[0], 0, relays=True).weight > bare


@pytest.mark.parametrize("size", SIZES)
def test_neither_does_what_is_put_once_more(size: int) -> None:
    count = min(SLICE, SLICE_BYTES // size)
    unit = PutAgain("feedback", "ticket", [{}] * count, [], count * size)
    assert ROWS_A_KIB * count * size // 1_024 < unit.weight <= GROUP_WEIGHT
