"""`ingestbox doctor`: checks, each with what to do about it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ingestbox.cli.options import data_options, json_option, settings_of
from ingestbox.cli.output import print_json
from ingestbox.errors import StartupError

if TYPE_CHECKING:
    from ingestbox.config import Settings


@click.command(
    "doctor",
    epilog="""\b
Examples:
  ingestbox doctor
  ingestbox doctor --json | jq '.findings[] | select(.ok | not)'
""",
)
@data_options
@json_option
def command(data: str | None, config: Path | None, as_json: bool) -> int:
    """Check SQLite, permissions, disk, clock, alarms, issuers, the store's integrity and its sums.

    Exit code 0 when all is well, 1 when something was found. Reading the whole store takes minutes when it
    holds many gigabytes.
    """
    report = asyncio.run(_examine(settings_of(data, config)))
    if as_json:
        print_json(report)
    else:
        _show(report)
    return 0 if report["ok"] else 1


async def _examine(settings: Settings) -> Any:
    import msgspec

    from ingestbox.cli.reach import administration, call
    from ingestbox.ops import doctor
    from ingestbox.store import DATABASE

    try:
        async with administration(settings) as client:
            client.timeout = None  # it may read for minutes
            return await call(client, "GET", "/v1/doctor")
    except StartupError as error:
        if not (Path(settings.data) / DATABASE).exists():
            raise
        return msgspec.to_builtins(doctor.cannot_open(str(error)))


def _show(report: dict[str, Any]) -> None:
    for finding in report["findings"]:
        click.echo(f"{'ok   ' if finding['ok'] else 'WRONG'} {finding['check']}: {finding['message']}")
        if not finding["ok"] and finding["remedy"]:
            click.echo(f"      {finding['remedy']}")
    wrong = sum(not finding["ok"] for finding in report["findings"])
    click.echo("All is well." if report["ok"] else f"Found wrong: {wrong}.")
