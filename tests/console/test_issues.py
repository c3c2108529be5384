"""The inbox and its forms: from a file that is wrong to contacts that are right, as people do it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import Visit
from tests.console.support import NARROW, PASSWORD, Person, inspect, new_user, overflow, signed_in
from tests.harness import BoxProcess, post_tickets, ticket, until, wait_job

HEADER = "email,first_name,last_name,company"
HOSTILE = (
    "<script>document.title='x'</script><img src=x onerror=alert(1)>\"'>",
    "\u202egnp.exe\u2066\u200b",
    "w" * 10_000,
    "{{ 7 * 7 }}{% raw %}&lt;b&gt;</textarea></pre><h1>",
)

_numbers = itertools.count(1)
Json = dict[str, Any]


class Desk:
    """What somebody at the console has sent, and has, through the API as themselves."""

    def __init__(self, box: BoxProcess, email: str) -> None:
        given = {"email": email, "password": PASSWORD}
        answer = httpx2.post(f"{box.url}/api/auth/login", json=given, verify=False, trust_env=False)
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}", "Connection": "close"}
        self.client = httpx2.Client(
            base_url=box.url, headers=headers, verify=False, trust_env=False, timeout=30
        )

    def upload(self, *rows: str, header: str = HEADER, name: str = "") -> str:
        """The public id of an import with these rows, once it waits or is done."""
        content = "\n".join([header, *rows, ""]).encode()
        name = name or f"file-{next(_numbers)}.csv"
        answer = self.client.post("/jobs/upload", files={"file": (name, content)})
        assert answer.status_code == 201, answer.text
        job: str = self.client.get("/v1/jobs?family=contacts&limit=1").json()["jobs"][0]["id"]
        self.settled(job)
        return job

    def settled(self, job: str) -> Json:
        """The import once nothing more happens to it by itself."""

        def rests() -> Json | None:
            found: Json = self.client.get(f"/v1/jobs/{job}").json()
            return found if found["state"] in ("review", "completed", "failed") else None

        return until(rests, "the import rests")

    def issues(self, job: str, **query: str) -> list[Json]:
        """Its open issues, in the order of the file."""
        wanted = {"job": job, "state": "open", "order": "oldest", "limit": "500", **query}
        found: list[Json] = self.client.get("/v1/issues", params=wanted).json()["issues"]
        return found

    def issue(self, job: str, code: str) -> str:
        """The id of the only open one with this code."""
        (found,) = self.issues(job, code=code)
        return str(found["id"])

    def contacts(self) -> dict[str, str]:
        """E-mail → last name and company."""
        found = self.client.get("/contacts").json()["contacts"]
        return {
            each["contact_email"]: f"{each['contact_last_name']}, {each['contact_company']}" for each in found
        }


def desk(person: Person) -> Desk:
    return Desk(person.box, person.email)


def message(page: Page) -> Any:
    return page.locator("#messages .message")


def rows(page: Page, text: str) -> Any:
    """The links of the inbox to issues that say this."""
    return page.locator("tr[data-row] a", has_text=text)


def reload_marker(page: Page) -> Callable[[], bool]:
    """Whether the page is still the one that it was, without having been loaded anew."""
    page.evaluate("window.sameWindow = true")
    return lambda: bool(page.evaluate("window.sameWindow === true"))


def test_a_file_with_every_kind_of_issue_becomes_contacts(visit: Visit) -> None:
    person = visit("uploader", "editor")
    mine, page = desk(person), person.page
    mine.upload("anna@example.com,Anna,Old,Acme")
    job = mine.upload(
        ",Bob,B,Acme,1",
        "carl@@example.com,Carl,C,Acme,2",
        "anna@example.com,Anna,New,Acme,3",
        "dup@example.com,D,One,Acme,",
        "dup@example.com,D,Two,Other,5",
        "fine@example.com,F,F,Acme,6",
        "a,b,c,d,e,f,g",
        "gus@example.com,Gus,,Acme,8",
        "bad address,Hal,H,Acme,9",
        header=f"{HEADER},phone",
        name="customers.csv",
    )
    person.goto("/issues")
    inspect(person, "issues-inbox")
    expect(page.locator("tr.job", has_text="customers.csv")).to_be_visible()
    rows(page, "E-mail is missing").click()
    inspect(person, "issue-missing-field")
    same = reload_marker(page)
    email = page.get_by_label("E-mail")
    expect(email).to_be_focused()
    page.keyboard.type("bob@example.com")
    page.keyboard.press("Enter")
    expect(message(page)).to_contain_text("Row 1 is corrected. One of this kind is left.")
    expect(page.get_by_label("Last name")).to_be_focused()
    page.keyboard.type("G")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/console/issues?*job={job}*")
    expect(message(page)).to_contain_text("Row 8 is corrected.")
    assert not same(), "at the end of a kind the inbox is a page of its own"

    rows(page, "2 rows have this e-mail").click()
    inspect(person, "issue-duplicates")
    expect(page.locator(".compare mark")).to_have_count(6)
    page.get_by_role("button", name="Keep row 5").click()
    expect(message(page)).to_contain_text("Row 5 is kept; the others are discarded.")

    rows(page, "There is a contact with this e-mail").click()
    inspect(person, "issue-existing")
    expect(page.locator(".compare mark")).to_have_text(["New", "Old"])
    page.get_by_role("button", name="Update the contact").click()
    expect(message(page)).to_contain_text("Row 3 will update the contact.")

    rows(page, "Invalid email").first.click()
    inspect(person, "issue-email")
    page.get_by_role("button", name="Use carl@example.com and save").click()
    expect(message(page)).to_contain_text("Row 2 is corrected.")
    expect(page.get_by_label("E-mail")).to_have_value("bad address")
    expect(page.get_by_role("button", name="Use ")).to_have_count(0)
    page.get_by_label("E-mail").fill("still bad")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("E-mail")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("E-mail")).to_have_value("still bad")
    expect(page.get_by_label("E-mail")).to_be_focused()
    inspect(person, "issue-faults")
    page.get_by_text("Discard…").click()
    page.get_by_label("Comment").fill("no address at all")
    page.get_by_role("button", name="Yes, discard").click()
    expect(message(page)).to_contain_text("Row 9 is discarded.")

    rows(page, "The row has 7 cells").click()
    inspect(person, "issue-unreadable")
    expect(page.locator(".raw pre")).to_have_text("a,b,c,d,e,f,g")
    for label, value in (("E-mail", "z@example.com"), ("First name", "Z"), ("Last name", "Zed")):
        page.get_by_label(label).fill(value)
    page.get_by_label("Company").fill("Zoo")
    page.get_by_role("button", name="Save").click()
    expect(message(page)).to_contain_text("Row 7 is corrected.")
    expect(page.get_by_text("Every issue of this import is decided.")).to_be_visible()
    inspect(person, "issues-ready")
    page.get_by_role("button", name="Reprocess the import now").click()
    expect(page.get_by_role("button", name="See what came of it")).to_be_visible()
    assert mine.settled(job)["state"] == "completed"
    assert mine.contacts() == {
        "anna@example.com": "New, Acme",
        "bob@example.com": "B, Acme",
        "carl@example.com": "C, Acme",
        "dup@example.com": "Two, Other",
        "fine@example.com": "F, Acme",
        "gus@example.com": "G, Acme",
        "z@example.com": "Zed, Zoo",
    }
    person.goto("/issues?state=resolved")
    inspect(person, "issues-decided")
    expect(page.get_by_role("cell", name="discarded · no address at all")).to_be_visible()
    page.locator("tr", has_text="no address at all").locator("a").click()
    expect(page.get_by_text("no address at all").first).to_be_visible()
    expect(page.locator(".history li").first).to_contain_text(person.email)


def test_records_of_feedback_are_corrected_one_after_the_other(visit: Visit) -> None:
    person = visit("analyst")
    page = person.page
    with person.box.client() as client:
        records: list[Json] = [
            ticket(1),
            {"id": "T-90", "summary": " ", "vip": 1.50, "closed": True, "tags": ["a"]},
            {"id": "T-91"},
            {"id": "T-92"},
        ]
        job = post_tickets(client, records, params={"mode": "partial"})["job_id"]
        wait_job(client, job)
        person.goto(f"/issues?job={job}")
        rows(page, "There is no text").first.click()
        same = reload_marker(page)
        expect(page.get_by_label("Summary")).to_be_focused()
        page.keyboard.type("The delivery was terrible")
        page.get_by_label("vip").fill("many")
        page.keyboard.press("Enter")
        expect(page.locator(".fault")).to_have_text("This has to be a number, such as 12 or 3.5.")
        expect(page.get_by_label("vip")).to_be_focused()
        page.get_by_label("vip").fill("2.50")
        page.get_by_label("closed").select_option("false")
        page.get_by_label("tags").fill('["a", "b"]')
        inspect(person, "issue-record")
        page.get_by_role("button", name="Save and go to the next").click()
        expect(message(page)).to_contain_text("Row 2 is corrected. 2 of this kind are left.")
        expect(page.get_by_label("Summary")).to_be_focused()
        page.get_by_role("button", name="Try again as it is").click()
        expect(page.get_by_role("alert")).to_contain_text("The record has to be corrected first")
        page.get_by_text("Discard…").click()
        page.get_by_role("button", name="Yes, discard").click()
        expect(message(page)).to_contain_text("Row 3 is discarded. One of this kind is left.")
        assert same(), "nothing was loaded anew"
        page.get_by_label("Description").fill("good")
        page.get_by_role("button", name="Save").click()
        expect(message(page)).to_contain_text("Row 4 is corrected.")
        until(lambda: client.get("/api/tickets/T-92").status_code == 200, "the last is analysed")
        found = client.get("/api/tickets/T-90").json()
        assert found["sentiment"] == "negative"
        assert found["extra"] == {"vip": 2.5, "closed": False, "tags": ["a", "b"]}
        assert client.get("/api/tickets/T-91").status_code == 404
        last = client.get(f"/v1/jobs/{job}/records?payload=true").json()["records"][3]["payload"]
        assert last == {"id": "T-92", "description": "good"}, "what nobody typed is not there"


def test_of_two_who_edit_at_once_neither_loses_what_they_typed(visit: Visit) -> None:
    one = visit("uploader", "editor")
    mine = desk(one)
    job = mine.upload("x,Anna,Lee,Acme", "y,Ben,Lee,Acme")
    issue = mine.issues(job)[0]["id"]
    two = one.context.new_page()
    one.watch(two)
    for page in (one.page, two):
        page.goto(f"/console/issues/{issue}")
    two.get_by_label("E-mail").fill("theirs@example.com")
    two.get_by_label("Company").fill("Their company")
    two.get_by_role("button", name="Save").click()
    expect(two.locator("#messages")).to_contain_text("Row 1 is corrected.")

    page = one.page
    page.get_by_label("E-mail").fill("mine@example.com")
    page.get_by_label("Last name").fill("Mine")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Somebody else changed this meanwhile")
    expect(page.get_by_label("E-mail")).to_have_value("mine@example.com")
    expect(page.get_by_label("Last name")).to_have_value("Mine")
    expect(page.get_by_label("Company")).to_have_value("Their company")
    expect(page.get_by_role("radio", name="Theirs: theirs@example.com")).to_be_visible()
    inspect(one, "issue-conflict")
    page.get_by_role("radio", name="Theirs: theirs@example.com").check()
    page.get_by_role("button", name="Save").click()
    expect(message(page)).to_contain_text("Row 1 is corrected.")
    row = mine.client.get(f"/v1/jobs/{job}/records?payload=true").json()["records"][0]["payload"]
    assert {name: row[name] for name in HEADER.split(",")} == {
        "email": "theirs@example.com",
        "first_name": "Anna",
        "last_name": "Mine",
        "company": "Their company",
    }
    page.goto(f"/console/issues/{issue}")
    expect(page.get_by_role("heading", name="This is decided already")).to_be_visible()
    expect(page.locator(".decided")).to_contain_text(one.email)
    inspect(one, "issue-decided")


def test_an_issue_is_repaired_by_keys_alone(visit: Visit) -> None:
    person = visit("uploader", "editor")
    mine, page = desk(person), person.page
    job = mine.upload("x@@example.com,Anna,Lee,Acme", "y@@example.com,Ben,Lee,Acme")
    person.goto(f"/issues?job={job}")
    page.keyboard.press("j")
    page.keyboard.press("e")
    expect(page.get_by_label("E-mail")).to_be_focused()
    expect(page.get_by_role("button", name="Use x@example.com")).to_be_visible()  # Enter means what is typed
    page.keyboard.press("Control+a")
    page.keyboard.type("anna@example.com")
    page.keyboard.press("Tab")
    expect(page.get_by_label("First name")).to_be_focused()
    page.keyboard.press("Enter")
    expect(message(page)).to_contain_text("Row 1 is corrected.")
    expect(page.get_by_label("E-mail")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("ben@example.com")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Every issue of this import is decided.")).to_be_visible()
    button = page.get_by_role("button", name="Reprocess the import now")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="See what came of it")).to_be_visible()
    expect(page.locator("#main")).to_be_focused()  # not the frame's beginning
    assert set(mine.contacts()) == {"anna@example.com", "ben@example.com"}


def test_without_scripts_issues_are_read_and_repaired(visit: Visit) -> None:
    person = visit("uploader", "editor", java_script_enabled=False)
    mine, page = desk(person), person.page
    job = mine.upload("x,Anna,Lee,Acme", "d@example.com,A,B,C", "d@example.com,A,B,D", ",Eve,Lee,Acme")
    person.goto(f"/issues?job={job}")
    rows(page, "Invalid email").click()
    page.get_by_label("E-mail").fill("nothing")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".fault")).to_be_visible()
    page.get_by_label("E-mail").fill("x@example.com")
    page.get_by_role("button", name="Save").click()
    expect(message(page)).to_contain_text("Row 1 is corrected.")
    rows(page, "2 rows have this e-mail").click()
    page.get_by_role("button", name="Keep the most complete").click()
    expect(message(page)).to_contain_text("The most complete row is kept")
    rows(page, "E-mail is missing").click()
    page.get_by_text("Discard…").click()
    page.get_by_role("button", name="Yes, discard").click()
    page.get_by_role("button", name="Reprocess the import now").click()
    assert mine.settled(job)["state"] == "completed"
    assert mine.contacts() == {"x@example.com": "Lee, Acme", "d@example.com": "B, C"}


def test_hostile_content_lies_still(visit: Visit) -> None:
    person = visit("uploader", "editor")
    mine, page = desk(person), person.page
    columns = [f"c{number}" for number in range(190)]
    names = ",".join(
        [HEADER, *columns, *(f'"{each}"'.replace("\"'", "'") for each in ("<b>k</b>", "\u202ek"))]
    )
    cells = ['"' + each.replace('"', '""') + '"' for each in HOSTILE]
    filler = ",".join(itertools.islice(itertools.cycle(cells), 192))
    job = mine.upload(
        f"{cells[0]},{cells[1]},{cells[2]},{cells[3]},{filler}",
        f"d@example.com,{cells[0]},{cells[1]},{cells[2]},{filler}",
        f"d@example.com,{cells[3]},{cells[1]},{cells[2]},{filler}",
        header=names,
        name="<img src=x onerror=alert(1)>\u202e.csv",
    )
    page.set_viewport_size(NARROW)
    found = mine.issues(job)
    for path in (f"/issues?job={job}", *(f"/issues/{each['id']}" for each in found)):
        assert person.goto(path) == 200
        assert overflow(page) <= 0, path
        assert page.locator("main script, main img").count() == 0
        assert page.locator("main h1").count() == 1
        assert page.title() != "x"
    duplicate = next(each for each in found if each["code"] == "duplicate_email")
    comment = {"action": "discard", "comment": HOSTILE[0] + HOSTILE[1] + "w" * 1_500}
    mine.client.post(f"/v1/issues/{duplicate['id']}/resolve", json=comment).raise_for_status()
    person.goto(f"/issues/{duplicate['id']}")
    expect(page.locator("blockquote")).to_contain_text("<script>")
    expect(page.locator("blockquote .unseen").first).to_have_text("U+202E")
    assert overflow(page) <= 0
    person.shot("issue-hostile")
    invalid = next(each for each in found if each["code"] != "duplicate_email")
    person.goto(f"/issues/{invalid['id']}")
    page.get_by_label("E-mail").fill("<script>alert(1)</script>")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("E-mail")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("E-mail").fill("plain@example.com")
    page.get_by_role("button", name="Save").click()
    expect(message(page)).to_contain_text("is corrected")
    row = mine.client.get(f"/v1/records/{invalid['record']}").json()["payload"]
    kept = [value for name, value in row.items() if name not in ("email", "_row")]
    assert kept == [*HOSTILE[1:4], *itertools.islice(itertools.cycle(HOSTILE), 192)], (
        "as they were, all of them"
    )


def test_five_hundred_rows_with_one_address(visit: Visit) -> None:
    person = visit("uploader", "editor")
    mine, page = desk(person), person.page
    job = mine.upload(*(f"same@example.com,A,Row {number},C" for number in range(1, 501)))
    person.goto(f"/issues/{mine.issue(job, 'duplicate_email')}")
    expect(page.get_by_text("20 of 500 rows are shown.")).to_be_visible()
    page.get_by_role("link", name="Further rows").click()
    expect(page.get_by_role("button", name="Keep row 21")).to_be_visible()
    page.get_by_role("button", name="Keep row 33").click()
    expect(message(page)).to_contain_text("Row 33 is kept; the others are discarded.")
    page.get_by_role("button", name="Reprocess the import now").click()
    expect(page.get_by_role("button", name="See what came of it")).to_be_visible()
    assert mine.contacts() == {"same@example.com": "Row 33, C"}


# What needs no browser.


@pytest.fixture
def editor(box: BoxProcess) -> Iterator[tuple[httpx2.Client, Desk, str]]:
    email = new_user(box, "uploader", "editor")
    with closing(signed_in(box, email=email)) as client:
        yield client, Desk(box, email), email


def seen(text: str) -> dict[str, str]:
    """The hidden fields of the repair form of a page, by a browser's rules for this little."""
    import html
    import re

    form = text[text.index('<form class="repair') :]
    form = form[: form.index("</form>")]
    found = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form))
    found |= dict(re.findall(r'<textarea name="(w\d+)" hidden>\n(.*?)</textarea>', form, re.DOTALL))
    return {name: html.unescape(value) for name, value in found.items()}


