"""`kill -9` of box, upstream or child at random moments: acknowledged = stored = delivered, once.

Everybody is killed at each stage of a record's way; `make faults` does so for 500 rounds.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.faults.rounds import KILLS, KillRounds

SEED = 20_260_101
ROUNDS = len(KILLS)


def test_nothing_is_lost_or_doubled_by_kills_at_random_moments(tmp_path: Path) -> None:
    rounds = KillRounds(tmp_path, seed=SEED)
    try:
        rounds.run(ROUNDS)
        tally = rounds.finish()
    finally:
        rounds.close()
    assert tally.kills.total() == ROUNDS
    assert tally.kills >= Counter(f"{victim} {moment}" for moment, victim in KILLS)
    assert tally.repeated > 0, "no kill ever met a request"
