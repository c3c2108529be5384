"""Whether robots.txt lets a crawler have a page (RFC 9309)."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ingestbox.errors import IngestError
from ingestbox.families.knowledge.sources.page import Permission, RobotsText
from ingestbox.family import Ask
from ingestbox.outbound.fetched import FetchError
from ingestbox.outbound.names import place_of

MOST_BYTES = 512 * 1024
"""Of a robots.txt; RFC 9309, section 2.5, wants 500 KiB to be read."""

READ_SECONDS = 5.0
"""For what has to be read in a child."""

_READ = "ingestbox.families.knowledge.sources.page:permission"


@dataclass(frozen=True, slots=True)
class Robots:
    """What one site's robots.txt says of a page. `told` is what a person should know of it."""

    allowed: bool
    delay: float | None
    told: tuple[str, ...]


async def robots_of(ask: Ask, url: str, agent: str) -> Robots:
    """What the robots.txt of a URL's site says about it. Raises IngestError overloaded, shutting_down."""
    where = f"{place_of(url).origin}/robots.txt"
    try:
        answer = await ask.box.fetch(where, agent, MOST_BYTES)
    except FetchError as error:
        if error.why == "redirects":  # section 2.3.1.2
            return Robots(True, None, ("Robots.txt leads on too often, and counts as if it were not there",))
        told = f"Robots.txt cannot be had, which forbids crawling for as long as that is so: {error.told}"
        return Robots(False, None, (told,))
    if 200 <= answer.status < 300:
        return await _read(ask, answer.body, url, agent)
    if 400 <= answer.status < 500:  # section 2.3.1.3
        return Robots(True, None, ("There is no robots.txt: nothing is forbidden, so crawl with care",))
    told = f"Robots.txt is answered with {answer.status}, which forbids crawling for as long as that is so"
    return Robots(False, None, (told,))  # section 2.3.1.4


async def _read(ask: Ask, text: bytes, url: str, agent: str) -> Robots:
    # Its rules are for the name of the product, without its version.
    product = agent.partition("/")[0].partition(" ")[0]
    given = msgspec.msgpack.encode(RobotsText(text, url, product))
    try:
        found = msgspec.msgpack.decode(
            await ask.box.compute(_READ, given, seconds=READ_SECONDS), type=Permission
        )
    except IngestError as error:
        if error.code != "validation_failed":
            raise
        return Robots(False, None, ("Robots.txt cannot be read: it takes too long",))
    told: list[str] = []
    if not found.allowed:
        told.append(f"Robots.txt forbids this page to {product}: ask the site, or leave it out")
    if found.delay is not None:
        told.append(f"Robots.txt allows crawling with {found.delay:g} second delay")
    return Robots(found.allowed, found.delay, tuple(told))
