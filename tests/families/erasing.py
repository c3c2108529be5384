"""What tests of erasure look at, whichever family it is: a person's address, and where it still is."""

from __future__ import annotations

from dataclasses import dataclass

import httpx2

from ingestbox.store import DATABASE
from tests.harness import BoxProcess
from tests.store import apart


@dataclass(frozen=True)
class ErasureRoom:
    """A workspace of a test's own, with an address that is nowhere else on the module's box."""

    box: BoxProcess
    client: httpx2.Client
    workspace: str
    local: str

    @property
    def address(self) -> str:
        return f"{self.local}@personal-mail.example"

    @property
    def traces(self) -> list[str]:
        """The files in the data folder that have it anywhere."""
        files = [path for path in self.box.data.rglob("*") if path.is_file()]
        return [path.name for path in files if self.local.encode() in path.read_bytes().lower()]

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return apart.rows(self.box.data / DATABASE, sql)
