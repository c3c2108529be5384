"""Contacts as they lie: what imports made, and what other boxes sent.

The contacts of an import that is not at its end, or that is being undone, are hidden: nobody sees half of it.
Those that it only updates are older, and stay in sight.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET

from ingestbox.clock import iso
from ingestbox.families.contacts.merge import newest
from ingestbox.families.contacts.process import ContactResult
from ingestbox.families.contacts.shapes import Contact
from ingestbox.families.contacts.sight import scope, scoped
from ingestbox.store import ReadTx
from ingestbox.store.sight import Sight

Row = tuple[Any, ...]

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Whose:
    """Contacts in the order of their ids: of one owner, or (None) of a workspace's other boxes.

    Between the ids of `gap`, both included, all of them are hidden: what an import makes lies side by side,
    since nobody else makes contacts of the same owner meanwhile.
    """

    workspace: str
    owner: str | None
    gap: tuple[int, int] | None = None

    def stretches(self, under: int) -> list[tuple[int, int]]:
        """What is to be read under an id, going down: above which id, and below which."""
        if self.gap is None:
            return [(0, under)]
        first, last = self.gap
        return [(last, under), (0, first)] if under > last + 1 else [(0, min(under, first))]


@dataclass(slots=True)
class Shelf:
    """The contacts in sight: how many, and whose, each with an id that none of them lies above."""

    total: int = 0
    sources: list[tuple[int, Whose]] = field(default_factory=list)


def shelf_of(tx: ReadTx, sight: Sight) -> Shelf:
    """What there is, in sight and not hidden."""
    shelf = Shelf()
    elsewhere: set[str] = set()
    hidden = _hidden(tx, sight)
    for workspace, remote, owner, contacts, top in tx.all(scoped("owners", sight), scope(sight)):
        shelf.total += contacts
        if remote:
            elsewhere.add(workspace)
            continue
        count, gap = hidden.get((workspace, owner), (0, None))
        shelf.total -= count
        if top is not None:
            shelf.sources.append((top, Whose(workspace, owner, gap)))
    for workspace in sorted(elsewhere):
        top = tx.all("contacts.newest_elsewhere", {"workspace": workspace})[0][0]
        if top is not None:
            shelf.sources.append((top, Whose(workspace, None)))
    return shelf


def _hidden(tx: ReadTx, sight: Sight) -> dict[tuple[str, str], tuple[int, tuple[int, int] | None]]:
    """By workspace and owner: how many are hidden, and the ids between which all are. One import of an owner
    is consolidated or undone at a time."""
    found: dict[tuple[str, str], tuple[int, tuple[int, int] | None]] = {}
    for job_id, workspace, owner, phase in tx.all("contacts.hiding"):
        if sight.workspace not in (None, workspace) or sight.subject not in (None, owner):
            continue
        first = first_made(tx, job_id)
        if first is None:
            continue
        last: int = tx.all("contacts.import_last", {"job_id": job_id})[0][0]
        span = {"workspace": workspace, "owner": owner, "first": first, "last": last}
        size: int = tx.all("contacts.import_size", {"job_id": job_id, "least": first})[0][0]
        # What was updated since by a later import is in sight, between what is taken back, and is looked for.
        alone = phase == "consolidating" or tx.all("contacts.owned_between", span)[0][0] == size
        found[workspace, owner] = (size, (first, last) if alone else None)
    return found


def first_made(tx: ReadTx, job_id: int) -> int | None:
    """The first contact that an import made. What it updated is older than anything it made, so that a
    search by halves finds the border. None: it made nothing, so far or any more."""
    last: int | None = tx.all("contacts.import_last", {"job_id": job_id})[0][0]
    found: int | None = None
    least, beyond, probe = 0, (last or 0) + 1, 0  # most imports update nothing: the first probe says so
    while least < beyond:
        row = tx.one("contacts.import_from", {"job_id": job_id, "least": probe})
        if row is not None and not row[1]:
            least = row[0] + 1
        else:
            found, beyond = (found if row is None else row[0]), probe
        probe = (least + beyond) // 2
    return found


def rows_of(tx: ReadTx, sources: list[tuple[int, Whose]], below: int, limit: int) -> list[Row]:
    """Up to `limit` contacts of these, newest first, under the id `below`."""

    def fetch(whose: Whose, under: int, most: int) -> list[Row]:
        query = "contacts.elsewhere" if whose.owner is None else "contacts.owned"
        found: list[Row] = []
        for above, beneath in whose.stretches(under):
            params = {"workspace": whose.workspace, "owner": whose.owner, "above": above, "below": beneath}
            found += tx.all(query, {**params, "limit": most - len(found)})
        return found

    return newest([(min(top, below - 1), whose) for top, whose in sources], fetch, limit)


def contact_body(row: Row) -> Contact:
    """A contact, from a row of `owned` and the like. Of a damaged one only that it is there is shown."""
    contact_id, record_id, origin, _, owner = row[:5]
    cells = cells_of(row)
    shown = msgspec.structs.asdict(cells) if cells is not None else {}
    return Contact(
        contact_id=contact_id,
        staging_id=record_id or None,
        contacts_user_id=owner.decode("utf-8", "replace"),
        contact_email=shown.get("email"),
        contact_first_name=shown.get("first_name"),
        contact_last_name=shown.get("last_name"),
        contact_company=shown.get("company"),
        contact_created_at=iso(row[9]) or "",
        box=origin or UNSET,
        damaged=UNSET if cells is not None else True,
    )


def cells_of(row: Row) -> ContactResult | None:
    """The contact's cells, or None when they do not match their checksum."""
    try:
        cells = ContactResult(*(each.decode() for each in row[5:9]))
    except UnicodeDecodeError:
        return None
    return cells if zlib.crc32(_encode(cells)) == row[10] else None
