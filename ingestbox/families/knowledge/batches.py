"""Names of batches, and what came in each (contract: knowledge, Endpoints)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

MOST_NAME = 255

_CHUNK = re.compile(r"(.+)_chunk_[0-9]+", re.DOTALL)


def parent_of(name: str) -> str:
    """The batch that a chunk is of, by its name; of what is no chunk its own."""
    found = _CHUNK.fullmatch(name)
    return found[1] if found else name


def join(tx: Any, workspace: str, name: str, contents: Sequence[int], now_ms: int) -> None:
    """Writes down that contents came in a batch; those that are in it already change nothing."""
    row = tx.one(
        "knowledge.begin_batch",
        {"workspace": workspace, "name": name, "parent": parent_of(name), "now": now_ms},
    )
    for content in contents:
        tx.run("knowledge.join_batch", {"batch": row[0], "content": content})
