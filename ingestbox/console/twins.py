"""A table as a file: its rows and columns, all pages of it, as JSON or CSV.

They are read page by page from the API, so that none takes long and no more than one is in memory, however
many there are; in the order in which a list is whole while others write (`View.whole`).
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ingestbox.console.inside import Inside
from ingestbox.console.table import State, cell, member
from ingestbox.route import MAX_LIMIT, Reply
from ingestbox.spreadsheet import download, guarded
from ingestbox.web.binding import Request

Row = Mapping[str, Any]

JSON = "application/json; charset=utf-8"


async def pages(inside: Inside, ask: Request, state: State) -> AsyncIterator[list[Row]]:
    """The rows of a list, page by page, to its end."""
    view, cursor = state.view, None
    while True:
        query = {**state.asked, **view.whole, "limit": str(MAX_LIMIT), "cursor": cursor}
        page = msgspec.to_builtins(await inside.get(ask, view.path, view.type, query))
        yield page[view.items]
        cursor = page.get("next_cursor")
        if cursor is None:
            return


async def as_csv(inside: Inside, ask: Request, state: State) -> Reply:
    """The table as a file for spreadsheets: with a mark, and safe from formulas (`spreadsheet`)."""

    def text(rows: Sequence[Row]) -> bytes:
        return _lines([cell(row, column) for column in state.columns] for row in rows)

    head = codecs.BOM_UTF8 + _lines([[column.label for column in state.columns]])
    return download(f"{state.view.name}.csv", await _begun(pages(inside, ask, state), text, head, b""))


async def as_json(inside: Inside, ask: Request, state: State) -> Reply:
    """The table as a list of objects, with the members that the API has."""
    members = [column.member for column in state.columns]
    begun = False

    def text(rows: Sequence[Row]) -> bytes:
        nonlocal begun
        lines = [msgspec.json.encode({name: member(row, name) for name in members}) for row in rows]
        comma = b",\n" if begun and lines else b""
        begun = begun or bool(lines)
        return comma + b",\n".join(lines)

    body = await _begun(pages(inside, ask, state), text, b"[\n", b"\n]\n")
    return Reply(body, headers=(("Content-Type", JSON), ("X-Content-Type-Options", "nosniff")))


def _lines(rows: Iterable[Sequence[str | float]]) -> bytes:
    """Lines of a file (RFC 4180). Text is guarded; a number is none, also below zero."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\r\n")
    writer.writerows([guarded(each) if isinstance(each, str) else each for each in row] for row in rows)
    return made.getvalue().encode("utf-8", "replace")


async def _begun(
    rows: AsyncIterator[list[Row]], text: Callable[[Sequence[Row]], bytes], head: bytes, tail: bytes
) -> AsyncIterator[bytes]:
    """The pieces of a file whose first page is read already: what is wrong with the query is an answer then,
    not a file that is cut off."""
    first = await anext(rows)

    async def pieces() -> AsyncIterator[bytes]:
        yield head + text(first)
        async for page in rows:
            piece = text(page)
            if piece:
                yield piece
        if tail:
            yield tail

    return pieces()
