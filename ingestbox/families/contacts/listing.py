"""`GET /contacts` and `GET /contacts/{id}` (contract: contacts, Endpoints)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET, UnsetType

from ingestbox.clock import iso
from ingestbox.errors import IngestError
from ingestbox.families.contacts import found, pages
from ingestbox.families.contacts.contacts import contact_body, rows_of, shelf_of
from ingestbox.families.contacts.fields import key_of
from ingestbox.families.contacts.shapes import Contact, ContactList, ContactWhole
from ingestbox.families.contacts.sight import ALL, FAMILY, scope, scoped, sight_of
from ingestbox.family import Ask
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.store import ReadTx
from ingestbox.store.sight import Sight


async def contacts(ask: Ask) -> Reply:
    """GET /contacts: newest first, all of them, those with one address, or those that filters leave."""
    sight, part = sight_of(ask), pages.part_of(ask.query)
    email = ask.query.get("email")
    if email is not None:
        return await _with_email(ask, sight, email)
    filters = found.filters_of(ask.query)
    if filters is not None:
        return Reply(await ask.box.read_with(lambda tx: found.listed(tx, sight, filters, part)))

    def read(tx: ReadTx) -> ContactList:  # all of it in the reader's thread: ten thousand take a moment
        shelf = shelf_of(tx, sight)
        rows = rows_of(tx, shelf.sources, part.below, part.limit + 1)
        last: str | UnsetType = pages.cursor(rows[part.limit - 1][0]) if len(rows) > part.limit else UNSET
        return ContactList([contact_body(row) for row in rows[: part.limit]], shelf.total, last)

    return Reply(await ask.box.read_with(read))


async def _with_email(ask: Ask, sight: Sight, email: str) -> Reply:
    params: Mapping[str, object] = {**scope(sight), "key": key_of(email)}
    rows = await ask.box.read_with(lambda tx: tx.all(scoped("with_email", sight), params))
    if not rows:
        raise IngestError("not_found", f"Contact with email '{email[:320]}' not found")
    rows.sort(key=lambda row: -int(row[0]))
    return Reply(ContactList([contact_body(row) for row in rows[: pages.WHOLE]], len(rows)))


async def contact(ask: Ask) -> Reply:
    """GET /contacts/{contact_id}."""
    sight, given = sight_of(ask), ask.path["contact_id"]
    contact_id = pages.number(given)
    row = None
    if contact_id is not None:
        row = await ask.box.read_with(lambda tx: tx.one("contacts.one", {"id": contact_id}))
    if row is None or not sight.admits(row[11], FAMILY, None if row[2] else row[12]):
        raise IngestError("not_found", f"Contact {given[:40]} not found or you don't have access to it")
    return Reply(
        ContactWhole(
            **{name: getattr(contact_body(row), name) for name in Contact.__struct_fields__},
            contact_updated_at=iso(row[13]) or "",
            job_id=row[3] or None,
            object_id=row[14],
        )
    )


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/contacts",
        contacts,
        "Your contacts, newest first",
        description="What an import makes appears all at once, when it is at its end.",
        parameters=(
            Parameter("email", "Only those with this address, whatever its case; 404 if there is none."),
            *found.FILTERS,
            *pages.PARAMETERS,
            ALL,
        ),
        answers=(Answer(ContactList, description="The contacts."),),
        errors=("bad_parameter", "forbidden", "not_found"),
    ),
    Route(
        "GET",
        "/contacts/{contact_id}",
        contact,
        "One contact",
        parameters=(Parameter("contact_id", "The contact's id.", place="path"), ALL),
        answers=(Answer(ContactWhole, description="The contact."),),
        errors=("bad_parameter", "forbidden", "not_found"),
    ),
)
