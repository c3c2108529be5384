"""Reading answers: never more of one than makes sense."""

from __future__ import annotations

import asyncio

import httpx2

from ingestbox.forward import answers
from ingestbox.forward.batch import LaneBatch
from ingestbox.forward.sink import Decision, Delivered, Retry

WORDS_BYTES, WORDS_SECONDS = 65_536, 5.0
"""What is read of an answer that refuses, for what it says: this much, for so long."""


async def words(response: httpx2.Response) -> bytes:
    """What an answer that refuses says: as much of it as comes soon. The status alone decides, too."""
    found = bytearray()
    if response.headers.get("content-encoding", "identity") != "identity":
        return b""
    try:
        async with asyncio.timeout(WORDS_SECONDS):
            async for part in response.aiter_raw():
                found += part
                if len(found) >= WORDS_BYTES:
                    break
    except (TimeoutError, httpx2.TransportError, OSError):
        pass
    return bytes(found[:WORDS_BYTES])


async def ends(answer: httpx2.Response) -> bool:
    """Whether an answer to an empty batch ends within what is read of one."""
    size = 0
    async for part in answer.aiter_raw():
        size += len(part)
        if size > answers.cap(0):
            return False
    return True


async def decision(batch: LaneBatch, response: httpx2.Response) -> Decision:
    """What a 2xx answer says of the batch."""
    if response.status_code == 204:
        return Delivered()
    if response.headers.get("content-encoding", "identity") != "identity":
        return Retry("answer_encoded")  # it was asked not to be; what it rejects cannot be read
    limit = answers.cap(len(batch.lines))
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > limit:
            # Cut here, and taken for a cut answer: what it rejects may stand in the rest.
            return Retry("answer_too_large")
    framed = "content-length" in response.headers or "transfer-encoding" in response.headers
    return answers.delivered(batch, bytes(body), framed=framed)
