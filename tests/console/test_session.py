"""How long a session lasts, and what a person notices of its end: nothing that they typed is lost."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from ingestbox.appliance import Appliance
from ingestbox.clock import SystemClock
from ingestbox.config import Console, Rates, Server, Settings, Work
from ingestbox.store import tidy
from tests.console.conftest import Visit
from tests.console.support import PASSWORD, Person, inspect, new_user, signed_in, visitor
from tests.harness import PATIENCE, BoxProcess


class Ahead(SystemClock):
    """The machine's clocks, and as much as the test lets pass."""

    def __init__(self) -> None:
        self.minutes = 0.0

    def now_ms(self) -> int:
        return super().now_ms() + int(self.minutes * 60_000)

    def monotonic(self) -> float:
        return super().monotonic() + self.minutes * 60


Held = Callable[[Ahead, Appliance, httpx2.AsyncClient], Awaitable[None]]


def held(folder: Path, test: Held, **console: Any) -> None:
    """Runs a test at a box whose clock it moves; it is signed in as the administrator of the settings."""

    async def main() -> None:
        clock = Ahead()
        settings = Settings(
            data=str(folder / "data"),
            server=Server(port=0),
            rates=Rates(login=0),
            work=Work(children=1),
            console=Console(admin_email="ops@example.com", admin_password=PASSWORD, **console),
        )
        box = Appliance(settings, clock=clock)
        await box.start()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            async with httpx2.AsyncClient(
                base_url=box.url,
                verify=context,
                trust_env=False,
                timeout=PATIENCE,
                headers={"Origin": box.url},
            ) as client:
                assert await sign_in(client) == 303
                await test(clock, box, client)
        finally:
            await box.stop()

    asyncio.run(main())


async def sign_in(client: httpx2.AsyncClient) -> int:
    form = {"email": "ops@example.com", "password": PASSWORD}
    return (await client.post("/console/login", data=form)).status_code


async def status(client: httpx2.AsyncClient) -> int:
    return (await client.get("/console/account")).status_code


def test_a_session_slides_while_it_is_used_and_ends_when_it_is_not(tmp_path: Path) -> None:
    async def test(clock: Ahead, box: Appliance, client: httpx2.AsyncClient) -> None:
        for _ in range(4):
            clock.minutes += 8
            assert await status(client) == 200
        for _ in range(4):  # a page that is open asks by itself; that is nobody
            clock.minutes += 2
            assert (await client.get("/console/account", headers={"X-Poll": "1"})).status_code == 200
        clock.minutes += 3
        assert await status(client) == 303
        assert await status(client) == 303, "it does not come back to life"

    held(tmp_path, test, idle_minutes=10)


def test_a_session_ends_however_much_it_is_used(tmp_path: Path) -> None:
    async def test(clock: Ahead, box: Appliance, client: httpx2.AsyncClient) -> None:
        for _ in range(11):
            clock.minutes += 5
            assert await status(client) == 200
        clock.minutes += 5
        assert await status(client) == 303

    held(tmp_path, test, idle_minutes=10, session_hours=1)


def test_what_nobody_can_use_any_more_is_forgotten(tmp_path: Path) -> None:
    async def test(clock: Ahead, box: Appliance, client: httpx2.AsyncClient) -> None:
        forget = partial(tidy.purge_sessions, box.store, 120 * 60_000)
        assert await forget() == 0
        clock.minutes += 61
        assert await sign_in(client) == 303
        first = await client.get("/console/users/1")
        assert first.status_code == 200
        made = await client.post("/console/users/1/invitation")
        assert made.status_code == 201
        clock.minutes += 61
        assert await forget() == 1, "the first was replaced, this is the second"
        clock.minutes += 7 * 24 * 60
        assert await forget() == 1, "the link"
        assert await sign_in(client) == 303
        form = {"email": "slow@example.com", "role": "analyst"}
        assert (await client.post("/console/users", data=form)).status_code == 201
        assert ">Invited<" in (await client.get("/console/users/2")).text
        clock.minutes += 7 * 24 * 60 + 1
        assert await forget() == 2, "the session, and the link of who has no password yet"
        assert await sign_in(client) == 303
        assert ">Link too old<" in (await client.get("/console/users/2")).text

    held(tmp_path, test, session_hours=1)


