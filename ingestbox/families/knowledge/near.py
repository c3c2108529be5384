"""Which articles say nearly the same, and which of those are newer versions of a page (contract: knowledge,
Processing 2).

Nothing of this is stored: it is read from the articles' bands, so it holds for both sides, and for what is
there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

from ingestbox.enrich.fingerprint import NEAR, Fingerprint, similarity
from ingestbox.store import ReadTx

PER_BAND: Final = 50
"""Articles looked at that share one band: the newest. Where more do, they share a notice or are all alike."""

VERIFIED: Final = 200
"""Articles whose fingerprints are compared: those that share most bands."""

VERSIONS: Final = 50
"""Articles of one address that are looked at: the newest."""


class Near(msgspec.Struct, frozen=True):
    """An article that is nearly the same as another: `similarity` (0 to 1) as `enrich.fingerprint` says it;
    `newer_version` if it is of the same page and newer. `origin` is the box it came from, empty for this
    one."""

    content_id: str
    origin: str
    title: str
    url: str
    similarity: float
    newer_version: bool


class _Found(msgspec.Struct, frozen=True):
    """A row of `knowledge.near`."""

    id: int
    origin: str
    content_id: str
    url: str
    title: str
    fingerprint: str
    crawled_ms: int


def near(tx: ReadTx, workspace: str, article: int, limit: int = 10) -> list[Near]:
    """The near-duplicates of an article (the id of its row), the most alike first, at most `limit`; none if
    there is no such article in the workspace.

    Reads `fingerprint.BANDS * PER_BAND` rows of the index and `VERIFIED` articles at most, however many
    there are. Of more articles that are alike than that, only some are found: the newest.
    """
    own = next(iter(_found(tx, workspace, [article])), None)
    if own is None:
        return []
    mine = Fingerprint(own.fingerprint)
    alike = [
        (round(score, 2), other)
        for other in _found(tx, workspace, _candidates(tx, workspace, mine, article))
        if (score := similarity(mine, Fingerprint(other.fingerprint))) >= NEAR
    ]
    alike.sort(key=lambda pair: (-pair[0], -pair[1].id))
    return [
        Near(
            content_id=other.content_id,
            origin=other.origin,
            title=other.title,
            url=other.url,
            similarity=score,
            newer_version=other.url == own.url and (other.crawled_ms, other.id) > (own.crawled_ms, own.id),
        )
        for score, other in alike[:limit]
    ]


def newer(tx: ReadTx, articles: Iterable[int]) -> dict[int, int]:
    """Of articles (ids of rows) those that have a newer version, and which is the newest: one that is
    nearly the same and of the same address and workspace.

    "Newer" is what was crawled later, else what came later: an order, so the newest of a page is always left.
    Reads `VERSIONS` rows for each article at most.
    """
    found: dict[int, int] = {}
    for article in articles:
        versions = tx.all("knowledge.versions", {"id": article, "limit": VERSIONS})
        if len(versions) < 2:
            continue
        own = tx.one("knowledge.fingerprint_of", {"id": article})
        if own is None:
            continue
        mine = Fingerprint(own[0])
        for other, fingerprint in versions:
            if other != article and similarity(mine, Fingerprint(fingerprint)) >= NEAR:
                found[article] = other
                break
    return found


def _candidates(tx: ReadTx, workspace: str, mine: Fingerprint, article: int) -> list[int]:
    """The articles that share most bands with one; of those that share as many, the newest."""
    shared: Counter[int] = Counter()
    for number, value in enumerate(mine.bands):
        rows = tx.all(
            "knowledge.band",
            {"workspace": workspace, "number": number, "value": value, "limit": PER_BAND + 1},
        )
        shared.update(row[0] for row in rows)
    del shared[article]
    return sorted(shared, key=lambda other: (-shared[other], -other))[:VERIFIED]


def _found(tx: ReadTx, workspace: str, articles: list[int]) -> list[_Found]:
    if not articles:
        return []
    ids = msgspec.json.encode(articles).decode()
    return [_Found(*row) for row in tx.all("knowledge.near", {"ids": ids, "workspace": workspace})]
