"""Idempotency-Key: what a request that carries one is known by (contract: common, Requests)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ingestbox.errors import IngestError
from ingestbox.family import Ask
from ingestbox.model import Caller
from ingestbox.store.intake import Key, Name
from ingestbox.web.headers import REPEATED

MAX_KEY_CHARACTERS = 255


def named(caller: Caller, method: str, route_path: str, headers: Mapping[str, str]) -> Name | None:
    """What a request's key is kept under: its scope (caller and route), and the key; None without one.

    Raises IngestError `idempotency_key_invalid`, also for two keys: neither is the one that was meant.
    """
    given = headers.get("idempotency-key")
    if given is None:
        return None
    if REPEATED in given:
        raise IngestError("idempotency_key_invalid", "Idempotency-Key was sent more than once.")
    given = _text(given).strip()
    if not 1 <= len(given) <= MAX_KEY_CHARACTERS:
        raise IngestError("idempotency_key_invalid")
    return "\n".join((caller.workspace, caller.subject, method, route_path)), given


def key_of(ask: Ask, content: bytes | None = None) -> Key | None:
    """The request's key, bound to what was asked; None without one.

    `content` stands for the body, where that holds a password: a plain digest of it must not be stored.
    Raises IngestError `idempotency_key_invalid`.
    """
    name = named(ask.caller, ask.method, ask.route_path, ask.headers)
    if name is None:
        return None
    digest = hashlib.sha256()
    for part in (ask.method, ask.url_path, ask.query_string):
        digest.update(part.encode() + b"\n")
    digest.update(ask.body if content is None else content)
    return Key(*name, digest.digest())


def _text(value: str) -> str:
    """A header's value in the characters that its sender had: UTF-8, where it is."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return value