@pytest.mark.parametrize(
    ("method", "change"),
    [
        ("PATCH", {"disabled": True}),
        ("PATCH", {"roles": ["editor"]}),
        ("PATCH", {"password": "another good password"}),
        ("DELETE", None),
    ],
)
def test_a_session_ends_with_what_it_was_begun_on(
    method: str, change: dict[str, Any] | None, box: BoxProcess
) -> None:
    email = new_user(box)
    with closing(signed_in(box, email=email)) as client, box.client() as admin:
        assert client.get("/console/account").status_code == 200
        user = admin.get("/v1/users", params={"email": email}).json()["users"][0]
        admin.request(method, f"/v1/users/{user['id']}", json=change).raise_for_status()
        assert client.get("/console/account").status_code == 303


def test_a_session_is_still_there_after_a_kill(own_box: BoxProcess) -> None:
    own_box.start()
    with closing(signed_in(own_box)) as client:
        own_box.kill()
        own_box.start()
        assert client.get("/console/account").status_code == 200
        assert client.post("/console/logout").headers["location"] == "/console/login"
        assert client.cookies == {}
        assert client.get("/console/account").status_code == 303


@pytest.fixture
def elsewhere(browser: Browser, box: BoxProcess) -> Iterator[Person]:
    """A person whose mail, at another site, has a link to the box."""
    person = Person(browser, box)
    page = f'<a href="{box.url}/console/account?from=mail">the box</a>'
    person.context.route(
        "http://mail.example/", lambda route: route.fulfill(body=page, content_type="text/html")
    )
    person.page = person.context.new_page()  # which may ask for the mail
    yield person
    person.close()


def test_a_link_from_elsewhere_finds_who_is_signed_in(elsewhere: Person) -> None:
    page = elsewhere.page
    page.goto("http://mail.example/")
    page.get_by_role("link").click()
    expect(page.get_by_label("Password")).to_be_visible()
    elsewhere.sign_in()
    page.goto("http://mail.example/")
    page.get_by_role("link").click()
    page.wait_for_url("**/console/account?from=mail")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")


def expire(person: Person) -> None:
    """Ends the person's session, as time does; nobody tells their browser."""
    with person.box.client() as admin:
        user = admin.get("/v1/users", params={"email": person.email}).json()["users"][0]
        for roles in (["admin", "editor"], ["admin"]):
            admin.patch(f"/v1/users/{user['id']}", json={"roles": roles}).raise_for_status()


def typed(person: Person, email: str) -> None:
    """Fills in the form for a new user, and sends it."""
    person.goto("/users")
    page = person.page
    page.get_by_text("Add a user").click()
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Analyst").check()
    expire(person)
    page.get_by_role("button", name="Add and show").click()


def test_a_session_that_ends_in_mid_edit_is_begun_again_in_place(admin: Person) -> None:
    page = admin.page
    typed(admin, "in-place@example.com")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Password")).to_be_focused()
    expect(dialog.get_by_label("E-mail")).to_have_value(admin.email)
    inspect(admin, "session-ended")
    dialog.get_by_label("Password").fill("not the password")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog.get_by_text("do not belong together")).to_be_visible()
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_label("Password").press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_have_text("in-place@example.com")
    expect(page.get_by_text("/console/setup/ibi_")).to_be_visible()


def test_who_does_not_want_to_sign_in_keeps_what_they_typed(admin: Person) -> None:
    page = admin.page
    typed(admin, "not-now@example.com")
    page.get_by_role("dialog").get_by_role("button", name="Not now").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_text("What you typed is still here")).to_be_visible()
    expect(page.get_by_label("E-mail")).to_have_value("not-now@example.com")
    page.get_by_role("button", name="Add and show").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_another_person_does_not_go_on_with_what_somebody_typed(admin: Person) -> None:
    page = admin.page
    typed(admin, "somebody@example.com")
    other = new_user(admin.box)
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("E-mail").fill(other)
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog.get_by_text("somebody else now")).to_be_visible()
    dialog.get_by_role("button", name="Load the page again").click()
    expect(page.get_by_role("banner").get_by_text(other)).to_be_visible()
    with admin.box.client() as client:
        assert client.get("/v1/users", params={"email": "somebody@example.com"}).json()["users"] == []


