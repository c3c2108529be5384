"""A body of lines, each a record as JSON (contract: audience). Blank lines are none."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from ingestbox.errors import Fault, IngestError
from ingestbox.families.audience.about import invalid, too_many
from ingestbox.families.audience.gathering import Gathering

SOURCE = "ndjson_api"

RAW_CHARACTERS = 65_536
"""How much of a line is kept that cannot be read."""

BLANKS_A_TURN = 4_000

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_line = re.compile(rb"[^\n]+")


async def gather(body: bytes, most: int, faults: Sequence[Fault]) -> Gathering:
    """Its records. A line that is no JSON is a fault of its record; `faults` are known already.

    Raises IngestError `validation_failed` (400) for more than `most` lines.
    """
    gathered = Gathering()
    line, seen, blank = 1, 0, 0
    for found in _line.finditer(body.removeprefix(_BYTE_ORDER_MARK)):
        payload = found[0].strip(b" \t\r")
        if not payload:
            blank += 1
            if blank % BLANKS_A_TURN == 0:
                await asyncio.sleep(0)
            continue
        if len(gathered) == most:
            raise invalid([*faults, too_many(most)])
        line, seen = line + found.string.count(b"\n", seen, found.start()), found.start()
        try:
            await gathered.read(payload, f"Line {line}")
        except IngestError as error:
            raw = payload[: 4 * RAW_CHARACTERS].decode(errors="replace")[:RAW_CHARACTERS]
            await gathered.unreadable(line, raw, Fault(error.code, error.detail.rstrip(".")))
    return gathered
