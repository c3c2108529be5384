"""What a health check asks of the store: to write, to know rather than to assume; and how large it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestbox.store.readers import ReadTx
from ingestbox.store.unit import Tx

if TYPE_CHECKING:
    from ingestbox.store import Store


@dataclass(frozen=True, slots=True)
class ProbeWrite:
    """Changes one row and commits it, through the same writer as everything else."""

    now_ms: int
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        """Notes when the store was last probed."""
        tx.run("box.probe", {"now": self.now_ms})


@dataclass(frozen=True, slots=True)
class Size:
    """The database file in bytes, how much of it is free pages, which are used again, and a page's size."""

    total: int
    free: int
    page: int

    @property
    def used(self) -> int:
        """What the cap `store.max_mb` counts."""
        return self.total - self.free


def size(tx: ReadTx) -> Size:
    """How large the database is; it costs microseconds."""
    ((pages, unused, page_bytes),) = tx.all("box.pages")
    return Size(pages * page_bytes, unused * page_bytes, page_bytes)


async def newest_ms(store: Store) -> int:
    """The newest time that the store knows of, in Unix milliseconds: a clock behind it is not right."""
    ((found,),) = await store.read("box.newest_times")
    return int(found)
