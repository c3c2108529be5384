"""Functions in a child for a request that waits: the API's process does no work that takes long."""

from __future__ import annotations

from ingestbox.config import MIB, Work
from ingestbox.errors import IngestError
from ingestbox.pipeline.loader import SECONDS_PER_MB
from ingestbox.pipeline.pool import ChildDied, ChildTimeout, FunctionFailed, Pool, PoolBusy, PoolStopped

WAIT_SECONDS = 30.0
"""How long a request waits for a free child."""

RETRY_SECONDS = 5


class Computing:
    """Asks functions in the pool's children."""

    def __init__(self, pool: Pool, settings: Work, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self._pool = pool
        self._settings = settings
        self._wait_seconds = wait_seconds

    async def compute(
        self, function: str, data: bytes, *, stepped: bool = False, seconds: float | None = None
    ) -> bytes:
        """What the function gives for the data; see `family.Box.compute`."""
        try:
            try:
                return await self._ask(function, data, stepped, seconds)
            except ChildTimeout:
                raise
            except ChildDied:  # that can be bad luck
                return await self._ask(function, data, stepped, seconds)
        except PoolBusy:
            told = "No process was free to read this."
            raise IngestError("overloaded", told, retry_after=RETRY_SECONDS) from None
        except PoolStopped:
            raise IngestError("shutting_down", retry_after=RETRY_SECONDS) from None
        except ChildTimeout:
            raise IngestError("validation_failed", "Reading this takes too long.", status=400) from None
        except ChildDied:
            told = "This ended the process that read it."
            raise IngestError("validation_failed", told, status=400) from None
        except FunctionFailed:
            raise IngestError("internal") from None

    async def _ask(self, function: str, data: bytes, stepped: bool, most: float | None) -> bytes:
        seconds, patience = (
            self._settings.chunk_seconds + SECONDS_PER_MB * len(data) / MIB,
            self._wait_seconds,
        )
        if most is not None:
            seconds, patience = min(seconds, most), min(patience, most)
        return await self._pool.ask(function, data, seconds, patience, stepped=stepped)
