"""The settings of one issuer of tokens."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Issuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[issuers]]: somebody else whose tokens the box takes."""

    name: Annotated[
        str,
        Meta(
            pattern="^[a-z][a-z0-9_-]{0,31}$",
            description="Name of the issuer; a person is `name:sub`. Not `local`, `key` or `static`.",
        ),
    ]
