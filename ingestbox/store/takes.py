"""What a lane takes of all deliveries. It goes by what never changes of an object, so that an upstream that
has a version of one gets every later version, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from ingestbox.store.readers import ReadTx
    from ingestbox.store.unit import Tx


@dataclass(frozen=True, slots=True)
class Takes:
    """A lane's filter; an empty list stands for everything. `relay`: also what other boxes sent here."""

    families: Sequence[str] = ()
    kinds: Sequence[str] = ()
    workspaces: Sequence[str] = ()
    ops: Sequence[str] = ()
    relay: bool = True

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self.relay and not (self.families or self.kinds or self.workspaces or self.ops)

    def admits(self, workspace: str, family: str, kind: str, op: str, *, relayed: bool) -> bool:
        """Whether a delivery of this sort is the lane's."""
        return (
            (not self.families or family in self.families)
            and (not self.kinds or kind in self.kinds)
            and (not self.workspaces or workspace in self.workspaces)
            and (not self.ops or op in self.ops)
            and (self.relay or not relayed)
        )

    @property
    def columns(self) -> dict[str, str | int | None]:
        """As the lane's row has it, and as queries take it: JSON lists in order, NULL for everything."""
        return {
            "families": _list(self.families),
            "kinds": _list(self.kinds),
            "workspaces": _list(self.workspaces),
            "ops": _list(self.ops),
            "relay": int(self.relay),
        }

    @classmethod
    def of_row(
        cls, families: str | None, kinds: str | None, workspaces: str | None, ops: str | None, relay: int
    ) -> Takes:
        """The filter that a row holds."""
        return cls(_names(families), _names(kinds), _names(workspaces), _names(ops), bool(relay))


def takes(tx: ReadTx | Tx, lane: str) -> Takes:
    """What a lane takes. It must have been opened."""
    return Takes.of_row(*tx.all("lanes.takes", {"name": lane})[0])


def _names(text: str | None) -> tuple[str, ...]:
    return () if text is None else msgspec.json.decode(text, type=tuple[str, ...])


def _list(names: Sequence[str]) -> str | None:
    return msgspec.json.encode(sorted(set(names))).decode() if names else None
