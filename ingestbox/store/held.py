"""What is held: objects that are put and can be found, while their records wait on an issue and upstream is
not told of them.

A person accepts the issue, and its record is processed once more; what it then is held for counts no more if
a person has accepted that code of the very content: a correction of the record makes it another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ingestbox.model import Outcome, record_id
from ingestbox.store.unit import Tx


def released(
    tx: Tx, job_id: int, outcomes: Sequence[Outcome], tallies: Mapping[str, int]
) -> tuple[list[Outcome], Mapping[str, int]]:
    """The outcomes as they are by what people accepted, and the job's tallies with what these add."""
    waiting = [each for each in outcomes if each.held]
    if not waiting:
        return list(outcomes), tallies
    ids = msgspec.json.encode([record_id(job_id, each.index) for each in waiting]).decode()
    accepted = {(rid, code) for rid, code in tx.all("issues.accepted", {"ids": ids})}
    counted = dict(tallies)
    made: list[Outcome] = []
    for each in outcomes:
        if not each.held or (record_id(job_id, each.index), each.fault_code) not in accepted:
            made.append(each)
            continue
        made.append(Outcome(each.index, each.put, tallies=each.tallies))
        for name, number in each.tallies.items():
            counted[name] = counted.get(name, 0) + number
    return made, counted
