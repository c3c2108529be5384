"""Calls of many units that are done once for an Idempotency-Key (contract: common, Requests)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from ingestbox.errors import IngestError
from ingestbox.route import Reply
from ingestbox.store import Store
from ingestbox.store.intake import Name
from ingestbox.store.once import Denied, KeepAnswer, Made, Once, Recall
from ingestbox.web.binding import Request
from ingestbox.web.idempotency import key_of

S = TypeVar("S", bound=msgspec.Struct)

REPLAYED = (("Idempotency-Replayed", "true"),)


class Repeats:
    """Remembers what was answered, and which keys are at work.

    The answer is kept when all is done. What a crash cuts short is not: the repeat does the rest of it, so it
    has to be such that this is right.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._at_work: set[Name] = set()

    async def once(
        self,
        ask: Request,
        shape: type[S],
        make: Callable[[], Awaitable[tuple[S, tuple[tuple[str, str], ...]]]],
    ) -> Reply:
        """What `make` gives as body and headers, or gave an earlier call with the same key.

        Raises IngestError: idempotency_key_invalid, idempotency_mismatch, request_in_progress.
        """
        key = key_of(ask)
        if key is None:
            body, headers = await make()
            return Reply(body, headers=headers)
        name = (key.scope, key.key)
        if name in self._at_work:
            raise IngestError("request_in_progress", retry_after=1)
        self._at_work.add(name)
        try:
            once = Once(key, b"", shape)
            earlier = await self._store.write(Recall(once))
            if isinstance(earlier, Denied):
                raise IngestError(earlier.code)
            if isinstance(earlier, Made):
                return Reply(earlier.what, headers=REPLAYED)
            body, headers = await make()
            await self._store.write(KeepAnswer(once, body, self._store.clock.now_ms()))
            return Reply(body, headers=headers)
        finally:
            self._at_work.discard(name)
