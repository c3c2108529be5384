"""The store for a command that runs while no box does: under the data folder's lock, one at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from ingestbox import families
from ingestbox.clock import SystemClock
from ingestbox.config import Settings
from ingestbox.errors import StartupError
from ingestbox.ops.backup import putback
from ingestbox.store import DATABASE, Store
from ingestbox.store.lock import DataLock


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """Opens an existing store. Raises StartupError: there is none, it is in use, or it is damaged."""
    folder = Path(settings.data)
    if not (folder / DATABASE).exists() and not (folder / putback.STAGE).exists():
        raise StartupError(
            f"There is no store in {folder}. Name the data folder with --data, or start a box with: "
            f"ingestbox serve --data {folder}"
        )
    async with AsyncExitStack() as stack:
        lock = DataLock.take(folder)
        stack.callback(lock.release)
        putback.resume(folder)
        yield await Store.open(
            folder,
            stack,
            families={name: family.queries for name, family in families.load().items()},
            settings=settings.store,
            limits=settings.limits,
            clock=SystemClock(),
        )
