"""Who does the steps of the analysis in a child: the box itself, a file of its own, or servers."""

from __future__ import annotations

import functools

from ingestbox.enrich.embedding.wordvectors import Compiled
from ingestbox.enrich.steps import BUILT_IN, LookedUp, Steps
from ingestbox.pipeline.endpoints import Endpoint
from ingestbox.pipeline.servers import Served


def stepping(endpoints: tuple[Endpoint, ...], seconds: float) -> Steps:
    """The steps with these endpoints. Servers may be asked for so many seconds from now, altogether."""
    here = next((_looked_up(each.file) for each in endpoints if each.file is not None), BUILT_IN)
    servers = tuple(each for each in endpoints if each.url)
    if not servers:
        return here
    from ingestbox.pipeline.remote import steps  # a client of HTTP, which most boxes have no use for

    asked = steps(servers, here)
    asked.allow(seconds)
    return asked


def served(steps: Steps) -> list[Served]:
    """What servers did since this was asked last."""
    if isinstance(steps, LookedUp) or steps is BUILT_IN:
        return []
    from ingestbox.pipeline.remote import Remote

    return steps.served() if isinstance(steps, Remote) else []


@functools.lru_cache(maxsize=1)
def _looked_up(file: Compiled) -> LookedUp:
    return LookedUp(file)
