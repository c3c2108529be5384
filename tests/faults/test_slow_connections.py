"""Four hundred slow clients, a process that may open two hundred files, and a good client among them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.harness import BoxProcess, post_tickets, ticket, until, wait_job
from tests.web.test_tls import Files, Paper

SLOW = 400
DESCRIPTORS = 200
SECONDS = 4.0
"""Longer than REST_SECONDS, so that clients of every kind are cut and come back."""

ASKED = 100
"""Requests that each good client makes at least: of fewer, one is more than a hundredth."""

ASK_SECONDS = 120.0
DRIP_SECONDS = 0.5
AGAIN_SECONDS = 0.2
"""A slow client that was cut comes back after this long."""

REST_SECONDS = 3.0

TEXT = "x" * 20_000
"""Of each ticket in a list, so that an answer does not fit in the system's buffers."""


async def half_a_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: box\r\nX-Slow: ")
    await drip(writer)


async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
    await reader.read()


async def no_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
    writer.write(b"this is none\r\n\r\n")
    await reader.read()  # it is told so, and stays as long as it may


async def half_a_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
    writer.write(
        f"POST /api/data-ingest HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n{".encode()
    )
    await drip(writer)


async def never_reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
    ask = f"GET /api/tickets HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer {token}\r\n\r\n"
    writer.write(ask.encode() * 8)
    await drip(writer)  # without it, it would not notice that it was cut
    await asyncio.sleep(REST_SECONDS)  # its requests are work: many of these would be an overload, not slow


async def drip(writer: asyncio.StreamWriter) -> None:
    while not writer.transport.is_closing():
        writer.write(b" ")
        await asyncio.sleep(DRIP_SECONDS)


KINDS = (half_a_head, nothing, no_request, half_a_body, never_reads)


class SlowClients:
    """Four hundred that come back whenever they are cut, in a thread and loop of their own."""

    def __init__(self, box: BoxProcess) -> None:
        self._token = box.token()
        self._tls: ssl.SSLContext | None = None
        if box.url.startswith("https"):
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._tls.check_hostname = False
            self._tls.verify_mode = ssl.CERT_NONE
        self._port = int(urlsplit(box.url).port or 0)
        self._stop = threading.Event()
        self.opened = Counter[str]()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    async def _main(self) -> None:
        tasks = [asyncio.create_task(self._client(KINDS[number % len(KINDS)])) for number in range(SLOW)]
        await asyncio.to_thread(self._stop.wait)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connect(self, tls: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        plain = socket.socket()
        try:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            plain.setblocking(False)
            await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", self._port))
            if tls and self._tls:
                return await asyncio.open_connection(
                    sock=plain, limit=1, ssl=self._tls, server_hostname="", ssl_handshake_timeout=5
                )
            return await asyncio.open_connection(sock=plain, limit=1)
        except BaseException:
            plain.close()
            raise

    async def _connected(self, tls: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        connecting = asyncio.ensure_future(self._connect(tls))
        try:
            return await asyncio.shield(connecting)
        except asyncio.CancelledError:
            # A handshake that is cancelled leaves its transport open.
            with contextlib.suppress(OSError):
                await cut((await connecting)[1])
            raise

    async def _client(
        self, kind: Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Coroutine[Any, Any, None]]
    ) -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await self._connected(tls=kind is not nothing)
                self.opened[kind.__name__] += 1
                try:
                    await kind(reader, writer, self._token)
                finally:
                    await cut(writer)
            await asyncio.sleep(AGAIN_SECONDS)


async def cut(writer: asyncio.StreamWriter) -> None:
    """Ends a connection, and waits until nothing is left of it."""
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def ask_and_post(box: BoxProcess, name: str, end: threading.Event, seen: Counter[str], *, anew: bool) -> None:
    """Requests one after another until the end; `seen` counts what became of them."""
    number = 0
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(box.client())
        while not end.is_set():
            number += 1
            headers = {"Connection": "close"} if anew else {}
            try:
                if number % 2:
                    answer = client.get("/api/jobs", headers=headers)
                else:
                    records = {"records": [ticket(number, id=f"{name}-{number}")]}
                    answer = client.post("/api/data-ingest", json=records, headers=headers)
                seen["200" if answer.is_success else answer.text] += 1
            except httpx2.TransportError as error:
                seen[repr(error)] += 1


@pytest.fixture(params=["http", pytest.param("https", marks=pytest.mark.soak)])
def narrow_box(own_box: BoxProcess, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[BoxProcess]:
    if request.param == "https":
        files = Files(tmp_path / "tls")
        files.put(Paper("box", files.authority))
        own_box.configure(files.config())
    own_box.wrapper = ("sh", "-c", f'ulimit -n {DESCRIPTORS} && exec "$@"', "sh")
    yield own_box.start()


def test_a_good_client_is_served_among_slow_ones(narrow_box: BoxProcess) -> None:
    with narrow_box.client() as client:
        made = post_tickets(client, [ticket(n, id=f"L-{n}", summary=TEXT) for n in range(25)])
        wait_job(client, made["job_id"])
        assert len(client.get("/api/tickets").content) > 25 * len(TEXT)
    seen: dict[str, Counter[str]] = {"kept": Counter(), "new": Counter()}
    end = threading.Event()
    with SlowClients(narrow_box) as slow:
        until(lambda: slow.opened.total() >= SLOW, "all slow clients have come")
        good = [
            threading.Thread(
                target=ask_and_post,
                args=(narrow_box, name, end, counts),
                kwargs={"anew": name == "new"},
            )
            for name, counts in seen.items()
        ]
        for thread in good:
            thread.start()
        end.wait(SECONDS)
        try:  # a machine that is busy with other things takes longer
            until(lambda: all(counts.total() >= ASKED for counts in seen.values()), "they ask", ASK_SECONDS)
        finally:
            end.set()
            for thread in good:
                thread.join()
        assert narrow_box.process is not None and narrow_box.process.poll() is None
        assert set(slow.opened) == {kind.__name__ for kind in KINDS}
    for name, counts in seen.items():
        assert counts["200"] >= 0.99 * counts.total(), (name, counts)
    assert "connections are taken at once, not the 1000" in narrow_box.log.read_text()
    with narrow_box.client() as client:  # and when they are gone, nothing is left of them
        post_tickets(client, [ticket(1)])
