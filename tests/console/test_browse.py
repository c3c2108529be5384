"""Tables of what families have: found, narrowed down, paged, taken along, and each object on a page."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from playwright.sync_api import Page, expect

from ingestbox import samples
from ingestbox.spreadsheet import guarded, unguarded
from tests.console.conftest import Visit
from tests.console.support import PASSWORD, Person, inspect, new_user, signed_in
from tests.harness import PATIENCE, BoxProcess, post_tickets, ticket, until, wait_job

HEADER = "email,first_name,last_name,company"
HOSTILE = (
    "<script>window.bad = 1</script>",
    "<img src=x onerror=window.bad=1>",
    "\"'><svg/onload=window.bad=1>",
    "{{ 7 * 7 }}",
    "javascript:window.bad=1",
    "\u202eevil\u202c",
    '=HYPERLINK("http://x")',
    "W" * 10_000,
    "a&b=c#d?e%2F%00",
)
ROWS = 130

_files = itertools.count(1)


class Owner:
    """A user of the console who also has a program: what it imports is theirs."""

    def __init__(self, box: BoxProcess, *roles: str, workspace: str = "default") -> None:
        self.box = box
        self.email = new_user(box, *roles, workspace=workspace)
        self.console = signed_in(box, email=self.email)
        self.console.headers["Connection"] = "close"  # nothing to close at the end
        self.console.get("/console/browse/nothing")
        given = {"email": self.email, "password": PASSWORD}
        login = httpx2.post(f"{box.url}/api/auth/login", json=given, trust_env=False, verify=False)
        token = login.raise_for_status().json()["access_token"]
        self.api = httpx2.Client(
            base_url=box.url,
            headers={"Authorization": f"Bearer {token}", "Connection": "close"},
            timeout=PATIENCE,
            trust_env=False,
            verify=False,
        )

    def imported(self, *rows: tuple[str, ...]) -> int:
        """The job of a file with these rows, at its end."""
        out = io.StringIO()
        csv.writer(out).writerows([HEADER.split(","), *rows])
        files = {"file": (f"people-{next(_files)}.csv", out.getvalue().encode())}
        job: int = self.api.post("/jobs/upload", files=files).raise_for_status().json()["job_id"]
        until(lambda: self.api.get(f"/jobs/{job}").json()["job_status"] == "COMPLETED", "it is imported", 90)
        return job

    def table(self, path: str) -> httpx2.Response:
        """A page of the console."""
        return self.console.get(f"/console/browse/{path}")


def people(count: int, start: int = 0) -> list[tuple[str, ...]]:
    return [
        (f"p{n}@example{n % 7}.com", f"Anna{n % 5}", f"Lee {n}", f"Company {n % 9} GmbH")
        for n in range(start, start + count)
    ]


@pytest.fixture(scope="module")
def owner(box: BoxProcess) -> Owner:
    """Somebody with ROWS contacts, and a workspace with the sample tickets."""
    found = Owner(box, workspace="full")
    found.imported(*people(ROWS))
    (sample,) = samples.SAMPLES
    for _, body in samples.bodies(sample):
        answer = found.api.post(sample.path, content=body, headers={"content-type": "application/json"})
        wait_job(found.api, answer.raise_for_status().json()["job_id"], 90)
    return found


def signed(visit: Visit, owner: Owner, **options: Any) -> Person:
    """A window of the owner's."""
    person = visit(None, **options)
    person.email = owner.email
    return person.sign_in()


def query_of(person: Person) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(person.page.url).query).items()}


def first_cells(person: Person) -> list[str]:
    return person.page.locator("table[data-view] tbody th").all_inner_texts()


def heads(page: Page) -> list[str]:
    return page.locator("table[data-view] thead th").all_inner_texts()


def headings(text: str) -> list[str]:
    return re.findall(r'<th scope="col"[^>]*>([^<]+)</th>', text.partition("data-view")[2])


def lines(text: str) -> list[list[str]]:
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text[1:], newline="")))


# In the browser.


