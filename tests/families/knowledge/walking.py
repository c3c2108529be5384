"""A model in plain Python of what a box has to say about articles, for random walks; and what its database
has to hold besides."""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ingestbox.enrich.duplicates import text_hash
from ingestbox.store import DATABASE
from ingestbox.store.engine import connect_reader
from tests.store import apart

Json = dict[str, Any]

State = Literal["good", "held", "accepted", "issue", "discarded"]

MARK = "[erased]"
INVALID = "invalid"


@dataclass
class Content:
    """What an article is to be. `sent` is what came, or what a person made of it, before anybody was erased:
    what is known again. `told`: upstream may have a version of it. `edited`: its text may be that of others.
    `settled`: it is processed as it is now, so that what is like it is known. `odd`: nobody says what is like
    it."""

    id: int
    workspace: str
    item: Json
    sent: Json
    state: State
    told: bool = False
    edited: bool = False
    settled: bool = True
    odd: bool = False

    @property
    def name(self) -> str:
        return f"km_content_{self.id}"

    @property
    def live(self) -> bool:
        return self.state in ("good", "held", "accepted")

    @property
    def delivered(self) -> bool:
        return self.state in ("good", "accepted")

    @property
    def key(self) -> bytes:
        return key_of(self.sent)

    @property
    def erased(self) -> bool:
        return self.item != self.sent

    def become(self, state: State) -> None:
        """Another state; what it was stays told."""
        self.told = self.told or self.delivered
        self.state = state

    def erase(self, address: str) -> None:
        if address in json.dumps(self.item):
            self.item = json.loads(json.dumps(self.item).replace(address, MARK))


def is_valid(item: Json) -> bool:
    """Whether an article of a walk is taken: those that are not say so in their title."""
    return not str(item.get("title", "")).startswith(INVALID)


def is_poor(item: Json) -> bool:
    """Whether it is of low quality: those of a walk have this title then."""
    return item.get("title") == "x"


def key_of(item: Json) -> bytes:
    """What an article is known again by."""
    return _hash(item["content"]) if is_valid(item) else b"bytes" + json.dumps(item).encode()


@functools.cache
def _hash(content: str) -> bytes:
    return text_hash(content)


def state_of(item: Json) -> State:
    """What becomes of an article that comes in, or is corrected."""
    if not is_valid(item):
        return "issue"
    return "held" if is_poor(item) else "good"


