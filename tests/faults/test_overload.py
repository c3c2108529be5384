"""Far more than the box can take, for some seconds: it says so, it keeps its memory, and its word."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest

from tests.faults.overload import Overload, megabytes
from tests.harness import BoxProcess, until

SECONDS = 6.0
MOST_GROWTH_MB = 250.0


@pytest.fixture
def watched(own_box: BoxProcess) -> Iterator[tuple[BoxProcess, list[float]]]:
    """A box, and what it holds in memory, looked at again and again."""
    own_box.configure("[work]\nworkers = 1\nchildren = 1\n")
    own_box.start()
    seen = [megabytes(own_box)]
    end = threading.Event()

    def look() -> None:
        while not end.wait(0.02):
            with contextlib.suppress(OSError, IndexError):
                seen.append(megabytes(own_box))

    looking = threading.Thread(target=look)
    looking.start()
    yield own_box, seen
    end.set()
    looking.join()


def test_an_overload_is_refused_with_flat_memory_and_every_promise_is_kept(
    watched: tuple[BoxProcess, list[float]],
) -> None:
    box, seen = watched
    with Overload(box) as load:
        threading.Event().wait(SECONDS)
    assert load.wrong == []
    kinds = {kind for kind, status in load.answers if status == 200}
    assert kinds == {"batch", "large"}, load.answers  # neither starves the other
    assert load.answers["large", 503] > 0, load.answers  # it was an overload
    assert max(seen) - seen[0] < MOST_GROWTH_MB, (seen[0], max(seen), load.answers)
    with box.client() as client:
        for job, records in load.jobs.items():
            found = client.get(f"/api/job/{job}").raise_for_status().json()
            assert found["total_records"] == records == 1_000, found
        until(lambda: client.get("/readyz").status_code == 200, "it is ready again")
