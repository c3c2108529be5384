"""What is sent and answered at `/v1/users`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.identity import links, passwords
from ingestbox.identity.users import MAX_CHARACTERS, address
from ingestbox.model import Role
from ingestbox.store.users import UserLine
from ingestbox.web.v1 import fields

EmailAddress = Annotated[str, Meta(max_length=MAX_CHARACTERS, extra_json_schema={"format": "email"})]

_Roles = Annotated[list[Role], Meta(min_length=1, description="What the user may do.")]
_Password = Annotated[
    str | None,
    Meta(
        description=f"{passwords.MIN_CHARACTERS} characters or more, of any kind, and "
        f"{passwords.MAX_BYTES} bytes at most.",
        extra_json_schema={"minLength": passwords.MIN_CHARACTERS},
    ),
]


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """A user to be made. With `invite` there is a link in the answer, with which the user sets a password;
    without that and without `password` a password is made up, and shown in the answer."""

    email: Annotated[EmailAddress, Meta(description="What the user logs in with.")]
    roles: _Roles
    workspace: Annotated[
        str | None,
        Meta(
            description="Yours, unless you administer every workspace.",
            extra_json_schema={"minLength": 1, "maxLength": 255},
        ),
    ] = None
    password: _Password = None
    invite: Annotated[
        bool | None,
        Meta(description=f"Whether the user sets the password, with a link that is good {links.DAYS} days."),
    ] = None


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is to change; the rest stays. New roles, a new password and disabling end the user's tokens."""

    roles: _Roles | None = None
    disabled: Annotated[bool | None, Meta(description="Whether the user is locked out.")] = None
    password: _Password = None


def _is_address(text: str) -> bool:
    try:
        return bool(address(text))
    except ValueError:
        return False


RULES = {
    "email": fields.Rule("must be an e-mail address", _is_address),
    "roles": fields.ROLES,
    "workspace": fields.WORKSPACE,
    "disabled": fields.Rule("must be true or false", lambda _: True),
    "password": fields.Rule("must be a text", lambda _: True),
    "invite": fields.Rule("must be true or false", lambda _: True),
}

_Link = Annotated[
    str,
    Meta(
        description="A path of the box. Whoever opens it sets the user's password: it is good once, until "
        "`invited_until`, and is shown this once."
    ),
]


class MadeUser(UserLine, frozen=True, kw_only=True):
    """A new user; `password` is the one that was made up, and is shown this once."""

    password: str | UnsetType = UNSET
    invitation: _Link | UnsetType = UNSET


class InvitedUser(UserLine, frozen=True, kw_only=True):
    """A user with a new link."""

    invitation: _Link


class UserPage(msgspec.Struct, frozen=True):
    """A page of users, newest first."""

    users: list[UserLine]
    next_cursor: str | None


class RemovedUser(msgspec.Struct, frozen=True):
    """A user that is gone, and whose tokens are refused from the next request on."""

    id: str
    removed: bool