def test_each_sees_and_decides_what_their_role_allows(box: BoxProcess) -> None:
    email = new_user(box, "uploader", "analyst")
    reader = Desk(box, email)
    job = reader.upload("x,Anna,Lee,Acme", "d@example.com,A,B,C", "d@example.com,A,B,D")
    issue = reader.issue(job, "invalid_email")
    with closing(signed_in(box, email=email)) as client:
        page = client.get(f"/console/issues/{issue}").text
        assert "Deciding about it needs the role editor" in page
        assert 'name="do"' not in page
        inbox = client.get("/console/issues").text
        assert f'/console/issues/{issue}"' in inbox
        assert "Repair all of these" not in inbox
        answer = client.post(f"/console/issues/{issue}", data={"do": "discard", "etag": '"x"'})
        assert answer.status_code in (403, 412)
        etag = reader.client.get(f"/v1/issues/{issue}").headers["etag"]
        answer = client.post(f"/console/issues/{issue}", data={"do": "discard", "etag": etag})
        assert answer.status_code == 403
        assert client.post(f"/console/issues/{issue}", data={"do": "discard"}).status_code == 400
        assert client.post(f"/console/issues/{issue}", data={"do": "x", "etag": etag}).status_code == 400
        foreign = {"Origin": "https://elsewhere.example"}
        refused = client.post(f"/console/issues/{issue}", data={"do": "discard"}, headers=foreign)
        assert refused.status_code == 403
    for roles, workspace in ((("editor",), "default"), ((), "elsewhere")):
        with closing(signed_in(box, *roles, workspace=workspace)) as other:
            assert other.get(f"/console/issues/{issue}").status_code == 404
            assert other.get(f"/console/issues?job={job}").status_code == 404
            data = {"do": "discard", "etag": etag}
            assert other.post(f"/console/issues/{issue}", data=data).status_code == 404
            assert other.post("/console/issues/reprocess", data={"job": job}).status_code == 404
            assert f'/console/issues/{issue}"' not in other.get("/console/issues").text
    with closing(signed_in(box)) as administrator:
        assert administrator.get(f"/console/issues/{issue}").status_code == 404
        assert administrator.get(f"/console/issues/{issue}?all=true").status_code == 200
        assert f"/console/issues/{issue}?all=true" in administrator.get("/console/issues?all=true").text
        data = {"do": "discard", "etag": etag, "at": "1"}
        done = administrator.post(f"/console/issues/{issue}?all=true", data=data)
        assert done.status_code == 303
        assert "all=true" in done.headers["location"]
    with closing(signed_in(box, "ingest")) as machine:
        assert machine.get("/console/issues").status_code == 403


