"""What was fetched, or why it was not. Light: children import what names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Why = Literal[
    "refused", "unknown", "unreachable", "certificate", "timeout", "redirects", "broken", "encoding"
]
"""Why there is no page: the address may not be reached, has no host, nobody answers there, whoever answers is
not who it should be, it took too long, it led on too often, it broke off, it is encoded as nobody asked."""


class Fetched(msgspec.Struct, frozen=True):
    """An answer, whatever its status: from `url`, after `redirects`, within `seconds`.

    Names of headers are in lower case. `cut` says that the body is the beginning of what there is.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool
    redirects: tuple[str, ...]
    seconds: float


class FetchError(Exception):
    """There is no answer; the message says why, as a sentence. `seconds` is how long it took to know."""

    def __init__(self, why: Why, told: str, seconds: float = 0.0) -> None:
        self.why = why
        self.told = told
        self.seconds = seconds
        super().__init__(f"{why}: {told}")
