"""Whose rows a caller sees (contract: common, Who sees what): what the reads of every noun are asked with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sight:
    """The rows of one workspace (None: of every one); of families that are private, those that `subject` made
    (None: whoever made them)."""

    workspace: str | None
    subject: str | None = None
    private: frozenset[str] = frozenset()

    def admits(self, workspace: str, family: str, made_by: str | None) -> bool:
        """Whether a row is seen. `made_by` is its job's creator; without one nobody made it."""
        return self.workspace in (None, workspace) and not self.hides(family, made_by)

    def hides(self, family: str, made_by: str | None) -> bool:
        """Whether it is somebody else's alone, whatever its workspace."""
        return self.subject is not None and family in self.private and made_by != self.subject

    def shared(self, families: Sequence[str]) -> list[str]:
        """Those of the families of which the whole workspace's rows are seen."""
        return [name for name in families if self.subject is None or name not in self.private]
