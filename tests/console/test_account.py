"""The page of who is signed in: their sessions, their password."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import httpx2

from ingestbox.console.account import browser
from tests.console.support import PASSWORD, Person, inspect, new_user, signed_in, visitor
from tests.harness import BoxProcess

NEW = "another good password"


def trail(box: BoxProcess, email: str) -> list[tuple[str, Any]]:
    """What the trail has of a user since they were made, newest first."""
    with box.client() as admin:
        user = admin.get("/v1/users", params={"email": email}).json()["users"][0]
        lines = admin.get("/v1/audit", params={"object": "user", "object_id": user["id"]}).json()["audit"]
        assert {line["actor"] for line in lines[:-1]} <= {f"user:{user['id']}"}
        return [(line["action"], line["after"]) for line in lines[:-1]]


def change(client: httpx2.Client, **fields: str) -> httpx2.Response:
    given = {"current_password": PASSWORD, "new_password": NEW, "again_password": NEW, **fields}
    return client.post("/console/account/password", data=given)


def log_in(box: BoxProcess, email: str, password: str) -> httpx2.Response:
    with visitor(box) as client:
        return client.post("/api/auth/login", json={"email": email, "password": password})


def test_the_page_says_who_and_where(admin: Person) -> None:
    page = admin.page
    page.get_by_role("link", name=admin.email).click()
    page.get_by_text("Administrator: may do everything").wait_for()
    row = page.get_by_role("row").filter(has_text="This one")
    assert "Chrome, Linux" in row.inner_text() and "127.0.0.1" in row.inner_text()
    inspect(admin, "account")


def test_a_new_password_ends_other_sessions_and_keeps_this_one(box: BoxProcess) -> None:
    email = new_user(box, "analyst")
    token = log_in(box, email, PASSWORD).json()["access_token"]
    with closing(signed_in(box, email=email)) as client, closing(signed_in(box, email=email)) as other:
        wrong = change(client, current_password="not this")
        assert wrong.status_code == 422
        assert "This is not your current password." in wrong.text
        for field, value in (("new_password", "short"), ("again_password", "other"), ("new_password", email)):
            assert change(client, **{field: value}).status_code == 422
        assert trail(box, email) == []
        assert other.get("/console/account").status_code == 200

        done = change(client)
        assert done.headers["location"] == "/console/account?done=password"
        assert "Your password is changed." in client.get(done.headers["location"]).text
        assert other.get("/console/account").status_code == 303
        bearer = {"Authorization": f"Bearer {token}"}
        assert client.get("/v1/jobs", headers=bearer).status_code == 401
        assert change(client).status_code == 422, "the old one is not the current one any more"
    assert log_in(box, email, PASSWORD).status_code == 401
    assert log_in(box, email, NEW).status_code == 200
    assert trail(box, email) == [("user.change_password", {"password": "changed"})]


def test_a_wrong_current_password_is_counted_as_a_login_is(own_box: BoxProcess) -> None:
    own_box.configure("[rates]\nlogin = 4\n")
    own_box.start()
    with closing(signed_in(own_box)) as client:
        tries = [change(client, current_password="not this") for _ in range(4)]
        assert [each.status_code for each in tries] == [422, 422, 422, 429]
        assert int(tries[-1].headers["retry-after"]) > 0
        assert "Try again in" in tries[-1].text
        assert client.get("/console/account").status_code == 200


def test_one_session_can_be_ended_from_another(box: BoxProcess) -> None:
    email = new_user(box, "uploader")
    phone = "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"
    with closing(signed_in(box, email=email)) as here, visitor(box, **{"User-Agent": phone}) as there:
        there.post("/console/login", data={"email": email, "password": PASSWORD})
        page = here.get("/console/account").text
        assert "Firefox, Android" in page
        (path,) = {part.partition('"')[0] for part in page.split('action="')[1:] if "/end" in part[:60]}
        with closing(signed_in(box)) as stranger:
            stranger.post(path)
        assert there.get("/console/account").status_code == 200, "only who it is can end it"
        for _ in range(2):
            assert here.post(path).headers["location"] == "/console/account?done=session"
        assert there.get("/console/account").status_code == 303
        assert here.post("/console/account/sessions/x/end").status_code == 303
        assert here.get("/console/account").status_code == 200


def test_signing_out_everywhere_ends_sessions_and_tokens(box: BoxProcess) -> None:
    email = new_user(box)
    token = {"Authorization": f"Bearer {log_in(box, email, PASSWORD).json()['access_token']}"}
    with closing(signed_in(box, email=email)) as here, closing(signed_in(box, email=email)) as there:
        assert here.get("/v1/users", headers=token).status_code == 200
        answer = here.post("/console/account/sign-out-everywhere")
        assert answer.headers["location"] == "/console/login"
        assert here.cookies == {}
        assert here.get("/v1/users", headers=token).status_code == 401
        assert there.get("/console/account").status_code == 303
    assert log_in(box, email, PASSWORD).status_code == 200
    assert trail(box, email) == [("user.sign_out_everywhere", None)]


def test_browsers_by_their_names() -> None:
    mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    assert browser(f"{mac} Version/18.0 Safari/605.1.15") == "Safari, macOS"
    assert browser(f"{mac} Chrome/140.0.0.0 Safari/537.36 Edg/140.0") == "Edge, macOS"
    assert browser("<script>" * 20) == ("<script>" * 5)
    assert browser("") == ""
