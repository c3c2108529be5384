"""`ingestbox openapi`: the API's description, for generators of clients and for reading."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click


@click.command(
    "openapi",
    epilog="""\b
Examples:
  ingestbox openapi --output openapi.json
  ingestbox openapi | jq '.paths | keys'
""",
)
@click.option(
    "--config", type=click.Path(path_type=Path), help="Configuration file (TOML); or INGESTBOX_CONFIG."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write it to.  [default: standard output]",
)
def command(config: Path | None, output: Path | None) -> None:
    """Print the OpenAPI 3.1 document that a box serves at /openapi.json.

    No box has to run and no data folder is needed. The settings count as far as they show: limits, rates and
    the path prefix.
    """
    import msgspec

    from ingestbox import config as configuration
    from ingestbox import logs
    from ingestbox.appliance import Appliance

    loaded = configuration.load(environ=os.environ, file=config)
    for warning in loaded.warnings:
        click.echo(f"Warning: {warning}", err=True)
    logs.set_up("WARNING", "simple")

    async def describe() -> bytes:
        async with Appliance.built(loaded.settings) as box:
            return box.document

    text = msgspec.json.format(asyncio.run(describe()), indent=2).decode() + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise click.ClickException(f"Cannot write {output}: {error.strerror}.") from None