def test_from_a_search_to_one_contact_and_back(visit: Visit, owner: Owner) -> None:
    person = signed(visit, owner)
    page = person.page
    page.get_by_role("link", name="Contacts").first.click()
    expect(page.get_by_text(f"{ROWS} contacts", exact=True)).to_be_visible()
    inspect(person, "browse-contacts")
    page.get_by_label("Search").fill("gmbh")
    page.get_by_label("Search").press("Enter")
    page.wait_for_url(lambda url: "q=gmbh" in url)
    assert query_of(person) == {"q": "gmbh"}  # what is not filled in is not in the address
    page.get_by_role("link", name=re.compile(r"^Company 3 GmbH 15$")).click()
    expect(page.get_by_text("15 contacts", exact=True)).to_be_visible()
    page.get_by_role("link", name="Remove Company: Company 3 GmbH").click()
    expect(page.get_by_text(f"{ROWS} contacts", exact=True)).to_be_visible()
    page.locator(".picker summary").click()
    page.locator(".picker").get_by_label("First name").uncheck()
    page.locator(".picker").get_by_label("Added").uncheck()
    page.get_by_role("button", name="Show these").click()
    page.wait_for_url(lambda url: "columns=" in url)
    assert heads(page) == ["E-mail", "Last name", "Company"]
    before = first_cells(person)
    page.get_by_role("button", name="Next page").click()
    page.wait_for_url(lambda url: "cursor=" in url)
    second, address = first_cells(person), page.url
    assert not set(before) & set(second)
    assert query_of(person)["q"] == "gmbh"
    page.locator("tr[data-row] th a").nth(3).click()
    expect(page.get_by_role("heading", name="Where it came from")).to_be_visible()
    expect(page.locator("dd", has_text=second[3]).first).to_be_visible()
    inspect(person, "browse-contact")
    page.go_back()
    page.wait_for_url(address)
    assert (first_cells(person), heads(page)[1]) == (second, "Last name")
    page.get_by_role("button", name="Back to the start").click()
    page.wait_for_url(lambda url: "cursor=" not in url)
    assert first_cells(person) == before
    # Picked columns are remembered; an address that names some wins.
    person.goto("/browse/contacts")
    page.wait_for_url(lambda url: "columns=" in url)
    assert heads(page) == ["E-mail", "Last name", "Company"]
    person.goto("/browse/contacts?columns=contact_company")
    assert heads(page) == ["Company"]
    page.locator(".picker summary").click()
    page.get_by_role("link", name="As it was").click()
    page.wait_for_url(lambda url: "columns=" not in url)
    assert len(heads(page)) == 5


def test_the_keyboard_goes_through_the_rows(visit: Visit, owner: Owner) -> None:
    page = signed(visit, owner).page
    page.goto("/console/browse/contacts")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("tr[data-row] th a").nth(1)).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Where it came from")).to_be_visible()
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile("/console/browse/contacts$"))


def test_tickets_with_their_sentiment_and_what_they_name(visit: Visit, owner: Owner) -> None:
    person = signed(visit, owner)
    page = person.page
    person.goto("/browse/tickets")
    expect(page.locator(".chart-figure canvas").first).to_be_visible()
    inspect(person, "browse-tickets")
    page.get_by_role("link", name=re.compile(r"^Negative \d+$")).first.click()
    page.wait_for_url(lambda url: "sentiment=negative" in url)
    assert set(page.locator("tr[data-row] .badge").all_inner_texts()) >= {"Negative"}
    assert "Positive" not in page.locator("tr[data-row] td:nth-child(3)").all_inner_texts()
    page.get_by_role("link", name=re.compile("Remove Sentiment")).click()
    facet = page.locator(".facet", has_text="Named most").get_by_role("link").first
    expect(facet).to_be_visible()
    count = int(facet.locator(".count").inner_text())
    facet.click()
    page.wait_for_url(lambda url: "entity=" in url and "label=" in url)
    assert page.locator("tr[data-row]").count() == count
    expect(page.get_by_role("link", name=re.compile("^Remove Names: .* \\("))).to_be_visible()
    person.goto("/browse/tickets/HT-1002")
    inspect(person, "browse-ticket")
    mark = page.locator(".said mark").first
    named = mark.inner_text()
    mark.click()
    page.wait_for_url(lambda url: "entity=" in url)
    assert query_of(person)["entity"] == named


def test_everything_can_be_read_without_scripts(visit: Visit, owner: Owner) -> None:
    person = signed(visit, owner, java_script_enabled=False)
    page = person.page
    person.goto("/browse/contacts")
    page.get_by_label("Search").fill("anna1")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("26 contacts", exact=True)).to_be_visible()
    page.locator(".picker summary").click()
    page.locator(".picker").get_by_label("Company").uncheck()
    page.get_by_role("button", name="Show these").click()
    assert "contact_company" not in query_of(person)["columns"]
    assert query_of(person)["q"] == "anna1"
    page.locator("tr[data-row] th a").first.click()
    expect(page.get_by_role("heading", name="What is known")).to_be_visible()
    person.goto("/browse/tickets")
    page.locator(".chart-table summary").first.click()
    expect(page.locator(".chart-table td").first).to_be_visible()


