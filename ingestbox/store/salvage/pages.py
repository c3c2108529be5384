"""Pages of a SQLite file, read without SQLite (https://sqlite.org/fileformat2.html).

A store has pointer maps (`auto_vacuum`), which say of each page what it is and which page leads to it. So a
page is found also where the one above it is damaged, and one that is free is known to be.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = 1
FREE: Final = 2
OVERFLOW: Final = 3  # the first of a chain
CHAINED: Final = 4
TREE: Final = 5  # not a root

INTERIOR_INDEX: Final = 2
INTERIOR_TABLE: Final = 5
LEAF_INDEX: Final = 10
LEAF_TABLE: Final = 13

_INTERIOR: Final = frozenset({INTERIOR_INDEX, INTERIOR_TABLE})
_PENDING_BYTE: Final = 0x40000000
_SIZES: Final = frozenset(1 << bits for bits in range(9, 17))


class DamagedError(Exception):
    """What is read makes no sense; the text says what."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What lies in a page: a row (`payload`, of a table with its `key`), or the way to a page below
    (`child`). In the tree of an index a cell may be both."""

    key: int
    child: int
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a tree, as far as it makes sense: `wrong` says what does not, `unread` are keys of rows that
    are there and cannot be read (-1: not even the key)."""

    number: int
    interior: bool
    cells: tuple[Cell, ...]
    last: int
    wrong: tuple[str, ...]
    unread: tuple[int, ...] = ()


