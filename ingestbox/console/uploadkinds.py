"""What can be uploaded, and what a form of the upload pages says of a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ingestbox.errors import IngestError
from ingestbox.family import Family
from ingestbox.model import Role
from ingestbox.route import Route
from ingestbox.sheet import UploadView
from ingestbox.tabular.shapes import MAX_COLUMNS

MAPPED_COLUMNS = 500
"""So many of a file's first columns can be given a field on the page: each is a part of the form."""


class Kind(msgspec.Struct, frozen=True):
    """What a person can upload: the files of one family."""

    family: str
    view: UploadView
    route: Route

    @property
    def roles(self) -> frozenset[Role]:
        """Who may."""
        return self.route.roles

    @property
    def limit(self) -> str:
        """The cap of a file, as `[limits]` calls it."""
        assert self.route.body_limit is not None  # a route that takes files has one
        return self.route.body_limit


def kinds(families: Iterable[Family]) -> dict[str, Kind]:
    """What the families take as files, by their names."""
    found: dict[str, Kind] = {}
    for family in families:
        view = family.table.view if family.table else None
        if view is not None:
            (route,) = [each for each in family.routes if (each.method, each.path) == ("POST", view.upload)]
            found[family.name] = Kind(family.name, view, route)
    return found


class Was(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a preview showed, so that the next form tells what a person changed of it: the number of columns,
    the fields by their columns' places, whether somebody said so, and how the file was read."""

    columns: int
    fields: dict[int, str] = {}
    said: bool = False
    encoding: str = ""
    delimiter: str = ""


_was = msgspec.json.Decoder(Was)


def query_of(kind: Kind, fields: Mapping[str, str]) -> dict[str, str | None]:
    """What a form says of its file, as parameters for the family's calls.

    `encoding` and `delimiter` are empty when nothing is said; `map.<place>` is the field of a column, `was`
    what was shown; `anew`: the columns are to be found out, whatever was shown. Raises IngestError
    `bad_parameter`.
    """
    encoding, delimiter = fields.get("encoding", ""), fields.get("delimiter", "")
    query: dict[str, str | None] = {"encoding": encoding or None, "delimiter": delimiter or None}
    if kind.view.baseline and fields.get("baseline"):
        query["baseline"] = "true"
    if fields.get("anew"):
        query["mapping"] = "{}"
    elif given := fields.get("was"):
        was = _shown(given)
        # Otherwise the file falls into other columns than those that were shown.
        if (was.encoding, was.delimiter) == (encoding, delimiter):
            query["mapping"] = _mapping(was, fields)
    return query


def _mapping(was: Was, fields: Mapping[str, str]) -> str | None:
    """The field of each column, as JSON; None when nobody ever said any."""
    shown = [was.fields.get(place) for place in range(was.columns)]
    said = [fields.get(f"map.{place}", field or "") or None for place, field in enumerate(shown)]
    return msgspec.json.encode(said).decode() if was.said or said != shown else None


def _shown(given: str) -> Was:
    try:
        was = _was.decode(given.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, UnicodeError):
        raise IngestError("bad_parameter", "What the page showed of the file is damaged.") from None
    if not 0 <= was.columns <= MAX_COLUMNS:
        raise IngestError("bad_parameter", "What the page showed of the file is damaged.")
    return was
