"""Asking a box about its lanes, by name; and a person, before something is done."""

from __future__ import annotations

import asyncio
import difflib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from ingestbox.cli.options import settings_of
from ingestbox.cli.output import cell, print_json

if TYPE_CHECKING:
    import httpx2

    Work = Callable[[httpx2.AsyncClient], Awaitable[Any]]

LANES = "/v1/lanes"


class LaneName(click.ParamType[str]):
    """A lane's name. Tab completes it from the settings, without asking a box."""

    name = "name"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """The names in the settings that begin so; none when these cannot be read."""
        import os

        from click.shell_completion import CompletionItem

        from ingestbox import config
        from ingestbox.errors import StartupError

        try:
            loaded = config.load(environ=os.environ, file=_given(ctx, "config"), data=_given(ctx, "data"))
        except (StartupError, OSError):
            return []
        names = [lane.name for lane in loaded.settings.lanes]
        return [CompletionItem(each) for each in names if each.startswith(incomplete)]


def _given(ctx: click.Context | None, option: str) -> Any:
    """An option of the command, or of the one before it."""
    while ctx is not None:
        if ctx.params.get(option):
            return ctx.params[option]
        ctx = ctx.parent
    return None


name_argument = click.argument("name", metavar="NAME", type=LaneName())
yes_option = click.option("--yes", is_flag=True, help="Do it without asking.")


def agree(yes: bool, question: str) -> None:
    """Asks on the terminal. Raises UsageError where nobody can be asked, Abort on no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here: add --yes.")
    if not click.confirm(question, err=True):
        raise click.ClickException("Nothing was changed.")


def tell(answer: Any, as_json: bool, sentence: str) -> None:
    """What was done: the box's answer for programs, a sentence for people."""
    if as_json:
        print_json(answer)
    else:
        click.echo(sentence)


def run(data: str | None, config: Path | None, work: Work) -> Any:
    """Does something with the box, as who operates it. Raises as `reach.administration`."""
    from ingestbox.cli.reach import administration

    settings = settings_of(data, config)

    async def reached() -> Any:
        async with administration(settings) as client:
            return await work(client)

    return asyncio.run(reached())


async def call(client: httpx2.AsyncClient, method: str, path: str, body: object = None) -> Any:
    """As `reach.call`, which is loaded when it is needed."""
    from ingestbox.cli import reach

    return await reach.call(client, method, path, body)


async def all_lanes(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """Every lane, by name."""
    found: list[dict[str, Any]] = (await call(client, "GET", LANES))["lanes"]
    return found


async def one(client: httpx2.AsyncClient, name: str) -> dict[str, Any]:
    """The lane. Raises ClickException with those that there are."""
    found = {lane["name"]: lane for lane in await all_lanes(client)}
    if name in found:
        return found[name]
    if not found:
        raise click.ClickException(
            f"There is no lane {cell(name)}: this box has none. A lane of the settings is made when the box "
            "starts."
        )
    near = difflib.get_close_matches(name, found, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(found)}."
    raise click.ClickException(f"There is no lane {cell(name)}. {hint}")


def place(name: str) -> str:
    """The path of a lane."""
    return f"{LANES}/{quote(name, safe='')}"
