"""`ingestbox lanes`: what goes upstream, how far each way is, and what a person can do about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ingestbox import amounts
from ingestbox.cli.laning import moves
from ingestbox.cli.laning import refused as of_refused
from ingestbox.cli.laning.asking import all_lanes, call, name_argument, one, place, run, tell
from ingestbox.cli.laning.saying import about, ago, counted, due, holder, refused, state
from ingestbox.cli.options import data_options, json_option, settings_of
from ingestbox.cli.ordered import Ordered
from ingestbox.cli.output import cell, print_json, print_marked, print_table

if TYPE_CHECKING:
    import httpx2


class _Lanes(Ordered):
    """Whoever names a lane in the place of a command wants to see it."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As a group does. Raises UsageError with the command that shows a lane."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            hint = f" To see a lane: ingestbox lanes show {cell(args[0])}"
            raise click.UsageError(error.format_message() + hint, ctx) from None


@click.group(
    "lanes",
    cls=_Lanes,
    invoke_without_command=True,
    epilog="""\b
Examples:
  ingestbox lanes
  ingestbox lanes show central
  ingestbox lanes pause central --reason "it moves tonight"
  ingestbox lanes replay central --from-date 2026-11-01
  ingestbox lanes --json | jq '.lanes[] | select(.pending > 1000) | .name'
""",
)
@data_options
@json_option
@click.pass_context
def command(ctx: click.Context, data: str | None, config: Path | None, as_json: bool) -> None:
    """List the lanes to upstreams, or look at one, stop it, test it, send again what it sent.

    Without a command: each lane with its lag, and what to do where one does not run. What lanes are, and
    what to do when one stands still, is in docs/forwarding.md.
    """
    if ctx.invoked_subcommand is None:
        _list(data, config, as_json)
        return
    given: dict[str, Any] = {"data": data, "config": config, "as_json": as_json}
    assert isinstance(ctx.command, click.Group)
    # What stands before the name of a command counts for it as if it stood behind.
    ctx.default_map = {
        each: {name: value for name, value in given.items() if value} for each in ctx.command.commands
    }


def _list(data: str | None, config: Path | None, as_json: bool) -> None:
    found = run(data, config, all_lanes)
    if as_json:
        print_json({"lanes": found})
        return
    _note_stopped(data, config)
    if not found:
        click.echo("There are no lanes: results stay in this box.", err=True)
        click.echo("Add one under [[lanes]] to the configuration; see docs/forwarding.md.", err=True)
        return
    print_table(
        ("lane", "state", "pending", "size", "oldest", "refused", "delivered"),
        [
            (
                lane["name"],
                state(lane),
                lane["pending"],
                amounts.size(lane["pending_bytes"]) if lane["pending"] else "",
                "" if lane["oldest_seconds"] is None else amounts.age(lane["oldest_seconds"]),
                lane["parked"],
                ago(lane["delivered_at"]),
            )
            for lane in found
        ],
    )
    told = [lane for lane in found if lane["reason"] or lane["parked"] or lane["state"] == "off"]
    if told:
        click.echo()
    for lane in told:
        for sentence in about(lane):
            print_marked(f"{lane['name']}:", sentence)


@command.command(
    "show",
    epilog="""\b
Examples:
  ingestbox lanes show central
  ingestbox lanes show central --json | jq .pending_bytes
""",
)
@data_options
@name_argument
@json_option
def show(data: str | None, config: Path | None, name: str, as_json: bool) -> int:
    """Show a lane: how it is, what goes that way, and whether its sums are right.

    Pending lines are counted for that, one by one; exit code 1 when enqueued is not delivered + pending +
    refused + given up.
    """

    async def ask(client: httpx2.AsyncClient) -> tuple[Any, Any]:
        lane = await one(client, name)
        return lane, await call(client, "GET", f"{place(name)}/balance")

    lane, balance = run(data, config, ask)
    if as_json:
        print_json({**lane, "balance": balance})
    else:
        _note_stopped(data, config)
        _show(lane, balance)
    return 0 if balance["holds"] else 1


