"""`ingestbox completion`: what makes the Tab key know the commands."""

from __future__ import annotations

import click

PROGRAM = "ingestbox"
VARIABLE = "_INGESTBOX_COMPLETE"
"""Set by the scripts when they ask the program for words; click answers (see `commands.run`)."""


@click.command(
    "completion",
    short_help="Print the script that completes commands with Tab.",
    epilog="""\b
Install it:
  bash  ingestbox completion bash > ~/.local/share/bash-completion/completions/ingestbox
  zsh   ingestbox completion zsh > ~/.zfunc/_ingestbox
        (in ~/.zshrc, before compinit: fpath+=~/.zfunc)
  fish  ingestbox completion fish > ~/.config/fish/completions/ingestbox.fish

\b
Examples:
  ingestbox completion fish | source
  source <(ingestbox completion bash)
""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script that completes ingestbox's commands, options and values in this shell.

    The folders below have to be there (mkdir -p). The script asks the program itself for words, so that it
    need not be renewed with it.
    """
    from click.shell_completion import get_completion_class

    group = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    assert kind is not None  # one of the three
    made = kind(group, {}, PROGRAM, VARIABLE)
    # Not source(), which starts a bash to look at its version: this shell may be on another machine.
    click.echo(made.source_template % made.source_vars())
