"""What every page of the console has: a frame, a policy, errors that people can read."""

from __future__ import annotations

from tests.console.conftest import Visit
from tests.console.support import Person, inspect


def test_who_is_not_signed_in_is_led_to_the_login_and_back(visit: Visit) -> None:
    person = visit(None)
    assert person.goto("") == 200
    assert person.page.url.endswith("/console/login?next=%2Fconsole")
    inspect(person, "login")
    person.sign_in()
    assert person.page.url.endswith("/console")


def test_an_address_that_names_nothing_is_an_error_with_the_menu(admin: Person) -> None:
    assert admin.goto("/nothing/here") == 404
    assert admin.page.get_by_role("navigation").is_visible()
    inspect(admin, "not-found")


def test_the_first_page(admin: Person) -> None:
    assert admin.goto("") == 200
    inspect(admin, "home")
