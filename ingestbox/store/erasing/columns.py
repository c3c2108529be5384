"""Tables gone through column by column: a mark takes the place of an address, or a row goes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ingestbox.enrich.addresses import Spellings
from ingestbox.store.erasing.slices import Pace, Position, Slice, Wanted
from ingestbox.store.readers import ReadTx
from ingestbox.store.unit import Tx, weight_of

Kind = Literal["text", "json", "file", "key"]
"""What a column holds. `file` (or another name) and `key` tell rows apart, so that what takes their place has
something of its own, which nobody can have given to another row before."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """New texts for a row that still has the old ones."""

    query: str
    params: Mapping[str, object]
    size: int

    @property
    def weight(self) -> int:
        """Its row."""
        return 2 + weight_of(self.size)

    def apply(self, tx: Tx) -> bool:
        """Whether it had."""
        return tx.run(self.query, self.params) == 1


@dataclass(frozen=True, slots=True)
class Drop:
    """A row goes, if it is there still."""

    query: str
    params: Mapping[str, object]
    weight: int = 2

    def apply(self, tx: Tx) -> bool:
        """Always true: a row that is gone is what was wanted."""
        tx.run(self.query, self.params)
        return True


@dataclass(frozen=True, slots=True)
class Columns:
    """A table by its queries `erasures.scan_<name>` and `rewrite_<name>`, or `drop_<name>` with `drops`.

    A scan gives the workspace, the key's columns, then `columns`. `counted` is what its rows count as.
    """

    name: str
    counted: str
    start: Position
    columns: Mapping[str, Kind]
    drops: bool = False

    def look(self, tx: ReadTx, wanted: Wanted, after: Position) -> Slice:
        """The next slice after a position."""
        keys = len(self.start)
        found, pace = Slice(), Pace()
        for row in tx.each(f"erasures.scan_{self.name}", _numbered("p", after or self.start)):
            key, texts = row[1 : keys + 1], row[keys + 1 :]
            size = sum([len(text) for text in texts if text is not None])
            if wanted.covers(row[0]):
                old = dict(zip(self.columns, texts, strict=True))
                new = {name: self._erased(wanted.spelt, name, old[name]) for name in self.columns}
                if new != old:
                    self._change(found, key, old, new, size)
            if pace.full(size, found):
                found.position = key
                break
        return found

    def _change(
        self, found: Slice, key: Position, old: Mapping[str, object], new: Mapping[str, object], size: int
    ) -> None:
        keys = _numbered("k", key)
        if self.drops:
            found.add(Drop(f"erasures.drop_{self.name}", keys), **{self.counted: 1})
            return
        params = {**keys, **new, **{f"was_{name}": text for name, text in old.items()}}
        found.add(Rewrite(f"erasures.rewrite_{self.name}", params, size), **{self.counted: 1})

    def _erased(self, spelt: Spellings, name: str, text: str | None) -> str | None:
        if text is None:
            return None
        kind = self.columns[name]
        if kind == "json":
            erased = spelt.in_json(text.encode())
            return text if erased is None else erased.decode()
        if not spelt.may_be_in(text.encode()):
            return text
        if kind == "key":
            return f"[erased:{secrets.token_hex(4)}]" if spelt.is_in(text) else text
        if kind == "file":
            return _of_file(spelt, text)
        return spelt.replace(text)


def _of_file(spelt: Spellings, name: str) -> str:
    """The name of a file, which stays one of its own: names are compared."""
    erased = spelt.replace(name)
    stem, dot, ending = erased.rpartition(".")
    return name if erased == name else f"{stem or ending}-{secrets.token_hex(4)}{dot}{ending if dot else ''}"


def _numbered(letter: str, values: Position) -> dict[str, object]:
    return {f"{letter}{number}": value for number, value in enumerate(values)}


BULK = Columns("bulk", "others", (0,), {"key": "text", "payload": "json"}, drops=True)
ISSUES = Columns(
    "issues",
    "issues",
    (0,),
    {
        "message": "text",
        "field": "text",
        "comment": "text",
        "resolved_by": "text",
        "key": "key",
        "refusal": "text",
    },
)
UPLOADS = Columns("uploads", "jobs", (0,), {"name": "text", "fields": "json"})
CONTENTS = Columns("contents", "others", (0,), {"source_id": "text", "url": "text"})
BATCHES = Columns("batches", "others", (0,), {"name": "file", "parent": "text"})
SOURCES = Columns("sources", "others", (0,), {"source_id": "file", "name": "text", "settings": "json"})
JOBS = Columns("jobs", "jobs", (0,), {"name": "file", "error": "text", "warnings": "json"})
STAGED = Columns("staged", "jobs", (0,), {"name": "file"})
FILES = Columns("files", "jobs", (0,), {"form": "json", "plan": "json", "position": "json", "about": "json"})
PARKED = Columns(
    "parked",
    "others",
    ("", 0),
    {"code": "text", "message": "text", "decided_by": "text", "reason": "text"},
)
BECAME = Columns("became", "others", (0,), {"object_id": "text"})
AUDIT = Columns("audit", "audit", (0,), {"before": "json", "after": "json", "request_id": "text"})
RULES = Columns("rules", "others", (0,), {"name": "file"})
RULINGS = Columns("rulings", "others", (0,), {"rule": "json"}, drops=True)
MAPPINGS = Columns("mappings", "others", ("", "", ""), {"signature": "text", "mapping": "json"}, drops=True)
