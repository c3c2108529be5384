"""The first administrator and invitations: links that work once, settings, and what happens in between."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from playwright.sync_api import Browser, expect

from ingestbox.config import Console
from ingestbox.errors import StartupError
from ingestbox.identity import first
from tests.cli.support import environment, ingestbox
from tests.console.support import PASSWORD, Person, inspect, visitor
from tests.harness import PATIENCE, BoxProcess, running

EMAIL = "first@example.com"
FORM = {"email": EMAIL, "new_password": PASSWORD, "again_password": PASSWORD}
CHOSEN = {"new_password": PASSWORD, "again_password": PASSWORD}


def links(box: BoxProcess) -> list[str]:
    """The paths of the set-up links that the box's log has, oldest first."""
    return re.findall(r"/console/setup/ibi_[\w-]{43}", box.log.read_text())


def log_in(box: BoxProcess, email: str, password: str = PASSWORD) -> int:
    with visitor(box) as client:
        return client.post("/api/auth/login", json={"email": email, "password": password}).status_code


def users(box: BoxProcess) -> list[dict[str, Any]]:
    with box.client(workspace="*") as client:
        found: list[dict[str, Any]] = client.get("/v1/users").json()["users"]
        return found


def audit(box: BoxProcess) -> list[tuple[str, str, Any]]:
    with box.client(workspace="*") as client:
        lines = client.get("/v1/audit").json()["audit"]
        return [(line["action"], line["actor"], line["after"]) for line in lines]


def test_from_an_empty_folder_to_the_first_page(own_box: BoxProcess, browser: Browser) -> None:
    own_box.start()
    person = Person(browser, own_box)
    page = person.page
    assert person.goto("/jobs?state=open") == 200
    expect(page.get_by_role("heading", level=1)).to_have_text("This box is not set up yet")
    assert page.locator("input").count() == 0, "nobody gets in without the link"
    inspect(person, "not-set-up")
    (link,) = links(own_box)
    assert person.goto(link.removeprefix("/console")) == 200
    inspect(person, "setup")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill("aaaaaaaaaaaa")
    page.get_by_label("once more").fill("aaaaaaaaaaaa")
    page.get_by_role("button", name="Make the administrator").click()
    expect(page.get_by_text("must not be one character repeated")).to_be_visible()
    expect(page.get_by_label("E-mail")).to_have_value(EMAIL)
    expect(page.get_by_label("Password", exact=True)).to_have_value("")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("once more").fill(PASSWORD)
    page.get_by_role("button", name="Make the administrator").click()
    page.wait_for_url(f"{own_box.url}/console")
    expect(page.get_by_role("link", name=EMAIL)).to_be_visible()
    assert person.goto(link.removeprefix("/console")) == 410
    person.close()

    (made,) = users(own_box)
    assert (made["email"], made["roles"], made["workspace"]) == (EMAIL, ["admin"], "default")
    told = {"email": EMAIL, "roles": ["admin"], "workspace": "default"}
    assert audit(own_box) == [("user.set_up", "local:setup", told)]
    assert log_in(own_box, EMAIL) == 200
    assert own_box.stop() == 0
    log = own_box.log.read_text()
    assert PASSWORD not in log and "aaaaaaaaaaaa" not in log
    assert links(own_box) == [link], "the link is in the log where it is offered, and nowhere else"
    own_box.start()
    assert links(own_box) == [link], "a box with users offers none"


def test_two_people_race_and_one_of_them_gets_in(own_box: BoxProcess) -> None:
    own_box.start()
    (link,) = links(own_box)

    def go(number: int) -> tuple[int, str]:
        with visitor(own_box) as client:
            client.get(link)
            gate.wait(PATIENCE)
            answer = client.post(link, data={**FORM, "email": f"racer{number}@example.com"})
            return answer.status_code, answer.text

    gate = threading.Barrier(4)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(go, range(4)))
    assert sorted(status for status, _ in answers)[0] == 303
    others = [answer for answer in answers if answer[0] != 303]
    assert [status in (409, 410) for status, _ in others] == [True] * 3, answers
    assert all("users already" in text or "not good any more" in text for _, text in others)
    assert len(users(own_box)) == 1


def test_a_link_is_good_until_the_next_start_and_looking_at_it_uses_nothing_up(own_box: BoxProcess) -> None:
    own_box.start()
    (first,) = links(own_box)
    own_box.kill()
    own_box.start()
    second = links(own_box)[-1]
    assert first != second
    with visitor(own_box) as client:
        assert client.get(first).status_code == 410
        assert client.post(first, data=FORM).status_code == 410
        for _ in range(3):
            assert client.get(second).status_code == 200
        for wrong in ("ibi_", "x", second.rpartition("/")[2][:-1], "%00", "\N{SNOWMAN}"):
            assert client.get(f"/console/setup/{wrong}").status_code == 410, wrong
            assert client.post(f"/console/setup/{wrong}", data=FORM).status_code == 410, wrong
        for field, value in (("email", "no address"), ("new_password", "short"), ("again_password", "other")):
            answer = client.post(second, data={**FORM, field: value})
            assert answer.status_code == 422
            assert 'aria-invalid="true"' in answer.text
            assert PASSWORD not in answer.text
        assert client.post(second, data={}).status_code == 422
        assert users(own_box) == []
        assert client.post(second, data=FORM).status_code == 303
        assert client.get("/console/account").status_code == 200, "they are signed in"


