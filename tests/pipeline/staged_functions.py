"""What the children of test_consolidating run: they import this module by its name."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from ingestbox.families.contacts import check as contacts_check
from ingestbox.families.contacts import process as contacts
from ingestbox.family import Checked
from ingestbox.model import Chunk, Item, Outcome


def poisoned(chunk: Chunk) -> list[Outcome]:
    """Contacts, but for rows of one company, which nobody can make any of."""
    if any(b"POISON" in item.payload for item in chunk.items):
        raise ValueError("poison")
    return contacts.process(chunk)


def unlucky(items: list[Item]) -> list[Checked]:
    """A check whose process is killed when it first looks at a row that names a file; then that is gone."""
    for item in items:
        first = item.payload.partition(b"MARK:")[2].partition(b":")[0].decode()
        if first and Path(first).exists():
            Path(first).unlink()
            os.kill(os.getpid(), signal.SIGKILL)
    return contacts_check.check_all(items)