def test_the_state_that_was_seen_is_what_is_changed(editor: tuple[httpx2.Client, Desk, str]) -> None:
    client, mine, _ = editor
    job = mine.upload("x,Anna,Lee,Acme", "y,Ben,Lee,Acme")
    first, second = (each["id"] for each in mine.issues(job))
    given = seen(client.get(f"/console/issues/{first}").text)
    number = next(name[1:] for name, value in given.items() if value == "email" and name.startswith("n"))
    row = given["row"]
    mine.client.put(f"/staging/{row}", json={"staging_company": "Other"}).raise_for_status()
    typed = {**given, f"v{number}": "x@example.com", "do": "save"}
    answer = client.post(f"/console/issues/{first}", data=typed)
    assert answer.status_code == 412
    assert "Somebody else changed this meanwhile" in answer.text
    assert 'value="x@example.com"' in answer.text
    assert 'value="Other"' in answer.text
    fresh = seen(answer.text)
    assert fresh["retag"] != given["retag"]
    done = client.post(
        f"/console/issues/{first}", data={**fresh, f"v{number}": "x@example.com", "do": "save"}
    )
    assert done.status_code == 303, done.text
    assert done.headers["location"].startswith(f"/console/issues/{second}?")
    stored = mine.client.get(f"/staging/{row}").json()
    assert (stored["staging_email"], stored["staging_company"]) == ("x@example.com", "Other")

    given = seen(client.get(f"/console/issues/{second}").text)
    mine.client.post(f"/v1/issues/{second}/resolve", json={"action": "discard"}).raise_for_status()
    answer = client.post(f"/console/issues/{second}", data={**given, "do": "discard"})
    assert answer.status_code == 409
    assert "This is decided already" in answer.text
    assert "discarded" in answer.text


