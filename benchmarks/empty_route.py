"""The floor of small requests: Starlette with one empty route, under the box's own server settings.

`python -m benchmarks.empty_route` prints its address and serves until it is killed.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ingestbox.config import Server
from ingestbox.web.http.server import HttpServer, run


async def empty(request: Request) -> JSONResponse:
    """Answers without reading the body."""
    return JSONResponse({"ok": True})


async def main() -> None:
    server = HttpServer(
        Starlette(routes=[Route("/api/data-ingest", empty, methods=["POST"])]),
        Server(port=0),
        install_signals=False,
    )
    await server.start()
    print(server.url, flush=True)
    await server.wait()


if __name__ == "__main__":
    run(main())
