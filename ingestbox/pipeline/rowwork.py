"""Staged rows in the child: a family's functions over some of them. Questions and answers are msgpack; see
`checking.py` for who asks.

Kept light, as `child.py` is.
"""

from __future__ import annotations

import importlib

import msgspec

from ingestbox.model import Item


class Question(msgspec.Struct, frozen=True, array_like=True):
    """Rows, and the function (`module:function`) that is to look at them."""

    function: str
    items: list[Item]


_questions = msgspec.msgpack.Decoder(Question)
_encode = msgspec.msgpack.Encoder().encode


def check(data: bytes) -> bytes:
    """What is wrong with each row by itself (`Staging.check`: a `Checked` each)."""
    question = _questions.decode(data)
    module, _, name = question.function.partition(":")
    return _encode(getattr(importlib.import_module(module), name)(question.items))


def same(data: bytes) -> bytes:
    """What each row is compared by (`Staging.same`: bytes each)."""
    question = _questions.decode(data)
    module, _, name = question.function.partition(":")
    payloads = [item.payload for item in question.items]
    return _encode(getattr(importlib.import_module(module), name)(payloads))
