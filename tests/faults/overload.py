"""Clients that offer a box far more than it can take."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import msgspec
import uvloop

from tests.harness import BoxProcess, ticket

BATCHES, LARGE = 48, 16
"""Connections that post ordinary batches, and bodies of almost 16 MB."""

PAUSE_SECONDS = 0.05
"""After a refusal; the clients do not heed Retry-After, which makes it an overload."""

REFUSALS = frozenset({429, 503})
WORDS = "the delivery was late and nobody answers. "


def megabytes(box: BoxProcess) -> float:
    """What the box itself holds in memory."""
    assert box.process is not None
    text = Path(f"/proc/{box.process.pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


class Overload:
    """The clients, in a thread and loop of their own, and what they were told."""

    def __init__(self, box: BoxProcess) -> None:
        address = urlsplit(box.url)
        self._address = (address.hostname, address.port)
        self._head = (
            f"POST /api/data-ingest HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer {box.token()}\r\n"
            "Content-Type: application/json\r\n"
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._main()))
        self.answers: Counter[tuple[str, int]] = Counter()
        self.wrong: list[str] = []
        self.jobs: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    async def _main(self) -> None:
        tasks = [
            asyncio.create_task(self._client(kind, self._body(f"{kind}{number}", times)))
            for kind, many, times in (("batch", BATCHES, 8), ("large", LARGE, 370))
            for number in range(many)
        ]
        await asyncio.gather(*tasks)

    def _body(self, name: str, times: int) -> bytes:
        records = [ticket(n, id=f"{name}-{n}", description=WORDS * times) for n in range(1_000)]
        body = msgspec.json.encode({"records": records})
        return f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def _client(self, kind: str, request: bytes) -> None:
        while not self._stop.is_set():
            reader, writer = await asyncio.open_connection(*self._address)
            try:
                while not self._stop.is_set():
                    writer.write(request)
                    if not await self._answered(kind, reader):
                        break
            except (OSError, asyncio.IncompleteReadError) as error:
                self.answers[kind, 0] += 1
                self.wrong.append(f"{kind}: {error!r}")
            finally:
                writer.transport.abort()

    async def _answered(self, kind: str, reader: asyncio.StreamReader) -> bool:
        """Reads an answer; false when the connection cannot be used for another."""
        async with asyncio.timeout(30):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            body = await reader.readexactly(int(head.partition("content-length: ")[2].split()[0]))
        status = int(head.split()[1])
        self.answers[kind, status] += 1
        if status == 200:
            told = msgspec.json.decode(body)
            self.jobs[told["job_id"]] = told["record_count"]
        elif status not in REFUSALS or not head.partition("retry-after: ")[2].split()[0].isdigit():
            self.wrong.append(f"{kind}: {head}{body!r}")
        else:
            await asyncio.sleep(PAUSE_SECONDS)
        return "connection: close" not in head