def test_hostile_content_is_inert_and_long_words_stay_inside(visit: Visit, box: BoxProcess) -> None:
    owner = Owner(box, workspace="hostile")
    owner.imported(*((f"h{n}@example.com", bad, bad, bad) for n, bad in enumerate(HOSTILE)))
    records = [
        ticket(n, id=bad[:90], summary=bad, description=bad, comments=[bad], **{bad[:80]: bad})
        for n, bad in enumerate(HOSTILE)
    ]
    wait_job(owner.api, post_tickets(owner.api, records)["job_id"])
    cells = {row[3] for row in lines(owner.table("contacts.csv").text)[1:]}
    assert cells == {guarded(bad) for bad in HOSTILE}
    assert not [each for each in cells if each.startswith(("=", "+", "-", "@"))]
    person = signed(visit, owner)
    page = person.page
    for name, path in (("contacts", "contacts"), ("tickets", "tickets")):
        person.goto(f"/browse/{path}")
        assert page.locator("tr[data-row]").count() == len(HOSTILE)
        inspect(person, f"browse-hostile-{name}")
        hrefs = page.locator("tr[data-row] th a").evaluate_all(
            "all => all.map(each => each.getAttribute('href'))"
        )
        for href in hrefs:
            answer = owner.console.get(href)
            assert answer.status_code == 200, href
            main = answer.text.partition("<main")[2].partition("</main>")[0]
            assert "Where it came from" in main
            assert not re.search("<script|<img|<svg", main)
        for n in (0, 2):  # an element that loads, and an attribute that ends
            page.goto(hrefs[-1 - n])
            expect(page.get_by_role("heading", name="Where it came from")).to_be_visible()
        page.goto(hrefs[-8])  # the long word
        inspect(person, f"browse-hostile-{name}-one")
        assert page.evaluate("window.bad") is None
    for bad in HOSTILE:
        for name in ("q", "company", "entity"):
            path = f"{'tickets' if name == 'entity' else 'contacts'}?{httpx2.QueryParams({name: bad})}"
            answer = owner.table(path)
            assert answer.status_code in (200, 400), path
            main = answer.text.partition("<main")[2].partition("</main>")[0]
            assert not re.search("<script|<img|<svg", main)
    page.goto(f"/console/browse/contacts?{httpx2.QueryParams({'q': HOSTILE[2], 'company': HOSTILE[1]})}")
    assert page.evaluate("window.bad") is None


def test_empty_pages_say_what_to_do(visit: Visit, box: BoxProcess, owner: Owner) -> None:
    person = visit(workspace="nothing-yet")
    page = person.page
    for name in ("contacts", "tickets"):
        person.goto(f"/browse/{name}")
        expect(page.get_by_role("heading", name=f"There are no {name} yet")).to_be_visible()
        inspect(person, f"browse-empty-{name}")
        sample = page.get_by_role("button", name="Get the sample file").get_attribute("href")
        assert page.request.get(str(sample)).status == 200
        assert "curl" in page.locator(".empty code").inner_text()
    mine = signed(visit, owner)
    mine.goto("/browse/contacts?q=nobody&since=2026-01-01&company=None")
    expect(mine.page.get_by_role("heading", name="Nothing fits")).to_be_visible()
    inspect(mine, "browse-nothing-fits")
    mine.page.locator(".empty").get_by_role("link", name=re.compile("Remove Company")).click()
    assert query_of(mine) == {"q": "nobody", "since": "2026-01-01"}


# Without a browser.


def rows_of(text: str) -> list[str]:
    return re.findall(r'<tr data-row data-href="([^"]+)"', text)


