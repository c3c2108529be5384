"""Who is let in, from where, for how long; and what every answer of the console says to a browser."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from contextlib import closing
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import quote

import httpx2

from ingestbox.appliance import Appliance
from ingestbox.config import Settings
from ingestbox.store import DATABASE
from ingestbox.web.binding import BoundRoute
from tests.console.support import PASSWORD, new_user, signed_in, visitor
from tests.harness import BoxProcess, running
from tests.premade import DEAR_PASSWORDS


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
    {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin, cross-site"},
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "none"},
    {"Origin": "https://HOST"},
    {"Origin": "http://HOST:81"},
    {"Origin": "http://HOST.evil.example"},
    {"Origin": "http://HOST/"},
    {"Origin": "http://HOST, http://HOST"},
    {"Origin": "http://["},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]
TAKEN: list[dict[str, str]] = [
    {"Origin": "http://HOST"},
    {"Origin": "http://HOST", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-origin"},
    # A proxy that the box was not told of asks it under another scheme or name; the browser compares its own.
    {"Origin": "https://HOST", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "https://data.example", "Sec-Fetch-Site": "same-origin"},
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


ELSEWHERE = [
    "//evil.example",
    "/\\evil.example",
    "http://evil.example",
    "https:evil.example",
    "/console\\@evil.example",
    "/console//evil.example",
    "/console/../api/jobs",
    "/console/%2E%2e/api/jobs",
    "/console/.%2E/api/jobs",
    "/console/a/%2e./%2e%2E/api/jobs",
    "/consoleevil",
    "/api/jobs",
    "/console/\r\nSet-Cookie: a=b",
    "/console/\tx",
    "/console/\N{SNOWMAN}",
    "/console/ x",
    "javascript:alert(1)",
    "",
]


def test_a_sign_in_leads_to_pages_of_the_console_alone(box: BoxProcess) -> None:
    email = new_user(box)
    with visitor(box) as client:
        for wanted in ELSEWHERE[:3]:
            form = {"email": email, "password": PASSWORD, "next": wanted}
            assert client.post("/console/login", data=form).headers["location"] == "/console", wanted
        for wanted in ELSEWHERE:
            answer = client.get("/console/login", params={"next": wanted})
            assert answer.headers["location"] == "/console", wanted


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


def test_a_cookie_from_elsewhere_on_the_machine_makes_nobody_somebody_else(box: BoxProcess) -> None:
    """Cookies know no ports, and a browser sends that of the longer path first."""
    email = new_user(box)
    with closing(signed_in(box, email=email)) as client, closing(signed_in(box)) as evil:
        ((name, own),), (other,) = client.cookies.items(), evil.cookies.values()

        def status(*values: str) -> int:
            sent = "; ".join(f"{name}={each}" for each in values)
            return client.get("/console/account", headers={"Cookie": sent}).status_code

        assert [status(own), status(own, own), status("junk", own), status("", "a=b", own)] == [200] * 4
        assert [status(other, own), status(own, other)] == [303, 303], "whose it is cannot be known"
        assert status(*map(str, range(500)), own) == 303, "nobody has so many"
        # Who signs in ends both, so that the one that was put there does not come in between again.
        form = {"email": email, "password": PASSWORD}
        answer = client.post("/console/login", data=form, headers={"Cookie": f"{name}={other}; {name}={own}"})
        new = SimpleCookie(answer.headers["set-cookie"])[name].value
        assert [status(own), status(other), status(other, new)] == [303, 303, 200]
        client.post("/console/logout", headers={"Cookie": f"{name}={other}; {name}={new}"})
        assert status(new) == 303


def test_who_is_refused_does_not_learn_why(tmp_path: Path) -> None:
    with running(tmp_path, config="[rates]\nlogin = 0\n", environ=DEAR_PASSWORDS) as box:
        pages, seconds = refusals(box)
    assert len(pages) == 1
    assert min(seconds) > 0.02, "each takes the time of a hash"


def refusals(box: BoxProcess) -> tuple[set[str], list[float]]:
    """The pages that people get whose sign-in is refused, each for another reason; and how long it took."""
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
    pages: set[str] = set()
    seconds: list[float] = []
    with visitor(box) as client:
        for email, password in tries:
            began = time.monotonic()
            answer = client.post("/console/login", data={"email": email, "password": password})
            seconds.append(time.monotonic() - began)
            assert answer.status_code == 401
            assert "set-cookie" not in answer.headers
            assert password not in answer.text or not password
            pages.add(answer.text.replace(email, "…"))
    return pages, seconds


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


def test_to_look_changes_nothing_and_everything_says_what_a_browser_may_do(box: BoxProcess) -> None:
    with closing(signed_in(box)) as client, closing(sqlite3.connect(box.data / DATABASE)) as store:
        names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'series%'"
        tables = [name for (name,) in store.execute(names)]

        def rows() -> dict[str, int]:
            return {name: store.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0] for name in tables}

        before, seen = rows(), {}
        for bound in SAFE:
            path = path_of(bound).replace("browse/1", "browse/contacts")
            if path == "/console/assets/1":
                continue
            for method in ("GET", "HEAD"):
                answer = client.request(method, path)
                check_guards(answer)
                assert answer.status_code < 500, path
                seen[path] = answer.status_code
        for path in ("/console/browse/contacts.csv", "/console/browse/contacts.json"):
            answer = client.get(path)
            check_guards(answer)
            assert answer.status_code == 200 and not answer.headers["content-type"].startswith("text/html")
        assert list(seen.values()).count(200) > 15
        for bound in FORMS:
            path = path_of(bound)
            for hidden in ({"X-HTTP-Method-Override": "POST"}, {"X-Method-Override": "POST"}):
                answer = client.get(path, params={"_method": "POST"}, headers=hidden)
                assert answer.status_code in (200, 303, 400, 404, 405, 410), path
        assert client.get("/console/account").status_code == 200, "nobody was signed out"
        assert rows() == before


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