def test_a_form_whose_answer_was_lost_is_sent_again(editor: tuple[httpx2.Client, Desk, str]) -> None:
    client, mine, _ = editor
    job = mine.upload("x,Anna,Lee,Acme", "y,Ben,Lee,Acme", "z,Cy,Lee,Acme")
    first, second, third = (each["id"] for each in mine.issues(job))
    sent = filled(client, first, "email", "a@example.com")
    for _ in range(3):
        answer = client.post(f"/console/issues/{first}", data=sent)
        assert answer.status_code == 303, "it is stored already, and nobody else changed anything"
        assert answer.headers["location"].startswith(f"/console/issues/{second}?")
    # What somebody gave up meanwhile is not stored, though it is what was typed.
    sent = filled(client, second, "email", "b@example.com")
    assert client.post(f"/console/issues/{second}", data=sent).status_code == 303
    mine.client.put(f"/staging/{sent['row']}", json={"staging_status": "DISCARD"}).raise_for_status()
    answer = client.post(f"/console/issues/{second}", data=sent)
    assert (answer.status_code, "Somebody else changed this" in answer.text) == (409, True)
    assert mine.client.get(f"/staging/{sent['row']}").json()["staging_status"] == "DISCARD"
    # In an import that was cancelled nothing can be chosen any more.
    sent = filled(client, third, "email", "c@example.com")
    mine.client.post(f"/v1/jobs/{job}/cancel").raise_for_status()
    answer = client.post(f"/console/issues/{third}", data=sent)
    assert answer.status_code == 409
    assert "This is decided already" in answer.text
    assert "c@example.com" in answer.text
    assert "save again" not in answer.text
    assert "can still be changed" not in answer.text


