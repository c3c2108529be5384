"""`ingestbox user`: the box's own users, who log in with a password."""

from __future__ import annotations

import asyncio
import difflib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import click

from ingestbox.cli.options import data_options, json_option, roles_option, settings_of, workspace_option
from ingestbox.cli.output import print_json, print_table

if TYPE_CHECKING:
    import httpx2

    from ingestbox.config import Settings

F = TypeVar("F", bound=Callable[..., Any])

USERS = "/v1/users"


@click.group("user")
def command() -> None:
    """Add, list and remove users, who log in with an e-mail address and a password."""


def password_options(function: F) -> F:
    """Where a password comes from: never from the command line, which other users of the machine see."""
    function = click.option("--generate", is_flag=True, help="Make a password up, and print it once.")(
        function
    )
    function = click.option(
        "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
    )(function)
    return click.option(
        "--invite",
        is_flag=True,
        help="Print a link, good once and for 7 days, with which the user chooses a password.",
    )(function)


@command.command(
    "add",
    epilog="""\b
Examples:
  ingestbox user add ann@example.com --role admin --invite
  ingestbox user add bob@example.com --role analyst --generate
  pass show box/eve | ingestbox user add eve@example.com --role editor --password-stdin
""",
)
@data_options
@click.argument("email")
@roles_option
@password_options
@workspace_option
@json_option
def add(
    data: str | None,
    config: Path | None,
    email: str,
    roles: tuple[str, ...],
    password_stdin: bool,
    generate: bool,
    invite: bool,
    workspace: str,
    as_json: bool,
) -> None:
    """Add a user.

    With --invite the user chooses a password in the console, and nobody else ever knows it. Without that and
    on a terminal it is asked for twice, without showing it.
    """
    _check_source(password_stdin, generate, invite)
    _check_address(email)
    settings = settings_of(data, config)

    async def look(client: httpx2.AsyncClient) -> None:
        if await _found(client, email) is not None:
            raise click.ClickException(
                f"There is a user {email} already. For a new password: ingestbox user passwd {email}"
            )

    _run(settings, workspace, look)  # before anybody types a password
    wanted: dict[str, object] = {"email": email, "roles": roles, "workspace": workspace}
    if invite:
        wanted["invite"] = True
    elif not generate:
        wanted["password"] = _password(password_stdin, email)
    made = _run(settings, workspace, lambda client: _call(client, "POST", USERS, wanted))
    if invite:
        told = f"User {made['id']} is added: {made['email']}, {' '.join(made['roles'])}."
        _show_link(settings, made, told, as_json)
        return
    if as_json:
        print_json(made)
        return
    if generate:
        click.echo(made["password"])
        click.echo("The password cannot be shown again; keep it now.", err=True)
    click.echo(f"User {made['id']} is added: {made['email']}, {' '.join(made['roles'])}.", err=generate)


@command.command(
    "passwd",
    epilog="""\b
Examples:
  ingestbox user passwd ann@example.com
  ingestbox user passwd ann@example.com --generate
  ingestbox user passwd ann@example.com --invite
""",
)
@data_options
@click.argument("email")
@password_options
@workspace_option
@json_option
def passwd(
    data: str | None,
    config: Path | None,
    email: str,
    password_stdin: bool,
    generate: bool,
    invite: bool,
    workspace: str,
    as_json: bool,
) -> None:
    """Give a user a new password. The user's tokens end at once; with --invite, when the link is used."""
    _check_source(password_stdin, generate, invite)
    settings = settings_of(data, config)
    user = _run(settings, workspace, lambda client: _one(client, email, workspace))
    if invite:
        path = f"{USERS}/{user['id']}/invitation"
        made = _run(settings, workspace, lambda client: _call(client, "POST", path))
        _show_link(settings, made, f"{made['email']} chooses a new password with this link.", as_json)
        return
    password = _made_up() if generate else _password(password_stdin, email)
    path, wanted = f"{USERS}/{user['id']}", {"password": password}
    changed = _run(settings, workspace, lambda client: _call(client, "PATCH", path, wanted))
    if as_json:
        print_json({**changed, "password": password} if generate else changed)
        return
    if generate:
        click.echo(password)
        click.echo("The password cannot be shown again; keep it now.", err=True)
    click.echo(f"{changed['email']} has a new password; logins so far have ended.", err=generate)


