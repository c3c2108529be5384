"""One object of a family on a page: all that it has, where it came from, what became of it upstream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ingestbox.console import audit, listed
from ingestbox.console.nav import ADMIN, READERS
from ingestbox.console.parts import Parts
from ingestbox.console.show import segment
from ingestbox.console.table import State, member, named
from ingestbox.errors import IngestError
from ingestbox.route import Reply
from ingestbox.view import Item, Spans, Texts, View
from ingestbox.web.binding import Request

MOST_CHARACTERS = 50_000
"""Of one text that a page shows: its record has the rest."""

PASSAGE = "passage"
"""The member of an address that chooses a passage."""

MOST_TEXTS = 200
"""Comments that a page shows."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text; with a `label` it names something, and `query` finds what else does."""

    text: str
    label: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """Its characters."""
        return len(self.text)


@dataclass(frozen=True, slots=True)
class ShownText:
    """A text in pieces, with what was found out about it; `number` is its place among several."""

    label: str
    number: int | None
    pieces: list[Piece]
    facts: Mapping[str, Any]
    cut: bool


class ObjectPage:
    """Makes the page."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def reply(self, ask: Request, view: View, key: str) -> Reply:
        """The page of an object. Raises IngestError."""
        item, state = view.item, State(view, ask.query)
        asked = {**state.scope, **{name: ask.query[name] for name in item.with_ if ask.query.get(name)}}
        begin, _, placeholder = item.path.removesuffix("}").partition("{")
        found = await self._parts.inside.get(ask, item.path, item.type, asked, params={placeholder: key})
        body = msgspec.json.decode(msgspec.json.encode(found))  # some of it is JSON already
        body = member(body, item.inside) if item.inside else body
        record = await self._get(
            ask, "/v1/records/{id}", "id", member(body, item.record) if item.record else None, state
        )
        job_id = record["job"] if record else member(body, item.job) if item.job else None
        job = await self._get(ask, "/v1/jobs/{id}", "id", job_id, state)
        result = record.get("result") if record else None
        delivery = result["delivery"] if result else None
        sent = await self._get(ask, "/v1/deliveries/{seq}", "seq", delivery, state)
        lines = (
            await audit.history(self._parts, ask, item.noun, str(member(body, item.called)))
            if item.noun
            else []
        )
        rest = member(body, item.rest) if item.rest else None
        return self._parts.pages.reply(
            ask,
            "browse/object.html",
            view=view,
            item=item,
            state=state,
            key=key,
            asked=asked,
            path=begin + segment(key),
            body=body,
            title=" ".join(str(member(body, name)) for name in item.title if member(body, name)) or key,
            texts=_texts(item, body),
            names=_named(item.spans, body) if item.spans else [],
            tables=listed.tables(item, body),
            passages=listed.passages(item, body, ask.query.get(PASSAGE)),
            waits=_waits(record),
            asks=lambda lead: {name: str(member(body, mine)) for name, mine in lead.sets.items()},
            may_repair=ask.caller.may(READERS),
            edits=view.editor if view.editor and ask.caller.may(view.editor.roles or ADMIN) else None,
            rest=[(name, _said(value)) for name, value in rest.items()] if isinstance(rest, dict) else [],
            record=record,
            job=job,
            result=result,
            sent=sent,
            lines=lines,
            reads_trail=ask.caller.may(ADMIN),
            member=member,
            named=named,
        )

    async def _get(self, ask: Request, route: str, placeholder: str, name: object, state: State) -> Any:
        """What the API says of something else, or None where there is nothing, or not for the caller."""
        if name is None or name == "":
            return None
        query = {"all": "true"} if state.everybody else {}
        try:
            found = await self._parts.inside.get(ask, route, object, query, params={placeholder: str(name)})
            return msgspec.json.decode(msgspec.json.encode(found))  # a record's content is JSON already
        except IngestError:
            return None


def _texts(item: Item, body: Mapping[str, Any]) -> list[ShownText]:
    found = []
    for each in item.texts:
        value = member(body, each.member)
        texts = value if each.many and isinstance(value, list) else [value]
        for number, text in enumerate(texts[:MOST_TEXTS], 1):
            if isinstance(text, str) and text.strip():
                found.append(_shown(item, each, body, text, number if each.many else None))
    return found


def _shown(item: Item, each: Texts, body: Mapping[str, Any], text: str, number: int | None) -> ShownText:
    cut = len(text) > MOST_CHARACTERS
    text = text[:MOST_CHARACTERS]
    spans = member(body, item.spans.items) if item.spans and number is None else None
    pieces = _pieces(text, each.field, item.spans, spans or []) if item.spans else [Piece(text)]
    return ShownText(each.label, number, pieces, _facts(item, each.field, number, body), cut)


def _facts(item: Item, name: str, number: int | None, body: Mapping[str, Any]) -> Mapping[str, Any]:
    if item.said is not None:
        for fact in member(body, item.said.items) or ():
            if fact.get(item.said.field) == name and fact.get(item.said.number) == number:
                found: Mapping[str, Any] = fact
                return found
    return {}


def _pieces(text: str, name: str, spans: Spans, found: list[Any]) -> list[Piece]:
    """A text with what it names apart. What does not stand where it is said to is left out: a box sent it."""
    pieces, at = [], 0
    placed = [each for each in found if each[spans.start] is not None and each[spans.end] is not None]
    for each in sorted(placed, key=lambda each: (each[spans.start], -each[spans.end])):
        start, end = each[spans.start], each[spans.end]
        if (spans.field and each[spans.field] != name) or start < at or not start < end <= len(text):
            continue
        if text[start:end] != each[spans.text]:
            continue
        if start > at:
            pieces.append(Piece(text[at:start]))
        query = {parameter: str(each[mine]) for parameter, mine in spans.sets.items()}
        pieces.append(Piece(text[start:end], str(each[spans.label]), query))
        at = end
    return [*pieces, Piece(text[at:])] if at < len(text) else pieces


def _named(spans: Spans, body: Mapping[str, Any]) -> list[Piece]:
    """What the object names, once each."""
    found: dict[tuple[str, str], Piece] = {}
    for each in member(body, spans.items) or ():
        label, text = str(each[spans.label]), str(each[spans.text])
        query = {parameter: str(each[mine]) for parameter, mine in spans.sets.items()}
        found.setdefault((label, text), Piece(text, label, query))
    return list(found.values())


def _waits(record: Any) -> Any:
    """The open issue that a record waits with, or None."""
    if not record or record["state"] != "issue":
        return None
    return next((each for each in record["issues"] if not each["resolved_at"] and not each["lane"]), None)


def _said(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
