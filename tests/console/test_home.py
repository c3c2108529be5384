"""The first page and the page of the box's health: empty, with numbers, with something wrong."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Locator, Page, expect

from ingestbox.console.charts import Points
from tests.console.conftest import Visit
from tests.console.support import Person, inspect, signed_in
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job


class Refusing(BaseHTTPRequestHandler):
    """An upstream that lets nobody in."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(401)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def refusing() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1/sync/batches"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, refusing: str) -> Iterator[BoxProcess]:
    """A box whose lane pauses as soon as it has something; the tests are one story, from its first minute."""
    config = (
        f'[rates]\nlogin = 0\n[alarms]\ncheck_seconds = 0.3\n[[lanes]]\nname = "crm"\nurl = "{refusing}"\n'
    )
    with running(tmp_path_factory.mktemp("box"), config=config) as started:
        yield started


def poll(page: Page, selector: str) -> None:
    """Lets a piece of the page refresh itself now."""
    page.evaluate("selector => htmx.trigger(document.querySelector(selector), 'every')", selector)


def card(page: Page, title: str) -> Locator:
    return page.locator(".card").filter(has_text=title)


def test_the_first_minutes_lead_to_the_first_record_by_the_command_shown(
    admin: Person, box: BoxProcess
) -> None:
    page = admin.page
    expect(page.get_by_role("heading", name="Welcome. Nothing has come in yet")).to_be_visible()
    inspect(admin, "home-empty")
    with page.expect_download() as download:
        page.get_by_role("link", name="Contacts, 60 rows").click()
    assert download.value.suggested_filename == "contacts.csv"
    for name in ("Upload a file", "Make an API key", "Read the interfaces"):
        address = page.locator("main a", has_text=name).first.get_attribute("href")
        assert page.request.get(address or "").status == 200
    with box.client() as client:
        key = client.post("/v1/keys", json={"name": "first", "roles": ["ingest"]}).json()["key"]
    command = page.get_by_role("region", name="Send from a program").locator("code").last.inner_text()
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "KEY": key, "no_proxy": "*"},
        capture_output=True,
        timeout=60,
    )
    assert b'"job_id"' in done.stdout, (command, done)
    poll(page, "[hx-get$='/home/begun']")
    expect(page.get_by_role("heading", name="Over time")).to_be_visible()
    expect(card(page, "Came in").locator(".figure")).to_have_text("1")


def test_the_numbers_are_those_of_what_was_sent_and_lead_to_their_lists(
    admin: Person, box: BoxProcess
) -> None:
    page = admin.page
    with box.client() as client:
        wait_job(client, post_tickets(client, [ticket(n) for n in range(900)])["job_id"])
        records = [ticket(n) for n in range(900, 1_200)]
        records += [{"id": f"bad-{n}", "summary": 7} for n in range(4)]
        taken = client.post("/api/data-ingest?mode=partial", json={"records": records}).raise_for_status()
        wait_job(client, taken.json()["job_id"])
        until(lambda: client.get("/v1/overview").json()["alarms"], "the lane's alarm")
        held = client.get("/v1/overview?all=true").json()
        assert held["last_day"] == {"received": 1_205, "finished": 1_201, "issues": 4, "delivered": 0}
    admin.goto("")
    assert {
        title: card(page, title).locator(".figure").inner_text()
        for title in ("Came in", "Being worked on", "Needs a person", "Waits to go upstream", "What is wrong")
    } == {
        "Came in": "1,205",
        "Being worked on": "0",
        "Needs a person": "4",
        "Waits to go upstream": "1,201",
        "What is wrong": "1",
    }
    expect(card(page, "Needs a person")).to_contain_text("Feedback 4")
    expect(card(page, "Waits to go upstream")).to_contain_text("crm: paused")
    expect(card(page, "Tickets").locator(".figure")).to_have_text("1,200")  # T-1 came twice
    alarm = page.get_by_role("region", name="One thing is wrong")
    expect(alarm).to_contain_text("A lane is paused: crm")
    expect(alarm).to_contain_text("The page Lanes says what is wrong there and what to do.")
    expect(alarm.locator("time")).to_have_count(1)
    for link in page.locator("a.card").all():
        assert page.request.get(link.get_attribute("href") or "").status == 200, link
    inspect(admin, "home")


