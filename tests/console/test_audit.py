"""Who changed what, in plain words; and erasing a person."""

from __future__ import annotations

import re

import httpx2
from playwright.sync_api import expect

from tests.console.conftest import Visit
from tests.console.repairs import at_the_api, cells, window
from tests.console.support import Person, inspect, new_user
from tests.console.test_bulk import hidden
from tests.harness import BoxProcess
from tests.web.v1.imports import records, row, upload
from tests.web.v1.support import get, partial, post, waiting

PEOPLE = ("uploader", "editor", "analyst")
HOSTILE = "<img src=x onerror=alert(1)>\u202etxt"


def test_the_trail_tells_in_words_who_did_what_and_takes_back(visit: Visit, box: BoxProcess) -> None:
    ann = new_user(box, *PEOPLE)
    with at_the_api(box, ann) as client:
        job = upload(client, "people", [row("a@x.com", company=""), row("b@x.com", company="")])
        first = records(client, job["id"])[0]
        wrong = {"company": f"Acme {HOSTILE}"}
        client.patch(f"/v1/records/{first['id']}", json=wrong).raise_for_status()
        client.patch(f"/v1/records/{first['id']}", json={"company": "Acme Ltd"}).raise_for_status()
        rule = {"set": {"field": "company", "value": "ACME"}}
        post(client, "/v1/issues/bulk", {"rule": rule, "filter": {"job": job["id"]}})

        person = visit("admin")
        page = person.page
        assert person.goto(f"/audit?actor={ann}") == 200
        inspect(person, "audit")
        lines = page.locator("[data-row]")
        edit = lines.filter(has_text=f"{ann} corrected the company of row 1 of people.csv").first
        expect(edit.locator(".was mark")).to_have_text(re.compile("^<img src=x"))
        expect(edit.locator(".is mark")).to_have_text("Ltd")
        assert page.locator("main img").count() == 0
        expect(edit.get_by_role("link", name="people.csv")).to_have_attribute(
            "href", f"/console/jobs/{job['id']}?all=true"
        )
        assert person.goto(f"/jobs/{job['id']}?all=true") == 200
        page.go_back()
        edit.get_by_role("link", name="All changes of this").click()
        expect(lines).to_have_count(2)
        page.go_back()
        bulk = lines.filter(has_text="decided about many rows at once")
        assert cells(client, job, "company") == ["Acme Ltd", "ACME"]
        bulk.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("One row is what it was before.")).to_be_visible()
        assert cells(client, job, "company") == ["Acme Ltd", ""]
        person.goto(f"/audit?actor={ann}&action=issue.bulk")
        expect(lines).to_have_count(1)
        expect(lines.get_by_text("Taken back")).to_be_visible()
        expect(lines.get_by_role("button", name="Undo")).to_have_count(0)


def test_the_trail_is_filtered_and_read_page_by_page(box: BoxProcess) -> None:
    ann = new_user(box, *PEOPLE)
    with at_the_api(box, ann) as client:
        job = upload(client, "pages", [row("a@x.com", company="")])
        (one,) = records(client, job["id"])
        for number in range(60):
            client.patch(f"/v1/records/{one['id']}", json={"company": f"C{number}"}).raise_for_status()
    with window(box, "admin") as boss:
        address = f"/console/audit?object=record&object_id={one['id']}"
        page = boss.get(address).text
        assert page.count("<tr data-row") == 50
        following = re.search(r'href="([^"]*cursor=[^"]*)" rel="next"', page)
        assert following is not None
        rest = boss.get(following[1].replace("&amp;", "&")).text
        assert (rest.count("<tr data-row"), "object_id" in following[1]) == (10, True)
        assert 'rel="next"' not in rest
        for query, count in (
            ("&action=issue.discard", 0),
            ("&since=2020-01-01", 50),
            ("&until=2020-01-01", 0),
            ("&since=2126-01-01", 0),
            ("&actor=nobody@example.com", 0),
            ("&actor=half@", 0),
        ):
            found = boss.get(address + query)
            assert (found.status_code, found.text.count("<tr data-row")) == (200, count), query
        assert "Nothing fits these filters" in boss.get(f"{address}&until=2020-01-01").text
        for wrong in ("since=yesterday", "until=9999-12-31", "cursor=x"):
            assert boss.get(f"/console/audit?{wrong}").status_code == 400, wrong
        assert boss.get("/console/audit?object_id=5").status_code == 200


def test_what_is_in_a_record_is_told_as_content_whatever_it_is_called(box: BoxProcess) -> None:
    with box.client() as client, window(box, "admin") as boss:
        job = partial(client, "named")
        (issue,) = waiting(client, job)
        own = {"rule": {"set": "x"}, "operation": "cut", "state": "CA"}
        client.patch(f"/v1/records/{issue['record']}", json={"summary": "Fine", **own}).raise_for_status()
        for path in ("audit", f"records/{issue['record']}", f"issues/{issue['id']}"):
            page = boss.get(f"/console/{path}?all=true")
            assert page.status_code == 200, path
            assert "cut</bdi>" in page.text, path
            assert "CA</bdi>" in page.text, path


