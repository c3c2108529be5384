"""Uploads of audience records at the console: on cards, as tables with filters, as files, deleted."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import Visit
from tests.console.repairs import at_the_api
from tests.console.support import NARROW, WIDE, Person, inspect, new_user, overflow, signed_in
from tests.harness import BoxProcess, until

PATH = "/api/audience/batch-upload"
NAMES = (("Văn An", "Nguyễn"), ("Thị Bích", "Trần"), ("Grace", "O'Neill"), ("Anna", "Smith"))
ROWS = 120
HOSTILE = (
    "<script>window.bad = 1</script>",
    "\"'><img src=x onerror=window.bad=1>",
    "{{ 7 * 7 }}",
    "\u202eevil\u202c",
    '=HYPERLINK("http://x")',
    "W" * 5_000,
    "a&b=c#d?e%2F%00",
    " ",
)


def people(count: int = ROWS) -> list[dict[str, Any]]:
    """Records of which every tenth has a free address, every eighth none that is one, and one is a copy."""
    records: list[dict[str, Any]] = []
    for n in range(count):
        first, last = NAMES[n % len(NAMES)]
        email = f"p{n}@gmail.com" if n % 10 == 0 else "no address" if n % 8 == 1 else f"p{n}@firma{n % 3}.vn"
        record = {"business_email": email, "first_name": first, "last_name": last, "note": "Đà Nẵng"}
        records.append(
            {**record, "country": ("VN", "US", "DE")[n % 3], "employees": n * 10, "vip": n % 2 == 0}
        )
    return [*records[:7], dict(records[2]), *records[8:]] if count > 8 else records


class Owner:
    """Somebody with a browser and a program."""

    def __init__(self, box: BoxProcess, client: httpx2.Client, email: str) -> None:
        self.api = client
        self.email = email
        self.console = signed_in(box, email=email)
        self.console.headers["Connection"] = "close"
        self.console.get("/console/grids/nothing")

    def upload(self, name: str, records: list[dict[str, Any]], **query: str) -> str:
        """The id of an upload whose records are all processed."""
        body = {"upload_name": name, "records": records}
        key: str = self.api.post(PATH, json=body, params=query).raise_for_status().json()["upload_id"]

        def done() -> bool:
            job = self.api.get(f"/v1/jobs/{key}").json()
            return job["state"] in ("completed", "review")

        until(done, "it is processed", 90)
        return key

    def page(self, path: str, **query: str) -> httpx2.Response:
        return self.console.get(f"/console/grids/{path}", params=query)


@pytest.fixture(scope="module")
def owner(box: BoxProcess) -> Iterator[Owner]:
    """Somebody with nothing yet."""
    email = new_user(box, "uploader", "editor", workspace="audience")
    with at_the_api(box, email) as client:
        yield Owner(box, client, email)


@pytest.fixture(scope="module")
def key(owner: Owner) -> str:
    """Their upload of `people`."""
    return owner.upload("Hội thảo Đà Nẵng", people())


def window(visit: Visit, owner: Owner, **options: Any) -> Person:
    person = visit(None, **options)
    person.email = owner.email
    return person.enter()


def filter_of(page: Page) -> Any:
    given = parse_qs(urlsplit(page.url).query).get("filter")
    return json.loads(given[0]) if given else None


def one(field: str, op: str, value: object) -> dict[str, object]:
    return {"field": field, "op": op, "value": value}


def main_of(reply: httpx2.Response) -> str:
    return reply.text.partition("<main")[2].partition("</main>")[0]


def rows_of(page: httpx2.Response) -> list[str]:
    """The numbers of the rows of a table."""
    return re.findall(r'class="place">(?:<a [^>]*>)?([\d,]+)', page.text)


def lines(text: str) -> list[list[str]]:
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text[1:], newline="")))


# In the browser.


def test_from_the_first_page_to_what_a_filter_finds(visit: Visit, owner: Owner, key: str) -> None:
    person = window(visit, owner)
    page = person.page
    page.get_by_role("link", name="Audience").first.click()
    page.wait_for_url(re.compile("/console/grids/audience$"))
    expect(page.get_by_role("heading", name="Audience")).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator("[data-row] h2 a")).to_be_focused()
    inspect(person, "audience-cards")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Hội thảo Đà Nẵng")).to_be_visible()
    expect(page.locator("#rows p.fine").first).to_have_text(f"{ROWS} rows")
    expect(page.get_by_role("link", name=re.compile(r"^Duplicates 1$"))).to_be_visible()  # counted after it
    page.locator("td button.pick", has_text="DE").first.click()
    page.wait_for_url(lambda url: "filter=" in url)
    assert filter_of(page) == {"all": [one("country", "=", "DE")]}
    expect(page.locator("#rows p.fine").first).to_have_text("41 rows fit")
    # Another condition, and a group of them, without leaving the page.
    address = page.url
    page.get_by_role("button", name="Add a group").click()
    expect(page.locator(".group .condition-line")).to_have_count(2)
    first, second = page.locator(".group .condition-line").all()
    expect(first.get_by_label("Field")).to_be_focused()
    first.get_by_label("Field").fill("employees")
    first.get_by_label("Comparison").select_option("is at least")
    first.get_by_label("Value").fill("1000")
    second.get_by_label("Field").fill("_free_mail")
    second.get_by_label("Value").fill("true")
    page.get_by_role("button", name="Add a condition").click()
    expect(page.locator("#builder > .condition-line")).to_have_count(2)
    expect(page.locator("#builder > .condition-line").nth(1).get_by_label("Field")).to_be_focused()
    page.get_by_role("button", name="Remove this condition").last.click()
    expect(page.locator("#builder > .condition-line")).to_have_count(1)
    assert page.url == address
    second.get_by_label("Value").press("Enter")
    page.wait_for_url(lambda url: "any" in url)
    assert filter_of(page) == {
        "all": [
            one("country", "=", "DE"),
            {"any": [one("employees", ">=", "1000"), one("_free_mail", "=", "true")]},
        ]
    }
    wanted = [each for n, each in enumerate(people()) if n % 3 == 2 and (n >= 100 or n % 10 == 0)]
    expect(page.locator("#rows p.fine").first).to_have_text(f"{len(wanted)} rows fit")
    inspect(person, "audience-filtered")
    page.locator(".picker summary").click()
    page.locator(".picker").get_by_label("note").uncheck()
    page.get_by_role("button", name="Show these").click()
    page.wait_for_url(lambda url: "columns=" in url)
    assert "note" not in page.locator(".grid-rows thead th").all_inner_texts()
    assert filter_of(page)
    page.locator(".grid-rows tbody th a").first.click()
    expect(page.get_by_role("heading", name="Record")).to_be_visible()
    page.go_back()
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile("/console/grids/audience$"))


def test_all_of_it_works_without_scripts(visit: Visit, owner: Owner, key: str) -> None:
    person = window(visit, owner, java_script_enabled=False)
    page = person.page
    person.goto(f"/grids/audience/{key}")
    page.locator(".filter summary").click()
    page.get_by_role("button", name="Add a condition").click()
    line = page.locator("#builder .condition-line")
    line.get_by_label("Field").fill("first_name")
    line.get_by_label("Comparison").select_option("starts with")
    line.get_by_label("Value").fill("THỊ")
    page.locator("#builder").get_by_role("button", name="Show", exact=True).last.click()
    assert filter_of(page) == {"all": [one("first_name", "starts_with", "THỊ")]}
    expect(page.locator("#rows p.fine").first).to_have_text("30 rows fit")
    page.get_by_role("link", name="Duplicates", exact=True).click()
    expect(page.locator(".grid-rows tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Row 3").click()  # the first that it is a duplicate of
    expect(page.get_by_role("heading", name="Record 3")).to_be_visible()


# Without a browser.


def test_the_table_is_paged_and_its_file_has_what_is_shown(owner: Owner, key: str) -> None:
    found: list[str] = []
    page = owner.page(f"audience/{key}")
    while True:
        found += rows_of(page)
        following = re.search(r'href="([^"]+)" rel="next"', page.text)
        if following is None:
            break
        page = owner.console.get(unescape(following[1]))
    assert found == [str(n + 1) for n in range(ROWS)]
    wanted = json.dumps({"all": [one("country", "=", "VN"), one("_email_valid", "=", False)]})
    columns = json.dumps(["business_email", "_email_valid", "employees"])
    page = owner.page(f"audience/{key}", filter=wanted, columns=columns)
    files = [unescape(each) for each in re.findall(r'href="([^"]+)"[^>]* download', page.text)]
    table, objects = (owner.console.get(each) for each in files)
    assert table.headers["content-type"].startswith("text/csv")
    assert lines(table.text)[0] == ["business_email", "_email_valid", "employees"]
    assert [json.loads(line)["employees"] // 10 + 1 for line in objects.text.splitlines()] == [
        int(each) for each in rows_of(page)
    ]
    assert len(lines(table.text)) == len(rows_of(page)) + 1 > 3


def test_what_cannot_be_asked_is_said_beside_the_form(owner: Owner, key: str) -> None:
    for wrong, says in (
        ("nonsense", "not valid JSON"),
        ('{"all":[{"field":"a","op":"like","value":1}]}', "must be one of"),
        ('{"all":[]}', "must have a condition"),
        ("x" * 9_000, "too long"),
    ):
        page = owner.page(f"audience/{key}", filter=wrong)
        assert page.status_code == 400
        assert says in main_of(page)
        assert 'id="builder"' in page.text
    for field, strange in (("<b>country", True), ("country", False), ("_email", False)):
        wanted = {"all": [one("country", "=", "XX"), {"any": [one(field, "=", "nothing")] * 2}]}
        shown = main_of(owner.page(f"audience/{key}", filter=json.dumps(wanted)))
        assert "Nothing fits" in shown
        assert ("There is no such column:" in shown) == strange
        assert "<b>country" not in shown
    for path in ("nothing", "audience/none", "audience/upl_1_aaaaaaaaa", "audience/none/counts"):
        assert owner.page(path).status_code == 404, path
    for place in ("x", "-1", str(ROWS), "9" * 30):
        assert owner.console.get(f"/console/jobs/{key}/rows/{place}").status_code == 404, place
    assert owner.page("audience", cursor="none").status_code == 400


def test_hostile_content_is_inert_and_thousands_of_columns_are_bounded(
    visit: Visit, owner: Owner, key: str
) -> None:
    records: list[dict[str, Any]] = [
        {"email": f"h{n}@example.com", "text": bad, bad[:90]: bad, "deep": [{bad[:50]: bad}]}
        for n, bad in enumerate(HOSTILE)
    ]
    records.append({"email": "many@example.com", **{f"column {n}": n for n in range(3_000)}})
    hostile = owner.upload(HOSTILE[1][:90], records)
    page = owner.page(f"audience/{hostile}")
    assert len(page.content) < 400_000
    for shown in (page, owner.page("audience"), owner.page(f"audience/{hostile}/remove")):
        assert not re.search("<script|<img|<svg", main_of(shown))
    named = owner.page(f"audience/{hostile}", column="email", named="column 2999")
    columns = json.loads(parse_qs(urlsplit(named.headers["location"]).query)["columns"][0])
    assert columns == ["email", "column 2999"]
    assert ">column 2999</bdi>" in owner.console.get(named.headers["location"]).text
    for bad in HOSTILE[:5]:
        wanted = json.dumps({"all": [one("text", "=", bad)]})
        page = owner.page(f"audience/{hostile}", filter=wanted, columns=json.dumps(["text", bad]))
        assert page.status_code == 200
        assert rows_of(page) == [str(HOSTILE.index(bad) + 1)]
        assert not re.search("<script|<img|<svg", main_of(page))
    person = window(visit, owner)
    person.goto(f"/grids/audience/{hostile}")
    person.page.locator(".picker summary").click()
    person.page.set_viewport_size(NARROW)
    assert overflow(person.page) <= 0
    person.page.set_viewport_size(WIDE)
    person.page.locator("td button.pick", has_text="<script>").first.click()
    person.page.wait_for_url(lambda url: "filter=" in url)
    assert filter_of(person.page) == {"all": [one("text", "=", HOSTILE[0])]}
    expect(person.page.locator(".grid-rows tbody tr")).to_have_count(1)
    assert person.page.evaluate("window.bad") is None


def test_an_upload_that_waits_says_so_and_is_deleted_for_good(owner: Owner, box: BoxProcess) -> None:
    key = owner.upload("Not all right", [*people(5), {"first_name": "Nobody"}], mode="partial")
    card = owner.page("audience").text
    assert "1 open issue" in card
    assert f'href="/console/issues?job={key}"' in card
    page = owner.page(f"audience/{key}")
    assert rows_of(page) == ["1", "2", "3", "4", "5"]
    assert f'href="/console/jobs/{key}"' in page.text
    assert f'href="/console/grids/audience/{key}"' in owner.console.get(f"/console/jobs/{key}").text
    asked = owner.page(f"audience/{key}/remove")
    assert "5 rows go with it" in asked.text
    gone = owner.console.post(f"/console/grids/audience/{key}/remove")
    assert gone.headers["location"] == "/console/grids/audience?said=removed"
    assert "Deleted." in owner.console.get(gone.headers["location"]).text
    assert owner.page(f"audience/{key}").status_code == 404
    assert owner.console.post(f"/console/grids/audience/{key}/remove").status_code == 404


def test_others_see_it_when_they_are_administrators_and_ask(owner: Owner, key: str, box: BoxProcess) -> None:
    colleague = signed_in(box, "analyst", workspace="audience")
    admin = signed_in(box, workspace="audience")
    try:
        assert key not in colleague.get("/console/grids/audience").text
        assert "Everybody" not in colleague.get("/console/grids/audience").text
        for client in (colleague, admin):
            assert client.get(f"/console/grids/audience/{key}").status_code == 403
            assert client.post(f"/console/grids/audience/{key}/remove").status_code == 403
        assert colleague.get("/console/grids/audience?all=true").status_code == 403
        listed = admin.get("/console/grids/audience?all=true").text
        assert f"/console/grids/audience/{key}?all=true" in listed
        page = admin.get(f"/console/grids/audience/{key}?all=true")
        assert len(rows_of(page)) == 50
        place = unescape(re.findall(r'class="place"><a href="([^"]+)"', page.text)[3])
        assert admin.get(admin.get(place).headers["location"]).status_code == 200
    finally:
        colleague.close()
        admin.close()


def test_a_row_that_cannot_be_read_is_repaired_with_its_files_columns(owner: Owner) -> None:
    rows = "Thư điện tử;Thành phố;Công ty\nan@moc.example;Huế;Mộc\nlan@moc.example;Huế;Mộc;x\n".encode()
    taken = owner.console.post("/console/upload/audience", files={"file": ("Lệch.csv", rows, "text/csv")})
    key = taken.headers["location"].rpartition("/")[2]
    until(lambda: owner.api.get(f"/v1/jobs/{key}").json()["state"] == "completed", "it is taken in", 90)
    (issue,) = owner.api.get("/v1/issues", params={"job": key}).json()["issues"]
    form = main_of(owner.console.get(f"/console/issues/{issue['id']}"))
    asked = [unescape(each) for each in re.findall(r'name="n\d+" value="([^"]*)"', form)]
    assert asked[:4] == ["email", "Thành phố", "company_name", "business_email"]
    assert len(asked) == len(set(asked)) == 7
    assert "Personal e-mail" in form


def test_an_empty_page_says_how_to_send_the_first(box: BoxProcess) -> None:
    email = new_user(box, "uploader", workspace="nothing-yet")
    with at_the_api(box, email) as client:
        newcomer = Owner(box, client, email)
        page = newcomer.page("audience").text
        assert "There are no uploads yet" in page
        assert "There are no segments yet" in newcomer.page("segments").text
        command = unescape(re.findall(r"<pre[^>]*><code>(.*?)</code>", page, re.DOTALL)[0])
        sent = json.loads(re.findall(r"-d '(.*)'", command)[0])
        client.post(urlsplit(command.split()[1]).path, json=sent).raise_for_status()
        page = newcomer.page("audience").text
        assert page.count("data-row") == 1
        sample = newcomer.console.get("/console/upload/sample/audience")
        assert sample.status_code == 200
        assert "email" in sample.text.partition("\n")[0]


# Segments.


def saved(owner: Owner, key: str, **form: str) -> httpx2.Response:
    return owner.console.post(f"/console/grids/audience/{key}/save", data=form)


def test_a_segment_is_kept_shown_changed_and_deleted(visit: Visit, owner: Owner, key: str) -> None:
    person = window(visit, owner)
    page = person.page
    wanted = {"all": [one("country", "=", "VN"), one("_email_valid", "=", True)]}
    person.goto(f"/grids/audience/{key}?filter={json.dumps(wanted)}")
    fits = page.locator("#rows p.fine").first.inner_text()
    page.locator(".save summary").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("Việt Nam <b>")
    page.get_by_label("Forwarded").check()
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url(lambda url: "/grids/segments/seg_" in url)
    expect(page.get_by_role("heading", name="Việt Nam <b>")).to_be_visible()
    expect(page.locator(".where")).to_contain_text("country is “VN” and E-mail valid is “true”")
    number = int(fits.split()[0])
    expect(page.locator(".facts.inline")).to_contain_text(str(number))
    page.get_by_role("button", name="Forward it no more").click()
    expect(page.get_by_role("button", name="Have it forwarded")).to_be_visible()
    page.get_by_role("textbox", name="Name", exact=True).fill("Valid in Vietnam")
    page.get_by_role("button", name="Change the name").click()
    expect(page.get_by_role("heading", name="Valid in Vietnam")).to_be_visible()
    page.get_by_role("link", name="Open where it comes from").click()
    expect(page.locator("#rows p.fine").first).to_have_text(fits)
    page.get_by_role("link", name="Segments").first.click()
    expect(page.locator("[data-row]")).to_contain_text("From Hội thảo Đà Nẵng")
    page.get_by_role("link", name="Valid in Vietnam").click()
    table, objects = (
        owner.console.get(str(page.get_by_role("button", name=name, exact=True).get_attribute("href")))
        for name in ("CSV", "NDJSON")
    )
    assert len(lines(table.text)) == len(objects.text.splitlines()) + 1 == number + 1
    page.get_by_role("link", name="Delete …").click()
    page.get_by_role("button", name="Delete for good").click()
    page.wait_for_url(lambda url: "said=removed" in url)
    expect(page.get_by_role("heading", name="There are no segments yet")).to_be_visible()


def test_what_is_wrong_with_a_segment_is_said_and_the_form_is_kept(owner: Owner, key: str) -> None:
    wanted = json.dumps({"any": [one("country", "=", "DE")]})
    refused = saved(owner, key, name=" ", filter=wanted, frozen="true")
    assert refused.status_code == 400
    assert "It was not saved." in refused.text
    assert "41 rows fit" in refused.text
    assert re.search(r'name="frozen" value="true"[^>]* checked', refused.text)
    for bad in ("nonsense", '{"all":[{"field":"a","op":"like","value":1}]}'):
        assert saved(owner, key, name="Bad", filter=bad).status_code == 400
    once = {"name": "Twice", "once": "segment-once", "frozen": "true"}
    first, again = saved(owner, key, **once), saved(owner, key, **once)
    assert first.headers["location"] == again.headers["location"]
    place = urlsplit(first.headers["location"]).path
    assert owner.console.post(f"{place}/change", data={"name": ""}).status_code == 400
    card = owner.page("audience").text
    assert place in card
    assert f'href="{place}"' in owner.page(f"audience/{key}").text
    asked = owner.page(f"audience/{key}/remove").text
    assert "1 list that was saved from it goes too" in asked
    assert owner.console.post(f"{place}/save", data={"name": "x"}).status_code == 404
    assert owner.console.post(f"/console/grids/audience/{key}/change", data={"name": "x"}).status_code == 404
    assert owner.console.post(f"{place}/remove").is_redirect


def test_a_file_is_looked_at_and_becomes_an_upload(owner: Owner) -> None:
    rows = "E-Mail,First name,City\nanna@firma.vn,Anna,Hà Nội\nben@firma.vn,Ben,Huế\n".encode()
    form: dict[str, Any] = {"files": {"file": ("Fair.csv", rows, "text/csv")}}
    assert "Hà Nội" in owner.console.post("/console/upload/audience/preview", **form).text
    taken = owner.console.post("/console/upload/audience", **form)
    key = taken.headers["location"].rpartition("/")[2]
    until(lambda: owner.api.get(f"/v1/jobs/{key}").json()["state"] == "completed", "it is taken in", 90)
    assert f'/console/grids/audience/{key}"' in owner.console.get(f"/console/upload/next/{key}").text
    page = owner.page(f"audience/{key}")
    assert "Fair" in main_of(page)
    assert rows_of(page) == ["1", "2"]
    assert "Huế" in main_of(page)
