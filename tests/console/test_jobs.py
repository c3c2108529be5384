"""Jobs at the console: seen, followed to their end, taken back, and asked by a program in the same words."""

from __future__ import annotations

import csv
import html
import io
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import expect

from ingestbox.console.curl import command
from tests.console.conftest import Visit
from tests.console.support import PASSWORD, Person, inspect, new_user, overflow, signed_in
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.web.v1.imports import row, still
from tests.web.v1.support import Json, get, held, partial, post, settled, under_way, waiting

SLOWLY = "[rates]\nlogin = 0\n[work]\nchunk_records = 1\nchildren = 1\n"
"""A record at a time, so that a job of some hundred is under way for a while."""

HOSTILE = "<script>alert(1)</script>\u202egnp.exe '\"$(touch pwned)`touch pwned`;\\ %0a&"
WORD = "w" * 10_000


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    with running(tmp_path_factory.mktemp("box"), config=SLOWLY) as started:
        yield started


@pytest.fixture(scope="module")
def api(box: BoxProcess) -> Iterator[httpx2.Client]:
    with box.client() as client:
        yield client


@pytest.fixture(scope="module")
def admin_client(box: BoxProcess) -> Iterator[httpx2.Client]:
    with closing(signed_in(box)) as client:
        yield client


def many(api: httpx2.Client, prefix: str, count: int = 60) -> str:
    job: str = post_tickets(api, [ticket(n, id=f"{prefix}-{n}") for n in range(count)])["job_id"]
    return job


def sent(api: httpx2.Client, name: str, *summaries: str) -> str:
    """A job that came as a file of this name."""
    made = io.StringIO()
    csv.writer(made).writerows([("id", "summary"), *((f"f-{n}", each) for n, each in enumerate(summaries))])
    reply = api.post("/api/upload", files={"file": (name, made.getvalue().encode())})
    assert reply.status_code == 200, reply.text
    job: str = reply.json()["job_id"]
    return job


def imported(api: httpx2.Client, name: str, *rows: str) -> Json:
    text = "\n".join(["email,first_name,last_name,company", *rows, ""])
    reply = api.post("/jobs/upload", files={"file": (name, text.encode())})
    assert reply.status_code == 201, reply.text
    return still(api, reply.json()["public_id"])


def page_of(client: httpx2.Client, path: str, status: int = 200) -> str:
    reply = client.get(f"/console{path}")
    assert reply.status_code == status, reply.text
    return reply.text


def test_a_job_is_followed_from_the_list_to_its_end(
    box: BoxProcess, api: httpx2.Client, admin: Person
) -> None:
    job = many(api, "live", 40)
    page = admin.page
    under_way(api, job)
    with held(box):
        admin.goto("/jobs")
        line = page.locator(f"#job-{job}")
        expect(line.get_by_text("Running")).to_be_visible()
        expect(line.get_by_role("progressbar")).to_be_visible()
        inspect(admin, "jobs")
    expect(line.get_by_text("Completed")).to_be_visible()
    expect(line.get_by_role("progressbar")).to_have_count(0)
    assert page.locator("#live[hx-trigger]").count() == 0  # and nothing asks any more
    assert page.locator("time:not([data-local])").count() == 0

    again = many(api, "live-2", 40)
    under_way(api, again)
    with held(box):
        admin.goto("/jobs")
        page.locator(f"#job-{again}").get_by_role("link").first.click()
        status = page.get_by_role("main").get_by_role("status").filter(has_text="Is being processed.")
        expect(status).to_be_visible()
        page.evaluate("window.still = 'the same page'")
    expect(page.get_by_text("Done. Nothing is left to do.")).to_be_visible()
    expect(page.locator("#records").get_by_role("row")).to_have_count(41)
    expect(page.locator("#records").get_by_text("Ticket live-2-39")).to_be_visible()
    assert page.evaluate("window.still") == "the same page"
    assert page.locator("[hx-trigger*=every]").count() == 0


