"""Fixtures for the family of knowledge."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from tests.families.knowledge import support
from tests.families.knowledge.support import UNLIMITED, People
from tests.harness import BoxProcess, running


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A box for a whole module, that counts no calls; each test has a workspace of its own (`people`)."""
    with running(tmp_path_factory.mktemp("box"), config=UNLIMITED) as started:
        yield started


@pytest.fixture
def people(box: BoxProcess) -> Iterator[People]:
    """Crawlers, an administrator and a stranger, in workspaces that nobody has used yet."""
    with support.people(box) as known:
        yield known


@pytest.fixture
def crawler(people: People) -> httpx2.Client:
    """A crawler in a workspace that holds nothing yet."""
    return people.crawler
