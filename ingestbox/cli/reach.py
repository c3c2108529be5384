"""How commands reach a box: over loopback when one runs on the data folder, else by opening the folder.

The same requests go to the same handlers either way. Without a running box the door is opened inside this
process, without a socket, over the store that the command holds the lock of.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import httpx2
import msgspec

from ingestbox import logs
from ingestbox.cli import reasons
from ingestbox.clock import SystemClock
from ingestbox.config import Settings
from ingestbox.identity.secretfile import load_secret
from ingestbox.identity.tokens import mint
from ingestbox.model import Role
from ingestbox.route import MAX_LIMIT
from ingestbox.store.lock import is_held, read_holder

TOKEN_SECONDS = 60
"""How long a token that a command makes for itself is good; it makes the next one at half time."""

STARTING_SECONDS = 5.0
"""How long a command waits for the address of a box that is just starting."""

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0
"""How long a command other than the doctor waits for an answer; a box that takes longer stands still."""

SUBJECT = "cli"


class MintedToken(httpx2.Auth):
    """Signs each request with a short token made from the data folder's secret.

    The secret is read anew for every token, so that a rotation does not stop a command that runs for long;
    and once more when the box refuses one, for its secret may just have been ended.
    """

    def __init__(self, folder: Path, role: Role, workspace: str = "default") -> None:
        """Raises StartupError when the folder's secret cannot be read."""
        self._folder = folder
        self._secret = load_secret(folder)
        self._role = role
        self._workspace = workspace
        self._clock = SystemClock()
        self._token = ""
        self._renew_at = float("-inf")

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Adds the header. Raises StartupError when the secret cannot be read any more."""
        if self._clock.monotonic() >= self._renew_at:
            self._renew(load_secret(self._folder))
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == httpx2.codes.UNAUTHORIZED:
            secret = load_secret(self._folder)
            if secret != self._secret:
                self._renew(secret)
                request.headers["Authorization"] = f"Bearer {self._token}"
                yield request

    def _renew(self, secret: bytes) -> None:
        self._secret = secret
        self._token = mint(
            secret,
            subject=SUBJECT,
            roles=[self._role],
            workspace=self._workspace,
            ttl_seconds=TOKEN_SECONDS,
            clock=self._clock,
        )
        self._renew_at = self._clock.monotonic() + TOKEN_SECONDS / 2


async def running_box(settings: Settings) -> str | None:
    """The address of the box that runs on the data folder, or None when none does.

    Raises ClickException when something holds the folder that does not listen.
    """
    folder = Path(settings.data)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + STARTING_SECONDS
    while is_held(folder):
        holder = read_holder(folder)
        if holder is not None and holder.url:
            return holder.url
        if loop.time() > deadline:
            who = f"process {holder.pid}" if holder is not None else "another process"
            raise click.ClickException(
                f"The data folder {folder} is in use by {who}, which does not listen. "
                "It may be another command: try again when it has ended."
            )
        await asyncio.sleep(0.05)
    return None


class RefusedError(click.ClickException):
    """An answer that is an error, with the box's own sentence and remedy; its body has been read."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(complaint(response))
        self.status = response.status_code


def trust(folder: Path, url: str) -> ssl.SSLContext | bool:
    """What a client of the box that runs on the folder takes as `verify`: of one with TLS the very
    certificate that it says it shows."""
    if not url.startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # empty: to load certificates takes 70 ms
    holder = read_holder(folder)
    if holder is None or not holder.certificate:
        return True
    from ingestbox.web.http.tls import command_context

    return command_context(holder.certificate, folder)


@asynccontextmanager
async def administration(settings: Settings, workspace: str = "default") -> AsyncIterator[httpx2.AsyncClient]:
    """A client for the box's `/v1`, as an administrator of the workspace. Raises StartupError or
    ClickException when there is no box in the folder."""
    logs.set_up("WARNING", "simple")
    folder = Path(settings.data)
    url = await running_box(settings)
    if url is not None:
        async with _client(folder, workspace, base_url=url, verify=trust(folder, url)) as client:
            yield client
        return
    from ingestbox.cli.door import open_door  # all of web, which a command to a running box does without

    async with open_door(settings) as door:
        transport = httpx2.ASGITransport(door)
        async with _client(folder, workspace, base_url="http://box", transport=transport) as client:
            yield client


async def call(client: httpx2.AsyncClient, method: str, path: str, body: object = None) -> Any:
    """The decoded answer. Raises ClickException with the box's own sentence and remedy."""
    content = None if body is None else msgspec.json.encode(body)
    headers = {} if content is None else {"Content-Type": "application/json"}
    try:
        response = await client.request(method, path, content=content, headers=headers)
    except httpx2.TransportError as error:
        raise click.ClickException(
            f"The box at {client.base_url} does not answer: {reason(error)}. See its log."
        ) from None
    if response.is_success:
        return msgspec.json.decode(response.content)
    raise RefusedError(response)


async def pages(client: httpx2.AsyncClient, path: str, member: str) -> list[Any]:
    """Everything that a list of `/v1` holds, page by page; `member` is where its pages have it."""
    found: list[Any] = []
    query = f"?limit={MAX_LIMIT}"
    while True:
        page = await call(client, "GET", path + query)
        found += page[member]
        if page["next_cursor"] is None:
            return found
        query = f"?limit={MAX_LIMIT}&cursor={quote(page['next_cursor'])}"


def complaint(response: httpx2.Response) -> str:
    """What an answer that is an error says: status, detail, and the remedy where it gives one."""
    try:
        told = msgspec.json.decode(response.content, type=dict[str, object])
    except msgspec.DecodeError:
        told = {}
    words = [str(told[name]) for name in ("detail", "message", "remedy") if told.get(name)]
    sentence = " ".join(word if word.endswith((".", "!", "?")) else f"{word}." for word in words)
    return sentence or f"The answer was {response.status_code} {response.reason_phrase}."


def reason(error: httpx2.TransportError) -> str:
    """Why a request got no answer, as a phrase."""
    return reasons.phrase(error)


def _client(folder: Path, workspace: str, **options: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        auth=MintedToken(folder, Role.ADMIN, workspace),
        trust_env=False,  # a proxy has no business between a box and its own command
        timeout=httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        **options,
    )
