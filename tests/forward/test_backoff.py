"""When a lane tries again."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from ingestbox.forward.backoff import LONGEST_ASKED_SECONDS, Backoff, retry_after

NOW_MS = 784_111_777_000


def test_pauses_double_with_full_jitter_to_five_minutes() -> None:
    backoff = Backoff(1.0, random.Random(7))
    ceilings = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    for _ in range(200):
        pauses = [backoff.next(None) for _ in ceilings]
        assert all(0 <= pause <= ceiling for pause, ceiling in zip(pauses, ceilings, strict=True))
        backoff.reset()
    longest = Backoff(1.0, random.Random(7))
    many = [longest.next(None) for _ in range(5_000)]  # nothing overflows, however long it is away
    assert 295 < max(many) <= 300
    assert min(many[12:]) < 5  # full jitter: from zero


def test_the_same_seed_gives_the_same_pauses() -> None:
    one, other = Backoff(1.0, random.Random(3)), Backoff(1.0, random.Random(3))
    assert [one.next(None) for _ in range(9)] == [other.next(None) for _ in range(9)]


@given(st.floats(min_value=0.001, max_value=1e12), st.integers(min_value=0, max_value=40))
def test_what_the_upstream_asks_for_is_never_undercut(asked: float, failures: int) -> None:
    backoff = Backoff(1.0, random.Random(1))
    backoff.failures = failures
    honoured = min(asked, LONGEST_ASKED_SECONDS)
    assert honoured <= backoff.next(asked) <= honoured + 1


def test_asking_for_no_pause_leaves_the_lane_its_own() -> None:
    backoff = Backoff(1.0, random.Random(1))
    backoff.failures = 8
    assert max(backoff.next(0.0) for _ in range(50)) > 60


def test_retry_after_in_all_its_forms() -> None:
    def seconds(value: str | None, date: str | None = None) -> float | None:
        return retry_after(value, date=date, now_ms=NOW_MS)

    assert seconds("120") == 120
    assert seconds(" 0 ") == 0
    assert seconds("Sun, 06 Nov 1994 08:49:47 GMT") == 10
    assert seconds("Sunday, 06-Nov-94 08:49:47 GMT") == 10
    assert seconds("Sun Nov  6 08:49:47 1994") == 10
    assert seconds("Sun, 06 Nov 1994 08:49:27 GMT") == 0  # gone by
    assert seconds("Sun, 06 Nov 1994 08:49:47 GMT", "Sun, 06 Nov 1994 08:49:44 GMT") == 3
    assert seconds("Sun, 06 Nov 1994 08:49:47 GMT", "nonsense") == 10
    assert seconds("9" * 400) is not None
    for nothing in (None, "", "soon", "-1", "1.5", "١٢", "Sun, 99 Nov 1994 08:49:47 GMT"):
        assert seconds(nothing) is None, nothing
