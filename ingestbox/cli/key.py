"""`ingestbox key`: API keys, which can be revoked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ingestbox.cli.options import (
    Duration,
    data_options,
    json_option,
    roles_option,
    settings_of,
    workspace_option,
)
from ingestbox.cli.output import print_json, print_table

if TYPE_CHECKING:
    import httpx2


@click.group("key")
def command() -> None:
    """Make, list, replace and revoke API keys."""


@command.command(
    "create",
    epilog="""\b
Examples:
  ingestbox key create --name crawler-7 --role ingest
  ingestbox key create --name reports --role analyst --ttl 90d --json
""",
)
@data_options
@click.option("--name", required=True, help="What the key is for, as it is listed.")
@roles_option
@click.option("--ttl", type=Duration(), help="How long it is good.  [default: until it is revoked]")
@workspace_option
@json_option
def create(
    data: str | None,
    config: Path | None,
    name: str,
    roles: tuple[str, ...],
    ttl: int | None,
    workspace: str,
    as_json: bool,
) -> None:
    """Print a new key. It is shown this once: the box keeps only its hash."""
    wanted = {"name": name, "roles": roles, "ttl_seconds": ttl, "workspace": workspace}
    made = _ask(data, config, workspace, "POST", "/v1/keys", wanted)
    if as_json:
        print_json(made)
    else:
        click.echo(made["key"])
        click.echo(f"Key {made['id']}. It cannot be shown again; keep it now.", err=True)


@command.command("list", epilog="\b\nExample:\n  ingestbox key list --json\n")
@data_options
@workspace_option
@json_option
def list_(data: str | None, config: Path | None, workspace: str, as_json: bool) -> None:
    """List the workspace's keys, newest first, without the keys themselves."""
    found = _run(data, config, workspace, _all)
    if as_json:
        print_json({"keys": found})
        return
    print_table(
        ("id", "name", "roles", "workspace", "created", "expires", "last used", "revoked"),
        [
            (
                each["id"],
                each["name"],
                " ".join(each["roles"]),
                each["workspace"],
                each["created_at"],
                each["expires_at"],
                each["used_at"],
                each["revoked_at"],
            )
            for each in found
        ],
    )


@command.command("revoke", epilog="\b\nExample:\n  ingestbox key revoke 3\n")
@data_options
@click.argument("key_id", metavar="ID")
@workspace_option
@json_option
def revoke(data: str | None, config: Path | None, key_id: str, workspace: str, as_json: bool) -> None:
    """End a key for good; it is refused from the next request on. See the ids with: ingestbox key list."""
    _check(key_id)
    answer = _ask(data, config, workspace, "DELETE", f"/v1/keys/{key_id}")
    if as_json:
        print_json(answer)
    else:
        click.echo(f"Key {key_id} is revoked.")


@command.command(
    "rotate",
    epilog="""\b
Examples:
  ingestbox key rotate 3
  ingestbox key rotate 3 --keep 7d
  ingestbox key rotate 3 --end-now
""",
)
@data_options
@click.argument("key_id", metavar="ID")
@click.option("--keep", type=Duration(), help="How long the old key stays good.  [default: 24h]")
@click.option("--end-now", is_flag=True, help="End the old key at once, as after a leak.")
@workspace_option
@json_option
def rotate(
    data: str | None,
    config: Path | None,
    key_id: str,
    keep: int | None,
    end_now: bool,
    workspace: str,
    as_json: bool,
) -> None:
    """Print a new key that takes the place of one: same name, roles, workspace and end.

    The old one stays good for a day, so that whoever holds it can change over.

    Keys of the configuration (auth.api_keys) are replaced there: put the new one beside the old, start the
    box again, change over, take the old one out. Keys of an issuer of tokens are replaced by the issuer; the
    box fetches new ones by itself. For the box's own tokens: ingestbox secret rotate.
    """
    _check(key_id)
    if end_now and keep is not None:
        raise click.UsageError("--keep and --end-now contradict each other; give one.")
    wanted = {"keep_seconds": 0 if end_now else keep}
    made = _ask(data, config, workspace, "POST", f"/v1/keys/{key_id}/rotate", wanted)
    if as_json:
        print_json(made)
        return
    click.echo(made["key"])
    click.echo(f"Key {made['id']}. It cannot be shown again; keep it now.", err=True)
    if wanted["keep_seconds"] == 0:
        click.echo(f"Key {key_id} is revoked.", err=True)
    else:
        until = made["old"]["good_until"]
        click.echo(
            f"Key {key_id} is good until {until}; to end it before: ingestbox key revoke {key_id}", err=True
        )


def _check(key_id: str) -> None:
    if not (key_id.isascii() and key_id.isdigit()):
        raise click.UsageError(f"{key_id!r} is not the id of a key; see: ingestbox key list")


def _ask(
    data: str | None, config: Path | None, workspace: str, method: str, path: str, body: object = None
) -> Any:
    from ingestbox.cli.reach import call

    return _run(data, config, workspace, lambda client: call(client, method, path, body))


def _run(
    data: str | None,
    config: Path | None,
    workspace: str,
    work: Callable[[httpx2.AsyncClient], Awaitable[Any]],
) -> Any:
    from ingestbox.cli.reach import administration

    settings = settings_of(data, config)

    async def run() -> Any:
        async with administration(settings, workspace) as client:
            return await work(client)

    return asyncio.run(run())


async def _all(client: httpx2.AsyncClient) -> list[Any]:
    from ingestbox.cli.reach import pages

    return await pages(client, "/v1/keys", "keys")
