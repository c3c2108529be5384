"""Local users as the guard and a login see them, and when each last logged in."""

from __future__ import annotations

import unicodedata

import msgspec

from ingestbox.model import Caller
from ingestbox.store import Store
from ingestbox.store.noted import Noted
from ingestbox.store.users import Rehash

SUBJECT = "user:"
"""A user's subject is this and the id."""

_OUTSIDE = ".zz"
"""Put behind an address while it is checked. The checker refuses names that no mail reaches from outside
(`.local`, `localhost`), which is what a site calls its own machines; nothing is mailed to these users."""


MAX_CHARACTERS = 254
"""Longest address, as it is given (RFC 5321, 4.5.3.1.3). A longer text is not looked at: to compose a long
run of accents takes time with the square of its length."""


class UserRecord(msgspec.Struct, frozen=True):
    """A user as the store knows them. A token of theirs is good while they are there, are not disabled, and
    have the generation that it names."""

    id: int
    email: str
    roles: list[str]
    workspace: str
    generation: int
    disabled: bool


def is_stored_user(caller: Caller) -> bool:
    """Whether the caller is one of the box's own users, rather than a key or somebody else's user."""
    return caller.subject.startswith(SUBJECT)


def address(text: str) -> str:
    """An e-mail address, normalised: its domain in lower case, characters composed.

    Raises ValueError with a sentence. Whether mail arrives there is not looked at.
    """
    from email_validator import EmailNotValidError, validate_email  # 20 ms that a start can do without

    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"The address has over {MAX_CHARACTERS} characters.")
    try:
        found = validate_email(f"{text}{_OUTSIDE}", check_deliverability=False)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    return found.normalized.removesuffix(_OUTSIDE)


def address_key(text: str) -> str | None:
    """What an address is looked up by: two that differ in upper and lower case alone have the same.

    None for what is no address.
    """
    try:
        return unicodedata.normalize("NFC", address(text).casefold())
    except ValueError:
        return None


class StoredUsers(Noted):
    """Looks users up; notes their logins."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, "users.logged_in")

    async def find(self, user_id: int) -> UserRecord | None:
        """The user with this id, or None."""
        rows = await self._store.read("users.by_id", {"id": user_id})
        return _record(*rows[0]) if rows else None

    async def find_login(self, email: str) -> tuple[UserRecord, str | None] | None:
        """The user with this address, however it is written, and the hash of their password, if they have set
        one; or None."""
        key = address_key(email)
        rows = await self._store.read("users.by_email", {"email_key": key})
        if key is None or not rows:
            return None
        *columns, password = rows[0]
        return _record(*columns), password or None

    async def rehash(self, user_id: int, before: str, after: str) -> None:
        """Keeps the same password under newer parameters."""
        await self._store.write(Rehash(user_id, before, after))

    def logged_in(self, user_id: int) -> None:
        """Notes that the user logged in now."""
        self.note(user_id)


def _record(
    user_id: int, email: str, roles: str, workspace: str, generation: int, disabled_ms: int | None
) -> UserRecord:
    return UserRecord(user_id, email, roles.split(), workspace, generation, disabled_ms is not None)
