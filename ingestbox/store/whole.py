"""Everything that is stored with a checksum, page by page in the order of its numbers: for the doctor, who
compares, and for exports.

A page ends by its bytes, so that no read takes long and no more than a page is in memory. Each family has a
query `whole_<kind>` for each kind of its objects (`Whole` says what it gives).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ingestbox.errors import IngestError
from ingestbox.model import checksum
from ingestbox.store.readers import ReadTx

if TYPE_CHECKING:
    from ingestbox.store import Store

PAGE_ROWS: Final = 2_000
PAGE_BYTES: Final = 524_288
"""What one read takes at most, one row at least: some 10 ms."""

EXAMPLES: Final = 5
"""Damaged rows that are named; the others are counted."""

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Whole:
    """An object as `whole_<kind>` gives it; texts as bytes, for a flipped bit can make anything of them.
    `source` is what its record was, of one that another box sent. `cells` is 1 where the checksum is that of
    the result's JSON without blanks."""

    id: int
    workspace: bytes
    origin: bytes
    owner: bytes | None
    object_id: bytes
    version: int
    record_id: int
    job: bytes | None
    updated_ms: int
    result: bytes
    source: bytes | None
    crc: int
    cells: int

    @property
    def sound(self) -> bool:
        """Whether it matches its checksum."""
        if not self.cells:
            return zlib.crc32(self.result + (self.source or b"")) == self.crc
        try:
            cells = msgspec.json.decode(self.result)
        except ValueError:
            return False
        return zlib.crc32(msgspec.json.encode(cells)) == self.crc


@dataclass(frozen=True, slots=True)
class Kind:
    """A table with checksums: what it is called, the query that goes through it, which columns hold its
    bytes, and whether a row matches its checksum."""

    name: str
    query: str
    contents: tuple[int, ...]
    sound: Callable[[Row], bool]


def record_is_sound(row: Row) -> bool:
    """Whether a row of `records.whole` matches its checksum."""
    return bool(checksum(row[1], row[3]) == row[4])


def line_is_sound(row: Row) -> bool:
    """Whether a row of `deliveries.whole` matches its checksum."""
    return bool(zlib.crc32(row[11]) == row[12])


RECORDS: Final = Kind("records", "records.whole", (3,), record_is_sound)
LINES: Final = Kind("deliveries", "deliveries.whole", (11,), line_is_sound)


def object_kind(family: str, kind: str) -> Kind:
    """A family's objects of a kind."""
    query = f"{family}.whole_{kind}"
    return Kind(f"{family} {kind}s", query, (9, 10), lambda row: Whole(*row).sound)


def kinds(families: Mapping[str, frozenset[str]]) -> list[Kind]:
    """All that there are; `families` are the kinds of each."""
    objects = [object_kind(name, kind) for name, given in families.items() for kind in sorted(given)]
    return [RECORDS, *objects, LINES]


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and the number that the next page is after; None at the end."""

    rows: list[Row]
    last: int | None


def page(tx: ReadTx, kind: Kind, after: int) -> Page:
    """The rows after a number, up to a page's bytes."""
    rows: list[Row] = []
    size = 0
    found = tx.each(kind.query, {"after": after})
    try:
        for row in found:
            rows.append(row)
            size += sum(_sizes(kind, [row]))
            if size >= PAGE_BYTES or len(rows) >= PAGE_ROWS:
                return Page(rows, row[0])
    finally:
        found.close()
    return Page(rows, None)


@dataclass(frozen=True, slots=True)
class Compared:
    """A table that was gone through: its rows and their bytes, how many do not match, and the first of them.
    `unread`: it could not be read to its end."""

    name: str
    rows: int
    size: int
    wrong: int
    examples: tuple[int, ...]
    unread: bool = False


async def compare(store: Store, kind: Kind) -> Compared:
    """Compares every row with its checksum. A table that cannot be read is `unread` from there on."""
    rows = size = wrong = 0
    examples: tuple[int, ...] = ()

    def look(tx: ReadTx, after: int) -> tuple[int, int, list[int], int | None]:
        found = page(tx, kind, after)
        bad = [row[0] for row in found.rows if not is_sound(kind, row)]
        return len(found.rows), sum(_sizes(kind, found.rows)), bad, found.last

    place: int | None = -1
    while place is not None:
        try:
            count, taken, bad, place = await store.read_with(partial(look, after=place))
        except IngestError:
            return Compared(kind.name, rows, size, wrong, examples, unread=True)
        rows, size, wrong = rows + count, size + taken, wrong + len(bad)
        examples = (*examples, *bad)[:EXAMPLES]
    return Compared(kind.name, rows, size, wrong, examples)


def is_sound(kind: Kind, row: Row) -> bool:
    """Whether a row matches its checksum."""
    try:
        return kind.sound(row)
    except (TypeError, ValueError):  # a bit that changed may make another type of a value
        return False


def _sizes(kind: Kind, rows: list[Row]) -> Iterator[int]:
    return (len(row[place] or b"") for row in rows for place in kind.contents)
