"""Fixtures that every room uses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import BoxProcess, running


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
