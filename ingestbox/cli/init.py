"""`ingestbox init`: a configuration file to begin with."""

from __future__ import annotations

import os
import secrets
import shlex
from pathlib import Path

import click

STDOUT = "-"


@click.command(
    "init",
    short_help="Write a configuration file to begin with.",
    epilog="""\b
Examples:
  ingestbox init
  ingestbox init --output /etc/ingestbox/ingestbox.toml
  ingestbox init --output - | less
""",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False),
    default="ingestbox.toml",
    show_default=True,
    help="File to write; `-` is stdout.",
)
@click.option("--force", is_flag=True, help="Replace the file when it is there already.")
def command(output: str, force: bool) -> None:
    """Write a configuration file with every setting commented out at its default.

    A box needs none to start; the file is for what should be otherwise. It is readable by its owner alone,
    for it may come to hold secrets.
    """
    from ingestbox.config.template import template

    text = template()
    if output == STDOUT:
        click.echo(text, nl=False)
        return
    try:
        _write(Path(output), text, force)
    except FileExistsError:
        raise click.ClickException(
            f"{output} is there already and was left as it is. Choose another with --output, or replace it "
            "with --force."
        ) from None
    except FileNotFoundError:
        folder = Path(output).parent
        raise click.ClickException(
            f"There is no folder {folder}. Make it: mkdir -p {shlex.quote(str(folder))}."
        ) from None
    except OSError as error:
        raise click.ClickException(
            f"{output} cannot be written: {error.strerror}. Choose another place with --output."
        ) from None
    name = shlex.quote(output)
    click.echo(
        f"Wrote {output}: every setting, commented out at its default. Edit it, then:\n"
        f"  ingestbox check-config --config {name}\n"
        f"  ingestbox serve --config {name}"
    )


def _write(path: Path, text: str, force: bool) -> None:
    """Writes the file whole or not at all. Raises OSError; FileExistsError unless `force`."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if force:
            temporary.replace(path)
        else:
            os.link(temporary, path)  # fails when the name is taken, also by a link that leads nowhere
    finally:
        temporary.unlink(missing_ok=True)
