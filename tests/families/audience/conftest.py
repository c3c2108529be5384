"""Fixtures for the family of audience."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from tests.families.audience import support
from tests.families.audience.support import People
from tests.harness import BoxProcess


@pytest.fixture
def people(box: BoxProcess) -> Iterator[People]:
    """Anna and Boris, an administrator, and a stranger in another workspace, on the module's box; none of
    them has uploaded anything."""
    with support.people(box) as known:
        yield known


@pytest.fixture
def anna(people: People) -> httpx2.Client:
    """Somebody who has uploaded nothing yet."""
    return people.anna
