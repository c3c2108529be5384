"""Waiting for what a box is to do, but not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ingestbox.cli.demonstrating.boxes import BoxFailed

T = TypeVar("T")

LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 60.0
"""How long anything may take before the demo gives up."""


async def until(condition: Callable[[], Awaitable[T | None]], what: str) -> T:
    """What `condition` gives once that is true. Raises BoxFailed when it takes too long."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    while not (found := await condition()):
        if loop.time() > deadline:
            raise BoxFailed(f"Waited {PATIENCE_SECONDS:g} s in vain for {what}.")
        await asyncio.sleep(LOOK_SECONDS)
    return found
