"""`/v1/secret`: the secret that signs the box's own tokens (role admin). It is never shown."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from ingestbox.clock import iso
from ingestbox.errors import IngestError, StartupError
from ingestbox.identity.secretfile import LONGEST_SECONDS, Secrets, commit, load_secrets, prepare
from ingestbox.model import Role
from ingestbox.route import Answer, Reply, Route
from ingestbox.store.audit import Act
from ingestbox.store.unit import Tx
from ingestbox.web.binding import Request
from ingestbox.web.v1 import fields, lists
from ingestbox.web.v1.audit import act
from ingestbox.web.v1.parts import Parts


class Rotation(msgspec.Struct, forbid_unknown_fields=True):
    """How to replace the secret."""

    keep_seconds: Annotated[
        int | None,
        Meta(
            description="How long tokens stay good at the most after their secret was replaced; 0 ends all "
            "now, as after a leak. Unless given, each is good until it ends by itself.",
            extra_json_schema={"minimum": 0, "maximum": LONGEST_SECONDS},
        ),
    ] = None


RULES = {
    "keep_seconds": fields.Rule(
        f"must be from 0 to {LONGEST_SECONDS}", lambda value: 0 <= value <= LONGEST_SECONDS
    )
}


class OldSecret(msgspec.Struct, frozen=True):
    """A secret that only verifies: when it was replaced, and when the last of its tokens ends."""

    retired_at: str
    until: str


class Rotated(msgspec.Struct, frozen=True):
    """A new secret signs from now on."""

    rotated_at: str
    old: list[OldSecret]


@dataclass(frozen=True, slots=True)
class NoteRotation:
    """A line in the trail about the secret."""

    act: Act
    action: str
    keep_seconds: int | None
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        """Writes the line."""
        self.act.note(tx, self.action, "secret", "signing", after={"keep_seconds": self.keep_seconds})


class Secret:
    """The box's secret."""

    def __init__(self, parts: Parts) -> None:
        self._store = parts.store
        self._guard = parts.guard
        self._one = asyncio.Lock()
        self._running: set[asyncio.Task[Secrets]] = set()

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "POST",
                "/v1/secret/rotate",
                self.rotate,
                "Replace the secret that signs tokens",
                frozenset({Role.ADMIN}),
                "control_kb",
                description="Tokens made so far stay good until they end by themselves. A program that goes "
                "on signing with the old secret is refused: it has to read the new one. For administrators "
                "of the default workspace, who operate the box.",
                body=Rotation,
                example={"keep_seconds": 2_592_000},
                answers=(Answer(Rotated),),
                errors=("validation_failed", "too_many_secrets", "secret_unwritable"),
            ),
        )

    async def rotate(self, ask: Request) -> Reply:
        """POST /v1/secret/rotate: the new secret counts when this is answered."""
        lists.operator_only(ask.caller)  # it ends tokens of every workspace
        wanted = fields.read(ask.body, Rotation, RULES)
        now = self._store.clock.now_ms()
        # A request that is cancelled must not leave new files behind and the old secret in memory.
        task = asyncio.create_task(self._rotate(act(ask, now), wanted.keep_seconds))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        secrets = await asyncio.shield(task)
        old = [OldSecret(iso(each.retired_ms) or "", iso(each.until_ms) or "") for each in secrets.retired]
        return Reply(Rotated(iso(now) or "", old))

    async def _rotate(self, who: Act, keep_seconds: int | None) -> Secrets:
        folder = self._store.path.parent
        async with self._one:
            # The line comes first: there is no rotation that the trail does not know of.
            await self._store.write(NoteRotation(who, "secret.rotate", keep_seconds))
            try:
                now = self._store.clock.now_ms()  # until now the old one was what everybody signed with
                rotation = await asyncio.to_thread(prepare, folder, now, keep_seconds)
                self._guard.use_secrets(rotation.during)
                try:
                    await asyncio.to_thread(commit, folder, rotation)
                except IngestError:
                    self._guard.use_secrets(await asyncio.to_thread(load_secrets, folder))
                    raise
            except (IngestError, StartupError) as error:
                await self._store.write(NoteRotation(who, "secret.rotate_failed", keep_seconds))
                if isinstance(error, StartupError):
                    raise IngestError("secret_unwritable") from error
                raise
            self._guard.use_secrets(rotation.after)
            return rotation.after
