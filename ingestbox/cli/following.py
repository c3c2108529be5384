"""Following a job: the box's events, shown as a bar on a terminal and as lines into a pipe."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from typing import Any

import click
import httpx2
import msgspec

from ingestbox.cli.output import cell
from ingestbox.cli.reach import RefusedError, reason, running_box
from ingestbox.config import Settings

QUIET_SECONDS = 60.0
"""The box sends something at least every 15 s; after this long without, it is called again."""

AGAIN_SECONDS = 0.2
RESTART_SECONDS = 20.0
"""How long a box that has stopped is waited for: about as long as a service takes to restart it."""

Job = dict[str, Any]
Show = Callable[[Job], None]


async def follow(
    client: httpx2.AsyncClient,
    settings: Settings,
    path: str,
    job: Job,
    line: Callable[[Job], str] | None,
    rests: Callable[[Job], bool],
) -> Job:
    """Shows the job's progress until it ends or `rests`, and gives it as it is then.

    `line` makes what is printed for each state of it; without one it is a bar, or lines for people. A
    connection that breaks is made again, also to a box that is restarted. Raises ClickException when none is.
    """
    with _display(job, line) as show:
        while True:
            try:
                async for event, shown in _events(client, path):
                    if event == "end":
                        return shown
                    show(shown)
                    if rests(shown):
                        return shown
                why = "the stream ended"
            except httpx2.TransportError as error:
                why = reason(error)
            except RefusedError as error:
                if error.status != httpx2.codes.SERVICE_UNAVAILABLE:
                    raise
                why = "it takes no calls now"
            await asyncio.sleep(AGAIN_SECONDS)
            client.base_url = await _back(settings, why)


async def _back(settings: Settings, why: str) -> str:
    """The address of the box, once one runs on the folder again. Raises ClickException when none does."""
    loop = asyncio.get_running_loop()
    deadline, told = loop.time() + RESTART_SECONDS, False
    while (url := await running_box(settings)) is None:
        if loop.time() > deadline:
            raise click.ClickException(
                f"The box has stopped ({why}); the job goes on when it runs again: ingestbox serve"
            )
        if not told:
            click.echo(f"The box has stopped ({why}); waiting for its restart …", err=True)
            told = True
        await asyncio.sleep(AGAIN_SECONDS)
    return url


async def _events(client: httpx2.AsyncClient, path: str) -> AsyncIterator[tuple[str, Job]]:
    """The events of one connection: each one's name and its job."""
    name = ""
    timeout = httpx2.Timeout(QUIET_SECONDS)
    async with client.stream("GET", path, timeout=timeout) as response:
        if not response.is_success:
            await response.aread()
            raise RefusedError(response)
        async for text in response.aiter_lines():
            field, _, value = text.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                yield name, msgspec.json.decode(value, type=Job)


@contextmanager
def _display(job: Job, line: Callable[[Job], str] | None) -> Generator[Show, None, None]:
    if line is None and sys.stdout.isatty():
        with _bar(job) as show:
            yield show
    else:
        yield lambda state: click.echo((line or _sentence)(state))
        sys.stdout.flush()


def _sentence(job: Job) -> str:
    done = f"{cell(job['processed'])} of {cell(job['total'])} records"
    issues = f", {cell(job['issues'])} issues" if job["issues"] else ""
    return f"{job['updated_at']} {job['state']}: {done}{issues}"


@contextmanager
def _bar(job: Job) -> Generator[Show, None, None]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(),
    )
    with progress:
        task = progress.add_task(job["state"], total=job["total"], count="")

        def show(state: Job) -> None:
            count = f"{cell(state['processed'])}/{cell(state['total'])} records"
            if state["issues"]:
                count += f", {cell(state['issues'])} issues"
            progress.update(task, description=state["state"], completed=state["processed"], count=count)

        yield show
