"""The upload page: from somebody's file to its job, with scripts and without, whatever happens."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from ingestbox import samples
from tests.console.conftest import Visit
from tests.console.support import NARROW, inspect, overflow, violations
from tests.console.uploads import choose, contacts, jobs, on_disk, payload, ready, state
from tests.families.contacts.test_upload import xlsx
from tests.harness import BoxProcess, until


def test_from_a_file_to_its_job(visit: Visit) -> None:
    person = visit("uploader", "editor", "analyst")
    page = person.page
    page.get_by_role("link", name="Upload").click()
    expect(page.get_by_text(re.compile("up to 500 MB"))).to_be_visible()
    page.get_by_label("What is in the file").get_by_role("link", name="Contacts").click()
    expect(page.get_by_text(re.compile(r"up to 5\.0 MB"))).to_be_visible()
    inspect(person, "upload-empty")
    # One column is called as nobody would guess, and the letters are of an old encoding.
    content = contacts("from", header="E-Mail;Vorname;Wer;Firma;Ort\n", encoding="cp1252")
    line = choose(person, payload("kunden.csv", content))
    state(line, "unclear")
    expect(line.get_by_text("Not found: Last name")).to_be_visible()
    expect(line.get_by_role("cell", name="Jürgen", exact=True)).to_be_visible()
    person.shot("upload-unclear")
    line.get_by_label("Encoding").select_option("utf-8")
    expect(line.get_by_role("cell", name="Jürgen", exact=True)).to_be_hidden()
    line.get_by_label("Encoding").select_option("cp1250")
    expect(line.get_by_role("cell", name="Jürgen", exact=True)).to_be_visible()
    line.get_by_label("Between the columns").focus()
    line.get_by_label("Between the columns").select_option("comma")
    expect(line.get_by_text("Not found: E-mail address, First name")).to_be_visible()
    expect(line.get_by_label("Between the columns")).to_be_focused()
    line.get_by_label("Between the columns").select_option("")
    chosen = line.get_by_label("What Wer becomes")
    chosen.focus()
    chosen.select_option("last_name")
    button = ready(line)
    expect(button).to_have_text("Import 3 rows")
    expect(chosen).to_have_value("last_name")
    expect(chosen).to_be_focused()
    button.click()
    state(line, "taken")
    expect(line.get_by_text("Done. Nothing is left to do.")).to_be_visible()
    expect(line.get_by_role("link", name="Go to Contacts")).to_be_visible()
    (job,) = jobs(person)
    assert (job["name"], job["total"], job["counts"]["finished"]) == ("kunden.csv", 3, 3)
    # The same header is known again: what was said of it is offered.
    line = choose(person, payload("mehr.csv", contacts("more", header="E-Mail;Vorname;Wer;Firma;Ort\n")))
    ready(line)
    expect(line.get_by_text("as you said for an earlier file")).to_be_visible()
    person.shot("upload-remembered")
    remembered = line
    # The same file is not taken twice, and it is said what to do.
    line = choose(person, payload("kunden.csv", content))
    ready(line).click()
    state(line, "refused")
    expect(line.get_by_text("has already been imported")).to_be_visible()
    expect(line.get_by_text("cancel or undo it there")).to_be_visible()
    page.get_by_label(re.compile("Choose")).set_input_files([payload("holiday.jpg", b"x")])
    expect(page.locator("#file-error")).to_contain_text("the name has to end in .csv")
    inspect(person, "upload")  # one line is taken, one is to be looked at, one is refused; and a complaint
    remembered.get_by_role("button", name="Find them out anew").click()
    state(remembered, "unclear")


def test_files_are_dropped_and_imported_one_after_the_other(visit: Visit) -> None:
    person = visit("uploader", "editor")
    page = person.page
    person.goto("/upload")
    files = {f"drop-{n}.csv": contacts(f"drop{n}").decode() for n in range(3)}
    files["picture.png"] = "none"
    data = page.evaluate_handle(
        """(files) => {
            const data = new DataTransfer();
            for (const [name, text] of Object.entries(files)) data.items.add(new File([text], name));
            return data;
        }""",
        files,
    )
    # Anywhere on the page: what misses the field must not take the page's place.
    page.dispatch_event("h1", "dragenter", {"dataTransfer": data})
    expect(page.locator("html.dragging")).to_be_visible()
    page.dispatch_event("h1", "drop", {"dataTransfer": data})
    expect(page.locator("html.dragging")).to_be_hidden()
    expect(page.get_by_role("alert").get_by_text("picture.png")).to_be_visible()
    lines = page.locator("#lines > ol > li")
    expect(lines).to_have_count(3)
    page.get_by_role("button", name="Import all").click()
    for place in range(3):
        state(lines.nth(place), "taken")
    assert [job["name"] for job in jobs(person)] == ["drop-2.csv", "drop-1.csv", "drop-0.csv"]


def test_what_is_no_table_is_told_before_it_is_sent(visit: Visit) -> None:
    person = visit("uploader")
    page = person.page
    person.goto("/upload")
    field = page.get_by_label(re.compile("Choose"))
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    for name, content, says in (
        ("holiday.jpg", b"x", "the name has to end in .csv .tsv .txt .xlsx"),
        ("empty.csv", b"", "The file is empty"),
        ("large.csv", b"x" * (5 * 1_048_576 + 1), "The file is larger than 5 MB"),
    ):
        field.set_input_files([payload(name, content)])
        expect(page.locator("#file-error")).to_contain_text(says)
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(re.compile(re.escape(says)))
    assert not sent
    # What only the box can see: the bytes are those of a program.
    line = choose(person, payload("program.csv", b"\x7fELF\x02\x01\x01\x00" + bytes(range(256)) * 8))
    state(line, "failed")
    expect(line.get_by_text("save it as CSV in UTF-8")).to_be_visible()
    expect(field).not_to_have_attribute("aria-invalid", "true")


def test_a_workbook_is_sent_whole_and_shown(visit: Visit) -> None:
    person = visit("analyst")
    person.goto("/upload")
    book = xlsx([["ticket", "subject", "text"], ["X-1", "Late", "It came late."], ["X-2", "Fine", "Good!"]])
    line = choose(person, payload("tickets.xlsx", book))
    button = ready(line)
    expect(line.get_by_role("cell", name="It came late.")).to_be_visible()
    expect(line.get_by_label("Encoding")).to_have_count(0)
    # What was changed is shown first: meanwhile nothing is imported.
    looks: list[Route] = []
    person.page.route("**/preview", lambda route: looks.append(route))
    line.get_by_label("What subject becomes").select_option("comments")
    expect(button).to_be_disabled()
    looks[0].continue_()
    person.page.unroute("**/preview")
    expect(line.get_by_text("You said so").first).to_be_visible()
    button.click()
    state(line, "taken")
    expect(line.get_by_text("Done. Nothing is left to do.")).to_be_visible()
    with person.box.client() as client:
        ticket = client.get("/api/tickets/X-1").raise_for_status().json()
    assert (ticket["summary"], ticket["comments"]) == (None, ["Late"])


def test_of_a_large_file_the_beginning_is_shown_and_all_is_taken(visit: Visit) -> None:
    person = visit("analyst")
    page = person.page
    person.goto("/upload?as=feedback")
    rows = "".join(
        f"L-{n},Ticket {n},It came late; ünd the täste was bad {'x' * 80}\n" for n in range(20_000)
    )
    content = f"id,subject,text\n{rows}".encode("utf-16")
    sent: list[int] = []
    page.on(
        "request",
        lambda request: (
            sent.append(int(request.all_headers()["content-length"])) if request.method == "POST" else None
        ),
    )
    path = person.box.folder / "large.csv"
    path.write_bytes(content)
    page.get_by_label(re.compile("Choose")).set_input_files(path)
    line = page.locator("#lines > ol > li").first
    button = ready(line)
    expect(line.get_by_text("This is the beginning of the file: the first 1024 KB of 5.2 MB")).to_be_visible()
    expect(button).to_have_text("Import about 20,000 rows")
    expect(line.get_by_text("cannot be read")).to_have_count(0)  # it was cut between two lines
    assert sent[0] < 1_100_000 < len(content)
    person.shot("upload-beginning")
    # The first row alone is longer than what is sent of it: there is something to see all the same.
    one = choose(person, payload("one.csv", b'id,text\nL-0,"' + b"It came late.\n" * 100_000 + b'"\n'))
    wide = choose(person, payload("wide.csv", b"id,text\nL-1," + b"It came late. " * 100_000 + b"\n"))
    ready(wide)
    ready(one)
    button.click()
    state(line, "taken")
    (job,) = jobs(person)
    assert job["total"] == 20_000
    with person.box.client() as client:
        client.post(f"/v1/jobs/{job['id']}/cancel").raise_for_status()


def test_without_scripts_one_form_does_it_all(visit: Visit) -> None:
    person = visit("uploader", "editor", java_script_enabled=False)
    page = person.page
    person.goto("/upload")
    expect(page.get_by_text("or drop")).to_be_hidden()
    content = contacts("plain", header="E-Mail;Vorname;Wer;Firma;Ort\n", encoding="cp1252")
    file = page.get_by_label("Choose a file")
    file.set_input_files([payload("plain.csv", content)])
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("missing required headers: last_name")).to_be_visible()
    expect(file).to_have_accessible_description(re.compile("missing required headers"))
    file.set_input_files([payload("plain.csv", content)])
    page.get_by_role("button", name="Look at it first").click()
    expect(page.get_by_role("heading", name="How plain.csv would be read")).to_be_visible()
    expect(page.get_by_role("cell", name="Zoë", exact=True)).to_be_visible()
    person.shot("upload-plain")
    page.get_by_label("What Wer becomes").select_option("last_name")
    file.set_input_files([payload("plain.csv", content)])
    page.get_by_role("button", name="Show it again").click()
    expect(page.get_by_text("You said so").first).to_be_visible()
    file.set_input_files([payload("plain.csv", content)])
    page.get_by_role("button", name="Import").click()
    page.wait_for_url(re.compile("/console/jobs/"))
    (job,) = jobs(person)
    assert page.url.endswith(job["id"])
    until(lambda: jobs(person)[0]["counts"]["finished"] == 3, "all are contacts")


def test_a_double_click_makes_one_job_that_says_what_it_needs(visit: Visit) -> None:
    person = visit("uploader", "editor")
    person.goto("/upload")
    found = samples.table("contacts")
    assert found is not None
    line = choose(person, payload(*found))
    ready(line).dblclick()
    state(line, "taken")
    expect(line.get_by_text("Waits for you: 6 issues")).to_be_visible()
    (job,) = jobs(person)
    line.get_by_role("link", name="See the issues").click()
    person.page.wait_for_url(re.compile(f"/console/issues.*{job['id']}"))


def test_a_session_that_ends_loses_no_file(visit: Visit) -> None:
    person = visit("analyst")
    person.goto("/upload")
    line = choose(person, payload("late.csv", b"id,text\nS-2,It came late\n"))
    button = ready(line)
    person.context.clear_cookies()
    button.click()
    state(line, "refused")
    expect(line.get_by_text("Sign in in another tab")).to_be_visible()
    first, person.page = person.page, person.context.new_page()
    person.sign_in()
    person.page = first
    line.get_by_role("button", name="Try again").click()
    state(line, "taken")
    assert len(jobs(person)) == 1


def elsewhere(route: Route) -> None:
    route.fulfill(status=200, content_type="text/html", body="<h1>Portal</h1><form><input name=pin></form>")


def test_a_lost_connection_is_said_and_what_is_sent_again_is_one_job(visit: Visit) -> None:
    person = visit("analyst")
    page = person.page
    person.goto("/upload")
    line = choose(person, payload("cut.csv", b"id,text\nC-1,It came late\n"))
    button = ready(line)
    answered: list[int] = []

    def swallow(route: Route) -> None:
        # The box hears it and answers; the answer gets lost.
        answered.append(route.fetch().status)
        route.abort("connectionreset")

    page.route("**/console/upload/feedback", swallow)
    button.click()
    state(line, "cut")
    assert answered == [200]
    expect(line.get_by_text("Nothing is imported twice")).to_be_visible()
    page.unroute("**/console/upload/feedback")
    # A network's own page of signing in comes with a status of success.
    page.route("**/console/upload/feedback**", elsewhere)
    line.get_by_role("button", name="Try again").click()
    expect(line.get_by_text("This is not the answer of the box")).to_be_visible()
    state(line, "cut")
    other = choose(person, payload("other.csv", b"id,text\nC-2,It came late\n"))
    state(other, "failed")
    expect(other.get_by_text("Portal")).to_have_count(0)
    person.shot("upload-cut")
    page.unroute("**/console/upload/feedback**")
    line.get_by_role("button", name="Try again").click()
    state(line, "taken")
    assert len(jobs(person)) == 1
    # What a page asks by itself may be lost too: that is said until the box answers again.
    asks = "htmx.ajax('GET', location.href, {target: '#help', select: 'h1'})"
    page.route("**/console/upload", lambda route: route.abort("connectionreset"))
    page.evaluate(asks)
    expect(page.locator("#messages")).to_contain_text("The box does not answer.")
    person.errors.clear()
    page.unroute("**/console/upload")
    page.evaluate(asks)
    expect(page.locator("#messages")).to_be_empty()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that no network's buffers hold: few rows, of much text each."""
    path = tmp_path_factory.mktemp("large") / "large.csv"
    with path.open("w") as file:
        file.write("id,text\n")
        for number in range(300):
            file.write(f"G-{number},{'It came late. ' * 5_000}\n")
    return path


