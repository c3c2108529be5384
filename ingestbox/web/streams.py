"""Answers that are sent while they come into being, such as events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ingestbox.family import Reply
from ingestbox.web.bodies import Receive

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Streamed(Reply, frozen=True, kw_only=True):
    """A reply whose `app`, an ASGI 3 response, sends itself; `body` and `headers` are not used.

    It has to end when the client goes away, and when the door is drained.
    """

    app: Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
    body: object = None
