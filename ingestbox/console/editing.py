"""`/console/edit/{view}`: objects that people make, change, try out and remove by hand.

Families say what a form has (`view.Editor`); nothing here knows one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ingestbox.console import listed
from ingestbox.console.forms import form
from ingestbox.console.inside import json_of
from ingestbox.console.nav import ADMIN
from ingestbox.console.parts import Parts
from ingestbox.console.show import segment
from ingestbox.console.sights import view_of
from ingestbox.console.table import State, member, named
from ingestbox.errors import IngestError
from ingestbox.route import Reply
from ingestbox.view import Editor, Field, View
from ingestbox.web.binding import BoundRoute, Request

TOLD = frozenset({400, 409, 413, 422, 429})
"""Statuses that the page itself tells, with all that was typed."""


class Editing:
    """The form of one object, and of a new one."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._views = {view.name: view for family in parts.families.values() for view in family.views}

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/edit/{view}", self.blank),
            page("POST", "/edit/{view}", self.make),
            page("GET", "/edit/{view}/{key:path}", self.one),
            page("POST", "/edit/{view}/{key:path}", self.change),
        )

    async def blank(self, ask: Request) -> Reply:
        """GET /console/edit/{view}: an empty form."""
        view, editor = self._editor(ask)
        return await self._page(ask, view, editor, "", {})

    async def make(self, ask: Request) -> Reply:
        """POST /console/edit/{view}: makes the object, or tries what the form says."""
        view, editor = self._editor(ask)
        given = form(ask.body)
        if given.get("do") == "try":
            return await self._try(ask, view, editor, "", given)
        once = given.get("once", "")
        headers = {"idempotency-key": once} if once else None
        try:
            reply = await self._parts.inside.call(
                ask, "POST", editor.path, body=body_of(editor.fields, given), headers=headers
            )
        except IngestError as error:
            return await self._refused(ask, view, editor, "", given, error)
        key = member(msgspec.json.decode(await json_of(reply)), editor.made)
        return self._parts.pages.redirect(ask, f"/console/browse/{view.name}/{segment(key)}")

    async def one(self, ask: Request) -> Reply:
        """GET /console/edit/{view}/{key}: the form of an object as it is."""
        view, editor = self._editor(ask)
        key = ask.path["key"]
        return await self._page(ask, view, editor, key, shown(editor, await self._now(ask, view, key)))

    async def change(self, ask: Request) -> Reply:
        """POST /console/edit/{view}/{key}: changes or removes the object, or tries what the form says."""
        view, editor = self._editor(ask)
        key, given = ask.path["key"], form(ask.body)
        params = {_placeholder(editor.one): key}
        do = given.get("do")
        if do == "try":
            return await self._try(ask, view, editor, key, given)
        try:
            if do == "remove":
                await self._parts.inside.call(ask, "DELETE", editor.one, params=params)
                return self._parts.pages.redirect(ask, f"/console/browse/{view.name}")
            fields = [each for each in editor.fields if not each.fixed]
            body = body_of(fields, given, changes=True)
            await self._parts.inside.call(ask, editor.method, editor.one, params=params, body=body)
        except IngestError as error:
            return await self._refused(ask, view, editor, key, given, error)
        return self._parts.pages.redirect(ask, f"/console/browse/{view.name}/{segment(key)}")

    def _editor(self, ask: Request) -> tuple[View, Editor]:
        """The view, and how its objects are made. Raises IngestError: not_found, forbidden."""
        view = view_of(self._views, ask)
        if view.editor is None:
            raise IngestError("not_found", "There is no such page.")
        if not ask.caller.may(view.editor.roles or ADMIN):
            wanted = " or ".join(sorted(view.editor.roles or ADMIN))
            raise IngestError("forbidden", f"This page needs the role {wanted}.")
        return view, view.editor

    async def _now(self, ask: Request, view: View, key: str) -> Any:
        params = {_placeholder(view.item.path): key}
        found = msgspec.to_builtins(
            await self._parts.inside.get(ask, view.item.path, view.item.type, params=params)
        )
        return member(found, view.item.inside) if view.item.inside else found

    async def _try(self, ask: Request, view: View, editor: Editor, key: str, given: dict[str, str]) -> Reply:
        trial = editor.trial
        if trial is None:
            raise IngestError("bad_parameter", "The form is not one of this page.")
        if key:
            given |= {
                name: value
                for name, value in shown(editor, await self._now(ask, view, key)).items()
                if any(each.member == name and each.fixed for each in editor.fields)
            }
        try:
            reply = await self._parts.inside.call(
                ask, "POST", trial.path, body={trial.wrap: body_of(_tried(editor), given)}
            )
        except IngestError as error:
            return await self._refused(ask, view, editor, key, given, error)
        return await self._page(
            ask, view, editor, key, given, tried=msgspec.json.decode(await json_of(reply))
        )

    async def _refused(
        self, ask: Request, view: View, editor: Editor, key: str, given: dict[str, str], error: IngestError
    ) -> Reply:
        if error.status not in TOLD:
            raise error
        if key and given.get("do") == "remove":
            given = shown(editor, await self._now(ask, view, key))
        return await self._page(ask, view, editor, key, given, error=error)

    async def _page(
        self,
        ask: Request,
        view: View,
        editor: Editor,
        key: str,
        given: Mapping[str, str],
        *,
        tried: Any = None,
        error: IngestError | None = None,
    ) -> Reply:
        around = f"{editor.trial.wrap}." if editor.trial else ""
        wrong = error.faults if error else ()
        faults = {(fault.field or "").removeprefix(around): fault.message for fault in wrong}
        known = {each.member for each in editor.fields}
        return self._parts.pages.reply(
            ask,
            "browse/edit.html",
            status=error.status if error else 200,
            view=view,
            editor=editor,
            state=State(view, {}),
            key=key,
            given=given,
            body=body_of(editor.fields, given, changes=bool(key)),
            tried=tried,
            trial=body_of(_tried(editor), given) if editor.trial else {},
            parts=listed.rows(editor.trial.named, "", member(tried, editor.trial.items))
            if editor.trial and tried is not None
            else [],
            error=error,
            faults=faults,
            others=[message for name, message in faults.items() if name not in known],
            member=member,
            named=named,
        )


