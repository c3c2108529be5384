"""Alarms: each change of state is logged once, and posted to the webhook until that has taken it.

What is raised, and what the webhook has not taken yet, lies in the store, so that a restart neither repeats
an alarm nor forgets one. The truth is in memory, though, and alarms go out from there: the one about the
store has to go out while nothing can be stored.

Of each alarm at most one notice waits, the newest: a webhook that was away for days hears how things are,
not everything that was.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from random import Random, SystemRandom

import msgspec

from ingestbox import ids
from ingestbox.clock import Clock, iso
from ingestbox.errors import IngestError
from ingestbox.forward.backoff import Backoff
from ingestbox.ops.conditions import Condition
from ingestbox.ops.webhook import Webhook
from ingestbox.store import Store, alarms
from ingestbox.store.alarms import Notice, Raised, SaveAlarms

log = logging.getLogger(__name__)

RAISE_LOOKS = 2
"""So many looks in a row find a condition bad before it alarms, unless it is urgent: a blip is no alarm."""

CLEAR_LOOKS = 6
"""So many find it good before the alarm is over: what comes and goes every few seconds is one alarm."""

STORE_SECONDS = 2.0
"""How long alarms wait for the store before they go on without it."""

FIRST_SECONDS = 1.0
"""The first pause after a post that failed; it doubles, with full jitter, to five minutes."""


class Alarms:
    """Watches the conditions of one box."""

    def __init__(
        self,
        store: Store,
        look: Callable[[], Awaitable[Sequence[Condition]]],
        webhook: Webhook | None,
        *,
        seconds: float,
        clock: Clock,
        random: Random | None = None,
    ) -> None:
        """`look` gives all conditions, good and bad; it is called every `seconds`."""
        self._store = store
        self._look = look
        self._webhook = webhook
        self._seconds = seconds
        self._clock = clock
        self._backoff = Backoff(FIRST_SECONDS, random or SystemRandom())
        self._raised: dict[str, Raised] = {}
        self._outbox: list[Notice] = []
        self._looks: dict[str, int] = {}  # in a row that speak against an alarm's present state
        self._saving = asyncio.Lock()
        self._dirty = False
        self._loaded = False
        self._bell = asyncio.Event()
        self._failing: str | None = None  # why the webhook does not take posts
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def raised(self) -> list[Raised]:
        """What is wrong now, the longest first."""
        return sorted(self._raised.values(), key=lambda each: (each.since_ms, each.name))

    @property
    def waiting(self) -> int:
        """Notices that the webhook has not taken."""
        return len(self._outbox)

    async def start(self) -> None:
        """Goes on from what was stored, and begins to watch."""
        await self._load()
        self._tasks = [asyncio.create_task(self._watch(), name="alarms")]
        if self._webhook is not None:
            self._tasks.append(asyncio.create_task(self._deliver(self._webhook), name="alarms-webhook"))

    async def stop(self) -> None:
        """Stops watching; what the webhook has not taken is posted after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._save()
        if self._webhook is not None:
            await self._webhook.close()

    def wake(self) -> None:
        """Looks at the clock: a pause may be over."""
        self._bell.set()

    async def check(self) -> None:
        """Looks once at every condition, and stores what changed."""
        if not self._loaded:
            await self._load()
        conditions = {each.name: each for each in await self._look()}
        gone = [Condition(name, True, "it is over") for name in self._raised.keys() - conditions]
        for condition in (*conditions.values(), *gone):
            self._judge(condition)
        await self._save()

    def _judge(self, condition: Condition) -> None:
        """Changes the alarm's state when enough looks in a row agree that it is not as it was."""
        name = condition.name
        is_raised = name in self._raised
        if condition.ok is not is_raised:
            self._looks.pop(name, None)
            return
        looks = self._looks.get(name, 0) + 1
        needed = CLEAR_LOOKS if is_raised else 1 if condition.urgent else RAISE_LOOKS
        if looks < needed:
            self._looks[name] = looks
            return
        self._looks.pop(name, None)
        if is_raised:
            self._clear(condition)
        else:
            self._raise(condition)

    def _raise(self, condition: Condition) -> None:
        now = self._clock.now_ms()
        self._raised[condition.name] = Raised(condition.name, condition.detail, now)
        facts = {"alarm": condition.name, "state": "raised", "detail": condition.detail}
        log.log(logging.ERROR if condition.urgent else logging.WARNING, "An alarm is raised.", extra=facts)
        self._notify(Notice(_message_id(now), condition.name, "raised", condition.detail, now, now))

    def _clear(self, condition: Condition) -> None:
        now = self._clock.now_ms()
        was = self._raised.pop(condition.name)
        facts = {"alarm": was.name, "state": "cleared", "detail": condition.detail}
        log.info("An alarm is over.", extra={**facts, "after_ms": now - was.since_ms})
        self._notify(Notice(_message_id(now), was.name, "cleared", condition.detail, was.since_ms, now))

    def _notify(self, notice: Notice) -> None:
        self._dirty = True
        if self._webhook is not None:
            self._outbox = [each for each in self._outbox if each.alarm != notice.alarm]
            self._outbox.append(notice)
            self._bell.set()

    async def _load(self) -> None:
        """What is raised and waits according to the store; what changed before it could be read wins."""
        try:
            async with asyncio.timeout(STORE_SECONDS):
                raised, notices = await alarms.load(self._store)
        except (IngestError, TimeoutError):
            return  # the store's state is a condition itself; the next look tries again
        self._loaded = True
        for each in raised:
            self._raised.setdefault(each.name, each)
        if self._webhook is not None:
            newer = {each.alarm for each in self._outbox}
            self._outbox = [each for each in notices if each.alarm not in newer] + self._outbox
            self._bell.set()

    async def _save(self) -> None:
        async with self._saving:
            if not (self._dirty and self._loaded):
                return
            self._dirty = False
            try:
                async with asyncio.timeout(STORE_SECONDS):
                    await self._store.write(SaveAlarms(self.raised, tuple(self._outbox)))
            except (IngestError, TimeoutError):
                self._dirty = True  # the next look tries again
            except BaseException:
                self._dirty = True
                raise

    async def _watch(self) -> None:
        while True:
            try:
                await self.check()
            except Exception:
                log.exception("The look for alarms failed; it goes on.")
            await asyncio.sleep(self._seconds)

    async def _deliver(self, webhook: Webhook) -> None:
        while True:
            if not self._outbox:
                self._bell.clear()
                await self._bell.wait()
                continue
            try:
                pause = await self._deliver_first(webhook)
            except Exception:
                log.exception("An alarm could not be posted; it is tried again.")
                pause = self._backoff.next(None)
            await self._rest(pause)

    async def _deliver_first(self, webhook: Webhook) -> float:
        """Posts the oldest notice; returns the seconds until the next try."""
        notice = self._outbox[0]
        failure = await webhook.post(notice.id, self._body(notice))
        if failure is not None:
            if failure.reason != self._failing:
                self._failing = failure.reason
                log.warning(
                    "Alarms cannot be posted; it is tried again.",
                    extra={"webhook": webhook.shown, "reason": failure.reason},
                )
            return self._backoff.next(failure.after)
        if self._failing is not None:
            log.info("Alarms can be posted again.", extra={"failures": self._backoff.failures})
            self._failing = None
        self._backoff.reset()
        # By its id: a newer notice of the same alarm may have taken its place meanwhile.
        self._outbox = [each for each in self._outbox if each.id != notice.id]
        self._dirty = True
        await self._save()
        return 0.0

    def _body(self, notice: Notice) -> bytes:
        return msgspec.json.encode(
            {
                "type": f"alarm.{notice.state}",
                "timestamp": iso(notice.at_ms),
                "data": {
                    "alarm": notice.alarm,
                    "detail": notice.detail,
                    "box": self._store.identity.box,
                    "since": iso(notice.since_ms),
                },
            }
        )

    async def _rest(self, seconds: float) -> None:
        """Waits; a ring makes it look at the clock, and shortens nothing."""
        due = self._clock.monotonic() + seconds
        while (left := due - self._clock.monotonic()) > 0:
            self._bell.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._bell.wait()


def _message_id(now_ms: int) -> str:
    return f"msg_{ids.time_uuid(now_ms)}"
