"""`ingestbox lanes replay` and `remove`: sends again what was sent; forgets a lane that is off."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ingestbox import amounts
from ingestbox.cli.laning.asking import agree, call, name_argument, one, place, run, tell, yes_option
from ingestbox.cli.laning.saying import are, counted
from ingestbox.cli.options import data_options, json_option
from ingestbox.cli.output import cell, print_json

if TYPE_CHECKING:
    import httpx2


@click.command(
    "replay",
    epilog="""\b
Examples:
  ingestbox lanes replay central --from-date 2026-11-01
  ingestbox lanes replay central --from-date 2026-11-01T08:30:00Z --yes
  ingestbox lanes replay central --from-seq 1 --dry-run
""",
)
@data_options
@name_argument
@click.option("--from-seq", type=click.IntRange(min=1), help="From this delivery on, by its number.")
@click.option(
    "--from-date",
    help="From what was made at this time on (ISO 8601); without an offset in this machine's time.",
)
@click.option("--dry-run", is_flag=True, help="Only tell how many lines that is.")
@yes_option
@json_option
def replay(
    data: str | None,
    config: Path | None,
    name: str,
    from_seq: int | None,
    from_date: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Send again what a lane has sent, from a number or a date on: for an upstream that lost it.

    It tells first how many lines that is, and asks. The upstream gets them in order, the same bytes under
    the same numbers, before what is new; another ingestbox takes each once. Lines that were refused or given
    up stay as they are.
    """
    if (from_seq is None) == (from_date is None):
        raise click.UsageError("Say from where: either --from-seq or --from-date.")
    wanted: dict[str, object] = {"from_seq": from_seq} if from_seq else {"from_date": _moment(from_date)}

    async def ask(client: httpx2.AsyncClient) -> Any:
        await one(client, name)
        path = f"{place(name)}/replay"
        plan = await call(client, "POST", path, {**wanted, "dry_run": True})
        if not as_json:
            _tell_plan(name, plan)
        if dry_run or not plan["lines"]:
            return plan
        agree(yes, "Send them again?")
        return await call(client, "POST", path, wanted)

    done = run(data, config, ask)
    if as_json:
        print_json(done)
    elif not done["dry_run"]:
        click.echo(f"Lane {name} sends {counted(done['lines'])} again. Watch it: ingestbox lanes show {name}")


def _tell_plan(name: str, plan: dict[str, Any]) -> None:
    if plan["lines"]:
        made = f", made {plan['made_at']}" if plan["made_at"] else ""
        click.echo(
            f"Lane {name} would send {counted(plan['lines'])} again, "
            f"from number {plan['starts_at']} on{made}."
        )
    else:
        click.echo(f"Lane {name} has sent nothing from there on: there is nothing to send again.")
    if plan["purged_before"]:
        click.echo(
            f"Some of what was made before number {plan['purged_before']} was delivered, and is not kept any "
            "more (store.delivered_days).",
            err=True,
        )


@click.command(
    "remove",
    epilog="""\b
Examples:
  ingestbox lanes remove old
  ingestbox lanes remove old --reason "that service is gone" --yes
""",
)
@data_options
@name_argument
@click.option("--reason", help="Why; needed when it has lines that were never delivered.")
@yes_option
@json_option
def remove(
    data: str | None, config: Path | None, name: str, reason: str | None, yes: bool, as_json: bool
) -> None:
    """Forget a lane that is off: its place, its numbers, and what it has not delivered.

    A lane is off when it was taken out of the settings and the box has been started since. This is the one
    way in which lines that were never delivered are given up; the audit trail keeps how many.
    """

    async def ask(client: httpx2.AsyncClient) -> Any:
        lane = await one(client, name)
        lost = lane["pending"] + lane["parked"]
        if lane["state"] == "off":
            if lost and reason is None:
                raise click.ClickException(
                    f"Lane {name} has {counted(lane['pending'])} pending and {cell(lane['parked'])} refused, "
                    "which nobody would deliver any more. Say why with --reason, or put the lane back into "
                    "the settings."
                )
            if lost:
                what = f"{counted(lane['pending'])} pending ({amounts.size(lane['pending_bytes'])})"
                click.echo(f"Lane {name} has {what} and {cell(lane['parked'])} refused: given up.", err=True)
            agree(yes, f"Forget lane {name}?")
        return await call(client, "POST", f"{place(name)}/remove", {"reason": reason} if reason else {})

    done = run(data, config, ask)
    lost = done["pending"] + done["parked"]
    words = (
        f" {counted(lost).capitalize()} {are(lost)} given up." if lost else " It had delivered everything."
    )
    tell(done, as_json, f"Lane {name} is forgotten.{words}")


def _moment(text: str | None) -> str:
    """A date or time as given, with its offset. Raises UsageError."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        raise click.UsageError(
            f"{text!r} is not a time; write 2026-11-01, or 2026-11-01T08:30:00Z."
        ) from None
    try:
        return (found if found.tzinfo else found.astimezone()).isoformat()
    except (OverflowError, OSError, ValueError):  # the year 1, west of Greenwich
        raise click.UsageError(f"{text!r} is out of the range of this machine's calendar.") from None
