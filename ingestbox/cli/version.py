"""`ingestbox version`: which program this is."""

from __future__ import annotations

import platform

import click

from ingestbox import __version__
from ingestbox.cli.options import json_option
from ingestbox.cli.output import print_json


@click.command("version", epilog="\b\nExample:\n  ingestbox version --json\n")
@json_option
def command(as_json: bool) -> None:
    """Print the versions of ingestbox, Python and SQLite."""
    from ingestbox.store import engine

    if as_json:
        print_json({"version": __version__, "python": platform.python_version(), "sqlite": engine.version()})
    else:
        click.echo(f"ingestbox {__version__} (Python {platform.python_version()}, SQLite {engine.version()})")
