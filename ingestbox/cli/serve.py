"""`ingestbox serve`: run a box."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ingestbox.cli.options import data_options


@click.command(
    "serve",
    epilog="""\b
Examples:
  ingestbox serve
  ingestbox serve --data /var/lib/ingestbox --port 9000
  ingestbox serve --config /etc/ingestbox/ingestbox.toml
""",
)
@data_options
@click.option("--host", help="Address to listen on; or INGESTBOX_SERVER_HOST.  [default: 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="Port to listen on, 0 for a free one; or INGESTBOX_SERVER_PORT.  [default: 8000]",
)
@click.option("--parent", type=int, hidden=True, help="End when this process, which started the box, ends.")
def command(
    data: str | None, config: Path | None, host: str | None, port: int | None, parent: int | None
) -> int:
    """Run a box until SIGTERM or Ctrl-C.

    The data folder is made at the first start. A stop finishes what is in hand and exits with 0.
    """
    if parent is not None:
        from ingestbox.cli.parent import follow

        follow(parent)
    from ingestbox import appliance
    from ingestbox import config as configuration

    loaded = configuration.load(
        environ=os.environ, file=config, flags={"server": {"host": host, "port": port}}, data=data
    )
    return appliance.serve(loaded)
