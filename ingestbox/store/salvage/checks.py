"""Whether a row is what it was when it was written, for tables that keep a checksum."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from ingestbox.model import checksum
from ingestbox.store.salvage.rows import Table, Value

Row = Mapping[str, Any]


def sound(table: Table, values: tuple[Value, ...]) -> bool:
    """Whether the row matches its checksum; True of a table that keeps none."""
    check = _CHECKS.get(table.name)
    if check is None:
        return True
    return check({name: value for (name, _), value in zip(table.columns, values, strict=True)})


def put_right(table: Table, values: tuple[Value, ...]) -> tuple[Value, ...]:
    """The row with the columns that a line, whose checksum is right, says otherwise: they have none. Other
    tables' rows are as they are."""
    if table.name != "deliveries":
        return values
    names = [name for name, _ in table.columns]
    try:
        said = msgspec.json.decode(bytes(values[names.index("line")]), type=_Line)  # type: ignore[arg-type]
    except msgspec.MsgspecError:  # a relayed one, of another making
        return values
    own = {**msgspec.structs.asdict(said), "object_id": said.id}
    columns = ("seq", "epoch", "op", "workspace", "family", "kind", "object_id", "version")
    return tuple(own[name] if name in columns else value for name, value in zip(names, values, strict=True))


class _Line(msgspec.Struct):
    """What of a line is in columns, too (contract: forwarding, What is forwarded)."""

    seq: int
    epoch: str
    op: str
    workspace: str
    family: str
    kind: str
    id: str
    version: int


def _record(row: Row) -> bool:
    return bool(checksum(row["key"].encode(), row["payload"]) == row["crc"])


def _line(row: Row) -> bool:
    return bool(zlib.crc32(row["line"]) == row["crc"])


def _result(row: Row) -> bool:
    return bool(zlib.crc32(row["result"] + (row["record"] or b"")) == row["crc"])


def _contact(row: Row) -> bool:
    # As its result is encoded when it is put.
    cells = {name: row[name] for name in ("email", "first_name", "last_name", "company")}
    return bool(zlib.crc32(msgspec.json.encode(cells)) == row["crc"])


_CHECKS: Final[dict[str, Callable[[Row], bool]]] = {
    "records": _record,
    "deliveries": _line,
    "tickets": _result,
    "contacts": _contact,
    "audience_records": _result,
    "audience_segments": _result,
    "knowledge_articles": _result,
}
