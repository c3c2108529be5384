"""The keys that an issuer publishes, kept: fetched ahead of need, one flight at a time (contract: common).

Keys once had are served while the issuer is down, for as long as that is. What a token says can cause a
fetch only by a `kid` that is not known, and only as often as the allowance has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import re
from collections.abc import Iterable

import msgspec

from ingestbox.clock import Clock, iso
from ingestbox.errors import IngestError
from ingestbox.identity.algorithms import Key
from ingestbox.identity.fetch import Fetcher, FetchError
from ingestbox.identity.jwk import KeySet, key_set
from ingestbox.identity.recent import Recent

DEFAULT_SECONDS = 600.0
MIN_SECONDS = 60.0
MAX_SECONDS = 3_600.0
"""How long keys are good before they are fetched again: what `Cache-Control: max-age` says, within these
bounds. A key that its issuer takes back is refused after this at the latest, while the issuer is up."""

FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 60.0
"""Pauses after failures: doubled from the first to the last."""

UNKNOWN_SECONDS = 30.0
"""How long a `kid` that the issuer does not know is remembered (contract: common, Identity)."""
UNKNOWN_REMEMBERED = 1_024

BURST = 3
REFILL_SECONDS = 10.0
"""Fetches for unknown `kid`s: three at once, then one every ten seconds, whoever asks."""

MAX_SAME_KID = 4
"""Keys of one `kid` that are tried."""

# What issuers call their keys: words, hashes in hex or base64, UUIDs. A name beyond it that is not among the
# keys is not worth asking the issuer for: it is a path, a URL, a query.
_NAME = re.compile(r"[A-Za-z0-9+/=_.:@~-]{1,256}")
_PATH = re.compile(r"\.\.|://|^/[a-z0-9/._-]*$")

log = logging.getLogger(__name__)


class Condition(msgspec.Struct, frozen=True):
    """How the keys are: `detail` is a phrase, `since_ms` when `ok` last changed."""

    ok: bool
    detail: str
    since_ms: int


class Jwks:
    """The keys behind one URL."""

    def __init__(self, name: str, fetcher: Fetcher, algorithms: Iterable[str], clock: Clock) -> None:
        """`name` is the issuer's, for the log; `algorithms` those that its tokens may have."""
        self._name = name
        self._fetcher = fetcher
        self._algorithms = frozenset(algorithms)
        self._clock = clock
        self._set = KeySet()
        self._held: frozenset[bytes] = frozenset()
        self._had = False  # whether the issuer has ever answered
        self._failures = 0
        self._due = float("-inf")  # monotonic seconds; when to fetch again
        self._flight: asyncio.Task[bool] | None = None
        self._begun = 0  # flights, ever
        self._landed = asyncio.Event()
        self._unknown: Recent[str, float] = Recent(UNKNOWN_REMEMBERED)
        self._allowance = float(BURST)
        self._refilled = clock.monotonic()
        self._keeper: asyncio.Task[None] | None = None
        self.condition = Condition(True, "not fetched yet", clock.now_ms())

    def start(self) -> None:
        """Fetches in the background now, and whenever the keys are due."""
        self._keeper = asyncio.create_task(self._keep(), name=f"jwks-{self._name}")

    async def stop(self) -> None:
        """Ends what runs; who waits for a fetch is cancelled."""
        for task in (self._keeper, self._flight):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self._fetcher.close()

    def holds(self, identity: bytes) -> bool:
        """Whether this key is still among those published. Has them fetched when they are due."""
        if self._clock.monotonic() >= self._due:
            self._begin()
        return identity in self._held

    def held(self, algorithm: str, kid: str | None) -> list[Key]:
        """The keys for a header among those that are here; the issuer is not asked."""
        return self._select(algorithm, kid) or []

    async def keys(self, algorithm: str, kid: str | None) -> list[Key]:
        """The keys that may have signed a token with this header; none means that it is not good.

        Raises IngestError `issuer_unavailable` when that cannot be said: the issuer does not answer, and the
        key that the token names is not among those that are held.
        """
        begun = self._begun
        if not self._had:
            await self._first()
        elif self._clock.monotonic() >= self._due:
            self._begin()
        found = self._select(algorithm, kid)
        if found is not None or kid is None or not _NAME.fullmatch(kid) or _PATH.search(kid):
            return found or []
        return await self._ask(algorithm, kid, begun)

    def _select(self, algorithm: str, kid: str | None) -> list[Key] | None:
        """The keys for a header; None when the issuer may have one that is not here."""
        fitting = [key for key in self._set.keys if algorithm in key.algorithms]
        if kid is not None:
            if kid in self._set.names:
                return [key for key in fitting if key.kid == kid][:MAX_SAME_KID]
            fitting = [key for key in fitting if key.kid is None]
        # Without a name on one side or the other it has to be clear which key is meant.
        return fitting if len(fitting) == 1 else None

    async def _ask(self, algorithm: str, kid: str, begun: int) -> list[Key]:
        """Asks the issuer for a `kid` that is not known, within the allowance. `begun` are the flights that
        a request has seen begin before it: a later one brings whatever it could ask for itself."""
        flight = self._flight
        if begun == self._begun and flight is not None and not flight.done():
            await asyncio.shield(flight)  # it may not have the newest
            found = self._select(algorithm, kid)
            if found is not None:
                return found
        now = self._clock.monotonic()
        if (self._unknown.get(kid) or float("-inf")) > now:
            return []
        flight = self._flight
        if begun == self._begun or flight is None:
            if self._failures and now < self._due:
                raise self._unavailable()
            if not self._may_ask(now):
                return []
            flight = self._begin()
        if not await asyncio.shield(flight):
            raise self._unavailable()
        found = self._select(algorithm, kid)
        if found is not None:
            return found
        self._unknown.put(kid, now + UNKNOWN_SECONDS)
        return []

    async def _first(self) -> None:
        """Waits for the first answer."""
        under_way = self._flight is not None and not self._flight.done()
        if not under_way and self._failures and self._clock.monotonic() < self._due:
            raise self._unavailable()
        if not await asyncio.shield(self._begin()):
            raise self._unavailable()

    def _may_ask(self, now: float) -> bool:
        self._allowance = min(BURST, self._allowance + (now - self._refilled) / REFILL_SECONDS)
        self._refilled = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _unavailable(self) -> IngestError:
        wait = min(self._due - self._clock.monotonic(), LAST_RETRY_SECONDS)
        return IngestError("issuer_unavailable", retry_after=max(1, math.ceil(wait)))

    async def _keep(self) -> None:
        while True:
            wait = self._due - self._clock.monotonic()
            if wait <= 0:
                await asyncio.shield(self._begin())
                continue
            self._landed.clear()  # a fetch that a request asked for may change when the next is due
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._landed.wait()

    def _begin(self) -> asyncio.Task[bool]:
        """The fetch under way, or a new one."""
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._fetch(), name=f"jwks-{self._name}-fetch")
            self._begun += 1
        return self._flight

    async def _fetch(self) -> bool:
        """Whether the issuer answered with keys that can be read (none is an answer too)."""
        try:
            fetched = await self._fetcher.get()
            published = key_set(fetched.body)
        except FetchError as error:
            self._failed(str(error))
        except ValueError as error:
            self._failed(f"the answer is no JWK set ({error})")
        except Exception:
            log.exception("Fetching an issuer's keys failed in a way that was not foreseen.")
            self._failed("an error of the box itself, which is in its log")
        else:
            self._took(published, DEFAULT_SECONDS if fetched.max_age is None else fetched.max_age)
        self._landed.set()
        return self._failures == 0

    def _took(self, published: KeySet, seconds: float) -> None:
        self._set = published
        self._held = frozenset(key.identity for key in published.keys)
        self._had = True
        self._failures = 0
        usable = any(not key.algorithms.isdisjoint(self._algorithms) for key in published.keys)
        seconds = max(MIN_SECONDS, min(seconds, MAX_SECONDS)) if usable else MIN_SECONDS
        self._due = self._clock.monotonic() + seconds
        if usable:
            self._note(True, f"{len(published.keys)} keys, fetched {iso(self._clock.now_ms())}")
        else:
            self._note(False, f"publishes no key for {', '.join(sorted(self._algorithms))}")

    def _failed(self, why: str) -> None:
        pause = min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(self._failures, 10))
        self._failures += 1
        self._due = self._clock.monotonic() + pause
        kept = "the keys fetched before are used" if self._had else "its tokens cannot be checked"
        self._note(False, f"its keys cannot be fetched: {why}; {kept}")

    def _note(self, ok: bool, detail: str) -> None:
        before = self.condition
        changed = before.ok != ok
        self.condition = Condition(ok, detail, self._clock.now_ms() if changed else before.since_ms)
        if changed and ok:
            log.info("Issuer %s: its keys are here again.", self._name, extra={"detail": detail})
        elif changed:
            log.warning("Issuer %s: %s.", self._name, detail)
