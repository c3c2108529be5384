"""How contacts are shown at the console."""

from __future__ import annotations

from ingestbox.families.contacts.shapes import ContactList, ContactWhole
from ingestbox.view import Column, Facet, Filter, Item, View

_NAMES = (
    Column("contact_email", "E-mail", "email"),
    Column("contact_first_name", "First name"),
    Column("contact_last_name", "Last name"),
    Column("contact_company", "Company", filters="company"),
)
_MADE = Column("contact_created_at", "Added", "time")
_WHOSE = (
    Column("contacts_user_id", "Belongs to", everybody=True),
    Column("box", "From box", everybody=True),
)

CONTACTS = View(
    name="contacts",
    title="Contacts",
    lead="People from your imports, one for each e-mail address.",
    one="contact",
    many="contacts",
    path="/contacts",
    type=ContactList,
    items="contacts",
    key="contact_id",
    columns=(*_NAMES, _MADE, *_WHOSE, Column("contact_id", "Number", shown=False)),
    item=Item(
        path="/contacts/{contact_id}",
        type=ContactWhole,
        title=("contact_first_name", "contact_last_name"),
        facts=(*_NAMES, _MADE, Column("contact_updated_at", "Last changed", "time"), *_WHOSE),
        record="staging_id",
        noun="contact",
        called="object_id",
    ),
    filters=(
        Filter("company", "Company"),
        Filter("since", "Added since", "date"),
        Filter("import", "Import number", "number"),
    ),
    facets=(
        Facet(
            "Company",
            {"company": "company"},
            path="/contacts/companies",
            items="companies",
            value="company",
            limit=12,
            own=True,
        ),
    ),
    search="q",
    search_hint="Name, e-mail or company",
    everybody="all",
    sample="contacts",
    send=("/jobs/upload", "contacts.csv"),
)
