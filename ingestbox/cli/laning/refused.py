"""`ingestbox lanes parked`, `retry` and `discard`: what an upstream refused, and what becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from ingestbox.cli.laning.asking import call, name_argument, one, place, run, tell
from ingestbox.cli.laning.saying import ago, are, counted
from ingestbox.cli.options import data_options, json_option
from ingestbox.cli.output import cell, print_json, print_table

if TYPE_CHECKING:
    import httpx2

STATES = ("parked", "again", "discarded")


@click.command(
    "parked",
    epilog="""\b
Examples:
  ingestbox lanes parked central
  ingestbox lanes parked central --state discarded --json
""",
)
@data_options
@name_argument
@click.option("--state", type=click.Choice(STATES), help="Lines in this state alone.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="List so many.")
@json_option
def parked(
    data: str | None, config: Path | None, name: str, state: str | None, limit: int, as_json: bool
) -> None:
    """List the lines that an upstream refused, newest first, with what it said of them.

    Without --state: all but those that were given up.
    """

    async def ask(client: httpx2.AsyncClient) -> tuple[Any, list[Any]]:
        lane = await one(client, name)
        found: list[Any] = []
        query = "all=true" + (f"&state={state}" if state else "")
        cursor = ""
        while len(found) < limit:
            wanted = f"{place(name)}/parked?{query}&limit={min(500, limit - len(found))}{cursor}"
            page = await call(client, "GET", wanted)
            found += page["parked"]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={quote(page['next_cursor'])}"
        return lane, found

    lane, found = run(data, config, ask)
    if as_json:
        print_json({"parked": found})
        return
    if not found:
        click.echo(f"Lane {name} has no such lines.", err=True)
    print_table(
        ("seq", "state", "object", "code", "message", "refused"),
        [
            (
                each["seq"],
                {"parked": "refused", "again": "sent again", "discarded": "given up"}[each["state"]],
                f"{each['kind']} {each['object_id']}",
                each["code"],
                each["message"],
                ago(each["at"]),
            )
            for each in found
        ],
    )
    more = (lane["discarded"] if state == "discarded" else lane["parked"]) - len(found)
    if found and more > 0 and state in (None, "discarded"):
        click.echo(f"and {cell(more)} more")
    if any(each["state"] == "parked" for each in found):
        click.echo("\nCorrect a record that is wrong at its issue: in the console's inbox, or /v1/issues.")
        click.echo(f"Send them again with: ingestbox lanes retry {name} SEQ…, or --all")
        click.echo(f'Give some up with: ingestbox lanes discard {name} SEQ… --reason "why"')


@click.command(
    "retry",
    epilog="""\b
Examples:
  ingestbox lanes retry central 1042 1043
  ingestbox lanes retry central --all
""",
)
@data_options
@name_argument
@click.argument("seqs", metavar="[SEQ]...", type=click.IntRange(min=1), nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that are refused; not those given up.")
@json_option
def retry(
    data: str | None, config: Path | None, name: str, seqs: tuple[int, ...], everything: bool, as_json: bool
) -> None:
    """Send refused lines again: the same bytes under the same numbers."""
    if bool(seqs) == everything:
        raise click.UsageError("Say which: either their numbers, or --all.")

    async def ask(client: httpx2.AsyncClient) -> int:
        await one(client, name)
        if everything:
            answer = await call(client, "POST", f"{place(name)}/parked/retry?all=true")
            return int(answer["lines"])
        for seq in seqs:
            await call(client, "POST", f"{place(name)}/parked/{seq}/retry?all=true")
        return len(seqs)

    lines = run(data, config, ask)
    tell({"lines": lines}, as_json, f"{counted(lines).capitalize()} of lane {name} {are(lines)} sent again.")


@click.command(
    "discard",
    epilog='\b\nExample:\n  ingestbox lanes discard central 1042 --reason "removed there"\n',
)
@data_options
@name_argument
@click.argument("seqs", metavar="SEQ...", type=click.IntRange(min=1), nargs=-1, required=True)
@click.option("--reason", required=True, help="Why, for those who miss it upstream.")
@json_option
def discard(
    data: str | None, config: Path | None, name: str, seqs: tuple[int, ...], reason: str, as_json: bool
) -> None:
    """Give refused lines up. They stay in the box, with who decided it and why, and are sent no more."""

    async def ask(client: httpx2.AsyncClient) -> int:
        await one(client, name)
        for seq in seqs:
            await call(client, "POST", f"{place(name)}/parked/{seq}/discard?all=true", {"reason": reason})
        return len(seqs)

    lines = run(data, config, ask)
    tell({"lines": lines}, as_json, f"{counted(lines).capitalize()} of lane {name} {are(lines)} given up.")