def filled(client: httpx2.Client, issue: str, name: str, value: str) -> dict[str, str]:
    """What the form of an issue sends once a field is filled in."""
    given = seen(client.get(f"/console/issues/{issue}").text)
    number = next(key[1:] for key, field in given.items() if field == name and key.startswith("n"))
    return {**given, f"v{number}": value, "do": "save"}


@pytest.mark.parametrize("value", ["1e999", "-1E+4000", "[" * 64 + "]" * 64])
def test_values_that_the_box_does_not_take_are_told_beside_all_that_was_typed(
    box: BoxProcess, value: str
) -> None:
    email = new_user(box, "ingest", "analyst", workspace=f"values-{next(_numbers)}")
    mine = Desk(box, email)
    records = [{"id": "A", "summary": " ", "score": 7, "inner": [1]}, ticket(2)]
    answer = mine.client.post("/api/data-ingest?mode=partial", json={"records": records})
    wait_job(mine.client, answer.json()["job_id"])
    (issue,) = (each["id"] for each in mine.client.get("/v1/issues").json()["issues"])
    with closing(signed_in(box, email=email)) as client:
        sent = filled(client, issue, "summary", "It was late")
        field = "inner" if value.startswith("[") else "score"
        number = next(key[1:] for key, name in sent.items() if key.startswith("n") and name == field)
        page = client.post(f"/console/issues/{issue}", data={**sent, f"v{number}": value})
        assert page.status_code in (400, 422)
        assert 'value="It was late"' in page.text
        assert value in page.text
        assert client.post(f"/console/issues/{issue}", data=sent).status_code == 303