class Pages:
    """The pages of one file, which nobody changes."""

    def __init__(self, path: Path, page_size: int) -> None:
        """`page_size` is that of stores, for a header that does not say it."""
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        head = os.pread(self._descriptor, 100, 0).ljust(100, b"\0")
        (size,) = struct.unpack(">H", head[16:18])
        size = 65_536 if size == 1 else size
        length = os.fstat(self._descriptor).st_size
        # A header that was changed may give another size: stores have all the same.
        self.size = page_size if length % page_size == 0 or size not in _SIZES else size
        self.usable = self.size
        self.count = length // self.size
        self._kinds: dict[int, tuple[int, int]] = {}
        self._below: dict[tuple[int, int], list[int]] = {}
        self._map()

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)

    def raw(self, number: int) -> bytes:
        """A page's bytes. Raises DamagedError for one that there is not."""
        if not 1 <= number <= self.count:
            raise DamagedError(f"there is no page {number}")
        try:
            data = os.pread(self._descriptor, self.size, (number - 1) * self.size)
        except OSError as error:
            raise DamagedError(f"page {number} cannot be read: {error.strerror}") from error
        if len(data) < self.size:
            raise DamagedError(f"page {number} ends early")
        return data

    def kind(self, number: int) -> tuple[int, int] | None:
        """What the pointer map says of a page, and the page that leads to it; None where that makes no
        sense."""
        return self._kinds.get(number)

    def below(self, number: int) -> list[int]:
        """The pages of a tree that say that this one leads to them."""
        return self._below.get((TREE, number), [])

    def tree(self, root: int, *, table: bool) -> Iterator[Page]:
        """Every page of a tree once, in the order of its keys as far as that can be told."""
        seen: set[int] = set()
        stack = [root]
        while stack:
            number = stack.pop()
            if number in seen:
                continue
            seen.add(number)
            try:
                page = self._page(number, table=table)
            except DamagedError as error:
                page = Page(number, bool(self.below(number)), (), 0, (str(error),), (-1,))
            if page.interior:
                told = [child for child in (*(cell.child for cell in page.cells), page.last) if child]
                good = [child for child in told if self._belongs(child, number)]
                more = [child for child in self.below(number) if child not in good]
                if len(good) < len(told) and not page.wrong:
                    page = Page(*_parts(page), wrong=(f"page {number} leads to pages that are not its own",))
                stack += reversed([*good, *more])
            yield page

    def _belongs(self, child: int, parent: int) -> bool:
        found = self._kinds.get(child)
        return 1 < child <= self.count and (found is None or found == (TREE, parent))

    def _map(self) -> None:
        each = self.usable // 5
        for number in range(2, self.count + 1, each + 1):
            at = number + 1 if number == _PENDING_BYTE // self.size + 1 else number
            try:
                data = self.raw(at)
            except DamagedError:
                continue
            for place in range(each):
                kind, parent = struct.unpack_from(">BI", data, 5 * place)
                page = at + 1 + place
                if not ROOT <= kind <= TREE or page > self.count or parent > self.count:
                    continue
                if (kind in (ROOT, FREE)) != (parent == 0):
                    continue
                self._kinds[page] = (kind, parent)
                if kind in (TREE, CHAINED):
                    self._below.setdefault((kind, parent), []).append(page)

    def _page(self, number: int, *, table: bool) -> Page:
        data = self.raw(number)
        start = 100 if number == 1 else 0
        kind = data[start]
        interior = kind in _INTERIOR
        wrong = []
        if kind not in ((INTERIOR_TABLE, LEAF_TABLE) if table else (INTERIOR_INDEX, LEAF_INDEX)):
            interior = bool(self.below(number))
            wrong.append(f"page {number} says that it is something else")
        first = start + (12 if interior else 8)
        count, content = struct.unpack_from(">HH", data, start + 3)
        content = content or 65_536
        layout = self._layout(data, start, first, count, content, interior=interior, table=table)
        if layout is None:  # the number of cells may be what is wrong
            wrong.append(f"page {number} does not add up")
            for other in range((self.usable - first) // 2):
                layout = self._layout(data, start, first, other, content, interior=interior, table=table)
                if layout is not None and other:
                    count = other
                    break
            else:
                count = min(count, (self.usable - first) // 2)
        cells, unread = [], []
        for (at,) in struct.iter_unpack(">H", data[first : first + 2 * count]):
            if not first + 2 * count <= at < self.usable:
                wrong.append(f"page {number} points outside of itself")
                unread.append(-1)
                continue
            key = -1
            try:
                child, size, key, body, _ = self._measure(data, at, interior=interior, table=table)
                payload = None if size is None else self._payload(data, number, body, size, table=table)
                cells.append(Cell(key, child, payload))
            except (DamagedError, IndexError, struct.error) as error:
                wrong.append(str(error))
                unread.append(key)
        if interior and table:
            unread = []  # ways to other pages, which say themselves where they belong
        elif len(unread) > len(cells):
            unread = [-1]  # there is no saying how many
        wrong = list(dict.fromkeys(wrong))[:3]
        (last,) = struct.unpack_from(">I", data, start + 8) if interior else (0,)
        if table and not interior:
            ascending = _ascending([cell.key for cell in cells])
            if len(ascending) < len(cells):
                wrong.append(f"keys of page {number} are out of order")
                unread += [cell.key for place, cell in enumerate(cells) if place not in ascending]
                cells = [cell for place, cell in enumerate(cells) if place in ascending]
        return Page(number, interior, tuple(cells), last, tuple(wrong), tuple(unread))

    def _layout(
        self,
        data: bytes,
        start: int,
        first: int,
        count: int,
        content: int,
        *,
        interior: bool,
        table: bool,
    ) -> bool | None:
        """True if cells, free blocks and fragments fill the page's content exactly, which they do in a sound
        page; None otherwise."""
        if first + 2 * count > content or content > self.usable:
            return True if count == 0 and content in (self.usable, 65_536) else None
        spans = []
        try:
            for (at,) in struct.iter_unpack(">H", data[first : first + 2 * count]):
                if at < content:
                    return None
                spans.append((at, self._measure(data, at, interior=interior, table=table)[4]))
            (block,) = struct.unpack_from(">H", data, start + 1)
            while block:
                following, size = struct.unpack_from(">HH", data, block)
                if following and following <= block:
                    return None
                spans.append((block, block + size))
                block = following
        except (DamagedError, IndexError, struct.error):
            return None
        end, gaps = content, 0
        for low, high in sorted(spans):
            if low < end:
                return None
            gaps += low - end
            end = high
        gaps += self.usable - end
        return True if end <= self.usable and gaps == data[start + 7] else None

    def _measure(
        self, data: bytes, at: int, *, interior: bool, table: bool
    ) -> tuple[int, int | None, int, int, int]:
        """Of a cell: the page below, the size of its payload, its key, where the payload begins, its end."""
        child, key, begin = 0, 0, at
        if interior:
            (child,) = struct.unpack_from(">I", data, at)
            at += 4
            if table:
                key, at = varint(data, at)
                return child, None, key, at, max(at, begin + 4)
        size, at = varint(data, at)
        if table:
            key, at = varint(data, at)
            key = key - (1 << 64) if key >> 63 else key
        local = self._local(size, table=table)
        end = max(at + local + (4 if local < size else 0), begin + 4)
        if end > self.usable:
            raise DamagedError("a row goes beyond its page")
        return child, size, key, at, end

    def _local(self, size: int, *, table: bool) -> int:
        most = self.usable - 35 if table else (self.usable - 12) * 64 // 255 - 23
        if size <= most:
            return size
        least = (self.usable - 12) * 32 // 255 - 23
        fits = least + (size - least) % (self.usable - 4)
        return fits if fits <= most else least

    def _payload(self, data: bytes, number: int, at: int, size: int, *, table: bool) -> bytes:
        if size > self.count * self.size:
            raise DamagedError("a row is larger than the file")
        local = self._local(size, table=table)
        parts = [data[at : at + local]]
        left = size - local
        if left:
            (following,) = struct.unpack_from(">I", data, at + local)
            before, kind, seen = number, OVERFLOW, set[int]()
            while left > 0:
                known = self._kinds.get(following)
                if known != (kind, before):
                    others = self._below.get((CHAINED, before), []) if kind == CHAINED else []
                    if len(others) == 1:
                        following = others[0]
                    elif known is not None:
                        raise DamagedError("a long row is not continued where it says")
                if following in seen:
                    raise DamagedError("a long row goes round in a circle")
                seen.add(following)
                page = self.raw(following)
                parts.append(page[4 : 4 + min(left, self.usable - 4)])
                left -= len(parts[-1])
                before, kind = following, CHAINED
                (following,) = struct.unpack_from(">I", page)
        return b"".join(parts)


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where the next begins. Raises IndexError."""
    value = 0
    for place in range(8):
        byte = data[at + place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + place + 1
    return value << 8 | data[at + 8], at + 9


def _ascending(keys: list[int]) -> frozenset[int]:
    """The places of a longest run of keys that ascend, others left out."""
    tails: list[int] = []  # places; the one at n ends the run of n + 1 with the smallest key
    before: list[int] = []
    for place, key in enumerate(keys):
        low, high = 0, len(tails)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if keys[tails[middle]] < key else (low, middle)
        before.append(tails[low - 1] if low else -1)
        tails[low : low + 1] = [place]
    found, place = [], tails[-1] if tails else -1
    while place >= 0:
        found.append(place)
        place = before[place]
    return frozenset(found)


def _parts(page: Page) -> tuple[int, bool, tuple[Cell, ...], int]:
    return page.number, page.interior, page.cells, page.last
