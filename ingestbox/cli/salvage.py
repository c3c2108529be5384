"""`ingestbox salvage`: what can be read of a damaged store, in a new data folder."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ingestbox.cli.options import data_options, json_option, settings_of
from ingestbox.cli.output import cell, print_json, print_table

if TYPE_CHECKING:
    from ingestbox.ops.salvaging import SalvageReport, TableReport

SHOWN = 20
"""Lost rows of a table that are told on the screen; the report has more."""


@click.command(
    "salvage",
    epilog="""\b
Examples:
  ingestbox salvage --data /var/lib/ingestbox --to /var/lib/ingestbox-salvaged
  ingestbox salvage --to /mnt/rescue --json | jq '.tables[] | select(.lost > 0)'
""",
)
@data_options
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The new data folder: one that is empty, or not there yet.",
)
@json_option
def command(data: str | None, config: Path | None, target: Path, as_json: bool) -> int:
    """Save what can be read of a damaged store into a new data folder.

    The damaged folder is not changed; the box must not run on it. Rows whose checksum is wrong are left out
    and listed, counts and full text are made anew. The new box begins a new epoch, so that upstreams are sent
    no number twice. TO/salvage.json says of each table how many rows were kept and which are lost.

    Restore a backup instead, if it is new enough: a salvage does not bring back what is damaged.

    Exit code 0 when everything was kept, 1 when something is lost.
    """
    from ingestbox.clock import SystemClock
    from ingestbox.ops.salvaging import SalvageError, salvage
    from ingestbox.store.salvage.building import OtherSchemaError

    settings = settings_of(data, config)

    def told(table: str, rows: int) -> None:
        click.echo(f"{table}: {rows:,} rows", err=True)

    try:
        report = salvage(Path(settings.data), target, settings, SystemClock(), _actor(), told)
    except SalvageError as error:
        raise click.UsageError(str(error)) from None
    except OtherSchemaError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        print_json(report)
    else:
        _show(report, target)
    return 0 if report.whole else 1


def _actor() -> str:
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"


def _show(report: SalvageReport, target: Path) -> None:
    print_table(
        ("TABLE", "KEPT", "LOST"),
        [(each.table, each.kept, each.lost) for each in report.tables if each.kept + each.lost],
    )
    for table in report.tables:
        _show_lost(table)
    for name, keys in report.made.items():
        click.echo(f"Made in the place of what is lost: {len(keys):,} {name} ({_few(keys)}).")
    if report.jobs:
        click.echo(f"Jobs with fewer records than came in: {_few(report.jobs)}.")
    for lane in report.lanes:
        click.echo(f"Lane {cell(lane.lane)}: {lane.lost_lines:,} lines that it should have are lost.")
    for file in report.files:
        click.echo(f"File {cell(file.name)}: {file.reason}.")
    if report.log.damaged:
        click.echo(
            f"Write-ahead log: {report.log.damaged:,} of {report.log.pages:,} pages were damaged; "
            f"{report.log.repaired:,} were put right."
        )
    for said in (*report.schema, *report.wrong):
        click.echo(f"{said}.")
    verdict = "Everything was kept" if report.whole else f"{report.lost:,} rows are lost"
    click.echo(f"{verdict}; {report.kept:,} are in {target}. The report is {target / 'salvage.json'}.")
    click.echo(f"Start the box on it: ingestbox serve --data {target}")


def _show_lost(table: TableReport) -> None:
    for row in table.lost_rows[:SHOWN]:
        click.echo(f"Lost of {table.table}: {cell(row.key)} ({row.reason})")
    if table.lost > SHOWN:
        click.echo(f"Lost of {table.table}: {table.lost - SHOWN:,} more")
    if table.repaired:
        click.echo(f"Put right, of {table.table}: {table.repaired:,}")
    for said in table.unread[:SHOWN]:
        click.echo(f"Read in part, of {table.table}: {said}")


def _few(keys: list[str]) -> str:
    shown = ", ".join(cell(key) for key in keys[:5])
    return shown if len(keys) <= 5 else f"{shown}, …"
