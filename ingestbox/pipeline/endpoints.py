"""Which steps of the analysis a server does instead of the box, as children are told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args
from urllib.parse import urlsplit

import msgspec

from ingestbox.enrich.embedding.wordvectors import Compiled
from ingestbox.enrich.facts import Step
from ingestbox.errors import StartupError

if TYPE_CHECKING:  # a child needs none of the settings, which take 20 ms to import
    from ingestbox.config import Enrich


STEPS: Final[tuple[Step, ...]] = get_args(Step)


class Endpoint(msgspec.Struct, frozen=True, array_like=True):
    """A server that does a step: at most `batch` texts in one request, of at most `timeout` seconds.

    It reaches the children through their pipe, for it has the token. `model` is the one that a server of
    embeddings is asked for. `file` are vectors of words that are looked up here; then there is no url.
    """

    step: Step
    url: str
    token: str
    timeout: float
    batch: int
    model: str = ""
    file: Compiled | None = None


def endpoints(settings: Enrich) -> tuple[Endpoint, ...]:
    """Those that are set. Raises StartupError for one that no request can be made to, without its token."""
    found = []
    for step in STEPS:
        given = getattr(settings, step)
        if given.url:
            _check(step, given.url, given.token)
            found.append(Endpoint(step, given.url, given.token, given.timeout_seconds, given.batch))
    asked = settings.embeddings
    if asked.url:
        if asked.model_path:
            raise StartupError("[enrich.embeddings]: url and model_path are both set. Leave one of them out.")
        if not asked.model:
            raise StartupError("[enrich.embeddings]: it has a url, but no model to ask for. Set its model.")
        found[-1] = msgspec.structs.replace(found[-1], url=_embeddings(asked.url), model=asked.model)
    return tuple(found)


def looked_up(compiled: Compiled) -> Endpoint:
    """What says that embeddings are made of vectors of words."""
    return Endpoint("embeddings", "", "", 0, 0, file=compiled)


def _embeddings(url: str) -> str:
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if not path.endswith("/embeddings"):
        path += "/embeddings" if path.endswith("/v1") else "/v1/embeddings"
    return parts._replace(path=path, fragment="").geturl()


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
