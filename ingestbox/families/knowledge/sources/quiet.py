"""Sources that are missed: an active one of which nothing came for twice the time it is crawled in."""

from __future__ import annotations

from typing import Any

from ingestbox.clock import iso
from ingestbox.families.knowledge.sources.shapes import STATUSES
from ingestbox.family import Gauge, Trouble
from ingestbox.model import DEFAULT_WORKSPACE

MOST = 100
"""So many have an alarm of their own, the longest silent first; the others are counted in one."""


def conditions(tx: Any, now_ms: int) -> list[Trouble]:
    """See `Family.conditions`."""
    rows = tx.all("knowledge.sources_quiet", {"now": now_ms, "limit": MOST + 1})
    found = [_trouble(*row) for row in rows[:MOST]]
    if len(rows) > MOST:
        more = tx.all("knowledge.sources_quiet_count", {"now": now_ms})[0][0] - MOST
        found.append(Trouble("source_quiet", f"and {more} more sources are quiet; see the list of sources"))
    return found


def gauges(tx: Any) -> list[Gauge]:
    """See `Family.gauges`."""
    counts = dict(tx.all("knowledge.sources_by_status"))
    text = "Sources of articles, by their status."
    values: dict[tuple[str, ...], float] = {(status,): float(counts.get(status, 0)) for status in STATUSES}
    return [Gauge("knowledge_sources", text, ("status",), values)]


def _trouble(
    workspace: str, source_id: str, heard_ms: int | None, created_ms: int, crawl_frequency: str
) -> Trouble:
    # A source's id is as its crawler has it: up to 255 characters of any script.
    name = source_id if workspace == DEFAULT_WORKSPACE else f"{workspace}/{source_id}"
    if heard_ms is None:
        since = f"nothing has come of {name} since it was made at {iso(created_ms)}"
    else:
        since = f"nothing has come of {name} since {iso(heard_ms)}"
    wanted = f"it is to be crawled {_often(crawl_frequency)}"
    return Trouble(f"source_quiet:{name}", f"{since}; {wanted}. See to its crawler, or disable the source")


def _often(crawl_frequency: str) -> str:
    return crawl_frequency if crawl_frequency.endswith("ly") else f"every {crawl_frequency}"
