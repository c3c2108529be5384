"""Lanes, API keys and settings in the console, with a real box upstream."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import expect

from ingestbox.model import Role
from tests.console.conftest import Visit
from tests.console.support import Person, inspect
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job

OLD = '[[lanes]]\nname = "old"\nurl = "http://127.0.0.1:9/old"\nfamilies = ["feedback"]\n'
MARKUP = '<script>alert("x")</script>'
HOSTILE = f"{MARKUP}\u202etxt.exe"


@pytest.fixture(scope="module")
def central(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    with running(tmp_path_factory.mktemp("central")) as started:
        yield started


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, central: BoxProcess) -> Iterator[BoxProcess]:
    config = (
        f'[[lanes]]\nname = "central"\nurl = "{central.url}/v1/sync/batches"\n'
        f'token = "{central.token(Role.FORWARDER)}"\n'
        '[[lanes]]\nname = "nowhere"\nurl = "http://127.0.0.1:9/v1/sync/batches?key=hidden"\n'
    )
    with running(tmp_path_factory.mktemp("box"), config=config + OLD) as started:
        with started.client() as client:
            wait_job(client, post_tickets(client, [ticket(0)])["job_id"])
            until(lambda: client.get("/v1/lanes/central").json()["delivered"] == 1, "one is delivered")
        started.stop()
        started.configure(config)
        yield started.start()


def test_a_lane_is_tested_put_on_hold_and_let_go_on(admin: Person, box: BoxProcess) -> None:
    page = admin.page
    assert admin.goto("/lanes") == 200
    central = page.get_by_role("region", name="central")
    central.get_by_role("button", name="Test").click()
    expect(page.get_by_text("lets this box in")).to_be_visible()
    page.get_by_role("region", name="nowhere").get_by_role("button", name="Test").click()
    expect(page.get_by_text("Nothing answers at the upstream's address.").first).to_be_visible()
    central.get_by_text("Put on hold").first.click()
    central.get_by_label("Why").fill(HOSTILE)
    central.get_by_role("button", name="Put on hold").click()
    expect(page.get_by_text("reason must have 1 to 500 printable characters")).to_be_visible()
    central.get_by_text("Put on hold").first.click()
    central.get_by_label("Why").fill(MARKUP)
    central.get_by_role("button", name="Put on hold").click()
    expect(page.get_by_text("Lane central is on hold.")).to_be_visible()
    expect(central.get_by_text(MARKUP)).to_be_visible()
    with box.client() as client:
        wait_job(client, post_tickets(client, [ticket(1), ticket(2)])["job_id"])
        page.reload()
        expect(central.locator("dt:text-is('Waiting') + dd")).to_have_text(
            re.compile("^2 records, [0-9.]+ KB$")
        )
        inspect(admin, "lanes")
        central.get_by_role("button", name="Let it go on").click()
        expect(page.get_by_text("Lane central goes on.")).to_be_visible()
        until(lambda: client.get("/v1/lanes/central").json()["pending"] == 0, "it is delivered")
    page.reload()
    expect(central.locator("dt:text-is('Delivered') + dd")).to_have_text("3")


def test_what_was_sent_is_sent_again_after_it_was_said_how_much_that_is(
    admin: Person, box: BoxProcess
) -> None:
    page = admin.page
    admin.goto("/lanes")
    page.get_by_role("region", name="central").get_by_role("link", name="Send again").click()
    look = page.get_by_role("button", name="See how much that is")
    page.get_by_label("Or from this number on").fill("999")
    look.click()
    expect(page.get_by_text("what it sent ends with")).to_be_visible()
    page.get_by_label("Or from this number on").fill("")
    page.get_by_label("From this day on").fill("2020-01-31")
    look.click()
    plan = page.get_by_role("region", name="What would be sent again")
    with box.client() as client:
        delivered = client.get("/v1/lanes/central").json()["delivered"]
        expect(plan.get_by_text(re.compile(f"^{delivered} lines?\\.$"))).to_be_visible()
        expect(plan.get_by_text("From number 1 on")).to_be_visible()
        inspect(admin, "lanes-replay")
        assert client.get("/v1/audit", params={"action": "lane.replay"}).json()["audit"] == []
        plan.get_by_role("button", name="Send again").click()
        expect(page.get_by_text(re.compile("^Lane central sends .* again"))).to_be_visible()
        until(lambda: client.get("/v1/lanes/central").json()["delivered"] == delivered, "it is sent")
        (line,) = client.get("/v1/audit", params={"action": "lane.replay"}).json()["audit"]
        assert (line["after"]["from_seq"], line["actor"].startswith("user:")) == ("1", True)


def test_a_lane_that_is_off_is_forgotten_with_a_reason(admin: Person, box: BoxProcess) -> None:
    page = admin.page
    admin.goto("/lanes/central/remove")
    expect(page.get_by_text("This lane is in the settings.")).to_be_visible()
    expect(page.get_by_role("button", name="Forget it")).to_have_count(0)
    admin.goto("/lanes")
    old = page.get_by_role("region", name="old")
    expect(old.get_by_text("has lines that were never delivered")).to_be_visible()
    expect(old.get_by_text("families: feedback")).to_be_visible()
    expect(old.get_by_role("button")).to_have_count(0)
    old.get_by_role("link", name="Forget this lane").click()
    inspect(admin, "lanes-remove")
    page.get_by_label("Why").fill("\u202e")
    page.get_by_role("button", name="Forget it").click()
    expect(page.get_by_text("reason must have 1 to 500 printable characters")).to_be_visible()
    page.get_by_label("Why").fill(MARKUP)
    page.get_by_role("button", name="Forget it").click()
    expect(page.get_by_text("Lane old is forgotten;")).to_be_visible()
    expect(page.get_by_role("region", name="old")).to_have_count(0)
    with box.client() as client:
        (line,) = client.get("/v1/audit", params={"action": "lane.remove"}).json()["audit"]
    assert line["after"]["reason"] == MARKUP
    admin.goto("/audit?object=lane")
    expect(page.get_by_text("forgot the lane old")).to_be_visible()
    expect(page.get_by_text("sent again what went over the lane central")).to_be_visible()
    assert line["after"]["pending"] >= 1


def test_a_new_key_is_shown_once_and_opens_the_door_until_it_is_revoked(
    admin: Person, box: BoxProcess
) -> None:
    page = admin.page
    admin.goto("/keys")
    page.get_by_label("Name").fill("crawler-7")
    page.get_by_label("send records").check()
    page.get_by_role("button", name="Make a key").last.click()
    key = page.locator(".copy code").first.inner_text()
    inspect(admin, "keys-made")

    def status(key: str) -> int:
        headers = {"X-API-Key": key}
        return httpx2.get(f"{box.url}/api/jobs", headers=headers, trust_env=False).status_code

    assert status(key) == 200
    admin.goto("/keys")
    expect(page.get_by_text(key)).to_have_count(0)
    row = page.get_by_role("row").filter(has_text="crawler-7")
    row.get_by_text("Replace").first.click()
    row.get_by_role("button", name="Replace").click()
    expect(page.get_by_text("The key that it takes the place of is good until")).to_be_visible()
    new = page.locator(".copy code").first.inner_text()
    assert new != key and (status(new), status(key)) == (200, 200)
    row = page.get_by_role("row").filter(has_text="crawler-7").last  # the old one
    row.get_by_text("Revoke").first.click()
    row.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The key is revoked.")).to_be_visible()
    assert (status(new), status(key)) == (200, 401)


def test_a_key_that_cannot_be_made_says_why_and_keeps_what_was_typed(admin: Person) -> None:
    page = admin.page
    admin.goto("/keys")
    page.get_by_text("Make a key").first.click()
    page.get_by_label("Name").fill(HOSTILE)
    page.get_by_role("button", name="Make a key").last.click()
    expect(page.get_by_text("The key was not made.")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value(HOSTILE)
    expect(page.get_by_label("Name")).to_have_attribute("aria-invalid", "true")


def test_settings_say_where_each_comes_from_and_no_secret(admin: Person) -> None:
    admin.goto("/settings?given=1")
    page = admin.page
    expect(page.get_by_role("row").filter(has_text="stop_seconds")).to_have_count(0)
    row = page.get_by_role("row").filter(has_text="port")
    expect(row.get_by_text("--port")).to_be_visible()
    assert "key=hidden" not in page.content()
    inspect(admin, "settings")
    page.get_by_role("link", name="All").click()
    expect(page.get_by_role("row").filter(has_text="stop_seconds")).to_be_visible()


def test_only_administrators_see_them_and_only_operators_change_lanes(visit: Visit, box: BoxProcess) -> None:
    editor = visit("editor")
    for path in ("/lanes", "/keys", "/settings"):
        assert editor.goto(path) == 403
    other = visit("admin", workspace="acme")
    assert other.goto("/lanes") == 200
    expect(other.page.get_by_role("button", name="Test")).to_have_count(0)
    expect(other.page.get_by_role("link", name="Send again")).to_have_count(0)
    for page in ("replay", "replay?from_seq=1", "remove"):
        assert other.goto(f"/lanes/central/{page}") == 403
    assert other.goto("/settings") == 403
    expect(other.page.get_by_role("link", name="Settings")).to_have_count(0)
