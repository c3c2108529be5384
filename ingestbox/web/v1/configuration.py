"""`/v1/settings`: what the box is set to, and where each value comes from. Nothing is changed here."""

from __future__ import annotations

import msgspec

from ingestbox.config import Loaded, Shown, shown
from ingestbox.model import Role
from ingestbox.route import Answer, Reply, Route
from ingestbox.web.binding import Request
from ingestbox.web.v1.lists import operator_only


class SettingsBody(msgspec.Struct, frozen=True):
    """All settings. `file` is the configuration file that was read, if one was."""

    file: str | None
    settings: list[Shown]


class Configuration:
    """The settings that the box was started with."""

    def __init__(self, loaded: Loaded) -> None:
        self._body = SettingsBody(None if loaded.file is None else str(loaded.file), list(shown(loaded)))

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/settings",
                self.all,
                "What the box is set to, and by what",
                frozenset({Role.ADMIN}),
                description="Secrets are shown as stars. For those who operate the box: administrators of "
                "the default workspace.",
                answers=(Answer(SettingsBody),),
            ),
        )

    async def all(self, ask: Request) -> Reply:
        """GET /v1/settings."""
        operator_only(ask.caller)
        return Reply(self._body)
