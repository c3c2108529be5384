"""A group of commands as `--help` lists them."""

from __future__ import annotations

import click

SENTENCE = 200
"""Characters of a command's first sentence that fit into the list of commands, on several lines."""


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