def test_a_twin_is_what_the_table_shows(owner: Owner) -> None:
    for path in (
        "contacts?q=anna1",
        "contacts?company=company+3+gmbh&columns=contact_company,contact_email",
        "contacts?q=nobody",
        "tickets?sentiment=negative&columns=ticket_id,score,box",
        "tickets?q=delivery",
        "tickets",
    ):
        name, _, query = path.partition("?")
        shown, cursor = [], ""
        while True:
            page = owner.table(f"{name}?{query}{cursor}").text
            body = page.partition("data-view")[2]
            cells = re.findall(r'<th scope="row">(.*?)</th>', body)
            shown += [re.sub(r"<[^>]+>", "", cell) for cell in cells]
            following = re.search(r'href="[^"]*[?&;]cursor=([^"&]+)[^"]*" rel="next"', page)
            if following is None:
                break
            cursor = f"&cursor={following[1]}"
        table, objects = (
            lines(owner.table(f"{name}.csv?{query}").text),
            owner.table(f"{name}.json?{query}").json(),
        )
        assert table[0] == headings(page) or not shown
        assert [unguarded(row[0]) for row in table[1:]] == shown
        assert [str(next(iter(each.values()))) for each in objects] == shown
        for row, each in zip(table[1:], objects, strict=True):
            assert row == ["" if value is None else str(value) for value in each.values()]
    link = re.search(
        r'href="(/console/browse/contacts\.csv\?[^"]+)"', owner.table("contacts?q=anna1&cursor=").text
    )
    assert link is not None
    assert len(lines(owner.console.get(link[1].replace("&amp;", "&")).text)) == 27


@pytest.fixture
def writing(box: BoxProcess) -> Iterator[Owner]:
    """Somebody with 3,000 contacts and tickets, who goes on sending, also the same tickets again."""
    owner = Owner(box, workspace="writing")
    owner.imported(*people(3_000))
    for start in range(0, 3_000, 500):
        records = [ticket(n) for n in range(start, start + 500)]
        wait_job(owner.api, post_tickets(owner.api, records)["job_id"], 90)
    over = threading.Event()

    def write() -> None:
        for turn in itertools.count():
            if over.is_set():
                return
            post_tickets(owner.api, [ticket(n) for n in range(turn % 7, 3_000, 61)])
            post_tickets(owner.api, [ticket(10_000 + turn)])
            owner.imported(*people(3, 5_000 + 3 * turn))

    thread = threading.Thread(target=write)
    thread.start()
    yield owner
    over.set()
    thread.join()


def test_a_twin_has_no_row_twice_and_misses_none_while_others_write(writing: Owner) -> None:
    emails = {row[0] for row in people(3_000)}
    ids = {f"T-{n}" for n in range(3_000)}
    for _ in range(3):
        table = [row[0] for row in lines(writing.table("contacts.csv").text)[1:]]
        assert len(table) == len(set(table))
        assert set(table) >= emails
        found = [each["ticket_id"] for each in writing.table("tickets.json?columns=ticket_id").json()]
        assert len(found) == len(set(found))
        assert set(found) >= ids
        late = [row[0] for row in lines(writing.table("tickets.csv?q=delivery").text)[1:]]
        assert len(late) == len(set(late))
        assert set(late) >= ids


def test_nobody_sees_what_is_not_theirs(box: BoxProcess, owner: Owner) -> None:
    (first, *_) = rows_of(owner.table("contacts").text)
    other, stranger = Owner(box, "editor", workspace="full"), Owner(box, workspace="elsewhere")
    analyst = Owner(box, "analyst", workspace="full")
    for each in (other, stranger, analyst):
        assert "There are no contacts yet" in each.table("contacts").text
        assert rows_of(each.table("contacts?q=anna1").text) == []
        assert each.console.get(first).status_code == 404
        assert each.table("contacts.json").json() == []
    assert rows_of(stranger.table("contacts?all=true").text) == []
    assert other.table("contacts?all=true").status_code == 403
    assert other.table("contacts.csv?all=true").status_code == 403
    assert other.table("tickets").status_code == 403
    assert "/console/browse/tickets" not in other.table("contacts").text
    assert stranger.table("tickets/HT-1002").status_code == 404
    assert rows_of(stranger.table("tickets?q=delivery").text) == []
    admin = Owner(box, workspace="full")
    assert rows_of(admin.table("contacts").text) == []
    everybody = admin.table("contacts?all=true")
    assert len(rows_of(everybody.text)) == 50
    assert all("all=true" in each for each in rows_of(everybody.text))
    assert admin.console.get(rows_of(everybody.text)[0].replace("&amp;", "&")).status_code == 200
    assert len(admin.table("contacts.json?all=true").json()) == ROWS
    assert owner.console.get("/console/browse/contacts.xml").status_code == 404
    signed_out = httpx2.get(f"{box.url}/console/browse/contacts.csv", trust_env=False, verify=False)
    assert signed_out.status_code == 303


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("contacts?q=!!!", "q must have a letter or a digit."),
        ("contacts?import=x", "import must be the job_id"),
        ("contacts?since=yesterday", "since must be a date"),
        ("tickets?start_date=2026-02-30", "start_date must be a date"),
        ("tickets?sentiment=bad", "sentiment must be one of"),
        ("tickets?cursor=x", "cursor must be"),
    ],
)
def test_a_filter_that_cannot_be_is_said_beside_it(owner: Owner, path: str, sentence: str) -> None:
    answer = owner.table(path)
    assert answer.status_code == 400
    assert sentence in answer.text.replace("&#39;", "'")
    name, _, value = path.partition("?")[2].partition("=")
    assert name == "cursor" or f'value="{value}"' in answer.text  # what was typed is still there
    twin = owner.table(path.replace("?", ".csv?", 1))
    assert name == "cursor" or (twin.status_code, "text/csv" in twin.headers["content-type"]) == (400, False)


