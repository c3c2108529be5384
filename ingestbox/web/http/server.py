"""The HTTP server: uvicorn, as a part that is started and stopped instead of one that runs the process.

uvicorn takes the process's signal handlers and raises the signal again after its stop, so that a graceful
stop ends with exit code 143. Here signals only ask to stop; the appliance stops its parts and exits with 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import Any, TypeVar, cast

import uvicorn

from ingestbox.config import Limits, Server
from ingestbox.errors import StartupError
from ingestbox.web.http.connections import Connections
from ingestbox.web.http.descriptors import most_connections
from ingestbox.web.http.listener import Listener
from ingestbox.web.http.protocol import Http
from ingestbox.web.http.tls import LOOK_SECONDS, Tls, tls_of

BACKLOG = 2_048

CANCEL_SECONDS = 2.0
CANCEL_PART = 4
"""The end of `stop_seconds`, for requests to answer 503: this long, or one part in so many if less."""

TICK_SECONDS = 0.2
"""What uvicorn may take to notice that it is to stop, and to look again."""

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine as `asyncio.run` does, on uvloop where it is installed."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None
    try:
        from uvloop import new_event_loop as factory
    except ImportError:
        factory = None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


class _Uvicorn(uvicorn.Server):
    """uvicorn without its signal handlers, with listeners of ours, which tells when it listens."""

    def __init__(self, config: uvicorn.Config, listen: Callable[[_Uvicorn], list[Listener]]) -> None:
        super().__init__(config)
        self._listen = listen
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        listeners = self._listen(self)
        self.servers = cast("list[asyncio.Server]", listeners)  # it closes them, and waits for that
        for each in listeners:
            each.start()
        self.started = True
        self.listening.set()


class HttpServer:
    """Listens with an ASGI application. In order: `bind`, `start`, `wait`, `stop`.

    With `install_signals` (main thread only) the first SIGTERM or SIGINT ends `wait`, and a second one sets
    `forced`, which also ends the waiting in `stop`. The handlers stay until the event loop closes, so that
    a late signal does not cut short the stop of other parts.
    """

    def __init__(
        self,
        app: Any,
        settings: Server,
        install_signals: bool,
        limits: Limits | None = None,
        folder: Path | None = None,
    ) -> None:
        """`app` is an ASGI 3 application; `folder` is the data folder, which TLS needs."""
        self._folder = folder or Path()
        self._tls: Tls | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._settings = settings
        self._limits = limits or Limits()
        self._install_signals = install_signals
        self._app = app
        self._sockets: list[socket.socket] = []
        self._uvicorn: _Uvicorn | None = None
        self._task: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()
        self._cancel_seconds = CANCEL_SECONDS
        self.connections: Connections | None = None
        """Those that are open, once it is started."""
        self.forced = asyncio.Event()
        self.on_reload: Callable[[Callable[[], None]], None] | None = None
        """Calls what it is given, which reads files anew, at SIGHUP; set before `start`."""
        self.url = ""
        """Where it is bound, with the real port; a wildcard is shown as loopback. Empty before `bind`."""

    @property
    def under_way(self) -> int:
        """Requests that are being answered."""
        return 0 if self._uvicorn is None else len(self._uvicorn.server_state.tasks)

    def bind(self) -> None:
        """Takes the port, without listening yet, so that nothing else starts in vain when it is in use.

        Raises StartupError with a sentence for the operator, also when TLS cannot be had as it is set.
        """
        if not self._sockets:
            self._tls = tls_of(self._settings, self._folder)
            self._sockets = _bound_sockets(self._settings.host, self._settings.port)
            self.url = _url(self._sockets[0], "https" if self._tls else "http")

    @property
    def certificate(self) -> str:
        """What it shows (PEM); empty without TLS."""
        return self._tls.certificate if self._tls else ""

    def on_renewal(self, tell: Callable[[str], None]) -> None:
        """Has `tell` called with the new certificate (PEM) whenever it changes."""
        if self._tls:
            self._tls.on_renewal = tell

    async def start(self) -> None:
        """Listens when it returns. Binds first if `bind` was not called; raises StartupError as it does."""
        self.bind()
        try:
            # Two that bound before either listened find out here. Not left to uvloop, whose loop hangs when
            # it is closed after a failed listen (0.23).
            for each in self._sockets:
                each.listen(BACKLOG)
        except OSError as error:
            raise _cannot_listen(self._settings.host, self._settings.port, error) from None
        patience = self._settings.stop_seconds
        self._cancel_seconds = min(CANCEL_SECONDS, patience / CANCEL_PART)
        graceful = max(patience - self._cancel_seconds - TICK_SECONDS, patience / CANCEL_PART)
        config = uvicorn.Config(
            self._app,
            http=Http,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            # Declared int, passed to asyncio.wait_for, which takes any number of seconds.
            timeout_graceful_shutdown=cast("int", graceful),
        )
        self.connections = Connections(most_connections(self._limits.connections), self._limits)
        self.connections.start()
        if self._tls:
            self._look_for_certificate()
        self._uvicorn = _Uvicorn(config, self._listeners)
        task = asyncio.create_task(self._uvicorn.serve(self._sockets), name="http")
        listening = asyncio.create_task(self._uvicorn.listening.wait())
        await asyncio.wait((task, listening), return_when=asyncio.FIRST_COMPLETED)
        if not listening.done():
            listening.cancel()
            await task
        self._task = task
        task.add_done_callback(lambda _: self._asked.set())
        if self._install_signals:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._on_signal)
            if self._tls or self.on_reload is not None:
                loop.add_signal_handler(signal.SIGHUP, self._reload)

    async def wait(self) -> None:
        """Returns when a signal, or `ask_stop`, asks to stop, or when serving has ended by itself."""
        await self._asked.wait()

    def ask_stop(self) -> None:
        """Ends `wait`, as a signal does."""
        self._asked.set()

    async def stop(self) -> None:
        """Stops listening, closes idle connections and waits for requests under way, up to `stop_seconds`
        or until `forced`; those still there are cancelled. Raises what ended serving, if anything did."""
        if self._uvicorn is None or self._task is None:
            for each in self._sockets:
                each.close()
            return
        if self._looking is not None:
            self._looking.cancel()
        self._uvicorn.should_exit = True
        await self._task
        state = self._uvicorn.server_state
        if self.forced.is_set():  # otherwise uvicorn has cancelled what was late
            for task in state.tasks:
                task.cancel()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=self._cancel_seconds)
        for connection in list(state.connections):
            connection.transport.abort()
        assert self.connections is not None  # started
        self.connections.stop()

    def _listeners(self, server: _Uvicorn) -> list[Listener]:
        loop, connections = asyncio.get_running_loop(), self.connections
        assert connections is not None  # made before it starts

        def make() -> Http:
            return Http(server.config, server.server_state, server.lifespan.state, loop, connections)

        return [
            Listener(
                each,
                connections,
                make,
                tls=lambda: self._tls.context if self._tls else None,
                handshake_seconds=self._limits.header_seconds,
            )
            for each in self._sockets
        ]

    def _look_for_certificate(self) -> None:
        if self._tls is not None:
            self._tls.look()
        self._looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look_for_certificate)

    def _reload(self) -> None:
        """At SIGHUP, which would end a process that does not take it: the TLS files are looked at now."""

        def look() -> None:
            if self._tls:
                self._tls.look()

        look() if self.on_reload is None else self.on_reload(look)

    def _on_signal(self) -> None:
        if self._asked.is_set():
            self.forced.set()
            if self._uvicorn is not None:
                self._uvicorn.force_exit = True
        self._asked.set()


def _url(bound: socket.socket, scheme: str) -> str:
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _bound_sockets(host: str, port: int) -> list[socket.socket]:
    """A bound socket for every address of the host name, all with one port."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise StartupError(
            f"The address {host} to listen on is not known: {error}. Set --host to one of this machine."
        ) from None
    bound: list[socket.socket] = []
    failures: list[OSError] = []
    for family, _, _, _, address in dict.fromkeys(found):
        try:
            # Named, because asyncio turns Nagle's delay off only where it reads that this is TCP.
            each = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        except OSError as error:  # a name may have an IPv6 address on a machine without IPv6
            failures.append(error)
            continue
        try:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            chosen = bound[0].getsockname()[1] if bound else port
            each.bind((address[0], chosen, *address[2:]))
        except OSError as error:
            each.close()
            failures.append(error)
        else:
            bound.append(each)
    absent = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    serious = [error for error in failures if error.errno not in absent or not bound]
    if serious:
        for each in bound:
            each.close()
        raise _cannot_listen(host, port, serious[0]) from None
    return bound


def _cannot_listen(host: str, port: int, error: OSError) -> StartupError:
    where = f"port {port} on {host}"
    if error.errno == errno.EADDRINUSE:
        return StartupError(
            f"Cannot listen: {where} is in use. Stop what uses it (see ss -ltnp) or choose another --port."
        )
    if error.errno == errno.EACCES:
        return StartupError(
            f"Cannot listen: {where} needs more rights. Choose a --port over 1023, or give the service "
            "CAP_NET_BIND_SERVICE."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return StartupError(
            f"Cannot listen: {host} is not an address of this machine. Set --host to one that is."
        )
    return StartupError(f"Cannot listen: {where}: {error.strerror}.")
