"""One server for all tests of this folder; each test has a table of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres.support import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.close()


@pytest.fixture
def table(request: pytest.FixtureRequest) -> str:
    """A name for the test's table, as long as a setting may be."""
    return str(request.node.originalname).removeprefix("test_")[:48].rstrip("_")