@command.command("list", epilog="\b\nExample:\n  ingestbox user list --json\n")
@data_options
@workspace_option
@json_option
def list_(data: str | None, config: Path | None, workspace: str, as_json: bool) -> None:
    """List the workspace's users, newest first."""
    found = _run(settings_of(data, config), workspace, _all)
    if as_json:
        print_json({"users": found})
        return
    print_table(
        ("id", "e-mail", "roles", "workspace", "created", "last login", "disabled"),
        [
            (
                each["id"],
                each["email"],
                " ".join(each["roles"]),
                each["workspace"],
                each["created_at"],
                each["login_at"],
                each["disabled_at"],
            )
            for each in found
        ],
    )
    if not found:
        click.echo("There are no users. Add one: ingestbox user add EMAIL --role admin", err=True)


@command.command("remove", epilog="\b\nExample:\n  ingestbox user remove bob@example.com\n")
@data_options
@click.argument("email")
@workspace_option
@json_option
def remove(data: str | None, config: Path | None, email: str, workspace: str, as_json: bool) -> None:
    """Remove a user, whose tokens end at once. What the user has made stays."""

    async def work(client: httpx2.AsyncClient) -> Any:
        user = await _one(client, email, workspace)
        return await _call(client, "DELETE", f"{USERS}/{user['id']}")

    answer = _run(settings_of(data, config), workspace, work)
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{email} is removed; logins so far have ended.")


def _check_source(password_stdin: bool, generate: bool, invite: bool) -> None:
    if password_stdin + generate + invite > 1:
        raise click.UsageError("--invite, --password-stdin and --generate exclude each other.")
    if not (password_stdin or generate or invite or sys.stdin.isatty()):
        raise click.UsageError(
            "There is no terminal to ask for a password on: use --invite, --password-stdin or --generate."
        )


def _show_link(settings: Settings, user: Any, told: str, as_json: bool) -> None:
    """The link on standard output alone, so that a script can hand it on; the rest beside it."""
    link = f"{asyncio.run(_address(settings))}{settings.server.prefix}{user['invitation']}"
    if as_json:
        print_json({**user, "link": link})
        return
    click.echo(link)
    click.echo(
        f"{told} The link works once, until {user['invited_until']}, and cannot be shown again.", err=True
    )


async def _address(settings: Settings) -> str:
    """Where the box is, or will be once it is started."""
    from ingestbox.cli.reach import running_box

    server = settings.server
    scheme = "https" if server.tls_cert else "http"
    host = f"[{server.host}]" if ":" in server.host else server.host
    local = host in ("0.0.0.0", "[::]")  # noqa: S104 - compared, not bound
    return await running_box(settings) or f"{scheme}://{'127.0.0.1' if local else host}:{server.port}"


def _check_address(email: str) -> None:
    from ingestbox.identity.users import address

    try:
        address(email)
    except ValueError as error:
        raise click.UsageError(f"{email!r} is not an e-mail address: {error}") from None


def _password(password_stdin: bool, email: str) -> str:
    if password_stdin:
        try:
            return sys.stdin.buffer.readline().decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise click.UsageError("The password on standard input is not UTF-8 text.") from None
    from ingestbox.identity.passwords import weakness

    while True:
        typed: str = click.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True)
        wrong = weakness(typed, email)
        if wrong is None:
            return typed
        click.echo(f"Error: the password {wrong}.", err=True)


def _made_up() -> str:
    from ingestbox.identity.passwords import generated

    return generated()


def _run(settings: Settings, workspace: str, work: Callable[[httpx2.AsyncClient], Awaitable[Any]]) -> Any:
    from ingestbox.cli.reach import administration

    async def run() -> Any:
        async with administration(settings, workspace) as client:
            return await work(client)

    return asyncio.run(run())


async def _call(client: httpx2.AsyncClient, method: str, path: str, body: object = None) -> Any:
    from ingestbox.cli.reach import call

    return await call(client, method, path, body)


async def _found(client: httpx2.AsyncClient, email: str) -> Any:
    """The user with this address, or None, as for what is no address."""
    from ingestbox.identity.users import address_key

    if address_key(email) is None:
        return None
    page = await _call(client, "GET", f"{USERS}?email={quote(email, safe='')}")
    return page["users"][0] if page["users"] else None


async def _one(client: httpx2.AsyncClient, email: str, workspace: str) -> Any:
    """The user with this address. Raises ClickException with the nearest one that there is."""
    user = await _found(client, email)
    if user is not None:
        return user
    known = [each["email"] for each in await _all(client)]
    near = difflib.get_close_matches(email, known, n=1)
    hint = f"Did you mean {near[0]}?" if near else "See: ingestbox user list"
    raise click.ClickException(f"There is no user {email} in the workspace {workspace}. {hint}")


async def _all(client: httpx2.AsyncClient) -> list[Any]:
    from ingestbox.cli.reach import pages

    return await pages(client, USERS, "users")
