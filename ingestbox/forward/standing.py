"""How a lane is: kept in memory, written to its row, and told in the log when it changes."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ingestbox.clock import Clock
from ingestbox.errors import IngestError
from ingestbox.forward.state import OUTSIDE_WINDOW, LaneState
from ingestbox.store import Store
from ingestbox.store.lanes import ON_HOLD, MarkLane, Parked

log = logging.getLogger(__name__)

LOG_SECONDS = 300.0
"""A lane that keeps failing in the same way says so this often."""


class Standing:
    """The state of one lane."""

    def __init__(self, store: Store, clock: Clock, name: str, url: str) -> None:
        self._store = store
        self._clock = clock
        self._last_logged = -LOG_SECONDS
        self.state = LaneState(name, url, "running", None, clock.now_ms(), None)

    @property
    def on_hold(self) -> bool:
        """Whether it says that a person has put it on hold."""
        return self.state.reason == ON_HOLD

    async def fails(
        self,
        state: Literal["retrying", "paused"],
        reason: str,
        pause: float,
        failures: int,
        words: str = "",
    ) -> float:
        """It could not deliver; `words` are the upstream's, for the log.

        Returns the monotonic time at which the pause ends.
        """
        now = self._clock.now_ms()
        before = self.state
        since = before.since_ms if before.state == state else now
        self.state = replace(
            before, state=state, reason=reason, since_ms=since, next_try_ms=now + int(pause * 1000)
        )
        changed = (before.state, before.reason) != (state, reason)
        tick = self._clock.monotonic()
        if changed or tick - self._last_logged >= LOG_SECONDS:
            self._last_logged = tick
            facts = {
                "lane": before.name,
                "reason": reason,
                "upstream_says": words or None,
                "failures": failures or None,
                "next_try_seconds": round(pause, 1),
            }
            if state == "paused":
                log.error("A lane is paused; nothing is dropped. It is probed.", extra=facts)
            else:
                log.warning("A lane cannot deliver; it tries again.", extra=facts)
        await self._save()
        return tick + pause

    async def held(self) -> None:
        """A person has put it on hold."""
        if self.on_hold:
            return
        log.info("A lane is put on hold.", extra={"lane": self.state.name})
        now = self._clock.now_ms()
        self.state = replace(self.state, state="paused", reason=ON_HOLD, since_ms=now, next_try_ms=None)
        await self._save()

    async def outside_window(self, opens_ms: int) -> None:
        """Its schedule lets nothing leave before then. What it waits for besides stays its state."""
        if self.state.next_try_ms == opens_ms:
            return
        now = self._clock.now_ms()
        if self.state.state == "running" and self.state.reason is None:
            self.state = replace(self.state, reason=OUTSIDE_WINDOW, since_ms=now)
        self.state = replace(self.state, next_try_ms=opens_ms)
        await self._save()

    async def in_window(self) -> None:
        """Its schedule lets batches leave."""
        if self.state.reason == OUTSIDE_WINDOW:
            self.state = replace(self.state, reason=None, since_ms=self._clock.now_ms(), next_try_ms=None)
            await self._save()

    async def works(self) -> bool:
        """It delivers. True when it did not before."""
        if self.state.state == "running":
            return False
        now = self._clock.now_ms()
        log.info(
            "A lane delivers again.",
            extra={
                "lane": self.state.name,
                "was": self.state.state,
                "after_ms": now - self.state.since_ms,
            },
        )
        self.state = replace(self.state, state="running", reason=None, since_ms=now, next_try_ms=None)
        await self._save()
        return True

    def parked(self, damaged: Sequence[Parked], refused: Sequence[Parked]) -> None:
        """Lines were parked: damaged ones each with a line in the log, refused ones together."""
        for each in damaged:
            log.error(
                "A stored delivery is damaged; it is parked.",
                extra={"lane": self.state.name, "seq": each.seq},
            )
        if refused:
            log.warning(
                "The upstream rejected lines; they are parked.",
                extra={
                    "lane": self.state.name,
                    "lines": len(refused),
                    "seq": refused[0].seq,
                    "code": refused[0].code,
                },
            )

    async def _save(self) -> None:
        state = self.state
        with contextlib.suppress(IngestError):  # the store says itself what is wrong with it
            await self._store.write(
                MarkLane(state.name, state.state, state.reason, state.since_ms, state.next_try_ms)
            )