def test_rows_with_issues_are_downloaded_tried_again_and_looked_into(
    api: httpx2.Client, admin: Person
) -> None:
    job = partial(api, "errors", good=2, bad=2)
    page = admin.page
    admin.goto(f"/jobs/{job}")
    expect(page.get_by_text("Done, but for 2 records that wait for you.")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download rows with issues").click()
    assert download.value.suggested_filename == "4-records-errors.csv"
    text = Path(download.value.path()).read_text("utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [each["key"] for each in lines] == ["errors-2", "errors-3"]
    inspect(admin, "job")

    page.get_by_role("button", name="Try issues again").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 records with an issue are processed once more")
    dialog.get_by_role("button", name="Leave it as it is").click()
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Try issues again").click()
    page.get_by_role("dialog").get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Its records with issues are processed again.")).to_be_visible()
    expect(page.get_by_text("Done, but for 2 records that wait for you.")).to_be_visible()

    page.get_by_role("link", name="With an issue").click()
    expect(page.locator("#records").get_by_role("row")).to_have_count(3)
    page.locator("#records").get_by_role("link", name="errors-2").click()
    expect(page.get_by_role("heading", name="Record 3")).to_be_visible()
    expect(page.get_by_text("It waits for a person.")).to_be_visible()
    inspect(admin, "record")


def test_a_job_is_cancelled_and_an_import_taken_back_after_a_question(
    box: BoxProcess, api: httpx2.Client, admin: Person
) -> None:
    job = many(api, "cancel", 40)
    page = admin.page
    under_way(api, job)
    with held(box):
        admin.goto(f"/jobs/{job}")
        page.get_by_role("button", name="Cancel…").click()
        expect(page.get_by_role("dialog")).to_contain_text("are given up for good")
        page.get_by_role("dialog").get_by_role("button", name="Cancel the job").click()
        expect(page.get_by_text("The job is cancelled.")).to_be_visible()
    expect(page.get_by_text("Cancelled. What was done stays done")).to_be_visible()
    assert get(api, f"/v1/jobs/{job}")["state"] == "cancelled"

    done = imported(api, "undo.csv", *(row(f"undo-{n}@example.com") for n in range(3)))["id"]
    assert admin.goto(f"/jobs/{done}") == 404  # somebody else's: unless one asks for all
    admin.goto(f"/jobs/{done}?all=true")
    page.get_by_role("button", name="Undo this import…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("What its 3 finished rows made is removed")
    inspect(admin, "job-dialog")
    dialog.get_by_role("button", name="Take it back").click()
    expect(page.get_by_text("Taken back: 3 removed; 0 left as they are")).to_be_visible()
    expect(page.get_by_role("button", name="Undo this import…")).to_have_count(0)


def test_an_import_says_what_it_waits_for_and_goes_on(
    api: httpx2.Client, admin_client: httpx2.Client
) -> None:
    job = imported(api, "waits.csv", row("waits@example.com"), row("broken"))["id"]
    text = page_of(admin_client, f"/jobs/{job}?all=true")
    assert "Waits for you: 1 issue. Nothing is made of its rows until it is resolved." in text
    assert "Check again and go on" in text
    assert f"/console/issues?job={job}&amp;state=open&amp;all=true" in text
    issue = get(api, "/v1/issues", job=job)["issues"][0]["id"]
    post(api, f"/v1/issues/{issue}/resolve", {"action": "discard"})
    assert "All issues are resolved. Have it go on" in page_of(admin_client, f"/jobs/{job}?all=true")
    reply = admin_client.post(f"/console/jobs/{job}/go-on?all=true")
    assert (reply.status_code, reply.headers["location"]) == (
        303,
        f"/console/jobs/{job}?done=go-on&all=true",
    )
    assert still(api, job)["state"] == "completed"


def test_everything_is_read_and_done_without_scripts(
    box: BoxProcess, api: httpx2.Client, visit: Visit
) -> None:
    job = partial(api, "plain", good=1, bad=1)
    person = visit(java_script_enabled=False)
    page = person.page
    person.goto("/jobs")
    page.get_by_label("Kind").select_option("feedback")
    page.get_by_label("Search").fill(job)
    page.get_by_role("button", name="Show").click()
    assert page.url.endswith(f"/console/jobs?q={job}&family=feedback&sort=newest")
    page.locator(f"#job-{job}").get_by_role("link").first.click()
    page.get_by_role("button", name="Process all again").click()
    expect(page.get_by_text("1 finished records and 1 with an issue are processed once more")).to_be_visible()
    page.get_by_role("button", name="Process all again").click()
    expect(page.get_by_text("All its records are processed again.")).to_be_visible()
    settled(api, job)
    page.get_by_role("link", name="plain-1").first.click()
    expect(page.get_by_role("heading", name="What is in it")).to_be_visible()


def test_what_cannot_be_done_any_more_is_said_on_the_page(
    api: httpx2.Client, admin_client: httpx2.Client
) -> None:
    job = many(api, "late", 1)
    wait_job(api, job)
    reply = admin_client.post(f"/console/jobs/{job}/cancel")
    assert reply.status_code == 409
    assert "The job is at its end." in reply.text
    assert "Done. Nothing is left to do." in reply.text
    assert admin_client.post(f"/console/jobs/{job}/undo").status_code == 409
    assert admin_client.post(f"/console/jobs/{job}/explode").status_code == 404
    assert admin_client.get(f"/console/jobs/{job}/explode").status_code == 404


def test_people_see_what_is_theirs(box: BoxProcess, api: httpx2.Client) -> None:
    job = partial(api, "theirs")
    record = waiting(api, job)[0]["record"]
    paths = [f"/jobs/{job}", f"/jobs/{job}/progress", f"/jobs/{job}/cancel", f"/jobs/{job}/errors.csv"]
    with closing(signed_in(box, "editor", workspace="elsewhere")) as stranger:
        for path in (*paths, f"/records/{record}"):
            page_of(stranger, path, 404)
        assert job not in page_of(stranger, "/jobs")
        assert stranger.post(f"/console/jobs/{job}/cancel").status_code == 404
        assert stranger.get("/console/jobs/live", params={"ids": job}).text.count("<tr") == 0
        page_of(stranger, "/jobs?all=true", 403)
    email = new_user(box, "uploader")
    login = httpx2.post(
        f"{box.url}/api/auth/login", json={"email": email, "password": PASSWORD}, verify=False
    )
    with (
        httpx2.Client(
            base_url=box.url,
            headers={"Authorization": f"Bearer {token_of(login.json())}"},
            trust_env=False,
            verify=False,
        ) as theirs,
        closing(signed_in(box, email=email)) as uploader,
    ):
        own = imported(theirs, "own.csv", row("own@example.com"), row("broken"))["id"]
        text = page_of(uploader, f"/jobs/{own}")
        assert "Waits for an editor: 1 issue." in text
        assert "sent by you" in text
        assert "Cancel…" not in text  # for editors
        lone = re.search(r"/console/records/(\d+)", text)
        assert lone is not None
        assert "Who did what" in page_of(uploader, f"/records/{lone[1]}")
        shared = page_of(uploader, f"/jobs/{job}")  # feedback is its workspace's, its records are not theirs
        assert record not in shared
        page_of(uploader, f"/records/{record}", 404)


def token_of(answer: Json) -> str:
    return str(next(value for value in answer.values() if isinstance(value, str) and value.count(".") == 2))


def test_the_list_is_narrowed_in_its_address(api: httpx2.Client, admin_client: httpx2.Client) -> None:
    job = many(api, "narrow", 1)
    wait_job(api, job)
    file = sent(api, "narrowed-report.csv", "It was late")
    wait_job(api, file)
    assert file in page_of(admin_client, "/jobs?q=report+narrowed")
    assert job not in page_of(admin_client, "/jobs?source=csv_upload")
    assert job in page_of(
        admin_client, "/jobs?source=json_api&when=1h&state=completed&sort=oldest&family=feedback"
    )
    text = page_of(admin_client, "/jobs?state=cancelled&until=2000-01-01T00:00:00Z")
    assert "No job fits these filters" in text
    assert 'href="/console/jobs?until=2000-01-01T00%3A00%3A00Z"' in text  # takes the state away
    reply = admin_client.get("/console/jobs", params={"q": "", "state": "failed", "x": "y"})
    assert (reply.status_code, reply.headers["location"]) == (303, "/console/jobs?state=failed")
    for wrong in ("state=broken", "when=yesterday", "since=now", "cursor=x", "family=x", f"q={'x' * 201}"):
        page_of(admin_client, f"/jobs?{wrong}", 400)
    assert "hx-trigger" not in re.sub(
        r"<(search|form).*?</\1>", "", page_of(admin_client, "/jobs?q=narrowed")
    )
    page_of(admin_client, "/jobs/x%2Frecords", 404)
    page_of(admin_client, "/records/1%2Fhistory", 404)


def test_a_list_of_many_goes_on(tmp_path: Path) -> None:
    with (
        running(tmp_path, config="[rates]\nlogin = 0\n") as box,
        box.client() as api,
        closing(signed_in(box)) as client,
    ):
        text = page_of(client, "/jobs")
        assert "Nothing has been sent yet" in text
        assert "/api/data-ingest" in text
        for n in range(53):
            post_tickets(api, [ticket(n, id=f"on-{n}")])
        first = page_of(client, "/jobs")
        assert first.count('id="job-') == 50
        onward = re.search(r'href="/console(/jobs\?cursor=[^"]+)" rel="next"', first)
        assert onward is not None
        second = page_of(client, html.unescape(onward[1]))
        assert second.count('id="job-') == 3
        assert "First page" in second
        ids = re.findall(r'<tr id="job-([^"]+)"', first + second)
        assert len(set(ids)) == 53


def test_hostile_names_keys_and_values_are_inert(box: BoxProcess, api: httpx2.Client, admin: Person) -> None:
    records: list[Json] = [
        ticket(1, id="h-1"),
        {
            "id": HOSTILE[:60],
            "summary": " ",
            HOSTILE: {HOSTILE: [HOSTILE, WORD, None, 1.5, True, {}]},
            WORD: "x",
        },
        {"id": "a\nb\u2066c", "summary": "", "deep": [[[[[[HOSTILE]]]]]]},
    ]
    job = post_tickets(api, records, params={"mode": "partial"})["job_id"]
    wait_job(api, job)
    file = sent(api, f"{HOSTILE[:40]}.csv", HOSTILE, WORD, " ")
    wait_job(api, file)
    connection_name(box, file)
    ids = [each["id"] for each in get(api, f"/v1/jobs/{job}/records")["records"]]
    page = admin.page
    for path in (
        "/jobs",
        f"/jobs/{job}",
        f"/jobs/{file}",
        f"/jobs/{file}/all-again",
        *(f"/records/{n}" for n in ids),
    ):
        assert admin.goto(path) == 200
        assert page.locator("main script").count() == 0, path
        place = page.content().find("\u202e")
        assert place < 0, (path, page.content()[place - 200 : place + 50])
        page.set_viewport_size({"width": 360, "height": 740})
        assert overflow(page) <= 0, path
        page.set_viewport_size({"width": 1280, "height": 900})
        assert overflow(page) <= 0, path
    admin.goto(f"/records/{ids[1]}")
    expect(page.get_by_text("U+202E").first).to_be_visible()
    inspect(admin, "record-hostile")


def connection_name(box: BoxProcess, job: str) -> None:
    """Gives a job a name that no upload leaves as it is."""
    from ingestbox.store import DATABASE
    from ingestbox.store.engine import connect_writer

    connection = connect_writer(box.data / DATABASE)
    try:
        connection.execute("UPDATE jobs SET name = ? WHERE public_id = ?", (HOSTILE + WORD, job))
    finally:
        connection.close()


def commands(text: str) -> list[str]:
    """The commands of a page, as its buttons copy them."""
    found = re.findall(r"<code>(curl.*?)</code>", text, re.DOTALL)
    return [html.unescape(each) for each in found]


def run(command_line: str, key: str, folder: Path) -> str:
    """What a shell makes of a command."""
    environ = {"PATH": os.environ["PATH"], "KEY": key, "no_proxy": "*"}
    done = subprocess.run(
        ["bash", "-c", f"{command_line} -sS --fail-with-body --max-time 10"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 28), (command_line, done.stderr, done.stdout)
    return done.stdout


def test_the_commands_of_the_pages_run(
    api: httpx2.Client, admin_client: httpx2.Client, tmp_path: Path
) -> None:
    key = api.post("/v1/keys", json={"name": "curl", "roles": ["admin"]}).json()["key"]
    job = partial(api, "curl", good=1, bad=1)
    record = waiting(api, job)[0]["record"]
    hostile = httpx2.QueryParams({"q": f"nowhere {HOSTILE}", "family": "feedback"})
    (line,) = commands(page_of(admin_client, f"/jobs?{hostile}"))
    assert '"jobs":[]' in run(line, key, tmp_path)
    for path in (f"/jobs/{job}", f"/records/{record}"):
        found = [each for each in commands(page_of(admin_client, path)) if "-X POST" not in each]
        assert len(found) >= 3
        for each in found:
            run(each, key, tmp_path)
    assert (tmp_path / "errors.csv").read_text("utf-8-sig").count("curl-1") >= 1
    (line,) = commands(page_of(admin_client, f"/jobs/{job}/all-again"))
    assert line in commands(page_of(admin_client, f"/jobs/{job}"))  # in the dialog too
    assert f'"id":"{job}"' in run(line, key, tmp_path)
    settled(api, job)
    assert [each.name for each in tmp_path.iterdir()] == ["errors.csv"]


class Somewhere:
    """An address that a hostile Host header may have made."""

    address = "http://box'$(touch pwned)"


@pytest.mark.parametrize("value", [HOSTILE, "@/etc/passwd", "a\nb\x1b[201~\x00", "'", "", "\u2028", "-o x"])
def test_what_is_in_a_command_stays_one_argument(value: str, tmp_path: Path) -> None:
    line = command(
        Somewhere(),
        "POST",
        "/v1/x",
        query={"q": value},
        body={"a": value},
        headers={"If-Match": value},
        fields={"f": value},
    )
    assert not re.search("[\x00-\x09\x0b-\x1f\u2028\u202e]", line)
    script = f"curl() {{ printf '%s\\0' \"$@\"; }}\nKEY=k\n{line}"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, check=True)
    arguments = done.stdout.decode().split("\0")[:-1]
    plain = line.replace('"X-API-Key: $KEY"', "'X-API-Key: k'").replace(" \\\n  ", " ")
    assert arguments == shlex.split(plain)[1:]
    assert len(arguments) == 11
    assert not list(tmp_path.iterdir())


def test_the_copied_text_is_the_command(admin: Person, api: httpx2.Client) -> None:
    """Without TLS from another machine there is no clipboard for scripts: the page copies all the same."""
    job = many(api, "copy", 1)
    page = admin.page
    page.add_init_script("Object.defineProperty(window, 'isSecureContext', {value: false})")
    page.add_init_script("document.addEventListener('copy', () => { window.took = String(getSelection()); })")
    admin.goto(f"/jobs/{job}")
    program = page.locator("main > .program")
    program.locator("summary").click()
    program.locator("[data-copy]").first.click()
    expect(page.get_by_role("button", name="Copied").first).to_be_visible()
    took = until(lambda: page.evaluate("window.took"), "something was copied")
    assert took.split() == commands(page.content())[-4].split()
