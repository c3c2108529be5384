"""The commands together, and how each ends: exit code 0, 1 for a failure, 2 for a mistake in the call."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from ingestbox import __version__
from ingestbox.cli import (
    INTERRUPTED,
    check_config,
    completion,
    demo,
    doctor,
    init,
    jobs,
    key,
    openapi,
    secret,
    send,
    serve,
    status,
    streams,
    token,
    user,
    version,
)
from ingestbox.errors import StartupError

SENTENCE = 200
"""Characters of a command's first sentence that fit into the list of commands, on several lines."""

EXAMPLES = """\b
Examples:
  ingestbox demo
  ingestbox serve
  ingestbox token create --user me --role admin
  ingestbox send tickets.ndjson --wait
  ingestbox jobs
  ingestbox status
"""


class Ordered(click.Group):
    """Lists its commands as they were added: what is needed first comes first."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in order."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands, each with its whole first sentence."""
        listed = [(name, self.commands[name]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, each.get_short_help_str(SENTENCE)) for name, each in listed if not each.hidden]
            )


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
    status,
    doctor,
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