def test_a_large_upload_is_cancelled_and_survives_a_kill(visit: Visit, box: BoxProcess, large: Path) -> None:
    person = visit("analyst")
    page = person.page
    person.goto("/upload")
    before = on_disk(box)
    assert box.process is not None
    lines = page.locator("#lines > ol > li")
    second = large.with_name("second.csv")
    second.write_text("id,text\nS-1,It came late\n")
    page.get_by_label(re.compile("Choose")).set_input_files([large, second])
    ready(lines.first)
    ready(lines.last)
    box.process.send_signal(signal.SIGSTOP)  # it takes what the network holds, and no more
    try:
        page.get_by_role("button", name="Import all").click()
        state(lines.first, "sending")
        state(lines.last, "waiting")
        expect(lines.first.get_by_role("progressbar")).to_be_visible()
        expect(lines.first.get_by_text(re.compile("MB of 20 MB"))).to_be_visible()
        assert not violations(page)
        person.shot("upload-sending")
        lines.last.get_by_role("button", name="Cancel").click()
        with page.expect_event("requestfailed"):
            lines.first.get_by_role("button", name="Cancel").click()
        state(lines.first, "stopped")
        state(lines.last, "stopped")
        expect(lines.first.get_by_text("Nothing of it was kept")).to_be_visible()
    finally:
        box.process.send_signal(signal.SIGCONT)
    until(lambda: on_disk(box) == before, "nothing is left of it")
    lines.last.get_by_role("button", name="Try again").click()
    state(lines.last, "taken")
    assert [job["name"] for job in jobs(person)] == ["second.csv"]
    # The box dies in the midst of it, and takes what is sent again to the one that comes after it.
    expect(lines.last.get_by_text("Done. Nothing is left to do.")).to_be_visible()
    box.process.send_signal(signal.SIGSTOP)
    lines.first.get_by_role("button", name="Try again").click()
    expect(lines.first.get_by_text(re.compile("MB of 20 MB"))).to_be_visible()
    box.kill()
    state(lines.first, "cut")
    person.errors.clear()  # what asks by itself how the second file fares may have been cut off as well
    box.start()
    lines.first.get_by_role("button", name="Try again").click()
    state(lines.first, "taken")
    made, _ = jobs(person)
    assert (made["name"], made["total"]) == ("large.csv", 300)
    with box.client() as client:
        client.post(f"/v1/jobs/{made['id']}/cancel").raise_for_status()


EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>{{ 7*7 }}\"'>"
BIDI = "gnp.\u202egpj.exe\u2066\u200b"


def test_a_hostile_file_is_shown_as_it_is_and_does_nothing(visit: Visit) -> None:
    person = visit("uploader")
    page = person.page
    page.on("dialog", lambda dialog: person.errors.append(f"a dialog: {dialog.message}"))
    person.goto("/upload")
    quoted = EVIL.replace('"', '""')
    header = ["email", "first_name", "last_name", "company", f'"{quoted}"', f'"{BIDI}"', "w" * 10_000]
    header += [f"column {n}" for n in range(293)]
    cells = ["a@b.example", f'"{quoted}"', f'"{BIDI}"', "W" * 10_000] + [f'"{quoted}"'] * 296
    content = (",".join(header) + "\n" + (",".join(cells) + "\n") * 20).encode()
    line = choose(person, payload(f"{EVIL.replace('/', '')}.csv", content))
    ready(line)
    expect(line.get_by_role("heading", level=3)).to_contain_text("<img src=x onerror=alert(1)>")
    expect(line.get_by_text("U+202E").first).to_be_visible()
    expect(line.get_by_text("40 of 300 columns are shown.")).to_be_visible()
    assert page.evaluate("document.querySelectorAll('main img, main script').length") == 0
    person.shot("upload-hostile-light")
    page.set_viewport_size(NARROW)
    assert overflow(page) <= 0
    person.shot("upload-hostile-narrow")
    ready(line).click()
    state(line, "taken")
    (job,) = jobs(person)
    assert job["total"] == 20