def test_charts_draw_read_out_and_keep_the_focus_when_they_refresh(admin: Person, box: BoxProcess) -> None:
    page = admin.page
    admin.goto("?range=1h")
    chart = page.locator("#received .chart")
    expect(chart.locator("canvas")).to_be_visible()
    expect(page.locator("#received .chart-key")).to_contain_text("Feedback 1,205")
    assert page.locator("[data-chart] canvas").count() == 3
    chart.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(chart).to_have_attribute("aria-valuetext", re.compile(r"\d+:\d\d: Feedback \d"))
    expect(chart).to_have_attribute("aria-valuenow", re.compile("^(58|59)$"))  # of 60 minutes, or parts of 61
    chart.hover(position={"x": 60, "y": 60})
    expect(chart).to_have_attribute("aria-valuetext", re.compile(r": Feedback 0$"))
    page.mouse.move(0, 0)
    page.locator("#settled summary").click()
    chart.focus()
    with box.client() as client:
        wait_job(client, post_tickets(client, [ticket(n, id=f"late-{n}") for n in range(95)])["job_id"])
    received = page.locator("#received .chart-key")

    def refreshed() -> bool:  # a request of the page's own that is under way has htmx drop ours
        poll(page, "#charts")
        try:
            expect(received).to_contain_text("Feedback 1,300")
        except AssertionError:
            return False
        return True

    until(refreshed, "the charts have what came in meanwhile")
    expect(chart).to_be_focused()
    assert page.locator("[data-chart] canvas").count() == 3
    table = page.locator("#settled table")
    expect(table).to_be_visible()
    numbers = [
        int(cell.replace(",", "")) for cell in table.locator("tbody td:nth-child(2)").all_inner_texts()
    ]
    assert sum(numbers) == 1_296
    page.set_viewport_size({"width": 360, "height": 740})
    expect(chart.locator(".uplot")).to_have_js_property("clientWidth", chart.evaluate("e => e.clientWidth"))
    before = chart.screenshot()
    page.emulate_media(color_scheme="dark")
    until(lambda: chart.screenshot() != before, "the chart has the theme's colours")
    page.set_viewport_size({"width": 1280, "height": 900})
    link = card(page, "Came in")
    link.focus()
    poll(page, "#numbers")
    expect(link.locator(".figure")).to_have_text("1,300")
    expect(link).to_be_focused()
    page.get_by_role("link", name="90 days").click()
    expect(page).to_have_url(re.compile(r"range=90d"))
    expect(page.locator("#received .chart-key")).to_contain_text("Feedback 1,300")


def test_a_tab_that_nobody_looks_at_asks_for_nothing(admin: Person) -> None:
    page = admin.page
    admin.goto("")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    poll(page, "#numbers")
    page.evaluate("delete document.hidden")
    with page.expect_response(lambda response: "/home/charts" in response.url):
        poll(page, "#charts")
    assert not [url for url in asked if "/home/numbers" in url]


def test_what_is_gone_and_who_is_signed_out_is_not_asked_for_again(admin: Person) -> None:
    page = admin.page
    admin.goto("")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "assets" not in request.url else None)
    page.evaluate("document.querySelector('#charts').setAttribute('hx-get', '/console/jobs/none/progress')")
    poll(page, "#charts")
    expect(page.locator("#messages .message")).to_be_visible()
    poll(page, "#charts")
    admin.context.clear_cookies()
    poll(page, "#numbers")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Not now").click()
    expect(dialog).to_have_count(0)
    for selector in ("#numbers", "#charts", "#numbers"):
        poll(page, selector)
    page.evaluate("new Promise(requestAnimationFrame)")
    assert [url.partition("/console")[2] for url in asked] == ["/jobs/none/progress", "/home/numbers"]
    expect(dialog).to_have_count(0)