def test_a_field_that_nobody_touched_stays_as_it_is(editor: tuple[httpx2.Client, Desk, str]) -> None:
    client, mine, _ = editor
    odd = '"line one\nline two\ttab "'
    job = mine.upload(f"x,Anna,Lee,Acme,{odd}", header=f"{HEADER},note")
    issue = mine.issues(job)[0]["id"]
    given = seen(client.get(f"/console/issues/{issue}").text)
    values = {
        f"v{name[1:]}": value.replace("\n", "\r\n") for name, value in given.items() if name.startswith("w")
    }
    number = next(name[1:] for name, value in given.items() if value == "email" and name.startswith("n"))
    sent = {**given, **values, f"v{number}": "x@example.com", "do": "save"}
    assert client.post(f"/console/issues/{issue}", data=sent).status_code == 303
    row = mine.client.get(f"/v1/jobs/{job}/records?payload=true").json()["records"][0]["payload"]
    assert (row["note"], row["email"]) == ("line one\nline two\ttab ", "x@example.com")


def test_while_the_import_is_worked_on_nothing_is_lost(editor: tuple[httpx2.Client, Desk, str]) -> None:
    client, mine, _ = editor
    job = mine.upload("x,Anna,Lee,Acme")
    issue = mine.issues(job)[0]["id"]
    given = seen(client.get(f"/console/issues/{issue}").text)
    number = next(name[1:] for name, value in given.items() if value == "email" and name.startswith("n"))
    mine.client.delete(f"/v1/jobs/{job}")
    mine.client.post(f"/v1/jobs/{job}/cancel").raise_for_status()
    answer = client.post(
        f"/console/issues/{issue}", data={**given, f"v{number}": "typed@example.com", "do": "save"}
    )
    assert answer.status_code == 409
    assert "typed@example.com" in answer.text
    again = client.post("/console/issues/reprocess", data={"job": job})
    assert again.status_code == 409
    assert "cancelled" in again.text


