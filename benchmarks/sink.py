"""A bare upstream: takes each batch, keeps its body in FOLDER if given one, answers 200.

`python -m benchmarks.sink [FOLDER]` prints its address, then a line for each request (`Seen`). It serves
until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import msgspec
import uvloop

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CARRIED = ("content-", "ingestbox-", "idempotency-key")
"""Headers that belong to a body, by how they begin."""


class Seen(msgspec.Struct, frozen=True):
    """One request: when it was answered (monotonic seconds), its headers, and its body's size."""

    at: float
    headers: dict[str, str]
    size: int
    file: str = ""


async def serve(folder: Path | None) -> None:
    count = 0

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            except asyncio.IncompleteReadError:
                writer.close()
                return
            lines = [line.partition(": ") for line in head.split("\r\n")[1:] if line]
            headers = {name.lower(): value for name, _, value in lines}
            body = await reader.readexactly(int(headers["content-length"]))
            writer.write(OK)
            file = ""
            if folder is not None:
                file = str(folder / f"{count:06}")
                await asyncio.to_thread(Path(file).write_bytes, body)
            count += 1
            about = {name: value for name, value in headers.items() if name.startswith(CARRIED)}
            del about["content-length"]
            seen = Seen(time.monotonic(), about, len(body), file)
            print(msgspec.json.encode(seen).decode(), flush=True)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=1 << 24)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