def test_a_user_who_is_made_otherwise_ends_the_link(own_box: BoxProcess) -> None:
    own_box.start()
    (link,) = links(own_box)
    with own_box.client() as client:
        client.post("/v1/users", json={"email": EMAIL, "roles": ["admin"]}).raise_for_status()
    with visitor(own_box) as client:
        for answer in (client.get(link), client.post(link, data=FORM)):
            assert answer.status_code == 409
            assert "This box has users already." in answer.text
        assert "not set up" not in client.get("/console/login").text


def test_a_kill_at_any_moment_leaves_the_link_used_or_not(own_box: BoxProcess) -> None:
    for round_ in range(3):
        own_box.start()
        offered = links(own_box)
        if len(offered) != round_ + 1:
            break  # it was used, and they are in: see below
        statuses: list[int] = []

        def go(link: str, heard: list[int]) -> None:
            try:
                with visitor(own_box) as client:
                    heard.append(client.post(link, data=FORM).status_code)
            except httpx2.TransportError:
                heard.append(0)

        asking = threading.Thread(target=go, args=(offered[-1], statuses))
        asking.start()
        threading.Event().wait(
            0.05 + 0.15 * round_
        )  # hashing takes a while: some kills come before, some after
        own_box.kill()
        asking.join()
        if statuses == [303]:
            own_box.start()
            break
    else:
        own_box.start()
    made = users(own_box)
    assert len(made) == (log_in(own_box, EMAIL) == 200)
    with visitor(own_box) as client:
        assert client.get(links(own_box)[-1]).status_code == (410 if made else 200)


SECRET = "a password of the settings"


@pytest.mark.parametrize("by_file", [False, True], ids=["environment", "file"])
def test_the_settings_make_the_first_administrator_once(tmp_path: Path, by_file: bool) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{SECRET}\n")
    environ = {"INGESTBOX_CONSOLE_ADMIN_EMAIL": "Ops@Example.com"}
    variable = "INGESTBOX_CONSOLE_ADMIN_PASSWORD"
    environ |= {f"{variable}_FILE": str(secret)} if by_file else {variable: SECRET}
    with running(tmp_path / "box", environ=environ) as box:
        assert links(box) == []
        assert log_in(box, "ops@example.com", SECRET) == 200
        assert [line[:2] for line in audit(box)] == [("user.set_up", "local:settings")]
        with box.client() as client:
            shown = client.get("/v1/settings").raise_for_status()
            assert "admin_password" in shown.text and SECRET not in shown.text
        assert box.stop() == 0
        box._environ["INGESTBOX_CONSOLE_ADMIN_EMAIL"] = "other@example.com"
        if by_file:
            secret.write_text("short")  # it is not looked at any more
        else:
            box._environ[variable] = "another password altogether"
        box.start()
        assert log_in(box, "ops@example.com", SECRET) == 200
        assert [each["email"] for each in users(box)] == ["Ops@example.com"]
        log = box.log.read_text()
        assert log.count("do nothing: this box has users already") == 1
        assert SECRET not in log and "another password" not in log


WRONG = [
    ({"admin_email": "ops@example.com", "admin_password": "short"}, "must have 12 characters or more"),
    ({"admin_email": "ops@example.com", "admin_password": "ops@example.com"}, "must not be the e-mail"),
    ({"admin_email": "nobody", "admin_password": SECRET}, "admin_email is not an e-mail address"),
    ({"admin_email": "ops@example.com"}, "admin_password is missing"),
    ({"admin_password": SECRET}, "admin_email is missing"),
]


def test_settings_that_make_nobody_refuse_the_start(tmp_path: Path) -> None:
    for settings, said in WRONG:
        with pytest.raises(StartupError, match=said):
            first.wanted(msgspec.convert(settings, Console))
    config = tmp_path / "ingestbox.toml"
    config.write_text('[console]\nadmin_email = "ops@example.com"\nadmin_password = "to be put"\n')
    for command in ("serve", "check-config"):
        ran = ingestbox(command, "--config", config, "--data", tmp_path / "data", cwd=tmp_path)
        assert ran.code == 1
        assert "must have 12 characters or more" in ran.out + ran.err, ran
        assert "to be put" not in ran.out + ran.err