def test_two_windows_that_press_at_once_make_one_decision(editor: tuple[httpx2.Client, Desk, str]) -> None:
    client, mine, _ = editor
    job = mine.upload(*(f"d{number}@example.com,A,{name},C" for number in range(8) for name in "BDE"))

    def keep(issue: str, row: str, etag: str) -> int:
        data = {"do": "keep", "row": row, "etag": etag, "at": "1"}
        return client.post(f"/console/issues/{issue}", data=data).status_code

    with ThreadPoolExecutor(2) as both:
        for each in mine.issues(job):
            first, second, _third = (record["id"] for record in each["first"])
            etag = mine.client.get(f"/v1/issues/{each['id']}").headers["etag"]
            pressed = [both.submit(keep, each["id"], row, etag) for row in (first, second)]
            answers = sorted(press.result() for press in pressed)
            assert answers[0] == 303
            assert answers[1] in (409, 412)
    states = [each["state"] for each in mine.client.get(f"/v1/jobs/{job}/records").json()["records"]]
    for start in range(0, 24, 3):
        assert sorted(states[start : start + 3]) == ["discarded", "discarded", "pending"]


def test_the_inbox_is_filtered_and_goes_on(editor: tuple[httpx2.Client, Desk, str]) -> None:
    client, mine, _ = editor
    job = mine.upload(*(f"x{number},A,B,C" for number in range(60)), ",A,B,C")
    everything = client.get("/console/issues").text
    assert everything.count("data-row") == 6, "five of a kind"
    assert "55 more" in everything
    of_kind = client.get(f"/console/issues?job={job}&code=invalid_email").text
    assert of_kind.count("data-row") == 50
    assert 'rel="next"' in of_kind
    chosen = [each["id"] for each in mine.issues(job)[:2]]
    many = client.post("/console/issues/bulk", data={"issue": chosen})
    assert (many.status_code, "2 issues are chosen" in many.text) == (200, True)
    named = client.get("/console/issues", params={"code": "A field is missing"}).text
    assert named.count("data-row") == 1
    assert "Nothing fits these filters" in client.get("/console/issues?code=nothing").text
    assert "Nothing fits these filters" in client.get("/console/issues?family=feedback&code=x").text
    assert client.get("/console/issues?cursor=x").status_code == 400
    assert client.get("/console/issues/999999").status_code == 404
    assert client.get("/console/issues/x").status_code == 404
