"""Listening, and stopping without dropping what is under way."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestbox.config import Server
from ingestbox.errors import StartupError
from ingestbox.web.http.server import HttpServer, run
from tests.web.support import Live, read_answer, serve

ROOT = Path(__file__).parents[2]
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def test_a_port_in_use_is_said_before_anything_else_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = HttpServer(None, Server(port=port), install_signals=False)
        with pytest.raises(StartupError, match=f"port {port} on 127.0.0.1 is in use"):
            server.bind()


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("192.0.2.1", "192.0.2.1 is not an address of this machine"),
        ("no such host.invalid", "is not known"),
        ("x" * 70, "is not known"),
    ],
)
def test_an_address_that_cannot_be_listened_on_is_said(host: str, says: str) -> None:
    with pytest.raises(StartupError, match=says):
        HttpServer(None, Server(host=host, port=0), install_signals=False).bind()


def test_two_that_bound_the_same_port_do_not_both_listen() -> None:
    """Before either listens, the kernel lets both bind."""

    async def main() -> None:
        live = Live.quiet()
        first = HttpServer(live.door, Server(port=0), install_signals=False)
        first.bind()
        port = int(first.url.rpartition(":")[2])
        second = HttpServer(live.door, Server(port=port), install_signals=False)
        second.bind()
        await first.start()
        with pytest.raises(StartupError, match="is in use"):
            await second.start()
        await second.stop()
        await first.stop()

    run(main())


def test_it_is_bound_but_closed_until_it_starts_and_free_again_after_the_stop() -> None:
    async def main() -> None:
        live = Live.quiet()
        handlers = [signal.getsignal(number) for number in SIGNALS]
        live.server.bind()
        with pytest.raises(ConnectionRefusedError):
            await live.connect()
        await live.server.start()
        async with live.client() as client:
            assert (await client.get("/healthz")).status_code == 200
        assert [signal.getsignal(number) for number in SIGNALS] == handlers  # uvicorn's are not put in place
        await live.server.stop()
        with pytest.raises(ConnectionRefusedError):
            await live.connect()
        never = HttpServer(live.door, Server(port=live.port), install_signals=False)
        never.bind()
        await never.stop()  # bound, never started

    run(main())


def test_all_addresses_of_a_name_get_one_port() -> None:
    async def main() -> None:
        live = Live.quiet(Server(host="localhost", port=0))
        await live.server.start()
        for info in socket.getaddrinfo("localhost", live.port, type=socket.SOCK_STREAM):
            try:
                _, writer = await asyncio.open_connection(*info[4][:2])
            except OSError as error:  # a name may have an address that this machine lacks
                assert info[0] == socket.AF_INET6, error
            else:
                writer.close()
        assert live.server.url == f"http://127.0.0.1:{live.port}" or live.server.url.startswith(
            "http://[::1]:"
        )
        await live.server.stop()

    run(main())


def test_it_runs_in_a_thread() -> None:
    found: list[int] = []

    async def main() -> None:
        live = Live.quiet()
        await live.server.start()
        async with live.client() as client:
            found.append((await client.get("/healthz")).status_code)
        asyncio.get_running_loop().call_soon(live.server.ask_stop)
        await live.server.wait()
        await live.server.stop()

    thread = threading.Thread(target=lambda: run(main()))
    thread.start()
    thread.join(20)
    assert found == [200]


def test_a_stop_answers_the_request_under_way_and_closes_idle_connections() -> None:
    async def test(live: Live) -> None:
        idle, idle_writer = await live.connect()
        idle_writer.write(live.head("GET /healthz"))
        assert (await read_answer(idle)).status == 200
        silent, silent_writer = await live.connect()
        busy, busy_writer = await live.connect()
        busy_writer.write(live.head("GET /v1/slow"))
        await live.entered.wait()

        stopping = asyncio.create_task(live.server.stop())
        async with asyncio.timeout(10):
            assert await idle.read() == b""
            assert await silent.read() == b""
        assert not stopping.done()
        live.release.set()
        reply = await read_answer(busy)
        assert (reply.status, reply.body) == (200, {"slow": True})
        assert reply.headers["connection"] == "close"
        await stopping
        for writer in (idle_writer, silent_writer, busy_writer):
            writer.close()

    serve(test)


def test_a_request_that_outlasts_the_stop_is_told_to_come_again() -> None:
    async def test(live: Live) -> None:
        slow, slow_writer = await live.connect()
        slow_writer.write(live.head("GET /v1/slow"))
        stalled, stalled_writer = await live.connect()
        stalled_writer.write(live.head("POST /api/echo", "Content-Length: 10") + b"{")
        await live.entered.wait()
        await live.server.stop()
        for reader in (slow, stalled):
            reply = await read_answer(reader)
            assert (reply.status, reply.body["code"]) == (503, "shutting_down")
            assert (reply.headers["retry-after"], reply.headers["connection"]) == ("5", "close")
            assert await reader.read() == b""
        slow_writer.close()
        stalled_writer.close()

    serve(test, stop_seconds=0.3)


@pytest.mark.parametrize("drips", ["body", "head", "unread body", "nothing is read"])
def test_a_stop_keeps_to_its_time_whatever_clients_do(drips: str) -> None:
    """It once took two seconds more, for a client that went on sending."""
    sends = {
        "body": ("POST /api/echo", "Content-Length: 10000000"),
        "unread body": ("POST /v1/nowhere", "Content-Length: 60000000"),
        "head": ("GET /v1/slow",),
        "nothing is read": ("GET /v1/slow",),
    }

    async def main() -> float:
        live = Live.quiet(Server(port=0, stop_seconds=2.0))
        await live.server.start()
        _, writer = await live.connect()
        head = live.head(*sends[drips])
        writer.write(head[:-2] if drips == "head" else head)
        if drips == "nothing is read":
            writer.write(live.head("GET /api/echo?long=" + "x" * 40_000) * 200)
            await live.entered.wait()
        dripping = asyncio.create_task(drip(writer))
        await asyncio.sleep(0.2)
        loop = asyncio.get_running_loop()
        began = loop.time()
        live.door.drain()
        await live.server.stop()
        took = loop.time() - began
        dripping.cancel()
        writer.transport.abort()
        return took

    async def drip(writer: asyncio.StreamWriter) -> None:
        while not writer.transport.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.02)

    assert run(main()) < 2.5


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    """A program that serves until a signal, and prints its address and how it ended."""
    program = """
        from ingestbox.web.http.server import run
        from tests.web.support import Live
        from ingestbox.config import Server

        async def main():
            live = Live.quiet(Server(port=0, stop_seconds=30), install_signals=True)
            await live.server.start()
            print(live.server.url, live.bearer["Authorization"], sep="|", flush=True)
            await live.entered.wait()
            print("entered", flush=True)
            await live.server.wait()
            print("stopping", flush=True)
            await live.server.stop()
            print("forced" if live.server.forced.is_set() else "stopped", flush=True)

        run(main())
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        yield started
        started.kill()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_with_exit_0_and_a_second_one_does_not_wait(
    process: subprocess.Popen[str], number: signal.Signals
) -> None:
    assert process.stdout and process.stderr
    url, authorization = process.stdout.readline().strip().split("|")
    port = int(url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(
            f"GET /v1/slow HTTP/1.1\r\nHost: box\r\nAuthorization: {authorization}\r\n\r\n".encode()
        )
        assert process.stdout.readline() == "entered\n"
        process.send_signal(number)
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(number)
        assert client.recv(65_536).startswith(b"HTTP/1.1 503 ")
    assert process.stdout.readline() == "forced\n"
    assert process.wait(20) == 0
    assert process.stderr.read() == ""
