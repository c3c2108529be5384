"""Retry decisions: what to do after a failure, as values (house rule: a retry is a decision, not a loop)."""

from __future__ import annotations

import random
from dataclasses import dataclass

FIRST_MS = 1_000
LONGEST_MS = 300_000
STORE_LONGEST_MS = 30_000
"""A store that was full or failing is well again from one moment to the next, and says so itself."""

SHRINK = 8
"""A chunk that killed its child is cut to an eighth: 100 records take two deaths to get down to one."""

DEATHS_ALONE = 2
"""How often a record may end the child by itself before it is set aside; once can be bad luck (a person's
`kill`, the kernel's out-of-memory killer)."""


@dataclass(frozen=True, slots=True)
class AfterDeath:
    """How to go on after a child died with a chunk: the next chunk's limit, and how often the record at the
    cursor has died alone.

    `give_up`: the one record of the chunk is to be set aside.
    """

    chunk_limit: int
    deaths: int
    give_up: bool = False


def after_death(records: int, deaths: int) -> AfterDeath:
    """`records` in the chunk that died; `deaths` of its first one alone, without progress since.

    A death in company says nothing about any one record, so it does not count against them.
    """
    if records > 1:
        return AfterDeath(max(1, records // SHRINK), 0)
    if deaths + 1 >= DEATHS_ALONE:
        return AfterDeath(1, 0, give_up=True)
    return AfterDeath(1, deaths + 1)


def backoff_ms(attempt: int, longest_ms: int = LONGEST_MS) -> int:
    """Pause before a job's next attempt: exponential from 1 s to `longest_ms`, with jitter over its half."""
    ceiling = min(longest_ms, FIRST_MS << min(attempt - 1, 16))
    return random.randint(ceiling // 2, ceiling)  # noqa: S311 - spreads load, guards nothing
