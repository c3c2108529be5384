"""Lanes, API keys and settings in the console, with a real box upstream."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import expect

from ingestbox.model import Role
from tests.console.conftest import Visit
from tests.console.support import Person, inspect
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job

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
    with running(tmp_path_factory.mktemp("box"), config=config) as started:
        yield started


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
        expect(central.locator("dt:text-is('Waiting') + dd")).to_have_text("2")
        inspect(admin, "lanes")
        central.get_by_role("button", name="Let it go on").click()
        expect(page.get_by_text("Lane central goes on.")).to_be_visible()
        until(lambda: client.get("/v1/lanes/central").json()["pending"] == 0, "it is delivered")
    page.reload()
    expect(central.locator("dt:text-is('Delivered') + dd")).to_have_text("2")


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

    def status() -> int:
        headers = {"X-API-Key": key}
        return httpx2.get(f"{box.url}/api/jobs", headers=headers, trust_env=False).status_code

    assert status() == 200
    admin.goto("/keys")
    expect(page.get_by_text(key)).to_have_count(0)
    row = page.get_by_role("row").filter(has_text="crawler-7")
    row.get_by_text("Revoke").first.click()
    row.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The key is revoked.")).to_be_visible()
    assert status() == 401


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
    assert other.goto("/settings") == 403
    expect(other.page.get_by_role("link", name="Settings")).to_have_count(0)
