"""`kill -9` of boxes that run from the built program, at every stage of a record's way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.privileged.tools import report
from tests.faults.rounds import KILLS, KillRounds
from tests.harness import until

pytestmark = pytest.mark.privileged

ROUNDS = len(KILLS)


def test_kills_of_the_built_program_lose_and_double_nothing(
    form: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    monkeypatch.setenv("TESTS_PROGRAM", str(form))
    monkeypatch.setenv("TMPDIR", str(unpacked))
    rounds = KillRounds(tmp_path, seed=10, clients=2)
    try:
        rounds.run(ROUNDS)
        tally = rounds.finish()
    finally:
        rounds.close()
    report(str(tally))
    assert tally.kills.total() == ROUNDS
    # A boot-loader that was killed while it unpacked leaves what it had, which a start sweeps later on.
    most = tally.kills["box starting"]
    until(lambda: len(list(unpacked.iterdir())) <= most, "nothing else is left unpacked")
