"""Fixtures that every room uses."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests import premade
from tests.harness import UNLESS_CONFIGURED, BoxProcess, Run, running

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell makes what it starts in the background ignore Ctrl-C, and every program inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Images of containers often set it; each of the many processes that tests start would compile all it imports.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

UNLESS_CONFIGURED["INGESTBOX_WORK_CHILDREN"] = "1"  # enough for most tests, and quicker to start

premade.use()

FOLDER = Path(__file__).parent

LONG = (
    "binary/test_smoke.py",
    "faults/test_kill_rounds.py",
    "test_readme.py",
    "web/v1/test_erasures.py",
    "cli/test_demo.py",
    "journeys/test_schemathesis.py",
    "test_appliance.py",
    "cli/test_commands.py",
    "faults/test_bulk_kill.py",
    "faults/test_sigterm.py",
    "cli/test_jobs.py",
    "ops/test_health.py",
    "journeys/test_forwarding.py",
    "journeys/test_hundred_thousand.py",
    "web/v1/test_events.py",
    "web/test_login.py",
)
"""Files that take longest. They begin first, so that at the end nobody waits for one of them."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test logged may hold half a character, which cannot be sent from a worker to the others."""
    report = yield
    report.sections = [(title, text.encode(errors="replace").decode()) for title, text in report.sections]
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {FOLDER / name: place for place, name in enumerate(LONG)}
    assert all(path.exists() for path in order), "a file of LONG has gone, or has another name now"
    items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A box for a whole module; each test uses records of its own."""
    with running(tmp_path_factory.mktemp("box")) as started:
        yield started


@pytest.fixture
def own_box(tmp_path: Path) -> Iterator[BoxProcess]:
    """A box for one test, started by it."""
    started = BoxProcess(tmp_path / "box")
    yield started
    started.close()


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine, once on each event loop that the box may have."""

    def run(work: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(work)

    return run
