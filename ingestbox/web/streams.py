"""Answers that are sent while they come into being, such as events and exports."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from ingestbox.errors import IngestError
from ingestbox.route import Reply
from ingestbox.web.bodies import Receive

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SEND_SECONDS = 60.0
"""A client that takes nothing of a body for this long is given up."""

STOPPED = "A long answer was cut off: the box stops."

log = logging.getLogger("ingestbox.web")


class Streamed(Reply, frozen=True, kw_only=True):
    """A reply whose `app`, an ASGI 3 response, sends itself; `body` and `headers` are not used.

    It has to end when the client goes away, and when the door is drained.
    """

    app: Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
    body: object = None


def flowing(reply: Reply, body: AsyncIterator[bytes], stopping: Callable[[], bool]) -> Streamed:
    """A reply whose body comes piece by piece; the next one is asked for when the last one is out.

    One that does not come to its end (it raises, the client takes nothing more, the box is `stopping`) is cut
    off: in HTTP/1.1 the last chunk is missing then, and a client knows that this is not all.
    """

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in reply.headers]
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            if scope["method"] != "HEAD":
                async for piece in body:
                    if stopping():
                        log.info(STOPPED, extra={"path": scope["path"]})
                        return
                    async with asyncio.timeout(SEND_SECONDS):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                    if gone.done():
                        return
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            log.info("The client of a long answer takes nothing.", extra={"path": scope["path"]})
        except asyncio.CancelledError:  # only the server cancels: its time to stop is over
            log.info(STOPPED, extra={"path": scope["path"]})
        except IngestError as error:
            log.warning("A long answer was cut off: %s", error, extra={"path": scope["path"]})
        except Exception:
            log.exception("A long answer was cut off.", extra={"path": scope["path"]})
        finally:
            gone.cancel()
            if isinstance(body, AsyncGenerator):
                await body.aclose()

    return Streamed(app=app, status=reply.status)


async def _gone(receive: Receive) -> None:
    """Returns when the client is gone; what it still sends is dropped."""
    while (await receive())["type"] != "http.disconnect":
        pass
