"""Signatures of what a lane posts (Standard Webhooks)."""

from __future__ import annotations

import asyncio

from ingestbox import config, webhooks
from ingestbox.clock import Clock
from ingestbox.errors import StartupError

_LARGE_BYTES = 256 * 1024
"""What has more is signed in a thread: a millisecond and more of CPU."""


class Signer:
    """The secrets of one lane; without any, nothing is signed."""

    def __init__(self, lane: config.Lane, clock: Clock) -> None:
        """Raises StartupError for a secret that cannot be used, without showing it."""
        self._clock = clock
        try:
            self._keys = webhooks.keys(lane.signing_secret)
        except webhooks.SecretFault as error:
            raise StartupError(
                f"Lane {lane.name}: signing_secret: a secret {error}. One way to make one: "
                'echo "whsec_$(openssl rand -base64 32)".'
            ) from None

    async def headers(self, message_id: str, body: bytes) -> dict[str, str]:
        """The headers of a message that leaves now. `body` is as sent; a retry has the same id, and a
        signature of its own, for a receiver refuses one that is old."""
        if not self._keys:
            return {}
        moment = self._clock.now_ms() // 1000
        if len(body) < _LARGE_BYTES:
            return webhooks.headers(self._keys, message_id, moment, body)
        return await asyncio.to_thread(webhooks.headers, self._keys, message_id, moment, body)
