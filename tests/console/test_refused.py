"""Refused deliveries in the console: from the inbox to the upstream's words, sent again, given up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import expect

from tests.console.conftest import Visit
from tests.console.support import Person, inspect, signed_in
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.upstream import Refusing, refusing

HERE = "/lanes/central/refused"
HOSTILE = '<script>alert("x")</script>\u202etxt.exe'


@pytest.fixture(scope="module")
def upstream() -> Iterator[Refusing]:
    with refusing() as started:
        yield started


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, upstream: Refusing) -> Iterator[BoxProcess]:
    config = f"[rates]\nlogin = 0\n{upstream.lane()}"
    with running(tmp_path_factory.mktemp("box"), config=config) as started:
        yield started


def refused(box: BoxProcess, *numbers: int, workspace: str = "default") -> None:
    """Has the upstream refuse these tickets."""
    with box.client(workspace=workspace) as client:
        before = client.get("/v1/lanes/central").json()["parked"]
        wait_job(client, post_tickets(client, [ticket(number) for number in numbers])["job_id"])
        until(
            lambda: client.get("/v1/lanes/central").json()["parked"] == before + len(numbers),
            "the upstream refuses them",
        )


def issue_of(box: BoxProcess, object_id: str) -> str:
    """The id of the newest issue of what was refused of a ticket."""
    with box.client() as client:
        found = client.get("/v1/issues", params={"code": "delivery_refused", "all": "true"}).json()["issues"]
    return next(str(each["id"]) for each in found if each["delivery"]["object_id"] == object_id)


def test_from_the_inbox_to_a_corrected_record_that_the_upstream_takes(
    admin: Person, box: BoxProcess, upstream: Refusing
) -> None:
    refused(box, 1, 2)
    page = admin.page
    admin.goto("/issues")
    expect(page.get_by_text("Refused upstream").first).to_be_visible()
    expect(page.get_by_text("2 open").first).to_be_visible()
    page.get_by_role("link", name="record_invalid: The customer is not known here.").first.click()
    expect(page.get_by_role("heading", name="What the upstream said")).to_be_visible()
    expect(page.get_by_text("record_invalid: The customer is not known here.")).to_be_visible()
    page.get_by_text("What was sent").click()
    expect(page.get_by_text(str(ticket(1)["summary"])).last).to_be_visible()
    inspect(admin, "issue-refused")

    page.get_by_role("button", name="Correct and send").click()
    expect(page.get_by_text("Nothing was changed. Change what the upstream")).to_be_visible()
    page.get_by_label("Summary").fill("")
    page.get_by_label("Description").fill("")
    page.get_by_role("button", name="Correct and send").click()
    expect(page.get_by_text("This is not right yet.")).to_be_visible()
    page.get_by_label("Summary").fill("Customer 4711: the delivery was late")
    upstream.refusing = False
    page.get_by_role("button", name="Correct and send").click()
    expect(page.get_by_text("Row 1 is corrected. Its new version goes upstream by itself.")).to_be_visible()
    with box.client() as client:
        until(lambda: client.get("/v1/lanes/central").json()["delivered"] == 1, "the new one is delivered")

    page.get_by_text("Give up…").click()
    page.get_by_label("Why").fill("Not wanted there")
    page.get_by_role("button", name="Give up", exact=True).click()
    expect(page.get_by_text("The refused delivery of row 2 is given up.")).to_be_visible()
    admin.goto(f"/issues/{issue_of(box, 'T-2')}")
    expect(page.get_by_text("Not wanted there").first).to_be_visible()
    expect(page.get_by_role("button", name="Send again")).to_have_count(0)
    admin.goto("/audit?object=delivery")
    expect(page.get_by_text("gave up").first).to_be_visible()
    upstream.refusing = True


def test_sent_again_one_or_many_from_the_inbox(admin: Person, box: BoxProcess, upstream: Refusing) -> None:
    upstream.refusing = True
    upstream.code, upstream.message = HOSTILE, HOSTILE
    refused(box, 3, 4, 5)
    page = admin.page
    with box.client() as client:
        client.post("/v1/lanes/central/pause").raise_for_status()
        admin.goto(f"/issues/{issue_of(box, 'T-3')}")
        inspect(admin, "issue-refused-hostile")
        page.get_by_role("button", name="Send again").click()
        expect(page.get_by_text("Row 1 is sent again.")).to_be_visible()
        admin.goto(f"/issues/{issue_of(box, 'T-3')}")
        expect(page.get_by_text("It waits to be sent again.")).to_be_visible()
        admin.goto("/issues")
        expect(page.get_by_text("Waits to be sent again")).to_have_count(1)
        page.get_by_role("link", name="Repair all of these: Refused upstream").first.click()
        page.get_by_label("Give them up").check()
        page.get_by_role("button", name="Preview").click()
        expect(page.get_by_text("Say why the upstream does without them.")).to_be_visible()
        page.get_by_label("Send them again").check()
        page.get_by_role("button", name="Preview").click()
        page.get_by_role("button", name="Do it now").click()
        expect(page.get_by_text("3 refused deliveries are sent again.")).to_be_visible()
        upstream.refusing = False
        before = client.get("/v1/lanes/central").json()["delivered"]
        client.post("/v1/lanes/central/resume").raise_for_status()
        until(
            lambda: client.get("/v1/lanes/central").json()["delivered"] == before + 3, "all three are taken"
        )
    admin.goto("/issues?state=resolved")
    expect(page.get_by_text("tried again").first).to_be_visible()
    upstream.refusing = True


def test_the_lanes_own_list_has_them_too(admin: Person, box: BoxProcess, upstream: Refusing) -> None:
    upstream.refusing = True
    upstream.code, upstream.message = "record_invalid", "The customer is not known here."
    refused(box, 6, 7)
    page = admin.page
    admin.goto(HERE)
    expect(page.get_by_role("heading", name="record_invalid 2 lines")).to_be_visible()
    inspect(admin, "refused")
    page.get_by_role("link", name="T-6", exact=False).first.click()
    inspect(admin, "refused-line")
    page.get_by_label("Why").fill("\u202e")
    page.get_by_role("button", name="Give up").click()
    expect(page.get_by_text("reason must have 1 to 500 printable characters")).to_be_visible()
    page.get_by_label("Why").fill("Not wanted there")
    page.get_by_role("button", name="Give up").click()
    expect(page.get_by_text("is given up.")).to_be_visible()
    page.get_by_role("link", name="Given up").click()
    page.get_by_role("row").filter(has_text="Not wanted there").get_by_role("link").first.click()
    expect(page.get_by_text(f"Given up by {admin.email}")).to_be_visible()
    page.get_by_role("link", name="Decide about it as an issue").click()
    expect(page.get_by_text("This is decided already")).to_be_visible()
    upstream.refusing = False
    with box.client() as client:
        before = client.get("/v1/lanes/central").json()["delivered"]
        admin.goto(HERE)
        page.get_by_role("button", name="Send all again").click()
        expect(page.get_by_text("1 line is sent again.")).to_be_visible()
        until(lambda: client.get("/v1/lanes/central").json()["delivered"] == before + 1, "it is taken")
    page.reload()
    expect(page.get_by_role("heading", name="Nothing is refused")).to_be_visible()
    upstream.refusing = True


def test_what_an_upstream_says_is_inert_and_others_see_their_own(
    box: BoxProcess, upstream: Refusing, visit: Visit
) -> None:
    upstream.refusing = True
    upstream.code, upstream.message = HOSTILE, HOSTILE
    refused(box, 11)
    refused(box, 12, workspace="acme")
    with (
        closing(signed_in(box)) as operator,
        closing(signed_in(box, workspace="acme")) as other,
        closing(signed_in(box, "editor")) as editor,
    ):
        whole = operator.get(f"/console{HERE}").text
        assert "<script>alert" not in whole
        assert "\u202e" not in whole
        own = other.get(f"/console{HERE}").text
        assert "T-12" in own
        assert "T-11" not in own
        assert "/refused/retry" not in own
        assert "Refused upstream" in other.get("/console/issues").text
        mine = editor.get("/console/issues").text
        assert "Refused upstream" in mine
        assert "<script>alert" not in mine
        page = editor.get(f"/console/issues/{issue_of(box, 'T-11')}")
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "\u202e" not in page.text
        assert editor.get(f"/console/issues/{issue_of(box, 'T-12')}").status_code == 404
        assert editor.get(f"/console{HERE}").status_code == 403
        with box.client() as client:
            lines = client.get("/v1/lanes/central/parked", params={"all": "true"}).json()["parked"]
        seqs = {line["object_id"]: line["seq"] for line in lines}
        line = operator.get(f"/console{HERE}/{seqs['T-11']}").text
        assert "<script>alert" not in line
        assert "\u202e" not in line
        assert other.get(f"/console{HERE}/{seqs['T-11']}").status_code == 404
        theirs = other.get(f"/console{HERE}/{seqs['T-12']}")
        assert theirs.status_code == 200
        assert "/discard" not in theirs.text
        assert other.post(f"/console{HERE}/{seqs['T-12']}/retry").status_code == 403
        assert operator.post(f"/console{HERE}/99/retry").status_code == 404
        again = operator.get(f"/console{HERE}?done=all&n=<b>").text
        assert "<b>" not in again
