"""What the lists of `/v1` have in common: `limit`, an opaque `cursor`, `next_cursor` (contract: common)."""

from __future__ import annotations

import base64
import binascii
import datetime
from collections.abc import Collection, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ingestbox.errors import IngestError
from ingestbox.model import DEFAULT_WORKSPACE, Caller
from ingestbox.route import LIMIT, Parameter

NEWEST = (1 << 63) - 1
"""Above every id: where a list that is newest first begins."""

PAGE = (
    LIMIT,
    Parameter("cursor", "Where to go on: a `next_cursor` of this list."),
)


_Time = Annotated[datetime.datetime, Meta(tz=True)]

SPAN = (
    Parameter("since", "Only from this time on (ISO 8601 with its offset).", _Time),
    Parameter("until", "Only before this time (ISO 8601 with its offset).", _Time),
)
"""The parameters of a list of what happened in a time, as `moment` reads them."""


def one_of(words: Collection[str]) -> Any:
    """The type of a parameter that is one of these words, which are not known before the box is built."""
    return Annotated[str, Meta(extra_json_schema={"enum": sorted(words)})]


ID = Annotated[str, Meta(pattern="^[1-9][0-9]{0,17}$")]
"""The type of a parameter that is an id (`id_of`)."""

ALL = Parameter("all", "Every workspace, for administrators of the box.", bool)


def below(query: Mapping[str, str]) -> int:
    """The id that the page's ids are under. Raises IngestError `bad_parameter`."""
    return position(query, NEWEST)


def position(query: Mapping[str, str], start: int) -> int:
    """Where the page goes on; `start` is where the list begins. Raises IngestError `bad_parameter`."""
    cursor = query.get("cursor")
    if cursor is None:
        return start
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii")
        number = int(text) if text.isdigit() and len(text) < 19 else 0
    except (binascii.Error, ValueError):
        number = 0
    if number < 1:
        raise IngestError("bad_parameter", "cursor must be a next_cursor of this list.")
    return number


def cursor(last: int | str) -> str:
    """The cursor of a page that ends with this id."""
    return base64.urlsafe_b64encode(str(last).encode()).decode()


def number(text: str, noun: str) -> int:
    """An id given in a path. Raises IngestError `not_found`: what is no id names nothing."""
    found = id_of(text)
    if found is None:
        raise IngestError("not_found", f"There is no {noun} {text[:40]}.")
    return found


def id_of(text: str) -> int | None:
    """The id that a text is, in the one way that ids are written; None for any other text."""
    right = text.isascii() and text.isdigit() and len(text) < 19 and not text.startswith("0")
    return int(text) if right else None


def chosen(query: Mapping[str, str], name: str) -> int | None:
    """A parameter that is an id, or None without it. Raises IngestError `bad_parameter`."""
    given = query.get(name)
    found = None if given is None else id_of(given)
    if given is not None and found is None:
        raise IngestError("bad_parameter", f"{name} must be an id.")
    return found


def everywhere(caller: Caller, query: Mapping[str, str]) -> bool:
    """Whether the caller asks for every workspace with `all=true`, and may: who operates the box does."""
    given = query.get("all", "false")
    if given not in ("true", "false"):
        raise IngestError("bad_parameter", "all must be true or false.")
    if given == "true":
        operator_only(caller)
    return given == "true"


def operator_only(caller: Caller) -> None:
    """Lets those pass who operate the box. Raises IngestError `forbidden`."""
    if not caller.operates:
        raise IngestError("forbidden", f"This needs the role admin in the workspace {DEFAULT_WORKSPACE}.")


def choice(query: Mapping[str, str], name: str, words: Collection[str]) -> str | None:
    """A parameter that is one of a few words, or None without it. Raises IngestError `bad_parameter`."""
    given = query.get(name)
    if given is not None and given not in words:
        raise IngestError("bad_parameter", f"{name} must be one of {', '.join(words)}.")
    return given


def flag(query: Mapping[str, str], name: str) -> bool:
    """A parameter that is `true` or `false`; false without it. Raises IngestError `bad_parameter`."""
    return choice(query, name, ("true", "false")) == "true"


def moment(query: Mapping[str, str], name: str) -> int | None:
    """A time in Unix milliseconds, or None without it. Raises IngestError `bad_parameter`."""
    text = query.get(name)
    if text is None:
        return None
    try:
        found = msgspec.convert(text, _Time)
    except msgspec.ValidationError:
        raise IngestError(
            "bad_parameter", f"{name} must be a time with its offset, such as 2026-01-31T08:00:00Z."
        ) from None
    return (found - _EPOCH) // datetime.timedelta(milliseconds=1)


_EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)
