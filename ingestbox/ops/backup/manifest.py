"""What a backup says of itself, before anything else in it: the closed list of its members."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from ingestbox.store import DATABASE
from ingestbox.store.shelf import is_stored

FORMAT: Final = 1
NAME: Final = "manifest.json"

LARGEST_BYTES: Final = 64 * 1_048_576
"""Of a manifest: a quarter of a million files. What claims to be larger is none of ours."""

SECRETS: Final = ("secret", "secret.old")
FILES: Final = "files/"
"""Where the uploaded files are, in the data folder and in the archive."""

_Size = Annotated[int, Meta(ge=0, le=1 << 50)]


class DamagedBackupError(Exception):
    """A backup cannot be used; the text is a sentence that says why."""


class Member(msgspec.Struct, frozen=True):
    """A file of the data folder: its name there, its size in bytes, its SHA-256 (hex)."""

    name: str
    size: _Size
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A backup as a whole.

    `number` counts the backups of a box in a folder, so that their order does not hang on a clock; `schema`
    is the number of the store's last migration; `missing` are files that the store names and that were not in
    the data folder when the backup was taken.
    """

    format: int = FORMAT
    made_at: str
    made_ms: int
    box: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
    epoch: str
    schema: Annotated[int, Meta(ge=1)]
    version: str
    number: Annotated[int, Meta(ge=1)]
    scheduled: bool
    missing: list[str]
    members: list[Member]

    @property
    def bytes(self) -> int:
        """All of it, as it lies in a data folder."""
        return sum(member.size for member in self.members)

    @property
    def files(self) -> int:
        """How many uploaded files are in it."""
        return sum(member.name.startswith(FILES) for member in self.members)


class _Any(msgspec.Struct):
    format: int


def read(text: bytes) -> Manifest:
    """The manifest in these bytes. Raises DamagedBackupError unless it is one that this program can use."""
    try:
        number = msgspec.json.decode(text, type=_Any).format
        if number != FORMAT:
            raise DamagedBackupError(
                f"The backup has the format {number}, and this program knows {FORMAT}: use a newer ingestbox."
            )
        found = msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedBackupError(f"The backup's manifest cannot be read: {error}.") from None
    names = [member.name for member in found.members]
    strange = [name for name in names if not _may_be(name)]
    if strange:
        raise DamagedBackupError(f"The backup has a member {strange[0][:80]!r}, which no backup has.")
    if len(set(names)) != len(names):
        raise DamagedBackupError("The backup's manifest names a member twice.")
    if names[:1] != [DATABASE] or SECRETS[0] not in names:
        raise DamagedBackupError("The backup has no store, or no secret.")
    return found


def _may_be(name: str) -> bool:
    """Whether a backup may have a member of this name: the list is closed, so that no name leads anywhere."""
    return name in (DATABASE, *SECRETS) or (name.startswith(FILES) and is_stored(name.removeprefix(FILES)))
