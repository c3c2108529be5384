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

from tests.harness import BoxProcess, Run, running

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell makes what it starts in the background ignore Ctrl-C, and every program inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Images for containers often set it. A thousand processes that are started would each compile all they import.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test logged may hold half a character, which cannot be sent from a worker to the others."""
    report = yield
    report.sections = [(title, text.encode(errors="replace").decode()) for title, text in report.sections]
    return report


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
