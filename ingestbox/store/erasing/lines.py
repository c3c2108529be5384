"""What is told upstream, and answers that are kept for a repeat of their request."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from ingestbox.enrich.addresses import MARK, Spellings
from ingestbox.store.erasing.columns import Drop, Rewrite
from ingestbox.store.erasing.slices import Pace, Position, Slice, Wanted
from ingestbox.store.readers import ReadTx

LEFT_ALONE = ("POST\n/v1/users",)
"""Answers of these routes stay: they are about users of the box."""

MOST_UNPACKED = 64 * 1_048_576
"""No answer is larger."""


class _Carried(msgspec.Struct):
    """What a line carries."""

    op: str = ""
    record: msgspec.Raw = msgspec.Raw(b"")
    result: msgspec.Raw = msgspec.Raw(b"")


_carried = msgspec.json.Decoder(_Carried)


class Deliveries:
    """Lines made of records that were there. One that carries the address in what is told of an object
    becomes a `skip`, whether it is delivered or not: the object's new version, or its tombstone, has a line
    of its own. One that has it around that alone (a file's name) says the same without it."""

    name = "deliveries"

    def look(self, tx: ReadTx, wanted: Wanted, after: Position) -> Slice:
        """The next slice after a position."""
        found, pace = Slice(), Pace()
        for row in tx.each("erasures.deliveries", {"after": after[0] if after else 0}):
            seq, epoch, op, workspace, object_id, rid, line, crc = row
            if op == "put" and rid < wanted.beyond and wanted.covers(workspace):
                made = self._erased(wanted, epoch, seq, line)
                if made is not None:
                    sound = zlib.crc32(line) == crc
                    params = {
                        "seq": seq,
                        "line": made,
                        "crc": zlib.crc32(made) if sound else crc,
                        "object_id": MARK if wanted.spelt.is_in(object_id) else object_id,
                        "was_crc": crc,
                    }
                    found.add(Rewrite("erasures.rewrite_delivery", params, len(line)), deliveries=1)
            if pace.full(len(line), found):
                found.position = (seq,)
                break
        return found

    def _erased(self, wanted: Wanted, epoch: str, seq: int, line: bytes) -> bytes | None:
        spelt = wanted.spelt
        elsewhere = spelt.in_json(line)
        if elsewhere is None:
            return None
        try:
            carried = _carried.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _skip(wanted.identity.box, epoch, seq)
        named = any(spelt.in_json(bytes(part)) for part in (carried.record, carried.result))
        return _skip(wanted.identity.box, epoch, seq) if named or _names_it(spelt, line) else elsewhere


class _Named(msgspec.Struct):
    id: str = ""


_named = msgspec.json.Decoder(_Named)


def _names_it(spelt: Spellings, line: bytes) -> bool:
    """Whether the object is called by the address."""
    return spelt.is_in(_named.decode(line).id)


def _skip(box: str, epoch: str, seq: int) -> bytes:
    return msgspec.json.encode({"box": box, "epoch": epoch, "seq": seq, "op": "skip"})


@dataclass(frozen=True, slots=True)
class _Answer:
    scope: str
    key: str
    body: bytes | None


class Answers:
    """Answers kept under an Idempotency-Key: the mark takes the address's place, and a repeat gets that. A
    key that is the address itself is forgotten, with its answer."""

    name = "answers"

    def look(self, tx: ReadTx, wanted: Wanted, after: Position) -> Slice:
        """The next slice after a position."""
        found, pace = Slice(), Pace()
        start = after or ("", "")
        for row in tx.each("erasures.answers", {"p0": start[0], "p1": start[1]}):
            each = _Answer(*row)
            workspace, _, rest = each.scope.partition("\n")
            if wanted.covers(workspace) and not rest.endswith(LEFT_ALONE):
                self._take(wanted.spelt, each, found)
            if pace.full(len(each.body or b""), found):
                found.position = (each.scope, each.key)
                break
        return found

    def _take(self, spelt: Spellings, each: _Answer, found: Slice) -> None:
        name: Mapping[str, object] = {"scope": each.scope, "key": each.key}
        if spelt.is_in(each.key):
            found.add(Drop("erasures.drop_answer", name), answers=1)
        elif each.body is not None:
            erased = spelt.in_json(_unpacked(each.body))
            if erased is not None:
                params = {**name, "body": zlib.compress(erased, 1), "was_body": each.body}
                found.add(Rewrite("erasures.rewrite_answer", params, len(erased)), answers=1)


def _unpacked(body: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(body, MOST_UNPACKED)
    except zlib.error:
        return b""
