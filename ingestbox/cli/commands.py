"""The commands together, and how each ends: exit code 0, 1 for a failure, 2 for a mistake in the call."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from ingestbox import __version__
from ingestbox.cli import (
    INTERRUPTED,
    backup,
    check_config,
    completion,
    demo,
    doctor,
    export,
    init,
    jobs,
    key,
    lanes,
    openapi,
    probe,
    restore,
    salvage,
    secret,
    send,
    serve,
    status,
    streams,
    token,
    user,
    version,
)
from ingestbox.cli.ordered import Ordered
from ingestbox.errors import StartupError

EXAMPLES = """\b
Examples:
  ingestbox demo
  ingestbox serve
  ingestbox token create --user me --role admin
  ingestbox send tickets.ndjson --wait
  ingestbox jobs
  ingestbox lanes
  ingestbox status
"""


@click.group(
    cls=Ordered,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Take records in, never lose one, analyse them, and forward them when the upstream can be reached.

    One box works on one data folder: ./ingestbox-data, unless --data or INGESTBOX_DATA names another.
    Commands talk to the box that runs on the folder, and open the folder themselves when none does.
    """
    if os.environ.get("NO_COLOR"):
        click.get_current_context().color = False


for each in (  # in the order of --help
    serve,
    demo,
    init,
    check_config,
    token,
    user,
    key,
    secret,
    send,
    jobs,
    lanes,
    status,
    probe,
    doctor,
    salvage,
    backup,
    restore,
    export,
    openapi,
    completion,
    version,
):
    cli.add_command(each.command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; the exit code."""
    try:
        code = cli.main(arguments, prog_name="ingestbox", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except StartupError as error:
        click.echo(f"Error: {error}", err=True)
        return 1
    except click.Abort:
        return INTERRUPTED
    except BrokenPipeError:
        streams.settle()  # whoever read our output has enough of it
        return 1
    except OSError as error:  # a full disk, above all
        streams.settle()
        where = "" if error.filename is None else f": {error.filename}"
        click.echo(f"Error: {error.strerror or error}{where}.", err=True)
        return 1
    return code if isinstance(code, int) else 0
