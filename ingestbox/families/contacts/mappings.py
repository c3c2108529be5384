"""How people had columns mapped, by their files' headers: kept when such a file was taken, and used again for
the next one with the same header."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from ingestbox.family import Ask
from ingestbox.store import ReadTx
from ingestbox.store.unit import Tx

MOST = 200
"""So many headers are remembered of a person; the one that was not used for longest goes."""

_places = msgspec.json.Decoder(dict[str, int])


@dataclass(frozen=True, slots=True)
class RememberMapping:
    """Keeps a mapping (field → the column's place) of an owner's for the next file with this header, or that
    it was used again. See `columns.signature`."""

    workspace: str
    owner: str
    signature: str
    places: Mapping[str, int]
    now_ms: int
    weight: int = 2

    def apply(self, tx: Tx) -> None:
        """Writes it, and forgets what is too much."""
        whose = {"workspace": self.workspace, "owner": self.owner}
        mapping = msgspec.json.encode(self.places).decode()
        given = {**whose, "signature": self.signature, "mapping": mapping, "now": self.now_ms}
        tx.run("contacts.remember_mapping", given)
        tx.run("contacts.forget_mappings", {**whose, "most": MOST})


def of_owner(tx: ReadTx, workspace: str, owner: str) -> dict[str, dict[str, int]]:
    """What is remembered of a person, by the headers' signatures."""
    rows = tx.all("contacts.mappings", {"workspace": workspace, "owner": owner})
    return {signature: _places.decode(mapping) for signature, mapping in rows}


async def remembered(ask: Ask) -> dict[str, dict[str, int]]:
    """The same of who asks."""
    caller = ask.caller
    return await ask.box.read_with(lambda tx: of_owner(tx, caller.workspace, caller.subject))
