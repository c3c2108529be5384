"""Options and kinds of values that several commands share."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ingestbox.model import Role

if TYPE_CHECKING:
    from ingestbox.config import Settings

F = TypeVar("F", bound=Callable[..., Any])

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])")


class Duration(click.ParamType[int]):
    """`90s`, `15m`, `12h` or `7d`, as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The seconds, at most ten years. Fails as click does: a sentence and exit code 2."""
        from ingestbox.web.v1.keys import MAX_TTL_SECONDS

        found = _DURATION.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is not a duration; write 90s, 15m, 12h or 7d.", param, ctx)
        seconds = int(found[1]) * _UNITS[found[2]]
        if seconds > MAX_TTL_SECONDS:
            self.fail(f"{value} is too long; at most {MAX_TTL_SECONDS // 86_400}d.", param, ctx)
        return seconds


def data_options(function: F) -> F:
    """`--data` and `--config`: which box."""
    function = click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Configuration file (TOML); or INGESTBOX_CONFIG.",
    )(function)
    return click.option(
        "--data",
        type=click.Path(file_okay=False, readable=False),
        help="The box's data folder; or INGESTBOX_DATA.  [default: ./ingestbox-data]",
    )(function)


def roles_option(function: F) -> F:
    """`--role`, once or more."""
    return click.option(
        "--role",
        "roles",
        multiple=True,
        required=True,
        type=click.Choice([role.value for role in Role]),
        help="What the holder may do; repeat it for several. `admin` implies all.",
    )(function)


def workspace_option(function: F) -> F:
    """`--workspace`."""
    return click.option(
        "--workspace", default="default", show_default=True, help="Whose rows the holder sees and makes."
    )(function)


def json_option(function: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")(function)


def settings_of(data: str | None, config: Path | None) -> Settings:
    """The settings these flags, the environment and the file give; says on stderr what was ignored.

    Raises StartupError.
    """
    from ingestbox import config as configuration

    loaded = configuration.load(environ=os.environ, file=config, data=data)
    for warning in loaded.warnings:
        click.echo(f"Warning: {warning}", err=True)
    _refuse_others_folder(Path(loaded.settings.data))
    return loaded.settings


def _refuse_others_folder(folder: Path) -> None:
    """Says so when the data folder is another user's: every later message would be beside the point."""
    try:
        owner = folder.stat().st_uid
    except PermissionError:
        raise click.ClickException(
            f"The data folder {folder} lies where {_user(os.geteuid())} may not look. Run the command as the "
            "user of the box, or name another folder with --data."
        ) from None
    except OSError:
        return  # not there, which each command has its own words for
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        name = _user(owner)
        raise click.ClickException(
            f"The data folder {folder} belongs to {name}, and {_user(os.geteuid())} may not use it. Run the "
            f"command as its owner: sudo -u {name} ingestbox …"
        )


def _user(number: int) -> str:
    """A user's name, or `#` and the number, which sudo takes, too."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"#{number}"
