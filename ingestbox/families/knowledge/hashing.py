"""Hashes of texts, by which the same one is known again, without holding up other requests. Light: children
import it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from ingestbox.enrich.duplicates import text_hash

LONG_CHARACTERS = 20_000
"""Texts over this are hashed in a child: a million characters take 0.1 s."""

TURN_CHARACTERS = 20_000
"""Hashed at a stretch: about 2 ms."""

CALL_CHARACTERS = 1_000_000
"""Sent to a child at once, one text at least."""


class _Content(msgspec.Struct):
    content: str


_content = msgspec.json.Decoder(_Content).decode
_texts = msgspec.json.Decoder(list[str])
_hashes = msgspec.json.Decoder(list[bytes])

Compute = Callable[[str, bytes], Awaitable[bytes]]
"""`family.Box.compute`."""


async def hashes(compute: Compute, texts: Sequence[str]) -> list[bytes]:
    """`text_hash` of each. Raises what `family.Box.compute` does."""
    import asyncio  # here, for children have no use for it

    found = [b""] * len(texts)
    waiting: list[int] = []
    size = turn = 0
    for place, text in enumerate(texts):
        if len(text) <= LONG_CHARACTERS:
            found[place] = text_hash(text)
            turn += len(text)
            if turn > TURN_CHARACTERS:
                turn = 0
                await asyncio.sleep(0)
            continue
        if waiting and size + len(text) > CALL_CHARACTERS:
            await _ask(compute, texts, waiting, found)
            waiting, size = [], 0
        waiting.append(place)
        size += len(text)
    if waiting:
        await _ask(compute, texts, waiting, found)
    return found


async def _ask(compute: Compute, texts: Sequence[str], places: Sequence[int], found: list[bytes]) -> None:
    given = msgspec.json.encode([texts[place] for place in places])
    answer = await compute("ingestbox.families.knowledge.hashing:in_child", given)
    for place, each in zip(places, _hashes.decode(answer), strict=True):
        found[place] = each


def record_hash(record: bytes) -> bytes:
    """The hash of a good article's text (JSON): a million characters take 0.1 s."""
    return text_hash(_content(record).content)


def in_child(data: bytes) -> bytes:
    """The hashes of texts, both as JSON."""
    return msgspec.json.encode([text_hash(text) for text in _texts.decode(data)])
