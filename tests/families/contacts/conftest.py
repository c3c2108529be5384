"""Fixtures for the family of contacts."""

from __future__ import annotations

import pytest

from tests.families.contacts.person import Person
from tests.harness import BoxProcess


@pytest.fixture
def anna(box: BoxProcess) -> Person:
    """Somebody whose imports nobody else has, on the module's box."""
    return Person(box)
