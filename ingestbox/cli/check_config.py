"""`ingestbox check-config`: what a box would be set to, and whether it would start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ingestbox.cli.options import data_options, json_option
from ingestbox.cli.output import print_json, print_marked

if TYPE_CHECKING:
    from ingestbox.cli.preflight import Check
    from ingestbox.config import Loaded

COLUMN = 44
"""Where it begins that says where a value comes from."""

MARKS = {"ok": ("ok     ", "green"), "warning": ("WARNING", "yellow"), "error": ("WRONG  ", "red")}


@click.command(
    "check-config",
    short_help="Show every setting, and whether a box would start.",
    epilog="""\b
Examples:
  ingestbox check-config --config ingestbox.toml
  ingestbox check-config --json | jq '.settings[] | select(.source != "default")'
""",
)
@data_options
@json_option
def command(data: str | None, config: Path | None, as_json: bool) -> int:
    """Show every setting, where it comes from, and whether a box would start with it.

    Reads file and environment as `serve` does, and starts, makes and changes nothing. Secrets are not shown.
    Exit code 0 when all is well, also with warnings; 1 when a box would not start.
    """
    from ingestbox import config as configuration
    from ingestbox.cli.preflight import look
    from ingestbox.config import shown
    from ingestbox.config.load import ConfigError

    try:
        loaded = configuration.load(environ=os.environ, file=config, data=data)
    except ConfigError as error:
        if as_json:
            print_json({"ok": False, "file": None, "settings": [], "errors": error.faults, "checks": []})
        else:
            for fault in error.faults:
                print_marked(_mark("error"), fault, err=True)
            click.echo(_verdict(len(error.faults), 0), err=True)
        return 1
    checks = look(loaded)
    errors = [check.message for check in checks if check.level == "error"]
    if as_json:
        file = None if loaded.file is None else str(loaded.file)
        settings = list(shown(loaded))
        print_json({"ok": not errors, "file": file, "settings": settings, "errors": errors, "checks": checks})
    else:
        _show(loaded, checks)
        warnings = sum(check.level == "warning" for check in checks)
        click.echo(_verdict(len(errors), warnings))
    return 1 if errors else 0


def _show(loaded: Loaded, checks: list[Check]) -> None:
    from ingestbox.config import shown
    from ingestbox.config.template import toml

    section = ""
    for each in shown(loaded):
        if each.section != section:
            section = each.section
            click.echo(f"\n{click.style(section, bold=True)}")
        line = f"{each.key} = {toml(each.value)}"
        gap = " " * max(2, COLUMN - len(line))
        if each.source == "default":
            click.echo(line + gap + click.style("default", dim=True))
        else:
            click.echo(click.style(line, bold=True) + gap + click.style(each.place, fg="cyan"))
    click.echo()
    for check in checks:
        print_marked(_mark(check.level), f"{check.about}: {check.message}")
    click.echo()


def _mark(level: str) -> str:
    word, colour = MARKS[level]
    return click.style(word, fg=colour, bold=level != "ok")


def _verdict(errors: int, warnings: int) -> str:
    also = f" {warnings} {'warning' if warnings == 1 else 'warnings'}." if warnings else ""
    if errors:
        return f"A box would not start: {errors} {'thing is' if errors == 1 else 'things are'} wrong.{also}"
    return f"A box would start with this.{also}"