def test_who_reads_the_trail(box: BoxProcess) -> None:
    with window(box, *PEOPLE) as ann:
        assert ann.get("/console/audit").status_code == 403
        assert ann.post("/console/audit/1/undo").status_code == 404
        assert "/console/audit" not in ann.get("/console").text
    with window(box, "uploader") as uploader:
        assert uploader.post("/console/audit/1/undo").status_code == 403
    with window(box, "admin", workspace="audit-else") as stranger:
        mine = stranger.get("/console/audit").text
        assert "people.csv" not in mine
        assert "pages.csv" not in mine
        assert stranger.get("/console/audit?all=true").text.count("<tr data-row") == mine.count(
            "<tr data-row"
        )
    with window(box, "admin") as boss:
        away = {"Origin": "http://evil.example"}
        assert boss.post("/console/audit/1/undo", headers=away).status_code == 403
        assert boss.post("/console/audit/99999/undo").status_code == 404


def found(page: str) -> dict[str, int]:
    """Where an erasure's page says that the address was found."""
    rows = re.findall(r'<tr><td>([^<]+)</td><td class="number">([\d,]+)</td></tr>', page)
    return {name: int(count.replace(",", "")) for name, count in rows}


def with_person(client: httpx2.Client, name: str) -> str:
    """An import that took over somebody, and the address."""
    address = f"{name}@example.org"
    job = upload(client, name, [row(address), row(f"other-{name}@example.org")])
    assert job["state"] == "completed"
    return address


def test_a_person_is_erased_after_a_look(visit: Visit, box: BoxProcess) -> None:
    with at_the_api(box, new_user(box, *PEOPLE)) as client:
        address = with_person(client, "gone")
        person: Person = visit("admin")
        page = person.page
        assert person.goto("/erasures") == 200
        page.get_by_label("E-mail address of the person").fill(address.upper())
        page.get_by_label("Why").fill("request 7")
        page.get_by_role("button", name="See what would go").click()
        expect(page.get_by_role("heading", name="What would go")).to_be_visible()
        expect(page.get_by_role("row", name="Contacts 1")).to_be_visible()
        inspect(person, "erasure-look")
        assert client.get("/contacts", params={"email": address}).status_code == 200
        page.get_by_role("button", name="Erase for good").click()  # the browser asks for the tick
        assert page.url.endswith("/erasures/look")
        page.get_by_label("It cannot be taken back.").check()
        page.get_by_role("button", name="Erase for good").click()
        page.wait_for_url(re.compile(r"/console/erasures/\d+$"))
        expect(page.get_by_text("Done", exact=True).first).to_be_visible()
        expect(page.get_by_role("row", name="Contacts 1")).to_be_visible()
        assert address not in page.content().lower()
        inspect(person, "erasure")
        assert client.get("/contacts", params={"email": address}).status_code == 404
        assert get(client, "/contacts")["total"] == 1
        person.goto("/erasures")
        expect(page.locator("[data-row]")).to_have_count(2)
        assert address not in page.content().lower()
        inspect(person, "erasures")


def test_erasing_takes_an_administrator_a_tick_and_an_address(box: BoxProcess) -> None:
    with window(box, *PEOPLE) as ann:
        for path in ("/erasures", "/erasures/1"):
            assert ann.get(f"/console{path}").status_code == 403
        for path in ("/erasures", "/erasures/look"):
            assert ann.post(f"/console{path}", data={"email": "a@x.com"}).status_code == 403
    with at_the_api(box, new_user(box, *PEOPLE)) as client, window(box, "admin") as boss:
        address = with_person(client, "stays")
        for email in ("", "nobody", f"<b>{HOSTILE}"):
            wrong = boss.post("/console/erasures/look", data={"email": email})
            assert (wrong.status_code, "<b>" in wrong.text, "<img src=x" in wrong.text) == (422, False, False)
        look = boss.post("/console/erasures/look", data={"email": address})
        assert found(look.text)["Contacts"] == 1
        untold = boss.post("/console/erasures", data={"email": address})
        assert (untold.status_code, "Tick the box first" in untold.text) == (422, True)
        reason = {"email": address, "reason": f"asked by {address}"}
        assert boss.post("/console/erasures/look", data=reason).status_code == 422
        assert client.get("/contacts", params={"email": address}).status_code == 200
        with window(box, "admin", workspace="erase-else") as stranger:
            other = stranger.post("/console/erasures/look", data={"email": address})
            assert "This address was not found anywhere." in other.text
            everywhere = stranger.post("/console/erasures/look", data={"email": address, "all": "true"})
            assert everywhere.status_code == 403
        button = {**hidden(look.text), "sure": "on"}
        first = boss.post("/console/erasures", data=button)
        again = boss.post("/console/erasures", data=button)
        assert (first.status_code, first.headers["Location"]) == (303, again.headers["Location"])
        assert address not in first.headers["Location"]
        piece = boss.get(f"{first.headers['Location']}/progress", headers={"HX-Request": "true"})
        assert ("<html" in piece.text, "every 2s" in piece.text) == (False, False)
        assert found(piece.text)["Contacts"] == 1
        assert client.get("/contacts", params={"email": address}).status_code == 404
        assert boss.get("/console/erasures/99999").status_code == 404
