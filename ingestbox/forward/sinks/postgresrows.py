"""Delivery lines as rows of a PostgreSQL table; pure CPU work, done in a thread.

A statement may not touch a row twice, so of what a batch says of one object in one epoch only the newest
goes; what it says in another epoch goes in a later statement, since only the server knows which one counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from ingestbox.forward.batch import LaneBatch
from ingestbox.forward.sink import Parcel
from ingestbox.store.lanes import Parked

PIECE_ROWS = 1_000
"""Rows of one statement. The driver encodes it on the event loop, in some 5 ms."""

LINE_INVALID = "line_invalid"

_BIGINT = Meta(ge=0, le=2**63 - 1)
_ABSENT = Raw(b"")


class _Skip(msgspec.Struct, frozen=True, tag="skip", tag_field="op"):
    """A line that carries nothing."""


class _Object(msgspec.Struct, frozen=True, tag_field="op", kw_only=True):
    """What places a line. One that was passed on names the box that made it in `origin`."""

    box: str
    epoch: str
    origin: str | None = None
    origin_epoch: str | None = None
    seq: Annotated[int, _BIGINT]
    version: Annotated[int, _BIGINT]
    workspace: str
    family: str
    kind: str
    id: str
    owner: str | None = None
    job_id: str | None = None
    at: Annotated[datetime, Meta(tz=True)]
    hash: str


class _Put(_Object, frozen=True, tag="put", kw_only=True):
    record: Raw
    result: Raw
    lineage: Raw = _ABSENT


class _Delete(_Object, frozen=True, tag="delete", kw_only=True):
    lineage: Raw = _ABSENT


_decoder = msgspec.json.Decoder(_Skip | _Put | _Delete)

Values = tuple[
    str,
    str,
    str,
    str,
    str,
    int,
    str,
    int,
    bool,
    datetime,
    str | None,
    str | None,
    str,
    str | None,
    str | None,
    str | None,
]
"""box, workspace, family, kind, id, version, epoch, seq, deleted, at, owner, job_id, hash, record, result,
lineage: the parameters of the query `put`, for one row."""


@dataclass(slots=True, eq=False)
class Row:
    """The newest version that a batch has of an object in one epoch; `older` ones, ascending, do not go."""

    values: Values
    older: list[Values] = field(default_factory=list)

    @property
    def seq(self) -> int:
        """Its line's number."""
        return self.values[7]

    def add(self, values: Values) -> None:
        """Takes another version of the same object."""
        if values[5] > self.values[5]:
            self.older.append(self.values)
            self.values = values
        else:
            self.older.append(values)
            self.older.sort(key=_version)

    def without_newest(self) -> Row | None:
        """What is left when the newest is refused."""
        return Row(self.older[-1], self.older[:-1]) if self.older else None


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of different objects for one statement; `parameters` are its columns and then the epochs."""

    rows: Sequence[Row]
    parameters: Sequence[Sequence[Any]]

    def halves(self) -> tuple[Piece, Piece]:
        """Two pieces; it must have two rows at least."""
        middle = len(self.rows) // 2
        return piece(self.rows[:middle]), piece(self.rows[middle:])


@dataclass(frozen=True, slots=True)
class PostgresParcel(Parcel):
    """`pieces` are to be stored in this order; `broken` lines are none that the box would make."""

    pieces: Sequence[Piece]
    broken: tuple[Parked, ...]


def piece(rows: Sequence[Row]) -> Piece:
    """Rows, turned to columns; none are a statement without effect, for trying whether it may be run.

    Epochs come by box, so that two boxes that bring the same ones wait for each other in one order, and then
    as they appear, which is the order of their ranks.
    """
    columns = tuple(zip(*(row.values for row in rows), strict=True)) or ((),) * 16
    lives = sorted(dict.fromkeys(zip(columns[0], columns[6], strict=True)), key=_box)
    return Piece(rows, (*columns, [box for box, _ in lives], [epoch for _, epoch in lives]))


def packed(batch: LaneBatch) -> PostgresParcel:
    """A batch as pieces. Its size is that of its lines: they are not compressed."""
    broken: list[Parked] = []
    rounds: list[list[Row]] = []
    objects: dict[tuple[str, ...], dict[str, Row]] = {}
    for seq, line in zip(batch.seqs, batch.lines, strict=True):
        try:
            values = _values(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if seq in batch.open:
                broken.append(Parked(seq, LINE_INVALID, f"The line cannot be read: {error}"[:500]))
            continue
        if values is None:
            continue
        epochs = objects.setdefault(values[:5], {})
        if (known := epochs.get(values[6])) is not None:
            known.add(values)
            continue
        row = epochs[values[6]] = Row(values)
        if len(epochs) > len(rounds):
            rounds.append([])
        rounds[len(epochs) - 1].append(row)
    size = sum(map(len, batch.lines))
    return PostgresParcel(batch, size, tuple(_pieces(rounds)), tuple(broken))


def _pieces(rounds: Iterable[Sequence[Row]]) -> Iterator[Piece]:
    for rows in rounds:
        for start in range(0, len(rows), PIECE_ROWS):
            yield piece(rows[start : start + PIECE_ROWS])


def _values(line: bytes) -> Values | None:
    said = _decoder.decode(line)
    if isinstance(said, _Skip):
        return None
    relayed = said.origin is not None and said.origin_epoch is not None
    put = isinstance(said, _Put)
    return (
        said.origin if relayed else said.box,
        said.workspace,
        said.family,
        said.kind,
        said.id,
        said.version,
        said.origin_epoch if relayed else said.epoch,
        said.seq,
        not put,
        said.at,
        said.owner,
        said.job_id,
        said.hash,
        _text(said.record) if put else None,
        _text(said.result) if put else None,
        _text(said.lineage),
    )


def _text(raw: Raw) -> str | None:
    return bytes(raw).decode() or None


def _version(values: Values) -> int:
    return values[5]


def _box(life: tuple[str, str]) -> str:
    return life[0]
