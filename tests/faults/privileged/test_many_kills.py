"""500 random `kill -9` under load on one data folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.privileged.tools import report
from tests.faults.rounds import KillRounds

pytestmark = pytest.mark.privileged

ROUNDS, AUDIT_EVERY = 500, 100


def test_500_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    rounds = KillRounds(tmp_path, seed=500, fairs=True, crawls=True)
    try:
        for _ in range(ROUNDS // AUDIT_EVERY):
            rounds.run(AUDIT_EVERY)
            rounds.look()
        tally = rounds.finish()
    finally:
        rounds.close()
    report(str(tally))
    assert tally.kills.total() == ROUNDS
    assert tally.fairs > 0
    assert tally.articles > 0
