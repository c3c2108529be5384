"""The page of users: added with a link, changed, removed."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any

import httpx2
from playwright.sync_api import expect

from tests.console.support import PASSWORD, Person, inspect, new_user, signed_in, visitor
from tests.harness import BoxProcess


def user_of(box: BoxProcess, email: str) -> dict[str, Any] | None:
    with box.client(workspace="*") as admin:
        found = admin.get("/v1/users", params={"email": email}).json()["users"]
        return found[0] if found else None


def at(box: BoxProcess, email: str) -> str:
    user = user_of(box, email)
    assert user is not None
    return f"/console/users/{user['id']}"


def link_in(answer: httpx2.Response) -> str:
    (link,) = re.findall(r"http://[^<\s]*/console/setup/ibi_[\w-]{43}", answer.text)
    return str(link)


def test_from_adding_to_removing(admin: Person) -> None:
    page, box = admin.page, admin.box
    admin.goto("")
    page.get_by_role("navigation").get_by_role("link", name="Users").click()
    page.get_by_text("Add a user").click()
    inspect(admin, "users")
    page.get_by_label("E-mail").fill("journey@example.com")
    page.get_by_label("Editor").check()
    page.get_by_label("Uploader").check()
    page.get_by_role("button", name="Add and show").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("journey@example.com")
    page.wait_for_url(f"{box.url}{at(box, 'journey@example.com')}")
    shown = page.get_by_role("region", name="The link to hand over")
    link = shown.locator("code").inner_text()
    assert re.fullmatch(re.escape(box.url) + r"/console/setup/ibi_[\w-]{43}", link)
    admin.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.get_by_role("button", name="Copy the link").click()
    expect(shown.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == link
    inspect(admin, "user-link")
    page.reload()
    expect(page.get_by_text("Invited")).to_be_visible()
    assert link.rpartition("/")[2] not in page.content(), "it is shown once"

    with visitor(box) as client:
        chosen = {"new_password": PASSWORD, "again_password": PASSWORD}
        assert client.post(link, data=chosen).status_code == 303
        assert client.get("/console/account").status_code == 200
        page.get_by_label("Uploader").uncheck()
        page.get_by_role("button", name="Save the roles").click()
        expect(page.get_by_text("The roles are saved.")).to_be_visible()
        expect(page.get_by_label("Uploader")).not_to_be_checked()
        assert client.get("/console/account").status_code == 303, "new roles end the session"
        page.get_by_role("button", name="Disable").click()
        expect(page.get_by_text("The user is disabled.")).to_be_visible()
        page.get_by_role("button", name="Enable").click()
        expect(page.get_by_text("The user is enabled.")).to_be_visible()
        page.get_by_role("button", name="Make a new link").click()
        expect(page.get_by_text("There is a new link.")).to_be_visible()
        page.get_by_text("Remove this user").click()
        page.get_by_role("button", name="Remove for good").click()
        expect(page.get_by_text("The user is removed.")).to_be_visible()
    assert user_of(box, "journey@example.com") is None


def test_users_are_found_and_listed_by_pages(box: BoxProcess) -> None:
    emails = [new_user(box, "analyst") for _ in range(3)]
    with closing(signed_in(box)) as client:
        page = client.get("/console/users", params={"email": emails[0].upper()})
        assert emails[0] in page.text and emails[1] not in page.text
        assert "Nobody has this address" in client.get("/console/users?email=no@example.com").text
        wrong = client.get("/console/users", params={"email": "<b>no address"})
        assert wrong.status_code == 400
        assert "email must be an e-mail address" in wrong.text and "<b>no" not in wrong.text
        assert "Users" in client.get("/console/users?email=").text


def test_a_list_goes_on(own_box: BoxProcess) -> None:
    own_box.start()
    with own_box.client() as admin, closing(signed_in(own_box)) as client:
        for number in range(51):
            wanted = {"email": f"many{number}@example.com", "roles": ["analyst"], "invite": True}
            admin.post("/v1/users", json=wanted).raise_for_status()
        first = client.get("/console/users").text
        (after,) = re.findall(r'href="(/console/users\?cursor=[^"]+)"', first)
        second = client.get(after.replace("&amp;", "&")).text
        for text, there, gone in ((first, "many50@", "many0@"), (second, "many0@", "many50@")):
            assert there in text and gone not in text


def test_what_cannot_be_done_is_said_on_the_page(own_box: BoxProcess) -> None:
    own_box.start()
    email = new_user(own_box)
    with closing(signed_in(own_box, email=email)) as client:
        own = at(own_box, email)
        for path, form in (("/roles", {"role": "analyst"}), ("/disable", {}), ("/remove", {})):
            answer = client.post(own + path, data=form)
            assert answer.status_code == 409, path
            assert "No administrator would be left." in answer.text
            assert email in answer.text
        answer = client.post(own + "/roles", data={})
        assert answer.status_code == 422 and "roles must be one or more of" in answer.text
        answer = client.post("/console/users", data={"email": email.upper(), "role": ["editor", "analyst"]})
        assert answer.status_code == 409
        assert "There is a user with this e-mail address." in answer.text
        assert f'value="{email.upper()}"' in answer.text, "what was typed is still there"
        assert re.search(r'value="editor" checked', answer.text)
        for form in ({"email": "no address", "role": "editor"}, {"email": "a@example.com"}, {}):
            answer = client.post("/console/users", data=form)
            assert answer.status_code == 422, form
        assert (
            client.post("/console/users", data={"email": "a@example.com", "role": "root"}).status_code == 422
        )
        for path in ("/999", "/x", "/%2e%2e", "/1%2Finvitation"):
            assert client.get(f"/console/users{path}").status_code == 404, path
            assert client.post(f"/console/users{path}/remove").status_code == 404, path

        other = new_user(own_box, "analyst")
        assert client.post(at(own_box, other) + "/disable").status_code == 303
        answer = client.post(at(own_box, other) + "/invitation")
        assert answer.status_code == 409 and "The user is disabled." in answer.text


def test_a_form_that_is_sent_twice_makes_one_user_and_shows_the_same_link(box: BoxProcess) -> None:
    with closing(signed_in(box)) as client:
        form = {"email": "twice@example.com", "role": "editor", "once": "a key of this page"}
        first, second = (client.post("/console/users", data=form) for _ in range(2))
        assert (first.status_code, second.status_code) == (201, 201)
        assert link_in(first) == link_in(second)
        user = user_of(box, "twice@example.com")
        path = at(box, "twice@example.com") + "/invitation"
        third, fourth = (client.post(path, data={"once": "another"}) for _ in range(2))
        assert link_in(third) == link_in(fourth) != link_in(first)
        assert client.get(link_in(first)).status_code == 410
        assert user is not None
        with box.client() as admin:
            lines = admin.get("/v1/audit", params={"object": "user", "object_id": user["id"]}).json()["audit"]
        assert [line["action"] for line in lines] == ["user.invite", "user.create"]
        assert lines[0]["after"] == {"invited": True}
        assert "ibi_" not in str(lines)


def test_only_administrators_have_the_page_and_only_of_their_workspace(box: BoxProcess) -> None:
    theirs = new_user(box)
    with closing(signed_in(box, "editor", "analyst", "uploader")) as client:
        assert client.get("/console/users").status_code == 403
        assert client.post(at(box, theirs) + "/remove").status_code == 403
        assert "/console/users" not in client.get("/console/account").text
    with closing(signed_in(box, workspace="north")) as client:
        assert theirs not in client.get("/console/users").text
        assert client.get(at(box, theirs)).status_code == 404
        assert client.post(at(box, theirs) + "/disable").status_code == 404
        answer = client.post("/console/users", data={"email": "norah@example.com", "role": "admin"})
        assert answer.status_code == 201
    user = user_of(box, "norah@example.com")
    assert user is not None and user["workspace"] == "north"


def test_below_a_prefix_the_link_is_one_that_opens(own_box: BoxProcess) -> None:
    own_box.configure('[server]\nprefix = "/ingest"\n')
    own_box.start()
    email = new_user(own_box)
    with visitor(own_box) as client:
        client.post("/ingest/console/login", data={"email": email, "password": PASSWORD})
        answer = client.post("/ingest/console/users", data={"email": "p@example.com", "role": "editor"})
        link = link_in(answer)
        assert link.startswith(f"{own_box.url}/ingest/console/setup/ibi_")
        assert answer.headers["hx-push-url"].startswith("/ingest/console/users/")
        assert client.get(link).status_code == 200
