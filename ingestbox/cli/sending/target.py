"""Where `send` sends to, and as whom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import httpx2

    from ingestbox.config import Settings
    from ingestbox.model import Role

READ_SECONDS = 60.0
"""How long one answer is waited for; then the batch is sent again, which its key makes harmless."""


@dataclass(frozen=True, slots=True)
class Target:
    """Another box, or without a `url` the one that runs on the data folder."""

    url: str | None
    token: str | None
    settings: Settings

    async def client(self, role: Role) -> httpx2.AsyncClient:
        """A client for it; without a token, of the box's own command line with this role. Raises UsageError,
        ClickException."""
        import httpx2

        from ingestbox.cli.reach import CONNECT_SECONDS, MintedToken, running_box, trust

        url, token, settings = self.url, self.token, self.settings
        timeout = httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        if url is not None:
            if not url.startswith(("http://", "https://")):
                raise click.UsageError(f"{url!r} is not the address of a box; write http://host:8000.")
            if token is None:
                raise click.UsageError("Another box needs --token or --key (or INGESTBOX_TOKEN).")
            return httpx2.AsyncClient(
                base_url=url, timeout=timeout, headers={"Authorization": f"Bearer {token}"}
            )
        address = await running_box(settings)
        if address is None:
            raise click.ClickException(
                f"No box runs on {settings.data}. Start one with: ingestbox serve --data {settings.data}; "
                "or name another with --url."
            )
        verify = trust(Path(settings.data), address)
        if token is not None:
            headers = {"Authorization": f"Bearer {token}"}
            return httpx2.AsyncClient(
                base_url=address, timeout=timeout, trust_env=False, verify=verify, headers=headers
            )
        minted = MintedToken(Path(settings.data), role)
        return httpx2.AsyncClient(
            base_url=address, timeout=timeout, trust_env=False, verify=verify, auth=minted
        )