def test_columns_that_are_none_are_passed_over(owner: Owner) -> None:
    def heads(path: str) -> list[str]:
        return headings(owner.table(path).text)

    assert heads("contacts?columns=contact_company,nothing,contact_company") == ["Company"]
    assert heads("contacts?columns=nothing") == heads("contacts")
    assert heads("contacts?columns=") == heads("contacts")
    answer = owner.table("contacts?column=contact_email&column=box&q=anna1&columns=x")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/console/browse/contacts?q=anna1&columns=contact_email%2Cbox",
    )


def test_counts_beside_filters_are_those_of_the_table(owner: Owner) -> None:
    text = owner.table("tickets?q=delivery").text
    facets = text.partition('class="facets"')[2].partition("</section>")[0]
    counts = {
        name: int(count)
        for name, count in re.findall(r'<bdi class="text">([^<]+)</bdi> <span class="count">(\d+)', facets)
    }
    for name in ("Positive", "Neutral", "Negative"):
        found = owner.table(f"tickets.json?q=delivery&sentiment={name.lower()}").json()
        assert counts.get(name, 0) == len(found)
    assert "of all, whatever else is chosen" in facets


def test_a_page_of_a_ticket_says_where_it_came_from(box: BoxProcess) -> None:
    owner = Owner(box, workspace="from")
    record = ticket(1, id="a/b?c#d %41", summary="It was late in Berlin", kept={"a": [1]})
    job = post_tickets(owner.api, [record])["job_id"]
    wait_job(owner.api, job)
    (href,) = rows_of(owner.table("tickets").text)
    page = owner.console.get(href)
    assert page.status_code == 200
    record_id = owner.api.get("/api/tickets/a%2Fb%3Fc%23d%20%2541").json()["record_id"]
    for part in (f"/console/records/{record_id}", f"/console/jobs/{job}", owner.email, "Berlin</mark>"):
        assert part in page.text
    assert "{&#34;a&#34;:[1]}" in page.text
    again = post_tickets(owner.api, [{**record, "summary": "It was late again"}])["job_id"]
    wait_job(owner.api, again)
    assert f"/console/jobs/{again}" in owner.console.get(href).text


def test_entities_that_are_not_where_they_are_said_to_be_are_not_marked() -> None:
    from ingestbox.console.object import Piece, _pieces
    from ingestbox.families.feedback.view import TICKETS

    spans = TICKETS.item.spans
    assert spans is not None

    def span(text: str, start: int, end: int, field: str = "summary") -> dict[str, Any]:
        return {"text": text, "label": "X", "field": field, "start": start, "end": end}

    wrong = [span("a", -1, 0), span("bcd", 1, 3), span("x", 90, 91), span("ab", 0, 2, "description")]
    right = [span("cd", 2, 4), span("c", 2, 3), span("😀", 4, 5)]
    found = {"entity": "cd", "label": "X"}, {"entity": "😀", "label": "X"}
    assert _pieces("abcd😀e", "summary", spans, [*wrong, *right]) == [
        Piece("ab"),
        Piece("cd", "X", found[0]),
        Piece("😀", "X", found[1]),
        Piece("e"),
    ]


def test_json_twins_are_one_object_a_line(owner: Owner) -> None:
    text = owner.table("contacts.json?q=anna1&columns=contact_email").text
    whole = json.loads(text)
    assert [json.loads(line.rstrip(",")) for line in text.splitlines()[1:-1]] == whole
