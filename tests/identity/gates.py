"""A guard for given issuers, and an issuer of no particular kind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ingestbox.config import Issuer
from ingestbox.errors import IngestError
from ingestbox.identity.guard import Guard
from ingestbox.model import Caller
from tests.identity.issuing import (
    Party,
    pem,
    rsa_key,
)
from tests.web.support import SECRET, HeldClock, Keys

PEM = pem(rsa_key()).decode()


class Gate:
    """A guard for these issuers."""

    def __init__(self, *entries: Issuer, users: Any = None) -> None:
        self.clock = HeldClock()
        self.guard = Guard(
            secret=SECRET,
            static=(),
            keys=Keys(),
            clock=self.clock,
            leeway_seconds=5,
            issuers=entries,
            users=users,
        )

    def caller(self, token: str) -> Caller:
        async def ask() -> Caller:
            try:
                return await self.guard.caller({"authorization": f"Bearer {token}"})
            finally:
                await self.guard.stop()

        return asyncio.run(ask())

    def refusal(self, token: str) -> str:
        with pytest.raises(IngestError) as caught:
            self.caller(token)
        return caught.value.code


def taken(entry: Issuer, token: str) -> Caller:
    return Gate(entry).caller(token)


def refused(entry: Issuer, token: str) -> bool:
    return Gate(entry).refusal(token) == "token_invalid"


GENERIC = Party("https://tenant.example/", "RS256", rsa_key(), extra={"roles": ...})


def generic(**changes: Any) -> Issuer:
    given = {"issuer": GENERIC.issuer, "audience": ["box"], "public_key": PEM, "default_roles": ["ingest"]}
    return Issuer(**{"name": "tenant", **given, **changes})
