"""`ingestbox restore`: puts a backup back."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ingestbox.cli.options import data_options, json_option, settings_of
from ingestbox.cli.output import cell, print_json

if TYPE_CHECKING:
    from ingestbox.ops.backup.restoring import Restored


@click.command(
    "restore",
    epilog="""\b
Examples:
  ingestbox restore /mnt/backups/ingestbox-b0123456789abcdef-20260131T020000Z.tar.zst
  ingestbox restore BACKUP --data /var/lib/ingestbox --force
  ingestbox restore /var/lib/ingestbox/snapshots/before-upgrade-….db --force
""",
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@data_options
@click.option("--force", is_flag=True, help="Over a store that is there, which is moved aside.")
@json_option
def command(file: Path, data: str | None, config: Path | None, force: bool, as_json: bool) -> None:
    """Put a backup back into the data folder, or a snapshot that an upgrade made.

    All of FILE is verified before anything changes; what is there is moved aside, never deleted. The box must
    not run. It begins a new epoch, so that upstreams are sent no number twice, and everybody has to sign in
    again.

    A backup of the same box leaves the folder's secret as it is, since that is the newer one. A snapshot is
    the store alone: uploaded files and secret stay as they are.
    """
    from ingestbox.clock import SystemClock
    from ingestbox.ops.backup.manifest import DamagedBackupError
    from ingestbox.ops.backup.restoring import RestoreError, restore

    folder = Path(settings_of(data, config).data)
    try:
        done = restore(file, folder, force=force, clock=SystemClock(), actor=_actor())
    except RestoreError as error:
        raise click.ClickException(str(error)) from None
    except DamagedBackupError as error:
        raise click.ClickException(f"{error} Nothing was changed.") from None
    if as_json:
        print_json(_facts(done))
    else:
        _tell(done, folder)


def _actor() -> str:
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"cli:#{os.geteuid()}"


def _facts(done: Restored) -> dict[str, Any]:
    from ingestbox.clock import iso

    made = done.manifest
    return {
        "box": done.box,
        "epoch": done.epoch,
        "kind": "snapshot" if made is None else "backup",
        "made_at": None if made is None else made.made_at,
        "bytes": None if made is None else made.bytes,
        "aside": None if done.aside is None else str(done.aside),
        "secret": "backup" if done.secret else "folder",
        "missing": list(done.missing),
        "taken_back": [
            {"action": each.action, "object": each.object, "object_id": each.object_id, "at": iso(each.at_ms)}
            for each in done.taken_back
        ],
    }


def _tell(done: Restored, folder: Path) -> None:
    from ingestbox.clock import iso
    from ingestbox.ops.backup.restoring import TOLD

    made = done.manifest
    what = "The snapshot" if made is None else f"The backup of {made.made_at}"
    click.echo(f"{what} is in {folder}. The box is {done.box}, in the new epoch {done.epoch}.")
    if done.aside is not None:
        click.echo(f"What was there is in {done.aside}. Remove it when you do not need it any more.")
    click.echo(f"Tokens are signed with the {'backup' if done.secret else 'folder'}'s secret.")
    for name in done.missing[:10]:
        click.echo(f"The uploaded file {name} is not there: its rows that are not loaded are lost.", err=True)
    if len(done.missing) > 10:
        click.echo(f"So are {len(done.missing) - 10} others.", err=True)
    click.echo(
        "Look after this before it runs: people who were erased since then are back, and so are API keys "
        "that were revoked, users who were removed, and old passwords. Erase, revoke and remove them again.",
        err=True,
    )
    for each in done.taken_back[:TOLD]:
        click.echo(f"  {iso(each.at_ms)}  {each.action}  {each.object} {cell(each.object_id)}", err=True)
    if len(done.taken_back) > TOLD:
        click.echo("  and more: the audit trail of the store that was there has them all.", err=True)
    if os.geteuid() == 0 and folder.stat().st_uid == 0:
        click.echo(
            f"{folder} belongs to root. If the box runs as another user: chown -R USER: {folder}", err=True
        )
    click.echo(f"Start it with: ingestbox serve --data {folder}")
