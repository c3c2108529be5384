"""An export: everything that a box holds as lines of JSON, kind by kind, each in the order of its keys.

Each read takes a page, in some 10 ms and beside the writer: however much there is, no more than a page is in
memory, and no read holds the write-ahead log. A box may work meanwhile: what comes in behind the place that
the export is at is not in it. Vectors, words and tallies follow from the rest and are left out, as is all
that is secret.

A family's own tables come by its queries `export_<name>`, as those in `export.sql` do; `FAMILY_KINDS` names
them.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ingestbox import __version__
from ingestbox.clock import iso
from ingestbox.model import index_of
from ingestbox.store import migrations, whole
from ingestbox.store.deliveries import with_lanes
from ingestbox.store.readers import ReadTx

if TYPE_CHECKING:
    from ingestbox.store import Store

FORMAT: Final = 1

FIRST_NUMBER: Final = -1
FIRST_TEXT: Final = ""

Key = tuple[Any, ...]
Lines = tuple[list[bytes], int, Key | None]
"""The lines of a page, how many of them are damaged, and the key to go on after; None at the end."""


class _Record(msgspec.Struct, tag_field="kind", tag="record", omit_defaults=True):
    """What was sent: `payload` as it came, or `payload_base64` where it is no JSON in UTF-8."""

    id: str
    job: str | None
    index: int
    family: str | None
    workspace: str | None
    key: str
    state: str
    payload: Raw | UnsetType | None = UNSET
    payload_base64: str | UnsetType = UNSET
    damaged: bool = False


class _Object(msgspec.Struct, tag_field="kind", tag="object", omit_defaults=True):
    """What came of a record; `sent` is what that was, where another box has it (`origin`)."""

    family: str
    object: str
    id: str
    workspace: str
    origin: str
    owner: str | None
    version: int
    record: str | None
    job: str | None
    updated_at: str | None
    result: Raw | UnsetType | None = UNSET
    result_base64: str | UnsetType = UNSET
    sent: Raw | UnsetType | None = UNSET
    sent_base64: str | UnsetType = UNSET
    damaged: bool = False


class _Delivery(msgspec.Struct, tag_field="kind", tag="delivery", omit_defaults=True):
    """A line for upstream, and how it is with each lane that takes it."""

    seq: int
    epoch: str
    op: str
    workspace: str
    family: str
    object: str
    object_id: str
    version: int
    record: str | None
    origin: str
    made_at: str | None
    lanes: dict[str, str]
    line: Raw | UnsetType | None = UNSET
    line_base64: str | UnsetType = UNSET
    damaged: bool = False


class _Box(msgspec.Struct, tag_field="kind", tag="box"):
    """The first line."""

    format: int
    box: str
    epoch: str
    program: str
    schema: int
    workspace: str | None
    made_at: str | None


class _End(msgspec.Struct, tag_field="kind", tag="end"):
    """The last line: an export without it was cut off. `lines` are those before it."""

    lines: int
    damaged: int
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Listing:
    """A kind whose lines its query makes; `start` is below each of its keys."""

    kind: str
    query: str
    start: Key = (FIRST_NUMBER,)


BEFORE: Final = (
    Listing("user", "export.user"),
    Listing("key", "export.key"),
    Listing("rule", "export.rule"),
    Listing("lane", "export.lane", (FIRST_TEXT,)),
    Listing("sender", "export.sender"),
    Listing("job", "export.job"),
)
FAMILY_KINDS: Final = (
    Listing("mapping", "contacts.export_mapping", (FIRST_TEXT,) * 3),
    Listing("upload", "audience.export_upload"),
    Listing("source", "knowledge.export_source"),
    Listing("batch", "knowledge.export_batch"),
    Listing("content", "knowledge.export_content"),
    Listing("member", "knowledge.export_member", (FIRST_NUMBER,) * 2),
)
AFTER: Final = (
    Listing("issue", "export.issue"),
    Listing("issue_record", "export.issue_record", (FIRST_NUMBER,) * 2),
    Listing("operation", "export.operation"),
    *FAMILY_KINDS,
    Listing("tombstone", "export.tombstone", (FIRST_TEXT,) * 5),
    Listing("refusal", "export.refusal", (FIRST_TEXT, FIRST_NUMBER)),
    Listing("audit", "export.audit"),
    Listing("erasure", "export.erasure"),
)

RECORD, OBJECT, DELIVERY = "record", "object", "delivery"
KINDS: Final = (*(each.kind for each in (*BEFORE, *AFTER)), RECORD, OBJECT, DELIVERY)
"""What can be asked for; the first and the last line always come."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: of this workspace (None: of all, and the box's own), of these kinds (none: any)."""

    workspace: str | None = None
    kinds: frozenset[str] = frozenset()

    def has(self, workspace: str | None) -> bool:
        """Whether a line that is this workspace's (None: the box's own) is one of them."""
        return self.workspace is None or workspace == self.workspace


@dataclass(slots=True)
class _Counts:
    lines: Counter[str] = field(default_factory=Counter)
    damaged: int = 0


async def lines(
    store: Store, families: Mapping[str, frozenset[str]], wanted: Wanted
) -> AsyncGenerator[bytes, None]:
    """The export, in pieces of whole lines; `families` are the kinds of objects of each.

    Raises IngestError `store_unavailable`: what was given so far has no last line, then.
    """
    counts = _Counts()
    identity = store.identity
    schema = migrations.known()[-1][0]
    now = iso(store.clock.now_ms())
    first = _Box(FORMAT, identity.box, identity.epoch, __version__, schema, wanted.workspace, now)
    counts.lines["box"] += 1
    yield _line(first)
    for kind, read, start in _parts(families, wanted):
        place: Key | None = start
        while place is not None:
            made, damaged, place = await store.read_with(partial(read, after=place))
            counts.lines[kind] += len(made)
            counts.damaged += damaged
            if made:
                yield b"".join(made)
    yield _line(_End(counts.lines.total(), counts.damaged, dict(counts.lines)))