def test_an_invited_user_chooses_a_password_once(own_box: BoxProcess, browser: Browser) -> None:
    own_box.start()
    arguments = ("user", "add", "ann@example.com", "--role", "analyst", "--invite", "--data", own_box.data)
    ran = ingestbox(*arguments, cwd=own_box.folder)
    assert ran.code == 0, ran
    link = ran.out.strip()
    assert re.fullmatch(re.escape(own_box.url) + r"/console/setup/ibi_[\w-]{43}", link)
    assert "works once" in ran.err and "ibi_" not in ran.err
    for password in ("", PASSWORD):
        assert log_in(own_box, "ann@example.com", password) == 401

    person = Person(browser, own_box)
    person.page.goto(link)
    expect(person.page.get_by_text("ann@example.com")).to_be_visible()
    inspect(person, "invitation")
    person.page.get_by_label("Password", exact=True).fill(PASSWORD)
    person.page.get_by_label("once more").fill(PASSWORD)
    person.page.get_by_role("button", name="Save and sign in").click()
    person.page.wait_for_url(f"{own_box.url}/console")
    person.close()
    assert log_in(own_box, "ann@example.com") == 200
    with visitor(own_box) as client:
        assert client.get(link).status_code == 410
        assert client.post(link, data=CHOSEN).status_code == 410
    assert ("user.accept_invitation", "user:1", {"password": "changed"}) in audit(own_box)
    assert own_box.stop() == 0
    log = own_box.log.read_text()
    assert link not in log and link.rpartition("/")[2] not in log and PASSWORD not in log
    assert '"path":"/console/setup/ibi_…"' in log


def test_a_link_ends_with_whatever_changes_the_user(box: BoxProcess) -> None:
    with box.client() as admin, visitor(box) as client:
        changes: list[tuple[str, str, dict[str, Any] | None]] = [
            ("PATCH", "", {"disabled": True}),
            ("PATCH", "", {"password": "another good password"}),
            ("DELETE", "", None),
            ("POST", "/invitation", None),
        ]
        for number, (method, below, body) in enumerate(changes):
            wanted: dict[str, Any] = {
                "email": f"ending{number}@example.com",
                "roles": ["analyst"],
                "invite": True,
            }
            made = admin.post("/v1/users", json=wanted).raise_for_status().json()
            assert client.get(made["invitation"]).status_code == 200
            admin.request(method, f"/v1/users/{made['id']}{below}", json=body).raise_for_status()
            assert client.get(made["invitation"]).status_code == 410, body
            assert client.post(made["invitation"], data=CHOSEN).status_code == 410, body
            assert log_in(box, wanted["email"]) == 401
            if body == {"disabled": True}:  # and it does not come back to life with the user
                admin.patch(f"/v1/users/{made['id']}", json={"disabled": False}).raise_for_status()
                assert client.get(made["invitation"]).status_code == 410
        # New roles leave it: an administrator may think better of them before it is used.
        made = admin.post("/v1/users", json={**wanted, "email": "staying@example.com"}).json()
        admin.patch(f"/v1/users/{made['id']}", json={"roles": ["editor"]}).raise_for_status()
        assert client.post(made["invitation"], data=CHOSEN).status_code == 303
        assert log_in(box, "staying@example.com") == 200


def test_a_stopped_box_prints_a_link_that_is_good_after_its_start(own_box: BoxProcess) -> None:
    own_box.start()
    assert own_box.stop() == 0
    config = own_box.folder / "cli.toml"
    config.write_text(f'[server]\nport = {own_box.url.rpartition(":")[2]}\nprefix = "/ingest"\n')
    ran = ingestbox(
        *("user", "add", "eve@example.com", "--role", "admin", "--invite", "--json"),
        *("--data", own_box.data, "--config", config),
        cwd=own_box.folder,
        env=environment(),
    )
    made = json.loads(ran.out)
    assert made["link"] == f"{own_box.url}/ingest{made['invitation']}"
    own_box.start()
    with visitor(own_box) as client:
        assert client.post(made["invitation"], data=CHOSEN).status_code == 303
    again = ingestbox(
        *("user", "passwd", "eve@example.com", "--invite", "--data", own_box.data), cwd=own_box.folder
    )
    assert again.out.startswith(f"{own_box.url}/console/setup/ibi_"), again
    assert log_in(own_box, "eve@example.com") == 200, "until the link is used"


def test_on_a_terminal_the_link_stands_out(own_box: BoxProcess) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ingestbox", "serve", "--data", str(own_box.data), "--port", "0"]
    own_box.process = subprocess.Popen(command, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = ""
    deadline = time.monotonic() + PATIENCE
    while not re.search(r"\n {4}http://\S+/console/setup/ibi_[\w-]{43}\r?\n", shown):
        assert time.monotonic() < deadline, shown
        shown += os.read(ours, 65_536).decode(errors="replace")
    assert "it works once, within 24 hours" in shown and "From another machine" not in shown
    os.close(ours)
