"""From a body to articles, with every fault of every one (contract: knowledge, Item)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from msgspec import Raw, UnsetType

from ingestbox import strictjson
from ingestbox.errors import Fault, IngestError
from ingestbox.families.envelope import Envelope, TooManyError, elements
from ingestbox.families.knowledge.batches import MOST_NAME
from ingestbox.families.knowledge.check import MOST_SOURCE, TOO_LARGE, check, hash_differs
from ingestbox.families.knowledge.hashing import CALL_CHARACTERS, Compute, hashes
from ingestbox.families.knowledge.keeping import Facts, bytes_hash
from ingestbox.families.knowledge.times import millis
from ingestbox.family import Checked, Intake
from ingestbox.model import Notice

ITEM_DEPTH = 2
"""An article lies this deep in the body of a bulk upload, and in the answers that hold it."""

SLICE_BYTES = 131_072
"""Decoded and looked at between the turns of others: about 2 ms."""

MOST_NOTICES = 100
"""Warnings of a job, which every list of jobs repeats; past it they are counted."""

HASH_DIFFERS = "content_hash_mismatch"

_envelope = Envelope("batch_id", "source_id", "items")
_members = msgspec.json.Decoder(dict[str, Raw])


class Article(msgspec.Struct, frozen=True, gc=False):
    """An item of an upload: the record it becomes, what is known of it, everything that is wrong with it, and
    the address that it came with, whatever that is. `warns` says that its hash is not its content's."""

    record: Intake
    facts: Facts
    faults: Sequence[Fault]
    url: str
    warns: bool


class Bulk(msgspec.Struct, frozen=True):
    """A bulk upload, decoded."""

    batch_id: str
    articles: Sequence[Article]


def check_record(payload: bytes, types: Collection[str]) -> Checked:
    """One article by itself, as JSON. Raises IngestError `malformed_json`."""
    value = strictjson.decode(payload, "The item", strictjson.MAX_DEPTH - ITEM_DEPTH)
    key, faults = check(value, None, types)
    return Checked(key, msgspec.json.format(payload, indent=-1), faults)


async def single(body: bytes, types: Collection[str], compute: Compute) -> Article:
    """The article of a single upload.

    Raises IngestError: `malformed_json`; `validation_failed` with every fault, or with 413 if the content is
    too long; and what `compute` raises.
    """
    value = await strictjson.decode_in_turns(body, depth=strictjson.MAX_DEPTH - ITEM_DEPTH)
    key, faults = check(value, None, types)
    if faults:
        large = [fault for fault in faults if fault.code == TOO_LARGE]
        if large:
            raise IngestError("payload_too_large", large[0].message, faults=faults)
        raise IngestError("validation_failed", "Content validation failed", faults=faults)
    assert isinstance(value, dict)  # or it would have a fault
    (text,) = await hashes(compute, [value["content"]])
    return _article(value, key, [], _one_line(body), text)


async def bulk(body: bytes, types: Collection[str], compute: Compute, *, most: int, most_bytes: int) -> Bulk:
    """The articles of a bulk upload, of which there may be `most`; between slices other requests get their
    turn. One that is too long, and has over `most_bytes`, is not kept.

    Raises IngestError: `malformed_json`, `validation_failed` (400), and what `compute` raises.
    """
    found = await _envelope.open(body)
    if found is None:
        raise _refused([Fault("wrong_type", "The body must be an object with batch_id and items")])
    faults: list[Fault] = []
    batch_id = _named(found[0], "batch_id", MOST_NAME, faults)
    source_id = _named(found[1], "source_id", MOST_SOURCE, faults, required=False)
    raws = await _items(found[2], most, faults)
    if faults:
        raise _refused(faults)
    articles = _Articles(types, compute, source_id, most_bytes)
    for raw in raws:
        await articles.read(raw)
    return Bulk(batch_id or "", await articles.all())


