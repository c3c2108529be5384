"""Sites on this machine's own addresses, and resolvers that say what a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from ingestbox.config import Outbound
from ingestbox.outbound.fetch import Fetcher
from ingestbox.outbound.fetched import Fetched, FetchError

Script = Callable[[str, asyncio.StreamWriter], Awaitable[None]]
"""Answers one request (its head) on a connection."""

INSIDE = "127.0.0.2"
"""Another address of the same machine, which no test opens."""


@dataclass(slots=True)
class Site:
    """A server that keeps what it was asked; `connections` counts those that were made."""

    host: str
    port: int = 0
    connections: int = 0
    heads: list[str] = field(default_factory=list)


def ok(body: bytes, *headers: str) -> Script:
    """Answers 200."""
    return said(200, body, *headers)


def said(status: int, body: bytes = b"", *headers: str) -> Script:
    """Answers with a status."""

    async def script(_: str, writer: asyncio.StreamWriter) -> None:
        head = "\r\n".join([f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""])
        writer.write(head.encode() + body)
        await writer.drain()

    return script


def leading_to(url: str, status: int = 302) -> Script:
    """Answers with a redirect."""
    return said(status, b"", f"Location: {url}")


@contextlib.asynccontextmanager
async def site(
    script: Script, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Site]:
    """A site for the time of a block."""
    found = Site(host)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            found.heads.append(head)
            await script(head, writer)
        writer.close()

    server = await asyncio.start_server(serve, host, port, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Names:
    """A resolver: each look-up of a name gives the next of its answers, the last one for good."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self._answers = {name.replace("_", "."): list(given) for name, given in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, name: str, port: int) -> Sequence[str]:
        self.asked.append(name)
        given = self._answers[name]
        return given.pop(0) if len(given) > 1 else given[0]


def fetcher(*allow: str, names: Names | None = None, seconds: float = 10.0, tls_ca: str = "") -> Fetcher:
    """A fetcher that may also reach what is named."""
    return Fetcher(Outbound(allow_hosts=list(allow), tls_ca=tls_ca), resolver=names, seconds=seconds)


async def got(fetch: Fetcher, url: str, most: int = 100_000) -> Fetched | FetchError:
    """The answer, or why there is none."""
    try:
        return await fetch.get(url, "CareCircle-Crawler/1.0", most)
    except FetchError as error:
        return error


async def why(fetch: Fetcher, url: str, most: int = 100_000) -> str:
    """Why there is no answer; an answer is told as its status."""
    found = await got(fetch, url, most)
    return found.why if isinstance(found, FetchError) else f"answered {found.status}"
