"""`GET …/content/{content_id}`: one content, as it came and with what was found out about it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from ingestbox.clock import iso
from ingestbox.errors import IngestError
from ingestbox.families import private
from ingestbox.families.knowledge import near
from ingestbox.families.knowledge.check import content_hash
from ingestbox.families.knowledge.contents import record_of, vector_id
from ingestbox.families.knowledge.result import Found, Warned
from ingestbox.families.knowledge.shapes import FAMILY, PATH, ROLES
from ingestbox.families.knowledge.status import State, StatusItem, item_of
from ingestbox.family import Ask
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.store import ReadTx, records

BATCHES = 100
"""Names of batches that are told of one content."""


class NearDuplicate(msgspec.Struct, frozen=True, kw_only=True):
    """Content that says nearly the same."""

    content_id: str
    title: str
    source_url: str
    similarity: Annotated[float, Meta(ge=0, le=1)]
    newer_version: Annotated[bool, Meta(description="Whether it is a newer version of the same page.")]
    box: Annotated[str | UnsetType, Meta(description="The box that it came from, if not this one.")] = UNSET


class ContentBody(msgspec.Struct, frozen=True, kw_only=True):
    """One content. What the item did not say is null, or what counts instead."""

    success: Literal[True] = True
    content_id: str
    status: State
    source_id: str | None
    source_url: str | None
    title: str | None
    content_type: str | None
    language: Annotated[str | None, Meta(description="What the item says; `vi` if it says nothing.")]
    published_at: Annotated[str | None, Meta(description="As it was sent.")]
    crawled_at: Annotated[str | None, Meta(description="As it was sent, or when it was taken in.")]
    content_hash: Annotated[str | None, Meta(description="SHA-256 of the content in UTF-8, as it was sent.")]
    taken_at: Annotated[str | None, Meta(description="When it came in; null for what came from another box.")]
    processed_at: Annotated[str | None, Meta(description="When its result was made.")]
    record_id: Annotated[str | None, Meta(description="Its record here; null for another box's.")]
    batch_ids: Annotated[list[str], Meta(description="The batches that it came in.")]
    vector_id: str | None
    processing_time: Annotated[float, Meta(ge=0, description="Seconds.")] | None
    quality_score: Annotated[float, Meta(ge=0, le=1)] | None
    warnings: list[Warned]
    near_duplicates: Annotated[list[NearDuplicate], Meta(description="The most alike first.")]
    record: Annotated[dict[str, Any] | None, Meta(description="The item, as it was sent.")]
    result: Annotated[Found | None, Meta(description="What was found out; null until it is processed.")]
    error: Annotated[str | UnsetType, Meta(description="Why it failed, or is held.")] = UNSET
    held: Annotated[
        bool | UnsetType,
        Meta(description="True if it can be found, and a person has to look at it before it is forwarded."),
    ] = UNSET
    box: Annotated[str | UnsetType, Meta(description="The box that it came from, if not this one.")] = UNSET


@dataclass(frozen=True, slots=True)
class _Article:
    """A row of `knowledge.content`."""

    id: int
    workspace: str
    origin: str
    source_id: str
    url: str
    title: str
    quality: float | None
    updated_ms: int
    result: bytes
    record: bytes | None
    crc: int


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which content, in which workspace (None: in any), of which box (None: of any, its own first)."""

    content_id: str
    workspace: str | None
    box: str | None

    def read(self, tx: ReadTx) -> ContentBody:
        """All of it, of one moment. Raises IngestError: content_not_found, damaged."""
        if not self.box:
            rid = record_of(self.content_id) or 0
            row = tx.one("knowledge.status_of_content", {"workspace": self.workspace, "content": rid})
            if row is not None:
                return self._own(tx, rid, item_of(row))
        article = self._article(tx, self.workspace, self.box)
        if article is None:
            raise IngestError("content_not_found", f"There is no content {self.content_id[:100]}.")
        item = StatusItem(
            content_id=self.content_id,
            status="completed",
            vector_id=vector_id(article.id),
            processing_time=None,
            quality_score=article.quality,
        )
        return _body(tx, item, article, article.record, [], (article.source_id, article.url, None))

    def _own(self, tx: ReadTx, rid: int, item: StatusItem) -> ContentBody:
        taken = tx.one("knowledge.taken", {"content": rid})
        record = records.payload(tx, rid)
        if taken is None or record is None:
            raise IngestError("damaged")
        workspace, source_id, url, taken_ms = taken
        article = self._article(tx, workspace, "")
        batches = [row[0] for row in tx.all("knowledge.batches_of", {"content": rid, "limit": BATCHES})]
        return _body(tx, item, article, record, batches, (source_id, url, taken_ms))

    def _article(self, tx: ReadTx, workspace: str | None, box: str | None) -> _Article | None:
        params = {"object_id": self.content_id, "workspace": workspace, "box": box}
        row = tx.one("knowledge.content", params)
        if row is None:
            return None
        article = _Article(*row)
        if zlib.crc32(article.result + (article.record or b"")) != article.crc:
            raise IngestError("damaged")
        return article