class _Articles:
    """Items as they are read, one after the other."""

    def __init__(
        self, types: Collection[str], compute: Compute, source_id: str | None, most_bytes: int
    ) -> None:
        self._types = types
        self._compute = compute
        self._source_id = source_id
        self._most_bytes = most_bytes
        self._made: list[Article] = []
        self._unhashed: list[tuple[int, str]] = []  # texts of those whose hash is not known yet
        self._characters = 0
        self._bytes = 0

    async def read(self, raw: Raw) -> None:
        """The next one. Raises IngestError `malformed_json`, and what computing raises."""
        payload, place = bytes(raw), f"Item {len(self._made)}"
        depth = strictjson.MAX_DEPTH - ITEM_DEPTH
        if len(payload) > SLICE_BYTES:
            value = await strictjson.decode_in_turns(payload, place, depth)
            await asyncio.sleep(0)
        else:
            value = strictjson.decode(payload, place, depth)
        payload = _one_line(payload)
        if isinstance(value, dict) and value.get("source_id") is None and self._source_id is not None:
            payload = _with_source(payload, self._source_id, given="source_id" in value)
            value["source_id"] = self._source_id
        key, faults = check(value, len(self._made), self._types)
        self._made.append(_article(value, key, faults, payload, self._hash_of_bad(payload, faults)))
        if not faults:
            assert isinstance(value, dict)  # or it would have a fault
            self._unhashed.append((len(self._made) - 1, value["content"]))
            self._characters += len(value["content"])
        if self._characters > CALL_CHARACTERS:
            await self._hash()
        self._bytes += len(payload)
        if self._bytes > SLICE_BYTES:
            self._bytes = 0
            await asyncio.sleep(0)

    def _hash_of_bad(self, payload: bytes, faults: Sequence[Fault]) -> bytes:
        too_large = any(fault.code == TOO_LARGE for fault in faults)
        return b"" if not faults or (too_large and len(payload) > self._most_bytes) else bytes_hash(payload)

    async def _hash(self) -> None:
        """Texts are let go once they are hashed: a body of 64 MB is in memory twice, and not three times."""
        found = await hashes(self._compute, [text for _, text in self._unhashed])
        for (place, _), text in zip(self._unhashed, found, strict=True):
            article = self._made[place]
            facts = msgspec.structs.replace(article.facts, hash=text)
            self._made[place] = msgspec.structs.replace(article, facts=facts)
        self._unhashed, self._characters = [], 0

    async def all(self) -> Sequence[Article]:
        """All of them, with their hashes. Raises what computing raises."""
        await self._hash()
        return self._made


def _article(value: object, key: str, faults: Sequence[Fault], payload: bytes, text: bytes) -> Article:
    item: dict[str, Any] = value if isinstance(value, dict) else {}
    source, url = item.get("source_id"), item.get("source_url")
    bad_source = any(fault.field == "source_id" for fault in faults)
    facts = Facts(
        source_id=source.strip() if isinstance(source, str) and not bad_source else "",
        url=key,
        hash=text,
        crawled_ms=millis(item.get("crawled_at")),
    )
    record = Intake(key, payload, faults[0] if faults else None)
    said = url[:MOST_SAID] if isinstance(url, str) else ""
    return Article(record, facts, faults, said, not faults and hash_differs(item))


MOST_SAID = 4_096
"""Characters of an address that are given back, also of one that is not valid."""


def _named(
    member: Raw | UnsetType, name: str, most: int, faults: list[Fault], *, required: bool = True
) -> str | None:
    """A text beside the items."""
    value = (
        None
        if isinstance(member, UnsetType)
        else strictjson.decode(member, f"The member `{name}`", strictjson.MAX_DEPTH - 1)
    )
    if value is None and not required:
        return None
    if value is None:
        faults.append(Fault("missing_required", f"{name} is required", field=name))
    elif not isinstance(value, str):
        faults.append(Fault("wrong_type", f"{name} must be text", field=name))
    elif not value.strip() or len(value) > most:
        faults.append(Fault("too_long", f"{name} must have 1 to {most} characters", field=name))
    else:
        return value
    return None


async def _items(member: Raw | UnsetType, most: int, faults: list[Fault]) -> Sequence[Raw]:
    """The items' bytes, not looked into yet. Raises IngestError `malformed_json`."""
    if isinstance(member, UnsetType):
        faults.append(Fault("missing_required", "items is required", field="items"))
        return ()
    try:
        raws = await elements(member, most)
    except TooManyError:
        sentence = f"items has more than {most}: send them in several requests"
        faults.append(Fault("batch_too_large", sentence, field="items"))
        return ()
    if raws is None:
        faults.append(Fault("wrong_type", "items must be a list of objects", field="items"))
        return ()
    if not raws:
        faults.append(Fault("empty_batch", "items cannot be empty", field="items"))
    return raws


def _refused(faults: Sequence[Fault]) -> IngestError:
    return IngestError("validation_failed", "Batch validation failed", faults=faults)


def _one_line(payload: bytes) -> bytes:
    """The same bytes but for line ends between tokens, for a delivery is one line."""
    return msgspec.json.format(payload, indent=-1) if b"\n" in payload or b"\r" in payload else payload


def _with_source(payload: bytes, source_id: str, *, given: bool) -> bytes:
    """The item with the source of its batch, where it has none of its own, or null."""
    if given:
        members = _members.decode(payload)
        members["source_id"] = Raw(msgspec.json.encode(source_id))
        return msgspec.json.encode(members)
    head = payload.rstrip()[:-1].rstrip()
    return head + (b"" if head == b"{" else b",") + b'"source_id":' + msgspec.json.encode(source_id) + b"}"


def notices(articles: Sequence[Article]) -> list[Notice]:
    """What the sender should know although nothing is refused."""
    places = [place for place, article in enumerate(articles) if article.warns]
    found = [Notice(HASH_DIFFERS, WARNINGS[HASH_DIFFERS], place) for place in places[:MOST_NOTICES]]
    if more := len(places) - len(found):
        found.append(Notice(HASH_DIFFERS, f"metadata.content_hash of {more} more does not match."))
    return found


WARNINGS = {HASH_DIFFERS: "metadata.content_hash is not the SHA-256 of the content in UTF-8."}
"""What is said of an article besides, by its code."""
