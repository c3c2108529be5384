"""Who is let in, from where, for how long; and what every answer of the console says to a browser."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from ingestbox.appliance import Appliance
from ingestbox.clock import SystemClock
from ingestbox.config import Console, Rates, Server, Settings
from ingestbox.web.binding import BoundRoute
from tests.console.conftest import Visit
from tests.console.support import PASSWORD, Person, inspect, new_user, signed_in, visitor
from tests.harness import PATIENCE, BoxProcess, running


def routes() -> list[BoundRoute]:
    """Every route of the console."""

    async def look() -> list[BoundRoute]:
        async with Appliance.built(Settings()) as box:
            return list(box.pages)

    return asyncio.run(look())


ROUTES = routes()
SAFE = [bound for bound in ROUTES if bound.route.method == "GET"]
FORMS = [bound for bound in ROUTES if bound.route.method != "GET"]


def path_of(bound: BoundRoute) -> str:
    return re.sub(r"\{[^}]*\}", "1", bound.route.path)


def check_guards(answer: httpx2.Response) -> None:
    """What a browser is told with every answer, whatever it is."""
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "*" not in policy and "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    kept = "/console/assets/" in str(answer.request.url) and answer.is_success
    assert answer.headers["cache-control"] == ("no-cache" if kept else "no-store")


def test_nothing_is_shown_or_done_without_a_session(box: BoxProcess) -> None:
    with closing(signed_in(box)) as stale:
        (name,) = stale.cookies
        value = stale.cookies[name]
        stale.post("/console/logout")
    cookies: list[dict[str, str]] = [{}, {name: "x"}, {name: value}, {"ingestbox_0": value}]
    public = {"/console/login", "/console/logout", "/console/setup/{link}", "/console/assets/{name}"}
    for cookie in cookies:
        client = visitor(box, Cookie="; ".join(f"{key}={each}" for key, each in cookie.items()))
        with client:
            for bound in ROUTES:
                method, path = bound.route.method, path_of(bound)
                assert bound.public == (bound.route.path in public), path
                if bound.public:
                    continue
                answer = client.request(method, path, params={"a": "1"})
                check_guards(answer)
                if method == "GET":
                    assert answer.status_code == 303, path
                    where = f"/console/login?next={quote(f'{path}?a=1', safe='')}"
                    assert answer.headers["location"] == where
                else:
                    assert answer.status_code == 401, path
                    assert 'name="password"' in answer.text
                piece = client.request(method, path, headers={"HX-Request": "true"})
                assert piece.status_code == 401, path
                assert piece.headers["hx-retarget"] == "#messages"
                assert "<html" not in piece.text
                check_guards(piece)


REFUSED: list[dict[str, str]] = [
    {},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://evil.example"},
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "https://HOST"},
    {"Origin": "http://HOST:81"},
    {"Origin": "http://HOST.evil.example"},
    {"Origin": "http://HOST/"},
    {"Origin": "http://HOST, http://HOST"},
    {"Origin": "http://[", "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]
TAKEN: list[dict[str, str]] = [
    {"Origin": "http://HOST"},
    {"Origin": "http://HOST", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-origin"},
]


def test_forms_of_other_sites_are_refused_before_anything_else(box: BoxProcess) -> None:
    with closing(signed_in(box)) as client:
        host = box.url.removeprefix("http://")
        del client.headers["Origin"]
        for bound in FORMS:
            for told in REFUSED if bound.route.path in ("/console/login", "/console/users") else REFUSED[:4]:
                headers = {name: value.replace("HOST", host) for name, value in told.items()}
                answer = client.request(bound.route.method, path_of(bound), headers=headers)
                assert answer.status_code == 403, (bound.route.path, told)
                check_guards(answer)
        for told in TAKEN:
            headers = {name: value.replace("HOST", host) for name, value in told.items()}
            answer = client.post("/console/users", headers=headers, data={"email": "x"})
            assert answer.status_code == 422, told
        assert client.get("/console/account", headers={"Origin": "null"}).status_code == 200


def test_behind_a_proxy_a_form_comes_from_where_the_browser_asked(tmp_path: Path) -> None:
    config = '[server]\nprefix = "/ingest"\ntrusted_proxies = ["127.0.0.1"]\n[rates]\nlogin = 0\n'
    with running(tmp_path, config=config) as box:
        form = {"email": new_user(box), "password": PASSWORD, "next": "/console/users?email=a"}
        forwarded = {
            "X-Forwarded-For": "203.0.113.9",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "data.example",
        }
        with visitor(box) as client:
            for origin in ("https://data.example", "https://data.example:443"):
                headers = {**forwarded, "Origin": origin}
                answer = client.post("/ingest/console/login", data=form, headers=headers)
                assert answer.status_code == 303
                assert answer.headers["location"] == "/ingest/console/users?email=a"
                cookie = answer.headers["set-cookie"]
                assert "; Secure" in cookie and "Path=/ingest/console;" in cookie
            for origin in ("http://data.example", box.url, "https://data.example:8443"):
                headers = {**forwarded, "Origin": origin}
                answer = client.post("/ingest/console/login", data=form, headers=headers)
                assert answer.status_code == 403
                assert "server.trusted_proxies" in answer.text
            where = client.get("/ingest/console/users").headers["location"]
            assert where == "/ingest/console/login?next=%2Fconsole%2Fusers"


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "/\\evil.example",
        "http://evil.example",
        "https:evil.example",
        "/console\\@evil.example",
        "/console//evil.example",
        "/console/../api/jobs",
        "/console/%2E%2e/api/jobs",
        "/consoleevil",
        "/api/jobs",
        "/console/\r\nSet-Cookie: a=b",
        "/console/\tx",
        "/console/\N{SNOWMAN}",
        "/console/ x",
        "javascript:alert(1)",
        "",
    ],
)
def test_a_sign_in_leads_to_pages_of_the_console_alone(wanted: str, box: BoxProcess) -> None:
    email = new_user(box)
    with visitor(box) as client:
        form = {"email": email, "password": PASSWORD, "next": wanted}
        assert client.post("/console/login", data=form).headers["location"] == "/console"
        assert client.get("/console/login", params={"next": wanted}).headers["location"] == "/console"


def test_a_sign_in_leads_to_where_it_came_from(box: BoxProcess) -> None:
    email = new_user(box)
    with visitor(box) as client:
        for path in (
            "/console/users?email=a%40b.c&x=%C4%91",
            "/console/jobs/1",
            "/console/a%20b/%E2%98%83?q=a+b",
        ):
            where = client.get(path).headers["location"]
            asked = httpx2.URL(where).params["next"]
            form = {"email": email, "password": PASSWORD, "next": asked}
            assert client.post("/console/login", data=form).headers["location"] == path
            client.cookies.clear()


def test_the_cookie_is_the_boxs_own_and_no_scripts_business(tmp_path: Path, box: BoxProcess) -> None:
    with running(tmp_path, config="[console]\nsession_hours = 3\n") as other, visitor(box) as client:
        answer = client.post("/console/login", data={"email": new_user(box), "password": PASSWORD})
        (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
        assert cookie["httponly"] and cookie["samesite"] == "Strict" and not cookie["secure"]
        assert (cookie["path"], cookie["domain"]) == ("/console", "")
        assert int(cookie["max-age"]) == 12 * 3600
        # Cookies know no ports: the other box, on the same machine, must not take this one's away.
        form = {"email": new_user(other), "password": PASSWORD}
        with visitor(other) as elsewhere:
            answer = elsewhere.post("/console/login", data=form)
            (second,) = SimpleCookie(answer.headers["set-cookie"]).values()
            assert second.key != cookie.key and int(second["max-age"]) == 3 * 3600
        both = f'bad="{{"; {cookie.key}={cookie.value}; {second.key}={second.value}; a=b'
        for each in (box, other):
            page = httpx2.get(f"{each.url}/console/account", headers={"Cookie": both}, trust_env=False)
            assert page.status_code == 200
        token = f"Bearer {cookie.value}"
        assert client.get("/v1/users").status_code == 401, "the API reads no cookies"
        assert client.get("/v1/users", headers={"Authorization": token}).status_code == 401


def test_each_sign_in_has_a_session_of_its_own(box: BoxProcess) -> None:
    email = new_user(box)
    with closing(signed_in(box, email=email)) as client:
        (first,) = client.cookies.values()
        client.post("/console/login", data={"email": email, "password": PASSWORD})
        (second,) = client.cookies.values()
        assert first != second
        (name,) = client.cookies
        client.cookies.set(name, first, path="/console")
        assert client.get("/console/account", headers={"Cookie": f"{name}={first}"}).status_code == 303
        # A value that somebody else has put there is never what a session is known by.
        with visitor(box, Cookie=f"{name}=fixed") as fixed:
            fixed.post("/console/login", data={"email": email, "password": PASSWORD})
            assert fixed.get("/console/account", headers={"Cookie": f"{name}=fixed"}).status_code == 303


def test_who_is_refused_does_not_learn_why(box: BoxProcess) -> None:
    known = new_user(box)
    with box.client() as admin:
        disabled = new_user(box)
        found = admin.get("/v1/users", params={"email": disabled}).json()["users"][0]
        admin.patch(f"/v1/users/{found['id']}", json={"disabled": True}).raise_for_status()
        invited = {"email": "invited@example.com", "roles": ["analyst"], "invite": True}
        admin.post("/v1/users", json=invited).raise_for_status()
    tries = [
        ("nobody@example.com", PASSWORD),
        ("no address", PASSWORD),
        (known, "not the password"),
        (disabled, PASSWORD),
        ("invited@example.com", ""),
        (known, "x" * 5000),
    ]
    pages, seconds = set(), []
    with visitor(box) as client:
        for email, password in tries:
            began = time.monotonic()
            answer = client.post("/console/login", data={"email": email, "password": password})
            seconds.append(time.monotonic() - began)
            assert answer.status_code == 401
            assert "set-cookie" not in answer.headers
            assert password not in answer.text or not password
            pages.add(answer.text.replace(email, "…"))
    assert len(pages) == 1
    assert min(seconds) > 0.02, "each takes the time of a hash"


def test_too_many_tries_have_to_wait(tmp_path: Path) -> None:
    with running(tmp_path, config="[rates]\nlogin = 3\n") as box, visitor(box) as client:
        email = new_user(box)
        form = {"email": email, "password": "not the password"}
        assert [client.post("/console/login", data=form).status_code for _ in range(3)] == [401] * 3
        answer = client.post("/console/login", data={**form, "password": PASSWORD})
        assert answer.status_code == 429
        seconds = int(answer.headers["retry-after"])
        assert 0 < seconds <= 60
        assert f"Try again in {seconds} second" in answer.text
        assert 'name="password"' in answer.text
        check_guards(answer)


def test_every_kind_of_answer_has_the_policy(box: BoxProcess) -> None:
    with closing(signed_in(box)) as client, visitor(box) as stranger:
        answers = [
            client.get("/console/account"),
            client.get("/console/nothing"),
            client.get("/console/assets/icon.svg"),
            client.get("/console/assets/nothing.js"),
            client.put("/console/account"),
            client.post("/console/account/password", content=b"\xff=%", headers={"Content-Type": "a/b"}),
            client.post("/console/account/password", data={"x": "y" * 100_000}),
            client.post("/console/account/password", content=b"\xff=%ff", headers=AS_FORM),
            client.get("/console/users?" + "&".join("a" * 101)),
            client.post("/console/users/1/disable", headers={"Origin": "null"}),
            client.get("/console/users/999"),
            client.get("/console/users", params={"cursor": "x"}),
            client.post("/console/logout"),
            stranger.get("/console/login"),
            stranger.get(
                "/console/login", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
            ),
            stranger.post("/console/login", data={"in_place": "1"}),
            stranger.get("/console/setup/x"),
            stranger.get("/console"),
        ]
    statuses = [200, 404, 200, 404, 405, 415, 413, 400, 400, 403, 404, 400, 303, 200, 200, 401, 410, 303]
    assert [answer.status_code for answer in answers] == statuses
    for answer in answers:
        check_guards(answer)


AS_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


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
    from ingestbox.store import tidy

    async def test(clock: Ahead, box: Appliance, client: httpx2.AsyncClient) -> None:
        assert await tidy.purge_sessions(box.store) == 0
        clock.minutes += 61
        assert await sign_in(client) == 303
        first = await client.get("/console/users/1")
        assert first.status_code == 200
        made = await client.post("/console/users/1/invitation")
        assert made.status_code == 201
        clock.minutes += 61
        assert await tidy.purge_sessions(box.store) == 1, "the first was replaced, this is the second"
        clock.minutes += 7 * 24 * 60
        assert await tidy.purge_sessions(box.store) == 1, "the link"

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


def test_a_closed_door_says_so_in_the_log_and_no_more(own_box: BoxProcess) -> None:
    own_box.start()
    email = new_user(own_box)
    with closing(signed_in(own_box, email=email)) as client:
        (cookie,) = client.cookies.values()
        client.post("/console/login", data={"email": email, "password": "a wrong password"})
    assert own_box.stop() == 0
    log = own_box.log.read_text()
    assert log.count("A user logged in.") == 1 and log.count("A login failed: wrong password.") == 1
    for secret in (PASSWORD, "a wrong password", cookie, email):
        assert secret not in log
