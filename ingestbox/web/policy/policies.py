"""What the operator has set for every request: names, proxies, prefix, other origins, rates, backlog."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ingestbox.config import Rates, Server
from ingestbox.store.intake import Name
from ingestbox.web.policy.cors import Cors
from ingestbox.web.policy.hosts import AllowedHosts
from ingestbox.web.policy.origin import Origins
from ingestbox.web.policy.ratelimit import Buckets


class Policies:
    """The settings, ready to be asked."""

    def __init__(
        self,
        buckets: Buckets,
        server: Server | None = None,
        rates: Rates | None = None,
        admit: Callable[[Name | None], Awaitable[None]] | None = None,
    ) -> None:
        """`admit(key)` raises IngestError while no more records are to be taken from a request with this
        Idempotency-Key.

        Raises StartupError for a setting that cannot be understood.
        """
        server = server or Server()
        self.buckets = buckets
        self.rates = rates or Rates()
        self.admit = admit
        self.prefix = server.prefix
        self.origins = Origins(server.trusted_proxies, server.prefix)
        self.hosts = AllowedHosts(server.allowed_hosts) if server.allowed_hosts else None
        self.cors = Cors(server.cors_origins) if server.cors_origins else None
