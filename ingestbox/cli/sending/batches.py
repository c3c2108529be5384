"""Batches of records, each with an Idempotency-Key that the same file gives it again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ingestbox.cli.sending.source import Piece

Heading = Callable[[int], bytes]
"""How the body of a part begins; part 0 is the only one of its file."""

_CLOSE = b"]}"
_MANY = 1_000_000


def bare(_: int) -> bytes:
    """The beginning of a body that is nothing but its records."""
    return b'{"records":['


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request carries.

    `places` says where each record lies; `ids` are the records' ids as text; `span` is how much of the file
    was read for it, in bytes.
    """

    body: bytes
    places: tuple[str, ...]
    ids: frozenset[str]
    span: int
    idempotency_key: str


class Batches:
    """Cuts records into batches. One object serves all files of a call, so that no two batches are alike."""

    def __init__(self, *, most_records: int, most_bytes: int, salt: str = "") -> None:
        """A body has at most `most_bytes`, unless one record alone has more. `salt` makes the keys new."""
        self._most_records = most_records
        self._most_bytes = most_bytes
        self._salt = salt.encode()
        self._number = 0

    def cut(self, pieces: Iterable[Piece], prefix: str = "", heading: Heading = bare) -> Iterator[Batch]:
        """Batches of pieces without a fault; `prefix` goes before each place."""
        held: list[Piece] = []
        part, empty = 0, len(heading(_MANY)) + len(_CLOSE)
        size = empty
        for piece in pieces:
            added = len(piece.raw) + 1
            if held and (len(held) == self._most_records or size + added > self._most_bytes):
                part += 1
                yield self._batch(held, prefix, heading(part))
                held, size = [], empty
            held.append(piece)
            size += added
        if held:
            yield self._batch(held, prefix, heading(part + 1 if part else 0))

    def _batch(self, held: list[Piece], prefix: str, begin: bytes) -> Batch:
        body = begin + b",".join(piece.raw for piece in held) + _CLOSE
        self._number += 1
        # With its number: a batch that comes again later in a file is meant to be taken again.
        content = hashlib.sha256(b"%b\n%d\n%b" % (self._salt, self._number, body)).hexdigest()
        return Batch(
            body=body,
            places=tuple(prefix + piece.place for piece in held),
            ids=frozenset(piece.key for piece in held if piece.key),
            span=sum(piece.span for piece in held),
            idempotency_key=f"send-{content[:48]}",
        )
