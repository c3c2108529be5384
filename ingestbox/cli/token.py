"""`ingestbox token`: tokens signed with the data folder's secret."""

from __future__ import annotations

from pathlib import Path

import click

from ingestbox.cli.options import Duration, data_options, roles_option, settings_of, workspace_option


@click.group("token")
def command() -> None:
    """Make tokens (JWT) for people and programs."""


@command.command(
    "create",
    epilog="""\b
Examples:
  ingestbox token create --user me --role admin
  TOKEN=$(ingestbox token create --user crawler-7 --role ingest --ttl 7d)
""",
)
@data_options
@click.option("--user", required=True, help="Whom the token speaks for.")
@roles_option
@click.option("--ttl", type=Duration(), default="12h", show_default=True, help="How long it is good.")
@workspace_option
def create(
    data: str | None, config: Path | None, user: str, roles: tuple[str, ...], ttl: int, workspace: str
) -> None:
    """Print a new token, and nothing else.

    It is signed with the secret in the data folder and cannot be revoked before it expires; a key can
    (ingestbox key create).
    """
    from ingestbox.clock import SystemClock
    from ingestbox.identity.secretfile import NAME, load_secret
    from ingestbox.identity.tokens import mint
    from ingestbox.model import Role

    folder = Path(settings_of(data, config).data)
    if not (folder / NAME).exists():
        raise click.ClickException(
            f"There is no box in {folder}. Start one with: ingestbox serve --data {folder}; "
            "or name its folder with --data."
        )
    try:
        token = mint(
            load_secret(folder),
            subject=user,
            roles=[Role(role) for role in roles],
            workspace=workspace,
            ttl_seconds=ttl,
            clock=SystemClock(),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(token)
