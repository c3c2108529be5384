"""Parameters of a query that are one of a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta

from ingestbox.errors import IngestError


def word_of(query: Mapping[str, str], name: str, words: Sequence[str], *, fold: bool = False) -> str | None:
    """The parameter, or None without it; with `fold` in capitals, however it is written.

    Raises IngestError `bad_parameter` for another word.
    """
    given = query.get(name)
    if given is None:
        return None
    if fold:
        given = given.upper()
    if given not in words:
        raise IngestError("bad_parameter", f"{name} must be one of {', '.join(words)}.")
    return given


def in_either_case(words: Sequence[str]) -> Any:
    """The type of a parameter that is read with `fold`."""
    letters = ("".join(f"[{each.upper()}{each.lower()}]" for each in word) for word in words)
    return Annotated[str, Meta(pattern=f"^({'|'.join(letters)})$")]
