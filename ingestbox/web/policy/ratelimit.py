"""Rate limits: a bucket of tokens for each caller and group of routes (contract: common, Answers).

A bucket holds one minute's allowance, fills all the time, and each call takes one token. What is kept of it
is the moment at which it will be full again: the generic cell rate algorithm, with one number a bucket.
"""

from __future__ import annotations

import hashlib
import ipaddress
import itertools
import math

import msgspec

from ingestbox.clock import Clock
from ingestbox.errors import IngestError

MAX_BUCKETS = 100_000
"""Buckets kept at once: at most about 30 MB."""

MAX_KEY_CHARACTERS = 128
"""A longer key is kept as its digest, so that nobody fills the memory with long names."""

Fields = tuple[tuple[bytes, bytes], ...]

WINDOW_SECONDS = 60.0
"""What the allowance is for, and how long an empty bucket takes to fill."""

_LOOKED_AT = 32
"""Buckets looked at when one has to go."""

_ROUNDING = 0.01
"""Tokens by which the sum of many small steps may be off."""

_V6_NETWORK_BITS = 64

_NEVER = float("-inf")


class Allowance(msgspec.Struct, frozen=True):
    """What became of one call: whether it is `allowed`, of how many a minute (`limit`), how many are left
    (`remaining`), and when the bucket is full again (`reset`, in Unix seconds; `full_after`, in seconds from
    now). `retry_after` is in whole seconds, at least 1: when a call that is not allowed will be.
    """

    allowed: bool
    limit: int
    remaining: int
    reset: int
    full_after: int
    retry_after: int


_UNLIMITED = Allowance(allowed=True, limit=0, remaining=0, reset=0, full_after=0, retry_after=1)


class Buckets:
    """All buckets, by key. One key is always to be taken from with the same rate."""

    def __init__(self, clock: Clock, most: int = MAX_BUCKETS) -> None:
        """The clock's wall time is only for `Allowance.reset`: a clock that jumps locks nobody out."""
        self._clock = clock
        self._most = most
        # In the order of their last use, so that those at the front are likely to be full.
        self._full_at: dict[str, float] = {}

    def __len__(self) -> int:
        """How many buckets are kept; one that is full need not be."""
        return len(self._full_at)

    def take(self, key: str, per_minute: int, now: float) -> Allowance:
        """Takes a token from the key's bucket, which holds `per_minute` of them (0: there is no limit).

        `now` is in seconds of the monotonic clock. A call that is not allowed takes nothing.
        """
        if per_minute < 1:
            return _UNLIMITED
        if len(key) > MAX_KEY_CHARACTERS:
            key = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        step = WINDOW_SECONDS / per_minute
        slack = _ROUNDING * step
        before = self._full_at.pop(key, _NEVER)
        # No bucket takes longer to fill than the window; one that seems to was used under another clock.
        wait = before - now if now < before <= now + WINDOW_SECONDS + slack else 0.0
        allowed = wait + step <= WINDOW_SECONDS + slack
        if allowed:
            wait += step
        if before == _NEVER and len(self._full_at) >= self._most:
            self._make_room(now)
        self._full_at[key] = now + wait
        return Allowance(
            allowed=allowed,
            limit=per_minute,
            remaining=max(0, math.floor((WINDOW_SECONDS - wait + slack) / step)),
            # Of the sum, not of its parts: it must not waver while time goes by.
            reset=math.ceil(round(self._clock.now_ms() / 1000 + wait, 3)),
            full_after=math.ceil(wait - slack),
            retry_after=max(1, math.ceil(wait + step - WINDOW_SECONDS - slack)),
        )

    def _make_room(self, now: float) -> None:
        """Forgets some of the buckets used least lately: those that are full, or else the fullest."""
        oldest = list(itertools.islice(self._full_at.items(), _LOOKED_AT))
        full = [key for key, full_at in oldest if full_at <= now]
        for key in full or [min(oldest, key=lambda each: each[1])[0]]:
            del self._full_at[key]


class Quota:
    """The rate of one group of routes, ready to be counted."""

    __slots__ = ("_by_address", "_group", "_per_minute", "_policy")

    def __init__(self, rate: str, per_minute: int, group: str, *, by_address: bool) -> None:
        """`rate` is its name, `per_minute` at least 1. Calls are counted by caller, or on public routes by
        address."""
        self._policy = rate
        self._per_minute = per_minute
        self._group = f"{group}\n{rate}\n{'address' if by_address else 'caller'}\n"
        self._by_address = by_address

    def take(self, buckets: Buckets, subject: str, address: str, now: float) -> tuple[Allowance, Fields]:
        """Counts a call: what became of it, and the header fields that say so."""
        key = self._group + (place(address) if self._by_address else subject)
        allowance = buckets.take(key, self._per_minute, now)
        return allowance, fields(allowance, self._policy)


def place(address: str) -> str:
    """The part of a client's address that stands for one client: of IPv6 the /64, all of which one has."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.IPv6Network((address.partition("%")[0], _V6_NETWORK_BITS), strict=False))
    except ValueError:
        return address


def refused(allowance: Allowance) -> IngestError:
    """The 429 for a call that is not allowed."""
    return IngestError(
        "rate_limited",
        f"More than the {allowance.limit} calls a minute that are allowed.",
        retry_after=allowance.retry_after,
    )


def fields(allowance: Allowance, policy: str) -> Fields:
    """The header fields that tell a caller where they are: the usual ones, and those of
    draft-ietf-httpapi-ratelimit-headers. `policy` names the rate."""
    limit, remaining = b"%d" % allowance.limit, b"%d" % allowance.remaining
    name = policy.encode("ascii")
    return (
        (b"x-ratelimit-limit", limit),
        (b"x-ratelimit-remaining", remaining),
        (b"x-ratelimit-reset", b"%d" % allowance.reset),
        (b"ratelimit", b'"%s";r=%s;t=%d' % (name, remaining, allowance.full_after)),
        (b"ratelimit-policy", b'"%s";q=%s;w=%d' % (name, limit, WINDOW_SECONDS)),
    )
