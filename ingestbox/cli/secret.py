"""`ingestbox secret`: the secret that signs the box's own tokens."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from ingestbox.cli.options import Duration, data_options, json_option, settings_of


@click.group("secret", short_help="Replace the secret that signs tokens.")
def command() -> None:
    """Replace the secret that signs the box's own tokens."""


@command.command(
    "rotate",
    epilog="""\b
Examples:
  ingestbox secret rotate
  ingestbox secret rotate --keep 30d
  ingestbox secret rotate --end-now
""",
)
@data_options
@click.option(
    "--keep",
    type=Duration(),
    help="Longest that tokens stay good after their secret was replaced.  "
    "[default: until each ends by itself]",
)
@click.option("--end-now", is_flag=True, help="End every token made so far, as after a leak.")
@json_option
def rotate(data: str | None, config: Path | None, keep: int | None, end_now: bool, as_json: bool) -> None:
    """Make a new secret. Tokens that older ones signed stay good until they end by themselves.

    A box that runs takes it at once. Programs that sign tokens themselves have to read the new secret from
    the data folder: what they sign with the old one from now on is refused.
    """
    if end_now and keep is not None:
        raise click.UsageError("--keep and --end-now contradict each other; give one.")
    answer = _ask(data, config, {"keep_seconds": 0 if end_now else keep})
    if as_json:
        from ingestbox.cli.output import print_json

        print_json(answer)
        return
    click.echo("A new secret signs tokens from now on.")
    if not answer["old"]:
        click.echo("Every token made before has ended. Make new ones: ingestbox token create.")
    else:
        latest = max(each["until"] for each in answer["old"])
        click.echo(f"Tokens made before are good until they end by themselves, or until {latest[:10]}.")


def _ask(data: str | None, config: Path | None, body: object) -> Any:
    from ingestbox.cli.reach import administration, call

    settings = settings_of(data, config)

    async def ask() -> Any:
        async with administration(settings) as client:
            return await call(client, "POST", "/v1/secret/rotate", body)

    return asyncio.run(ask())