def test_without_scripts_the_page_can_be_read(visit: Visit, box: BoxProcess) -> None:
    with box.client() as client:
        received = client.get("/v1/overview").json()["last_day"]["received"]
    person = visit("editor", java_script_enabled=False)
    page = person.page
    person.goto("?range=24h")
    expect(card(page, "Came in").locator(".figure")).to_have_text(f"{received:,}")
    assert not page.locator(".chart").first.is_visible()
    page.locator("#received summary").click()
    cells = page.locator("#received tbody td").all_inner_texts()
    assert sum(int(cell.replace(",", "")) for cell in cells) == received
    assert len(cells) == 25


def test_health_says_what_is_wrong_and_the_doctor_examines_for_operators(admin: Person) -> None:
    page = admin.page
    assert admin.goto("/health") == 200
    expect(page.get_by_text("The box works, but something is wrong.")).to_be_visible()
    expect(page.get_by_role("row", name="Lanes Wrong paused: crm")).to_be_visible()
    expect(page.get_by_role("region", name="Alarms")).to_contain_text("A lane is paused: crm")
    for name in ("Store", "Box", "Work", "Lanes"):
        expect(page.get_by_role("region", name=name, exact=True)).to_be_visible()
    page.get_by_role("button", name="Examine the box").click()
    finding = page.get_by_role("row", name="Alarms Wrong")
    expect(finding).to_contain_text("What to do: ingestbox lanes says what is wrong there")
    assert page.locator(".findings tbody tr").first.inner_text().startswith("Alarms")
    expect(page.get_by_role("row", name="Counts Well")).to_be_visible()
    inspect(admin, "health")


def test_each_sees_of_health_what_they_may(box: BoxProcess) -> None:
    with closing(signed_in(box, "editor")) as editor:
        page = editor.get("/console/health").text
        assert "A lane is paused" in page
        assert "Examine the box" not in page
        assert "SQLite" not in page
        assert "127.0.0.1" not in page  # the upstream's address
        assert editor.post("/console/health/doctor").status_code == 403
        home = editor.get("/console").text
        assert 'href="/console/lanes"' not in home
        assert 'href="/console/issues"' in home
    with closing(signed_in(box, "admin", workspace="north")) as north:
        page = north.get("/console/health").text
        assert "SQLite" in page
        assert "Examine the box" not in page
        assert north.post("/console/health/doctor").status_code == 403
        assert "Welcome. Nothing has come in yet" in north.get("/console").text  # to this workspace
    with closing(signed_in(box, "forwarder")) as edge:
        assert "none of your roles works with records" in edge.get("/console").text
        assert edge.get("/console/health").status_code == 200
    with closing(signed_in(box)) as operator:
        report = operator.post("/console/health/doctor")  # of who has no scripts: the whole page
        assert (report.status_code, "<html" in report.text, "Counts" in report.text) == (200, True, True)


def test_a_range_that_is_none_is_the_usual_one(box: BoxProcess) -> None:
    with closing(signed_in(box)) as somebody:
        for query in ("range=", "range=1y", "range=%3Cscript%3E"):
            answer = somebody.get(f"/console?{query}")
            assert answer.status_code == 200
            assert "<script>" not in answer.text
            assert re.search(r'range=24h#charts" aria-current', answer.text)
        assert somebody.get("/console/home/begun").headers["hx-refresh"] == "true"
    with closing(signed_in(box, workspace="north")) as north:
        assert north.get("/console/home/begun").status_code == 204


def test_the_table_of_a_chart_says_the_newest_first_and_days_as_such() -> None:
    minutes = Points(columns=[[1, None], [2, 3.5]], times=[1_800_000_000, 1_800_000_060], step=60)
    assert [(row.at, row.values, row.is_moment) for row in minutes.rows] == [
        ("2027-01-15T08:01:00Z", (None, 3.5), True),
        ("2027-01-15T08:00:00Z", (1, 2), True),
    ]
    days = Points(columns=[[1]], times=[1_799_971_200], step=86_400)
    assert [(row.at, row.is_moment) for row in days.rows] == [("2027-01-15", False)]
    named = Points(columns=[[1, 2]], labels=["<b>", "b"])
    assert [row.at for row in named.rows] == ["<b>", "b"]
    assert named.encoded == '{"columns":[[1,2]],"labels":["<b>","b"]}'