class _Warnings(msgspec.Struct):
    warnings: list[Warned] = []


_item = msgspec.json.Decoder()
_warnings = msgspec.json.Decoder(_Warnings)


def _body(
    tx: ReadTx,
    item: StatusItem,
    article: _Article | None,
    record: bytes | None,
    batches: list[str],
    taken: tuple[str, str, int | None],
) -> ContentBody:
    """`taken` is of which source and address it is, and when it was taken in here."""
    sent = _item.decode(record) if record is not None else {}
    said: dict[str, Any] = sent if isinstance(sent, dict) else {}
    source_id, url, taken_ms = taken
    text = said.get("content")
    return ContentBody(
        content_id=item.content_id,
        status=item.status,
        source_id=source_id or _text(said, "source_id"),
        source_url=url or _text(said, "source_url"),
        title=_text(said, "title"),
        content_type=_text(said, "content_type") or "article",
        language=_text(said, "language") or "vi",
        published_at=_text(said, "published_at"),
        crawled_at=_text(said, "crawled_at") or iso(taken_ms),
        content_hash=content_hash(text) if isinstance(text, str) else None,
        taken_at=iso(taken_ms),
        processed_at=None if article is None else iso(article.updated_ms),
        record_id=None if taken_ms is None else str(record_of(item.content_id)),
        batch_ids=batches,
        vector_id=item.vector_id,
        processing_time=item.processing_time,
        quality_score=item.quality_score,
        warnings=[] if article is None else _warnings.decode(article.result).warnings,
        near_duplicates=[] if article is None else _near(tx, article),
        record=None if record is None else Raw(record),  # type: ignore[arg-type]
        result=None if article is None else Raw(article.result),  # type: ignore[arg-type]
        error=item.error,
        held=item.held,
        box=article.origin or UNSET if article is not None else UNSET,
    )


def _text(item: dict[str, Any], name: str) -> str | None:
    value = item.get(name)
    return value if isinstance(value, str) else None


def _near(tx: ReadTx, article: _Article) -> list[NearDuplicate]:
    return [
        NearDuplicate(
            content_id=other.content_id,
            title=other.title,
            source_url=other.url,
            similarity=other.similarity,
            newer_version=other.newer_version,
            box=other.origin or UNSET,
        )
        for other in near.near(tx, article.workspace, article.id)
    ]


async def content(ask: Ask) -> Reply:
    """GET /knowledge-management/content/{content_id}."""
    sight = private.sight_of(FAMILY, ask)
    asked = _Asked(ask.path["content_id"], sight.workspace, ask.query.get("box"))
    return Reply(await ask.box.read_with(asked.read))


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        PATH + "/content/{content_id}",
        content,
        "One content with its results",
        roles=ROLES,
        rate="knowledge_read",
        counted_alone=True,
        description="The item stands in `record` as it was sent, and what was found out in `result`. "
        "What is nearly the same is found when it is read, so that it is told of both. Boxes that send here "
        "may have content of the same id; of several it is this box's own, or the first, unless `box` names "
        "another.",
        parameters=(
            Parameter("content_id", "The `content_id` of the answer to the upload.", str, "path"),
            Parameter("box", "The box that it came from, as lists have it."),
            private.ALL,
        ),
        answers=(Answer(ContentBody, description="The content."),),
        errors=("bad_parameter", "content_not_found", "forbidden"),
    ),
)