def _tried(editor: Editor) -> list[Field]:
    leaves = editor.trial.leaves if editor.trial else ()
    return [each for each in editor.fields if each.member not in leaves]


def _placeholder(path: str) -> str:
    return path.rpartition("{")[2].removesuffix("}")


def body_of(
    fields: tuple[Field, ...] | list[Field], given: Mapping[str, str], *, changes: bool = False
) -> Any:
    """What a form says, as the body of a call. What is left empty is left out or, where something is changed,
    null: then it is empty from now on."""
    body: dict[str, Any] = {}
    for each in fields:
        value = _value(each, given.get(each.member, ""))
        *outer, name = each.member.split(".")
        if value is None and not changes:
            continue
        place = body
        for part in outer:
            place = place.setdefault(part, {})
        if value is not None or not outer:
            place[name] = value
    return body


def _value(field: Field, text: str) -> Any:
    text = text.strip()
    if field.kind == "switch":
        return text == "true"
    if field.kind == "lines":
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines or None
    if field.kind == "number" and text:
        try:
            number = float(text)
        except ValueError:
            return text  # the call says what is wrong with it
        return int(number) if number.is_integer() else number
    return text or None


def shown(editor: Editor, body: Mapping[str, Any]) -> dict[str, str]:
    """The fields of an object as a form has them."""
    found = {}
    for each in editor.fields:
        value = member(body, each.member)
        if isinstance(value, bool):
            found[each.member] = "true" if value else ""
        elif isinstance(value, list):
            found[each.member] = "\n".join(map(str, value))
        elif value is not None:
            found[each.member] = str(value)
    return found