def _parts(
    families: Mapping[str, frozenset[str]], wanted: Wanted
) -> Sequence[tuple[str, Callable[..., Lines], Key]]:
    start = (FIRST_NUMBER,)
    parts: list[tuple[str, Callable[..., Lines], Key]] = [_listing(each, wanted) for each in BEFORE]
    parts.append((RECORD, partial(_records, wanted=wanted), start))
    for family, kinds in families.items():
        parts += [
            (OBJECT, partial(_objects, family=family, kind=kind, wanted=wanted), start)
            for kind in sorted(kinds)
        ]
    parts += [_listing(each, wanted) for each in AFTER]
    parts.append((DELIVERY, partial(_deliveries, wanted=wanted), start))
    return [each for each in parts if not wanted.kinds or each[0] in wanted.kinds]


def _listing(listing: Listing, wanted: Wanted) -> tuple[str, Callable[..., Lines], Key]:
    return listing.kind, partial(_listed, listing=listing, wanted=wanted), listing.start


def _listed(tx: ReadTx, after: Key, listing: Listing, wanted: Wanted) -> Lines:
    rows = tx.all(listing.query, {f"after{number}": part for number, part in enumerate(after, 1)})
    width = len(listing.start)
    made = [
        _said(listing.kind, row[width + 1])
        for row in rows
        if row[width + 1] is not None and wanted.has(row[width])
    ]
    return made, 0, rows[-1][:width] if rows else None


def _when(ms: int | None) -> str | None:
    """A stored time; None for one that cannot be one. Times have no checksum, and a bit may have changed."""
    try:
        return iso(ms)
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def _said(kind: str, text: str) -> bytes:
    told: dict[str, object] = {"kind": kind}
    for name, value in msgspec.json.decode(text).items():
        if name.endswith("_ms"):
            told[f"{name[:-3]}_at"] = _when(value)
        else:
            told[name] = value.split() if name == "roles" else value
    return _line(told)


def _records(tx: ReadTx, after: Key, wanted: Wanted) -> Lines:
    page = whole.page(tx, whole.RECORDS, after[0])
    made, damaged = [], 0
    for row in page.rows:
        rid, key, state, payload, _, job, family, workspace, of_job = row
        if of_job == "receiving" or not wanted.has(workspace):
            continue
        line = _Record(str(rid), job, index_of(rid), family, workspace, _text(key), _text(state))
        if whole.is_sound(whole.RECORDS, row):
            line.payload, line.payload_base64 = _content(payload)
        else:
            line.payload, line.damaged = None, True
            damaged += 1
        made.append(_line(line))
    return made, damaged, None if page.last is None else (page.last,)


def _objects(tx: ReadTx, after: Key, family: str, kind: str, wanted: Wanted) -> Lines:
    table = whole.object_kind(family, kind)
    page = whole.page(tx, table, after[0])
    made, damaged = [], 0
    for row in page.rows:
        found = whole.Whole(*row)
        workspace = _text(found.workspace)
        if not wanted.has(workspace):
            continue
        line = _Object(
            family=family,
            object=kind,
            id=_text(found.object_id),
            workspace=workspace,
            origin=_text(found.origin),
            owner=None if found.owner is None else _text(found.owner),
            version=found.version,
            record=str(found.record_id) if found.record_id else None,
            job=_text(found.job) if found.job else None,
            updated_at=_when(found.updated_ms),
        )
        if whole.is_sound(table, row):
            line.result, line.result_base64 = _content(found.result)
            if found.source is not None:
                line.sent, line.sent_base64 = _content(found.source)
        else:
            line.result, line.damaged = None, True
            damaged += 1
        made.append(_line(line))
    return made, damaged, None if page.last is None else (page.last,)


def _deliveries(tx: ReadTx, after: Key, wanted: Wanted) -> Lines:
    page = whole.page(tx, whole.LINES, after[0])
    rows = [row for row in page.rows if wanted.has(row[2])]
    states = {each.seq: each.lanes for each in with_lanes(tx, [row[:10] for row in reversed(rows)])}
    made, damaged = [], 0
    for row in rows:
        seq, op, workspace, family, kind, object_id, version, record_id, at_ms, epoch, origin, text, _ = row
        line = _Delivery(
            seq=seq,
            epoch=epoch,
            op=op,
            workspace=workspace,
            family=family,
            object=kind,
            object_id=object_id,
            version=version,
            record=str(record_id) if record_id else None,
            origin=origin,
            made_at=_when(at_ms),
            lanes=dict(states[seq]),
        )
        if whole.is_sound(whole.LINES, row):
            line.line, line.line_base64 = _content(text)
        else:
            line.line, line.damaged = None, True
            damaged += 1
        made.append(_line(line))
    return made, damaged, None if page.last is None else (page.last,)


def _content(data: bytes) -> tuple[Raw | UnsetType, str | UnsetType]:
    """Bytes as JSON within a line, or as Base64. Line breaks between the parts of JSON become blanks: within
    its strings there are none."""
    try:
        msgspec.json.decode(data)
        data.decode("utf-8")
    except (ValueError, RecursionError):
        return UNSET, base64.b64encode(data).decode()
    return Raw(data.translate(_ONE_LINE)), UNSET


_ONE_LINE: Final = bytes.maketrans(b"\r\n", b"  ")
_encode = msgspec.json.Encoder().encode


def _line(what: object) -> bytes:
    return _encode(what) + b"\n"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