def test_without_scripts_a_form_is_kept_over_signing_in_again(visit: Visit) -> None:
    person = visit(java_script_enabled=False)
    page = person.page
    typed(person, "no-script@example.com")
    expect(page.get_by_text("Your session has ended.")).to_be_visible()
    page.get_by_label("E-mail").fill(person.email)
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed in again")
    expect(page.get_by_text("no-script@example.com")).to_be_visible()
    person.shot("signed-in-again")
    page.get_by_role("button", name="Send it now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("no-script@example.com")
    expect(page.get_by_text("/console/setup/ibi_")).to_be_visible()


def test_what_somebody_typed_is_not_shown_to_who_signs_in_after_them(box: BoxProcess) -> None:
    with closing(signed_in(box)) as client:
        (name,), (value,) = client.cookies, client.cookies.values()
        client.post("/console/logout")
        ended = {"Cookie": f"{name}={value}"}  # as it is when time ends a session: the browser keeps it
        answer = client.post("/console/users", data={"email": "theirs@example.com"}, headers=ended)
        assert answer.status_code == 401
        kept = dict(re.findall(r'name="(kept\.[^"]*)" value="([^"]*)"', answer.text))
        assert kept["kept.field.email"] == "theirs@example.com"
        form = {**kept, "email": new_user(box), "password": PASSWORD, "next": "/console/users?email=a"}
        answer = client.post("/console/login", data=form, headers=ended)
        assert answer.status_code == 200
        assert "Somebody else was signed in here before you." in answer.text
        assert "theirs@example.com" not in answer.text
        assert 'href="/console/users?email=a"' in answer.text
        assert client.get("/console/account").status_code == 200


def test_whatever_form_is_kept_can_be_signed_in_with(box: BoxProcess) -> None:
    email = new_user(box)
    kept = []
    with visitor(box) as client:
        for text in ("x" * 39_000, "&" * 12_000, "&" * 14_000, "đ" * 8_000, "đ" * 20_000):
            answer = client.post("/console/issues/1", data={"email": text})
            assert answer.status_code == 401
            fields = dict(re.findall(r'name="(kept\.[^"]*)" value="([^"]*)"', answer.text))
            kept.append(bool(fields))
            form = {name: unescape(value) for name, value in fields.items()}
            answer = client.post("/console/login", data={**form, "email": email, "password": PASSWORD})
            assert answer.status_code == (200 if fields else 303)
            client.cookies.clear()
        # What is not known to be anybody's is not read for long: this took the loop two seconds.
        answer = client.post("/console/issues/1", content=b"a=" + b"%41" * 30_000, headers=AS_FORM)
        assert answer.status_code == 401 and "kept." not in answer.text
        assert "What you sent was not taken. After you sign in" in answer.text
    assert kept == [True, True, False, False, False]


AS_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_what_is_kept_is_what_was_typed_and_no_password(box: BoxProcess) -> None:
    hostile = '"><script>alert(1)</script>\u202e\x00'
    with visitor(box) as client:
        answer = client.post("/console/users?x=%C4%91", data={"email": hostile, "role": ["a", "b"]})
        assert answer.status_code == 401
        assert "<script>alert" not in answer.text
        kept = dict(re.findall(r'name="(kept\.[^"]*)" value="([^"]*)"', answer.text))
        assert kept["kept.path"] == "/console/users?x=%C4%91"
        assert answer.text.count('name="kept.field.role"') == 2
        for fields in (
            {"current_password": "secret one", "new_password": "secret two"},
            {"text": "x" * 45_000},
            {f"f{number}": "" for number in range(500)},
            {},
        ):
            headers = {"Referer": f"{box.url}/console/users?email=a"}
            answer = client.post("/console/account/password", data=fields, headers=headers)
            assert answer.status_code == 401
            assert "kept." not in answer.text and "secret" not in answer.text and "xxx" not in answer.text
            assert 'value="/console/users?email=a"' in answer.text, "back to where the form was"
        email = new_user(box)
        for path in ("//evil.example", "http://evil.example/console", "/api/jobs", "/console/../v1/users"):
            form = {"email": email, "password": PASSWORD, "kept.path": path, "kept.field.a": "b"}
            answer = client.post("/console/login", data=form)
            assert (answer.status_code, answer.headers["location"]) == (303, "/console"), path
