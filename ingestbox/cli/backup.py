"""`ingestbox backup`: takes, lists and verifies backups."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ingestbox.cli.options import data_options, json_option, settings_of
from ingestbox.cli.output import print_json, print_table

if TYPE_CHECKING:
    from ingestbox.config import Settings


@click.group(
    "backup",
    invoke_without_command=True,
    short_help="Take, list and verify backups of the whole box.",
    epilog="""\b
Examples:
  ingestbox backup
  ingestbox backup --to /mnt/backups
  ingestbox backup list
  ingestbox backup verify /mnt/backups/ingestbox-….tar.zst
""",
)
@data_options
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    help="Folder or file it goes to.  [default: the box's own, [backup] folder]",
)
@json_option
@click.pass_context
def command(
    context: click.Context, data: str | None, config: Path | None, to: Path | None, as_json: bool
) -> None:
    """Take a backup of the whole box: store, uploaded files and secrets of one moment, in one file, verified.

    The box may run meanwhile, and clients notice nothing. `restore` puts it back. The configuration file, and
    the files that it names, are not in it.
    """
    if context.invoked_subcommand is not None:
        context.obj = (data, config)
        return
    from ingestbox.cli.backing.taking import take

    settings = settings_of(data, config)
    taken = asyncio.run(take(settings, to))
    if as_json:
        print_json(taken)
        return
    click.echo(f"{taken['path']}")
    click.echo(f"{_size(taken['bytes'])}, of {_size(taken['data_bytes'])}; verified.")
    for name in taken["missing"]:
        click.echo(f"{name} is not in the data folder, though the store names it.", err=True)
    click.echo("It holds the box's secrets and all its records: keep it as you keep those.")


@command.command(
    "list",
    epilog="""\b
Examples:
  ingestbox backup list
  ingestbox backup list --json | jq -r '.backups[0].name'
""",
)
@data_options
@json_option
@click.pass_context
def list_(context: click.Context, data: str | None, config: Path | None, as_json: bool) -> None:
    """List the backups of the box in its folder, the newest first."""
    state = asyncio.run(_state(_settings(context, data, config)))
    if as_json:
        print_json(state)
        return
    print_table(
        ("backup", "made", "size", "of", "files", "kind"),
        [
            (
                each["name"],
                each["made_at"] or "damaged",
                _size(each["bytes"]),
                _size(each["data_bytes"]),
                each["files"],
                "" if each["made_at"] is None else "scheduled" if each["scheduled"] else "asked for",
            )
            for each in state["backups"]
        ],
    )
    if not state["backups"]:
        click.echo(f"There are none in {state['folder']}.")
    running, last = state["running"], state["last"]
    if running is not None:
        click.echo(f"{running['name']} is being taken: {running['step']}.")
    if last is not None and last["state"] == "failed":
        click.echo(f"The last one failed, at {last['ended_at']}: {last['detail']}", err=True)
    if state["overdue"]:
        click.echo("A scheduled one is overdue. See the log, and the disk of its folder.", err=True)


@command.command(
    "verify",
    epilog="""\b
Examples:
  ingestbox backup verify /mnt/backups/ingestbox-….tar.zst
  ingestbox backup verify /var/lib/ingestbox/snapshots/before-upgrade-….db
""",
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
def verify(file: Path, as_json: bool) -> int:
    """Read a backup whole, and compare every byte with what was put into it. Exit code 1 if it is damaged."""
    from ingestbox.cli.backing.verifying import verified

    found = verified(file)
    if as_json:
        print_json(found)
    elif found["ok"]:
        click.echo(f"{file} is good: {found['kind']} of {found['box']}, schema {found['schema']}.")
        if found["made_at"]:
            click.echo(
                f"Made at {found['made_at']} by ingestbox {found['version']}: {_size(found['data_bytes'])}, "
                f"{found['files']} uploaded files."
            )
    else:
        click.echo(f"{file} cannot be used. {found['problem']}", err=True)
    return 0 if found["ok"] else 1


async def _state(settings: Settings) -> Any:
    from ingestbox.cli.reach import administration, call, running_box

    if await running_box(settings) is not None:
        async with administration(settings) as client:
            return await call(client, "GET", "/v1/backups")
    import msgspec

    from ingestbox.ops.backup.backups import folder_of, line_of
    from ingestbox.ops.backup.folder import listed
    from ingestbox.store import DATABASE
    from ingestbox.store.restored import box_of
    from ingestbox.web.v1.backupshapes import BackupList

    data = Path(settings.data)
    folder = folder_of(settings.backup, data)
    found = listed(folder, box_of(data / DATABASE)) if folder.is_dir() else []
    state = BackupList(
        folder=str(folder.absolute()),
        schedule=settings.backup.schedule,
        keep=settings.backup.keep,
        overdue=False,
        running=None,
        last=None,
        backups=[line_of(each) for each in found],
    )
    return msgspec.to_builtins(state)


def _settings(context: click.Context, data: str | None, config: Path | None) -> Settings:
    """Of options before the name of the command, or after it."""
    before: tuple[str | None, Path | None] = context.obj or (None, None)
    return settings_of(data or before[0], config or before[1])


def _size(size: int | None) -> str:
    if size is None:
        return ""
    return f"{size / 1_048_576:,.1f} MB" if size >= 104_858 else f"{size / 1024:,.0f} KB"
