"""`kill -9` of box, upstream or child at random moments: acknowledged = stored = delivered, once."""

from __future__ import annotations

from pathlib import Path

from tests.faults.rounds import KillRounds

ROUNDS = 36
SEED = 20_260_101


def test_nothing_is_lost_or_doubled_by_kills_at_random_moments(tmp_path: Path) -> None:
    rounds = KillRounds(tmp_path, seed=SEED)
    try:
        rounds.run(ROUNDS)
        tally = rounds.finish()
    finally:
        rounds.close()
    assert tally.kills.total() == ROUNDS
    assert tally.repeated > 0, "no kill ever met a request"
    for moment in ("starting", "intake", "processing", "forwarding"):
        assert any(kill.endswith(moment) for kill in tally.kills), tally.kills
