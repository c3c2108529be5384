"""The first administrator of a box: made as the settings say, or by whoever opens a link from the log."""

from __future__ import annotations

import logging

from ingestbox.config import Console
from ingestbox.errors import StartupError
from ingestbox.identity import links, passwords
from ingestbox.identity.passwords import Hasher
from ingestbox.identity.users import address, address_key
from ingestbox.store import Store, invitations
from ingestbox.store.audit import Act
from ingestbox.store.invitations import OfferSetUp, SetUp
from ingestbox.store.once import Denied
from ingestbox.store.users import Invitation

log = logging.getLogger("ingestbox")

BY_SETTINGS = "local:settings"
BY_LINK = "local:setup"
"""Who did it, in the audit trail."""


def wanted(settings: Console) -> tuple[str, str] | None:
    """The administrator's address and password of the settings, or None. Raises StartupError."""
    email, password = settings.admin_email.strip(), settings.admin_password
    if not email and not password:
        return None
    if not email or not password:
        missing = "admin_password" if email else "admin_email"
        raise StartupError(
            f"[console] {missing} is missing: admin_email and admin_password make an administrator together."
        )
    try:
        email = address(email)
    except ValueError as error:
        raise StartupError(f"[console] admin_email is not an e-mail address: {error}") from None
    weakness = passwords.weakness(password, email)
    if weakness is not None:
        raise StartupError(f"[console] admin_password {weakness}. No user was made.")
    return email, password


async def make(store: Store, hasher: Hasher, settings: Console) -> None:
    """Makes the administrator of the settings, if there is one and no user yet. Raises StartupError."""
    if await invitations.is_set_up(store):
        if settings.admin_email or settings.admin_password:
            log.info(
                "[console] admin_email and admin_password do nothing: this box has users already. For a new "
                "password: ingestbox user passwd EMAIL."
            )
        return
    found = wanted(settings)
    if found is None:
        return
    email, password = found
    made = await store.write(
        SetUp(
            email=email,
            email_key=address_key(email) or email,
            password=await hasher.hashed(password),
            act=Act(BY_SETTINGS, "", None, store.clock.now_ms()),
        )
    )
    if not isinstance(made, Denied):
        log.info("The first administrator was made, as [console] says.", extra={"user": made.id})


async def offer(store: Store) -> str | None:
    """The path of a new link with which the first administrator is made; None when there are users. The link
    before it is good no more. Raises IngestError as a write does."""
    if await invitations.is_set_up(store):
        return None
    link = links.new_link()
    until_ms = links.until_ms(store.clock.now_ms(), hours=links.SET_UP_HOURS)
    offered = await store.write(OfferSetUp(Invitation(links.link_digest(link), until_ms)))
    return links.PATH + link if offered else None
