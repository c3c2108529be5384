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
  ingestbox doctor --quick
  ingestbox doctor --json | jq '.findings[] | select(.ok | not)'
""",
)
@data_options
@click.option("--quick", is_flag=True, help="Leave out what reads all that is stored.")
@json_option
def command(data: str | None, config: Path | None, quick: bool, as_json: bool) -> int:
    """Check the box: each finding comes with what to do about it.

    SQLite, permissions, disk, clock, alarms, issuers, lanes, certificates, trusted CAs, backups; and,
    but for --quick, the store's integrity, the checksum of every payload, uploaded files, and its sums. That
    reads all that is stored: some ten seconds for each gigabyte, more from a slow disk. It works with and
    without a running box, which goes on meanwhile.

    Exit code 0 when all is well, 1 when something was found.
    """
    report = asyncio.run(_examine(settings_of(data, config), quick))
    if as_json:
        print_json(report)
    else:
        _show(report)
    return 0 if report["ok"] else 1


async def _examine(settings: Settings, quick: bool) -> Any:
    import msgspec

    from ingestbox.cli.reach import administration, call
    from ingestbox.ops import doctor
    from ingestbox.store import DATABASE

    try:
        async with administration(settings) as client:
            client.timeout = None  # it may read for minutes
            return await call(client, "GET", "/v1/doctor?quick=true" if quick else "/v1/doctor")
    except StartupError as error:
        if not (Path(settings.data) / DATABASE).exists():
            raise
        return msgspec.to_builtins(await doctor.cannot_open(str(error), settings))


def _show(report: dict[str, Any]) -> None:
    for finding in report["findings"]:
        click.echo(f"{'ok   ' if finding['ok'] else 'WRONG'} {finding['check']}: {finding['message']}")
        if not finding["ok"] and finding["remedy"]:
            click.echo(f"      {finding['remedy']}")
    wrong = sum(not finding["ok"] for finding in report["findings"])
    click.echo("All is well." if report["ok"] else f"Found wrong: {wrong}.")
