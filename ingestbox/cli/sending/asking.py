"""Asks a box until it has answered for good: through restarts, busy spells and broken connections."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NoReturn, TypeVar

import click
import httpx2
import msgspec

from ingestbox.cli.reach import complaint, reason
from ingestbox.cli.sending.progress import Progress

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds between tries when the box names none; doubled each time, half of it at random."""

LONGEST_RETRY_AFTER = 60.0
"""A Retry-After is honoured up to this many seconds."""

FIRST_POLL, LONGEST_POLL = 0.05, 1.0
"""Seconds between two looks at a job."""

TRY_AGAIN = frozenset({408, 409, 425, 429})
"""Besides every 5xx: it may be taken later (409: an earlier try of it is still running)."""

FOR_GOOD = frozenset({"already_imported"})
"""Codes of 409 that no later try changes."""

T = TypeVar("T")

Sleep = Callable[[float], Awaitable[None]]


class Asker:
    """Asks one box."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        progress: Progress,
        *,
        patience: float,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`patience` is how many seconds one request is tried for before the call fails."""
        self._client = client
        self._progress = progress
        self._patience = patience
        self._sleep = sleep
        self._waiting_since: float | None = None

    async def ask(
        self,
        method: str,
        path: str,
        *,
        content: bytes | Callable[[], AsyncIterator[bytes]] | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> httpx2.Response:
        """The first answer that is final; `seconds` is how long each is waited for, unless the client says.

        Raises ClickException when there is none within `patience`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        pause = FIRST_PAUSE
        while True:
            asked = None
            try:
                response = await self._client.request(
                    method,
                    path,
                    content=content() if callable(content) else content,
                    headers=headers,
                    params=query,
                    timeout=self._client.timeout if seconds is None else seconds,
                )
            except httpx2.TransportError as error:
                why = f"The box at {self._client.base_url} does not answer: {reason(error)}."
            else:
                if _is_final(response):
                    self._recovered()
                    return response
                why = self.about(response)
                asked = _retry_after(response)
            wait = pause / 2 + random.uniform(0, pause / 2) if asked is None else asked  # noqa: S311
            pause = min(pause * 2, LONGEST_PAUSE)
            if loop.time() + wait > deadline:
                raise click.ClickException(
                    f"{why} Gave up after {self._patience:g} s. Run the same command again to go on: what "
                    "was taken is not taken twice."
                )
            self._trouble(why)
            await self._sleep(wait)

    async def watch(self, path: str, over: Callable[[httpx2.Response], T | None]) -> T:
        """Asks for `path` until `over` makes something of the answer. Raises ClickException."""
        pause = FIRST_POLL
        while (found := over(await self.ask("GET", path))) is None:
            await self._sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL)
        return found

    def about(self, response: httpx2.Response) -> str:
        """What was answered, as a sentence."""
        return f"{self._client.base_url} answered {response.status_code}: {complaint(response)}"

    def _trouble(self, why: str) -> None:
        """Says so once, however many batches wait."""
        if self._waiting_since is None:
            self._waiting_since = asyncio.get_running_loop().time()
            self._progress.note(f"{why} Trying again for up to {self._patience:g} s.")

    def _recovered(self) -> None:
        if self._waiting_since is not None:
            seconds = asyncio.get_running_loop().time() - self._waiting_since
            self._waiting_since = None
            self._progress.note(f"The box answers again after {seconds:.1f} s.")


def _is_final(response: httpx2.Response) -> bool:
    if response.status_code not in TRY_AGAIN:
        return response.status_code < 500
    return response.status_code == 409 and code_of(response) in FOR_GOOD


def code_of(response: httpx2.Response) -> str:
    """The code of an answer that is an error, or nothing."""
    try:
        return str(msgspec.json.decode(response.content, type=dict[str, object]).get("code", ""))
    except msgspec.DecodeError:
        return ""


def _retry_after(response: httpx2.Response) -> float | None:
    """The seconds that the answer asks to wait; a date, which a box never sends, counts as none."""
    given = response.headers.get("Retry-After", "")
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        return None
    return min(float(given), LONGEST_RETRY_AFTER)


def not_a_box(response: httpx2.Response) -> NoReturn:
    """Raises ClickException: what answered is something else."""
    raise click.ClickException(
        f"{response.request.url} answered {response.status_code} with something that is not an answer of "
        "ingestbox. Check the address given with --url."
    )
