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


def test_from_the_inbox_to_the_upstreams_words_and_back_upstream(
    admin: Person, box: BoxProcess, upstream: Refusing
) -> None:
    refused(box, 1, 2)
    upstream.code, upstream.message = HOSTILE, HOSTILE
    refused(box, 3)
    page = admin.page
    admin.goto("/issues")
    page.get_by_role("link", name="3 deliveries were refused upstream by central").click()
    expect(page.get_by_role("heading", name="record_invalid 2 lines")).to_be_visible()
    expect(page.get_by_text("The customer is not known here.")).to_have_count(2)
    expect(page.get_by_role("heading", name=HOSTILE.split("\u202e")[0])).to_be_visible()
    inspect(admin, "refused")
    page.get_by_role("link", name="T-1", exact=False).first.click()
    expect(page.get_by_role("heading", name="What the upstream said")).to_be_visible()
    expect(page.get_by_text("correct it where it comes from")).to_be_visible()
    sent = page.get_by_role("region", name="What was sent")
    expect(sent.get_by_text(str(ticket(1)["summary"])).first).to_be_visible()
    inspect(admin, "refused-line")
    page.get_by_label("Why").fill("\u202e")
    page.get_by_role("button", name="Give up").click()
    expect(page.get_by_text("reason must have 1 to 500 printable characters")).to_be_visible()
    page.get_by_label("Why").fill("Not wanted there")
    page.get_by_role("button", name="Give up").click()
    expect(page.get_by_text("is given up.")).to_be_visible()
    page.get_by_role("link", name="Given up").click()
    expect(page.get_by_text("Not wanted there")).to_be_visible()
    page.get_by_role("row").filter(has_text="Not wanted there").get_by_role("link").first.click()
    expect(page.get_by_text(f"Given up by {admin.email}")).to_be_visible()
    upstream.refusing = False
    with box.client() as client:
        admin.goto(HERE)
        page.get_by_role("button", name="Send all again").click()
        expect(page.get_by_text("2 lines are sent again.")).to_be_visible()
        until(lambda: client.get("/v1/lanes/central").json()["delivered"] == 2, "they are taken")
        page.reload()
        expect(page.get_by_role("heading", name="Nothing is refused")).to_be_visible()
        page.get_by_role("link", name="Given up").click()
        page.get_by_role("row").filter(has_text="Not wanted there").get_by_role("link").first.click()
        page.get_by_role("button", name="Take it up again").click()
        until(lambda: client.get("/v1/lanes/central").json()["delivered"] == 3, "this one too")
    admin.goto("/audit?object=delivery")
    expect(page.get_by_text("gave up").first).to_be_visible()
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
        assert "1 delivery was refused upstream" in other.get("/console/issues").text
        assert "refused upstream" not in editor.get("/console/issues").text
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
