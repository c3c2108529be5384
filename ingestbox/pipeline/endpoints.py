"""Which steps of the analysis a server does instead of the box, as children are told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args
from urllib.parse import urlsplit

import msgspec

from ingestbox.enrich.facts import Step
from ingestbox.errors import StartupError

if TYPE_CHECKING:  # a child needs none of the settings, which take 20 ms to import
    from ingestbox.config import Enrich


STEPS: Final[tuple[Step, ...]] = get_args(Step)


class Endpoint(msgspec.Struct, frozen=True, array_like=True):
    """A server that does a step: at most `batch` texts in one request, of at most `timeout` seconds.

    It reaches the children through their pipe, for it has the token.
    """

    step: Step
    url: str
    token: str
    timeout: float
    batch: int


def endpoints(settings: Enrich) -> tuple[Endpoint, ...]:
    """Those that are set. Raises StartupError for one that no request can be made to, without its token."""
    found = []
    for step in STEPS:
        given = getattr(settings, step)
        if given.url:
            _check(step, given.url, given.token)
            found.append(Endpoint(step, given.url, given.token, given.timeout_seconds, given.batch))
    return tuple(found)


def _check(step: str, url: str, token: str) -> None:
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and parts.port != 0 and url.isprintable() and " " not in url
    except ValueError:
        good = False
    if not good:
        raise StartupError(f"[enrich.{step}]: its url is not one that can be posted to.")
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise StartupError(f"[enrich.{step}]: its token has characters that a header cannot carry.")