@dataclass
class Model:
    """All that is to be there. Batches are by workspace and the name of all their chunks."""

    contents: dict[int, Content] = field(default_factory=dict)
    batches: dict[tuple[str, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    sources: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    erased: list[str] = field(default_factory=list)

    def of(self, workspace: str) -> list[Content]:
        return [each for each in self.contents.values() if each.workspace == workspace]

    def holder(self, workspace: str, item: Json) -> Content | None:
        """Who has a text."""
        key = key_of(item)
        found = [each for each in self.of(workspace) if each.key == key]
        return min(found, key=lambda each: each.id, default=None)

    def expected(self, workspace: str, item: Json) -> tuple[str, Content | None]:
        """The status of an item of a batch, and who has its text already."""
        holder = self.holder(workspace, item)
        if not is_valid(item):
            return "rejected", holder
        if holder is None:
            return "accepted", None
        return ("duplicate" if holder.item["source_url"] == item["source_url"] else "rejected"), holder

    def take(self, workspace: str, item: Json, rid: int) -> Content:
        """One that is new."""
        assert rid not in self.contents, f"{rid} is there already"
        made = Content(rid, workspace, dict(item), dict(item), state_of(item))
        self.contents[rid] = made
        if is_valid(item):
            self.sources[workspace].add(item["source_id"])
        return made

    def settle(self) -> None:
        """All is processed."""
        for each in self.contents.values():
            each.settled = True
            each.told = each.told or each.delivered
            if each.live:
                self.sources[each.workspace].add(each.item["source_id"])


ORPHANS = {
    "a passage of no edition": "SELECT id FROM knowledge_passages WHERE (article, edition) NOT IN "
    "(SELECT article, edition FROM knowledge_indexed)",
    "an edition of no article": "SELECT article FROM knowledge_indexed WHERE article NOT IN "
    "(SELECT id FROM knowledge_articles)",
    "an article that is not indexed": "SELECT id FROM knowledge_articles WHERE id NOT IN "
    "(SELECT article FROM knowledge_indexed)",
    "an article without all of its passages": "SELECT article FROM knowledge_indexed AS i WHERE passages <> "
    "(SELECT COUNT(*) FROM knowledge_passages AS p WHERE p.article = i.article AND p.edition = i.edition)",
    "an article that the model does not know": "SELECT article FROM knowledge_indexed WHERE model NOT IN "
    "(SELECT id FROM knowledge_models WHERE state = 'serving')",
    "a sign of no passage": "SELECT passage FROM knowledge_signs WHERE passage NOT IN "
    "(SELECT id FROM knowledge_passages)",
    "a sign of no model": "SELECT passage FROM knowledge_signs WHERE model NOT IN "
    "(SELECT id FROM knowledge_models WHERE state = 'serving')",
    "a passage without a sign": "SELECT id FROM knowledge_passages WHERE id NOT IN "
    "(SELECT passage FROM knowledge_signs)",
    "a vector of no sign": "SELECT id FROM knowledge_vectors WHERE id NOT IN "
    "(SELECT vector FROM knowledge_signs)",
    "a sign without a vector": "SELECT vector FROM knowledge_signs WHERE vector NOT IN "
    "(SELECT id FROM knowledge_vectors)",
    "words of no passage": "SELECT id FROM knowledge_words_docsize WHERE id NOT IN "
    "(SELECT id FROM knowledge_passages)",
    "a passage without words": "SELECT id FROM knowledge_passages WHERE id NOT IN "
    "(SELECT id FROM knowledge_words_docsize)",
    "a band of no article": "SELECT workspace, number, hex(value), article FROM knowledge_bands EXCEPT "
    "SELECT workspace, number, hex(value), article FROM knowledge_banded",
    "an article without a band": "SELECT workspace, number, hex(value), article FROM knowledge_banded EXCEPT "
    "SELECT workspace, number, hex(value), article FROM knowledge_bands",
    "a member of nothing": "SELECT batch, content FROM knowledge_members WHERE content NOT IN "
    "(SELECT id FROM knowledge_contents) OR batch NOT IN (SELECT id FROM knowledge_batches)",
    "content of no record": "SELECT id FROM knowledge_contents WHERE id NOT IN (SELECT id FROM records)",
    "an article of no content": "SELECT object_id FROM knowledge_articles WHERE origin = '' AND object_id NOT"
    " IN (SELECT 'km_content_' || id FROM knowledge_contents)",
    "a source that counts wrong": "SELECT source_id, total_content FROM knowledge_sources AS s WHERE "
    "total_content <> (SELECT COUNT(*) FROM knowledge_contents AS c WHERE c.workspace = s.workspace"
    " AND c.source_id = s.source_id AND c.kept)",
    "content that is counted wrong": "SELECT c.id FROM knowledge_contents AS c JOIN records AS r USING (id)"
    " WHERE c.kept <> (c.hash IS NOT NULL AND r.state <> 'discarded')",
    "a source that is not there": "SELECT source_id FROM knowledge_contents WHERE kept AND "
    "(workspace, source_id) NOT IN (SELECT workspace, source_id FROM knowledge_sources)",
    "a content whose time is not known": "SELECT c.id FROM knowledge_contents AS c"
    " JOIN knowledge_articles AS a ON a.record_id = c.id AND a.origin = '' WHERE c.done_ms IS NULL",
    "an issue of a record that does not wait": "SELECT i.id FROM issues AS i JOIN records AS r"
    " ON r.id = i.record_id WHERE i.resolved_ms IS NULL AND i.code <> 'delivery_refused'"
    " AND r.state <> 'issue'",
    "a record that waits without an issue": "SELECT id FROM records WHERE state = 'issue' AND id NOT IN "
    "(SELECT record_id FROM issues WHERE resolved_ms IS NULL)",
    "what is held and has no article": "SELECT record_id FROM issues WHERE held = 1 AND resolved_ms IS NULL"
    " AND 'km_content_' || record_id NOT IN (SELECT object_id FROM knowledge_articles)",
    "a job that counts wrong": "SELECT j.public_id, j.total, j.processed, j.issues, j.discarded"
    " FROM jobs AS j JOIN records AS r ON r.id >= j.id << 24 AND r.id < (j.id + 1) << 24 GROUP BY j.id HAVING"
    " (j.total, j.processed, j.issues, j.discarded)"
    " IS NOT (COUNT(*), COUNT(*), SUM(r.state = 'issue'), SUM(r.state = 'discarded'))",
    "an article that is another version than its object": "SELECT a.object_id FROM knowledge_articles AS a"
    " JOIN objects AS o USING (workspace, object_id, origin) WHERE o.version <> a.version OR o.deleted",
    "an object without an article": "SELECT object_id FROM objects WHERE family = 'knowledge' AND deleted = 0"
    " AND origin = '' AND object_id NOT IN (SELECT object_id FROM knowledge_articles)",
    "two deliveries of one version": "SELECT object_id FROM deliveries GROUP BY object_id, version"
    " HAVING COUNT(*) > 1",
    "something that is still to be removed": "SELECT article FROM knowledge_leaving",
}
"""What there may not be once nothing is under way."""


def whole(database: Path) -> None:
    """Whether nothing is there that belongs to nothing, and nothing is missing."""
    wrong = {what: found[:5] for what, sql in ORPHANS.items() if (found := apart.rows(database, sql))}
    assert not wrong, wrong
    ((first, last, count),) = apart.rows(database, "SELECT MIN(seq), MAX(seq), COUNT(*) FROM deliveries")
    assert count == 0 or (first, last) == (1, count), "deliveries have gaps"
    assert len(apart.rows(database, "SELECT id FROM knowledge_models")) <= 1


def having(database: Path, words: Iterator[str]) -> Mapping[str, set[str]]:
    """Of words, which articles have them, by the index of full text."""
    connection = connect_reader(database)
    try:
        return {
            word: {
                name
                for (name,) in connection.execute(
                    "SELECT a.object_id FROM knowledge_words AS w"
                    " JOIN knowledge_passages AS p ON p.id = w.rowid"
                    " JOIN knowledge_articles AS a ON a.id = p.article WHERE knowledge_words MATCH ?",
                    (f'"{word}"',),
                )
            }
            for word in words
        }
    finally:
        connection.close()


def sound(data: Path) -> None:
    """Whether the engine finds nothing wrong with its file."""
    assert apart.rows(data / DATABASE, "PRAGMA integrity_check") == [("ok",)]