def _show(lane: dict[str, Any], balance: dict[str, Any]) -> None:
    lag = f"{cell(lane['pending'])}, {amounts.size(lane['pending_bytes'])}"
    if lane["oldest_seconds"] is not None:
        lag += f", the oldest {amounts.age(lane['oldest_seconds'])} old"
    filters = [
        f"{each} {', '.join(map(cell, lane[each]))}"
        for each in ("families", "kinds", "workspaces", "ops")
        if lane[each]
    ]
    if not lane["relay"]:
        filters.append("nothing of other boxes")
    told = ("pending", "parked", "discarded")
    words = {"parked": "refused", "discarded": "given up"}
    sums = f"{cell(balance['enqueued'])} made = {cell(balance['delivered'])} delivered"
    sums += "".join(f" + {cell(balance[each])} {words.get(each, each)}" for each in told)
    facts = (
        ("lane", lane["name"]),
        ("upstream", lane["url"]),
        ("state", state(lane)),
        ("since", f"{lane['since']} ({ago(lane['since'])})"),
        ("next try", lane["next_try_at"] and f"{lane['next_try_at']} ({due(lane['next_try_at'])})"),
        ("on hold", holder(lane)),
        ("schedule", lane["schedule"]),
        ("takes", "; ".join(filters) or "everything"),
        ("pending", lag if lane["pending"] else "nothing"),
        ("refused", refused(lane)),
        ("delivered", _delivered(lane)),
        ("again", lane["replay_until"] and f"lines up to {lane['replay_until']} are sent again"),
        ("sums", f"{'right' if balance['holds'] else 'WRONG'}: {sums}"),
    )
    for label, value in facts:
        if value:
            click.echo(f"{label:<12} {cell(value)}")
    if not balance["holds"]:
        click.echo("The store counts wrongly. See: ingestbox doctor", err=True)
    told_of = about(lane)
    if told_of:
        click.echo()
    for sentence in told_of:
        print_marked(f"{lane['name']}:", sentence)


@command.command(
    "pause", epilog='\b\nExample:\n  ingestbox lanes pause central --reason "the upstream moves tonight"\n'
)
@data_options
@name_argument
@click.option("--reason", help="Why, for those who find it on hold.")
@json_option
def pause(data: str | None, config: Path | None, name: str, reason: str | None, as_json: bool) -> None:
    """Put a lane on hold until it is resumed, also over restarts. What comes in waits, and is kept."""
    lane = _do(data, config, name, "pause", {} if reason is None else {"reason": reason})
    tell(lane, as_json, f"Lane {name} is on hold. Let it go on with: ingestbox lanes resume {name}")


@command.command("resume", epilog="\b\nExample:\n  ingestbox lanes resume central\n")
@data_options
@name_argument
@json_option
def resume(data: str | None, config: Path | None, name: str, as_json: bool) -> None:
    """Let a lane go on that is on hold; one that waits for its next try tries at once."""
    lane = _do(data, config, name, "resume")
    tell(lane, as_json, f"Lane {name} goes on, with {counted(lane['pending'])} pending.")


@command.command("test", epilog="\b\nExample:\n  ingestbox lanes test central\n")
@data_options
@name_argument
@json_option
def test(data: str | None, config: Path | None, name: str, as_json: bool) -> int:
    """Knock at a lane's upstream with a batch that has no lines, and tell what its answer means.

    Credentials, signature and TLS are those of the lane; nothing is moved. Exit code 0 when the upstream was
    reached and lets this box in, else 1.
    """

    async def ask(client: httpx2.AsyncClient) -> Any:
        await one(client, name)
        client.timeout = None  # as long as the lane's own time-out
        return await call(client, "POST", f"{place(name)}/test")

    found = run(data, config, ask)
    if as_json:
        print_json(found)
        return 0 if found["ok"] else 1
    # A database says no status.
    silent = "" if found["ok"] else "no answer, "
    answer = silent if found["status"] is None else f"answer {found['status']}, "
    sentence = " ".join(filter(None, (f"{name}:", found["meaning"], found["remedy"])))
    mark = click.style("ok", fg="green") if found["ok"] else click.style("FAILED", fg="red")
    print_marked(mark, f"{cell(sentence)} ({answer}{found['seconds']:.3f} s)")
    return 0 if found["ok"] else 1


def _delivered(lane: dict[str, Any]) -> str:
    if lane["delivered_at"] is None:
        return "nothing yet"
    return f"{cell(lane['delivered'])}, the last batch {ago(lane['delivered_at'])} ({lane['delivered_at']})"


def _note_stopped(data: str | None, config: Path | None) -> None:
    """Says so when what is shown is how the lanes were when the box was stopped."""
    from ingestbox.store.lock import is_held

    folder = Path(settings_of(data, config).data)
    if not is_held(folder):
        click.echo(f"No box runs on {folder}: nothing is sent. Start it with: ingestbox serve", err=True)


def _do(data: str | None, config: Path | None, name: str, action: str, body: object = None) -> Any:
    async def ask(client: httpx2.AsyncClient) -> Any:
        await one(client, name)
        return await call(client, "POST", f"{place(name)}/{action}", body)

    return run(data, config, ask)


for each in (moves.replay, of_refused.parked, of_refused.retry, of_refused.discard, moves.remove):
    command.add_command(each)
