"""The JSON around a batch of records, strictly checked while its records are not looked into yet."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ingestbox import strictjson

BESIDE_BYTES = 65_536
"""Up to this beside the members that are known, any number of others is taken; they are looked at one by one.
"""

LONG_BYTES = 262_144
"""A list over this may have so many elements that they have to be counted before they are made."""


MARKS_A_TURN = 20_000
"""Looked at before other requests get their turn: about 5 ms."""

OBJECTS = 100_000
"""Up to so many, or four times as many as are wanted, are made to be counted: at most 60 ms for 50,000. Five
millions take 1.6 s."""

PASSES = 4
"""So many levels of what lies deeper go without being looked at one by one."""


class TooManyError(Exception):
    """A list has more elements than are taken."""


class _Object(msgspec.Struct, gc=False):
    """Stands for an object of which nothing is wanted."""


_members = msgspec.json.Decoder(dict[str, Raw])
_elements = msgspec.json.Decoder(list[Raw])
_objects = msgspec.json.Decoder(list[_Object])
_inner = re.compile(rb"[\[{],*[\]}]")
_marks = re.compile(rb",+|[\[\]{}]")
_NO_MARKS = bytes(set(range(256)) - set(b"[]{},"))


class Envelope:
    """An object whose members of these names are wanted; others are checked, and dropped."""

    def __init__(self, *names: str) -> None:
        self._names = frozenset(names)
        # Untyped: of duplicate keys the last wins, whatever the type of the others.
        fields = [(name, Raw | UnsetType, UNSET) for name in names]
        self._usual = msgspec.json.Decoder(msgspec.defstruct("Usual", fields, forbid_unknown_fields=True))
        self._any = msgspec.json.Decoder(msgspec.defstruct("Any", fields))

    async def open(self, body: bytes) -> Sequence[Raw | UnsetType] | None:
        """The members' bytes in the order of the names, not looked into; None for JSON that is no object.

        Raises IngestError `malformed_json`.
        """
        try:
            return msgspec.structs.astuple(self._usual.decode(body))
        except strictjson.FAILURES:  # there are other members, or it is something else
            pass
        try:
            found: Sequence[Raw | UnsetType] = msgspec.structs.astuple(self._any.decode(body))
        except strictjson.FAILURES:
            await strictjson.decode_in_turns(body)  # says what is wrong, unless it is JSON of another shape
            return None
        if len(body) - sum(len(each) for each in found if isinstance(each, Raw)) > BESIDE_BYTES:
            await strictjson.decode_in_turns(body)
            return found
        for name, member in _members.decode(body).items():
            if name not in self._names:
                strictjson.decode(member, f"The member `{name[:100]}`", strictjson.MAX_DEPTH - 1)
        return found


async def elements(records: Raw, most: int) -> Sequence[Raw] | None:
    """The elements' bytes, not looked into; None for JSON that is no list.

    Raises TooManyError if there are more than `most`, and IngestError `malformed_json`.
    """
    try:
        # 5 MB can hold millions of them, which take a second and 300 MB: the decoder makes them all.
        if len(records) > LONG_BYTES and await _more_than(records, most):
            raise TooManyError
        await asyncio.sleep(0)  # each pass over a large list holds the interpreter for some milliseconds
        found = _elements.decode(records)
    except strictjson.FAILURES:
        await strictjson.decode_in_turns(records, "The member `records`", strictjson.MAX_DEPTH - 1)
        return None
    if len(found) > most:
        raise TooManyError
    return found


async def _more_than(records: Raw, most: int) -> bool:
    """Whether a list has more than `most` elements. Raises DecodeError for JSON that is broken, but may also
    not see that it is; and IngestError `malformed_json` for an element that `strictjson` would not take."""
    text = bytes(records)
    if text[:1] != b"[":
        return False
    if not strictjson.reaches(text, max(4 * most, OBJECTS) + 1, b"{"):
        try:
            return len(_objects.decode(text)) > most
        except msgspec.ValidationError:  # not all are objects, or it is no list
            pass
    depth = count = turn = inside = 0
    for outside, _ in strictjson.without_strings(text):
        await asyncio.sleep(0)
        flat = outside.translate(None, _NO_MARKS)
        for _ in range(PASSES):
            flat = _inner.sub(b"", flat)
        for mark in _marks.findall(flat):
            if mark in (b"[", b"{"):
                depth += 1
                inside += 1
                if inside > strictjson.MAX_CONTAINERS:  # or 16 MB of them in one element take 10 s
                    raise strictjson.too_many_containers("A record")
            elif mark in (b"]", b"}"):
                depth -= 1
            elif depth == 1:
                count += len(mark)
                inside = 0
            turn += 1
            if turn % MARKS_A_TURN == 0:
                await asyncio.sleep(0)
        if count >= most:
            return True
    return False
