"""Fixtures of the console's tests: one browser for a module, one window for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.console.support import Person, chromium
from tests.harness import BoxProcess, running

Visit = Callable[..., Person]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without windows."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A box for a whole module, at which any number of people may sign in."""
    with running(tmp_path_factory.mktemp("box"), config="[rates]\nlogin = 0\n") as started:
        yield started


@pytest.fixture
def visit(browser: Browser, box: BoxProcess) -> Iterator[Visit]:
    """Opens windows: `visit("editor")` is a person signed in with that role, `visit()` an administrator,
    `visit(None)` nobody yet. Options are those of a Playwright context. What a window's console complains of
    fails the test."""
    people: list[Person] = []

    def open_window(*roles: str | None, workspace: str = "default", **options: Any) -> Person:
        person = Person(browser, box, **options)
        people.append(person)
        if roles != (None,):
            person.enter(*(role for role in roles if role), workspace=workspace)
        return person

    yield open_window
    for person in people:
        person.close()


@pytest.fixture
def admin(visit: Visit) -> Person:
    """An administrator who is signed in."""
    return visit()
