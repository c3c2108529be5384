"""Creations that happen once for an Idempotency-Key, and whose answer holds a secret.

The answer is kept without the secret, together with a seed that the secret can be made from again; what is
in the store alone does not give it away (`identity/derived.py`). Rows lie in the table that intake uses,
under job 0, and are forgotten with its rows.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from ingestbox.store.intake import Key
from ingestbox.store.unit import Tx

T = TypeVar("T", bound=msgspec.Struct)

CREATED = 201
NO_JOB = 0


@dataclass(frozen=True, slots=True)
class Made(Generic[T]):
    """What was made, now or by an earlier request with the same key, and the seed of its secret."""

    what: T
    seed: bytes
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Denied:
    """The unit did nothing; `code`, of the catalogue of errors, says why."""

    code: str


class _Kept(msgspec.Struct):
    seed: bytes
    answer: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Once(Generic[T]):
    """How a unit of work makes something once; without a key it is made each time."""

    key: Key | None
    seed: bytes
    shape: type[T]

    def earlier(self, tx: Tx) -> Made[T] | Denied | None:
        """What an earlier request with this key decides; None lets this one through."""
        if self.key is None:
            return None
        row = tx.one("idempotency.find", {"scope": self.key.scope, "key": self.key.key})
        if row is None:
            return None
        fingerprint, _, body = row  # here it is made with its answer, in one transaction
        if fingerprint != self.key.fingerprint:
            return Denied("idempotency_mismatch")
        kept = msgspec.json.decode(zlib.decompress(body), type=_Kept)
        return Made(msgspec.json.decode(kept.answer, type=self.shape), kept.seed, replayed=True)

    def keep(self, tx: Tx, what: T, now_ms: int) -> Made[T]:
        """Keeps what was made; `what` must not hold the secret."""
        if self.key is not None:
            kept = _Kept(self.seed, msgspec.Raw(msgspec.json.encode(what)))
            tx.run(
                "idempotency.insert",
                {
                    "scope": self.key.scope,
                    "key": self.key.key,
                    "fingerprint": self.key.fingerprint,
                    "job_id": NO_JOB,
                    "status": CREATED,
                    "body": zlib.compress(msgspec.json.encode(kept), 1),
                    "now": now_ms,
                },
            )
        return Made(what, self.seed)


@dataclass(frozen=True, slots=True)
class Recall(Generic[T]):
    """What an earlier request with the key decides, if there was one: for work of many units."""

    once: Once[T]
    weight: int = 1

    def apply(self, tx: Tx) -> Made[T] | Denied | None:
        """Looks."""
        return self.once.earlier(tx)


@dataclass(frozen=True, slots=True)
class KeepAnswer(Generic[T]):
    """The answer of such work, once it is done."""

    once: Once[T]
    what: T
    now_ms: int
    weight: int = 4

    def apply(self, tx: Tx) -> Made[T] | Denied:
        """Keeps it, unless there is one."""
        return self.once.earlier(tx) or self.once.keep(tx, self.what, self.now_ms)
