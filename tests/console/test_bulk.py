"""One decision about many issues: looked at, done, taken back, kept."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape

import httpx2
from playwright.sync_api import expect

from tests.console.conftest import Visit
from tests.console.repairs import at_the_api, cells, states, window
from tests.console.support import NARROW, inspect, new_user, overflow
from tests.harness import BoxProcess
from tests.web.v1.imports import row, still, upload
from tests.web.v1.support import Json, get, partial, post

PEOPLE = ("uploader", "editor", "analyst")
BULK = "/console/issues/bulk"
HOSTILE = "<img src=x onerror=alert(1)>\u202etxt"


def without_company(client: httpx2.Client, name: str, count: int = 3, first: str = "Anna") -> Json:
    rows = [row(f"{name}{number}@x.com", first=first, company="") for number in range(count)]
    return upload(client, name, [row(f"{name}@x.com"), *rows])


def hidden(page: str) -> dict[str, str]:
    """What a page's forms would send on; of a repeated name the last."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page)
    return {name: unescape(value) for name, value in found}


def chosen(job: Json, code: str = "missing_required_field") -> dict[str, str]:
    return {"job": job["id"], "code": code}


def fill(job: Json, value: str = "ACME") -> dict[str, str]:
    return {**chosen(job), "kind": "set", "field": "company", "value": value, "only_blank": "on"}


def preview(browser: httpx2.Client, given: dict[str, str]) -> dict[str, str]:
    """The form of the preview's button."""
    page = browser.post(f"{BULK}/preview", data=given)
    assert page.status_code == 200, page.text
    return hidden(page.text)


def test_many_rows_are_repaired_and_it_is_taken_back(visit: Visit, box: BoxProcess) -> None:
    person = visit(*PEOPLE)
    page = person.page
    with at_the_api(box, person.email) as client:
        job = without_company(client, "journey")
        assert person.goto(f"/issues?job={job['id']}") == 200
        # With the keyboard alone: the first and the third issue, then all of the kind.
        page.keyboard.press("j")
        page.keyboard.press("x")
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("x")
        assert page.locator("input[name=issue]:checked").count() == 2
        page.locator("button[form=chosen]").press("Enter")
        expect(page.get_by_role("heading", name="Decide about many at once")).to_be_visible()
        expect(page.get_by_text("2 issues are chosen.")).to_be_visible()
        inspect(person, "bulk-choose")
        expect(page.get_by_role("combobox", name="Field")).to_have_value("company")
        page.get_by_label("New value").fill("ACME <b>Ltd</b>")
        page.get_by_role("button", name="Preview").click()

        expect(page.get_by_role("button", name="Change 2 rows now")).to_be_visible()
        expect(page.get_by_role("table", name="Rows before and after").locator("tbody tr")).to_have_count(2)
        expect(page.locator(".changes .is mark").first).to_have_text("ACME <b>Ltd</b>")
        inspect(person, "bulk-preview")
        assert cells(client, job, "company") == ["Acme", "", "", ""]
        page.get_by_role("button", name="Change 2 rows now").click()

        expect(page.get_by_role("heading", name="Done", exact=True)).to_be_visible()
        expect(page.get_by_text("2 issues are resolved.")).to_be_visible()
        inspect(person, "bulk-done")
        assert sorted(map(str, cells(client, job, "company"))) == [
            "",
            "ACME <b>Ltd</b>",
            "ACME <b>Ltd</b>",
            "Acme",
        ]
        page.get_by_role("button", name="Undo").click()

        expect(page.get_by_text("2 rows are what they were before.")).to_be_visible()
        inspect(person, "undone")
        assert cells(client, job, "company") == ["Acme", "", "", ""]
        assert states(client, job) == ["pending", "issue", "issue", "issue"]


def test_a_rule_is_kept_and_the_import_goes_on(visit: Visit, box: BoxProcess) -> None:
    person = visit(*PEOPLE)
    page = person.page
    with at_the_api(box, person.email) as client:
        job = upload(client, "copies", [row("a@x.com"), row("A@X.com", company="Two"), row("b@x.com")])
        person.goto(f"/issues/bulk?job={job['id']}&code=duplicate_email")
        expect(page.get_by_role("radio")).to_have_count(2)  # what is no use for copies is not offered
        page.get_by_role("button", name="Preview").click()
        expect(page.locator(".rows .badge")).to_have_text(["right", "given up"])
        page.get_by_role("button", name="now").click()
        page.get_by_label("Name of the rule").fill("keep complete")
        page.get_by_role("button", name="Keep the rule").click()
        expect(page.get_by_text("The rule is kept.")).to_be_visible()
        later = upload(client, "later", [row("c@x.com"), row("C@X.com", company="Two")])
        assert later["state"] == "completed"
        page.reload()
        kept = page.get_by_role("row", name=re.compile("keep complete.*one import"))
        expect(kept).to_be_visible()
        inspect(person, "rules")
        kept.get_by_role("link", name="keep complete").click()
        expect(page.get_by_role("table", name="What the rule did").locator("tbody tr")).to_have_count(1)
        inspect(person, "rule")
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("its import does not wait for a person any more")).to_be_visible()
        person.goto("/rules")
        page.get_by_role("button", name="Take away keep complete").click()
        expect(page.get_by_text("The rule is taken away.")).to_be_visible()
        expect(page.get_by_text("No rule is kept")).to_be_visible()

        person.goto(f"/issues/bulk?job={job['id']}&code=duplicate_email")
        expect(page.get_by_text("None of these issues is open any more.")).to_be_visible()


def test_the_import_goes_on_from_the_result(box: BoxProcess) -> None:
    email = new_user(box, *PEOPLE)
    with at_the_api(box, email) as client, window(box, email=email) as browser:
        job = without_company(client, "onwards")
        done = browser.post(f"{BULK}/do", data=preview(browser, fill(job)))
        assert done.status_code == 200
        assert "Reprocess the import now" in done.text
        gone = browser.post(f"{BULK}/go-on", data={"jobs": job["id"]})
        assert (gone.status_code, gone.headers["Location"]) == (303, f"/console/jobs/{job['id']}")
        assert still(client, job["id"])["state"] == "completed"


def test_one_import_that_stands_still_holds_up_no_other(box: BoxProcess) -> None:
    email = new_user(box, *PEOPLE)
    with at_the_api(box, email) as client, window(box, email=email) as browser:
        first, second, third = (without_company(client, name, 1) for name in ("stops", "goes-on", "waits"))
        browser.post(f"{BULK}/do", data=preview(browser, fill(second)))
        post(client, f"/v1/jobs/{first['id']}/cancel")
        gone = browser.post(f"{BULK}/go-on", data={"jobs": f"{first['id']},{second['id']}"})
        assert (gone.status_code, gone.headers["Location"]) == (303, "/console/jobs")
        assert still(client, second["id"])["state"] == "completed"
        alone = browser.post(f"{BULK}/go-on", data={"jobs": first["id"]})
        assert (alone.status_code, "The job was cancelled" in alone.text) == (409, True)
        with window(box, "admin") as boss:
            given = {"jobs": third["id"], "all": "true"}
            assert boss.post(f"{BULK}/go-on", data=given).headers["Location"].endswith("?all=true")
            rules = boss.get("/console/rules?all=true").text
            assert boss.get(re.findall(r'href="(/console/jobs/[^"]*)"', rules)[0]).status_code == 200


def test_columns_may_be_called_what_the_box_calls_its_own(box: BoxProcess) -> None:
    email = new_user(box, *PEOPLE)
    with at_the_api(box, email) as client, window(box, email=email) as browser:
        extra = {"state": "NY", "operation": "op", "rule": "r", "L" * 201: "long"}
        lines = [
            ",".join(("email,first_name,last_name,company", *extra)),
            ",".join(("a@x.com,A,B,", *extra.values())),
        ]
        job = upload(client, "columns", lines[1:], header=lines[0])
        page = browser.get(f"{BULK}?job={job['id']}&code=missing_required_field").text
        assert ">operation</option>" in page
        assert "L" * 201 not in page  # a rule has no room for its name
        for name in ("state", "operation", "rule"):
            given = {**chosen(job), "kind": "set", "field": name, "value": "changed it"}
            page = browser.post(f"{BULK}/preview", data=given).text
            assert "<mark>changed it</mark>" in page, name
            browser.post(f"{BULK}/do", data=hidden(page)).raise_for_status()
        with window(box, "admin") as boss:
            assert boss.get(f"/console/audit?actor={email}").text.count("<mark>changed it</mark>") == 3


def test_a_preview_that_is_stale_is_shown_anew_and_nothing_is_done(box: BoxProcess) -> None:
    email = new_user(box, *PEOPLE)
    with at_the_api(box, email) as client, window(box, email=email) as browser:
        job = without_company(client, "stale")
        old = preview(browser, fill(job))
        first = get(client, f"/v1/jobs/{job['id']}/records")["records"][1]
        client.patch(f"/v1/records/{first['id']}", json={"company": "Hers"}).raise_for_status()
        again = browser.post(f"{BULK}/do", data=old)
        assert again.status_code == 412
        assert "Rows were changed since you looked. Nothing was done just now." in again.text
        assert cells(client, job, "company") == ["Acme", "Hers", "", ""]
        done = browser.post(f"{BULK}/do", data=hidden(again.text))
        assert (done.status_code, "2 rows were changed." in done.text) == (200, True)
        assert cells(client, job, "company") == ["Acme", "Hers", "ACME", "ACME"]


def test_a_second_press_does_nothing_more_and_shows_the_same(box: BoxProcess) -> None:
    email = new_user(box, *PEOPLE)
    with at_the_api(box, email) as client, window(box, email=email) as browser:
        job = without_company(client, "double", 400)
        button = preview(browser, fill(job))
        with ThreadPoolExecutor(3) as threads:
            pages = list(threads.map(lambda _: browser.post(f"{BULK}/do", data=button), range(3)))
        assert [each.status_code for each in pages] == [200] * 3
        assert all("400 rows were changed." in each.text for each in pages)
        assert len({re.findall(r"/console/audit/(\d+)/undo", each.text)[0] for each in pages}) == 1
        assert len(get(client, "/v1/operations")["operations"]) == 1


def test_hostile_values_are_shown_and_do_nothing(visit: Visit, box: BoxProcess) -> None:
    person = visit(*PEOPLE)
    with at_the_api(box, person.email) as client:
        job = without_company(client, "hostile", 1, first=f'"{HOSTILE}"')
        person.goto(f"/issues/bulk?job={job['id']}&code=missing_required_field")
        person.page.get_by_label("New value").fill(f"{HOSTILE}{'x' * 500}")
        person.page.get_by_role("button", name="Preview").click()
        expect(person.page.locator(".rows .unseen")).to_have_count(2)
        assert person.page.locator("main img").count() == 0
        person.page.set_viewport_size(NARROW)
        assert overflow(person.page) <= 0
        person.page.get_by_role("button", name="now").click()
        assert person.page.locator("main img").count() == 0
        expect(person.page.get_by_text("One row was changed.")).to_be_visible()


def test_who_may_decide(box: BoxProcess) -> None:
    owner = new_user(box, *PEOPLE)
    with at_the_api(box, owner) as client:
        job = without_company(client, "mine")
        address = f"{BULK}?job={job['id']}&code=missing_required_field"
        with window(box, "uploader") as uploader, window(box, "editor") as other:
            assert uploader.get(address).status_code == 403
            assert uploader.post(f"{BULK}/do", data=fill(job)).status_code == 403
            assert other.get(address).status_code == 404
        with window(box, "admin", workspace="elsewhere") as stranger:
            assert stranger.get(f"{address}&all=true").status_code == 404
        with window(box, "admin") as boss:
            assert boss.get(address).status_code == 404
            assert boss.get(f"{address}&all=true").status_code == 200
            done = boss.post(f"{BULK}/do", data=preview(boss, {**fill(job), "all": "true"}))
            assert "3 rows were changed." in done.text
        assert cells(client, job, "company") == ["Acme", *["ACME"] * 3]
        with window(box, "analyst") as analyst:
            tickets = partial(client, "bulk-role")
            page = analyst.get(f"{BULK}?job={tickets}&code=text_required")
            assert (page.status_code, 'value="retry"' in page.text) == (200, True)
            given = {"job": tickets, "code": "text_required"}
            button = preview(analyst, {**given, "kind": "give_up"})
            assert "One issue is resolved." in analyst.post(f"{BULK}/do", data=button).text
            rule = {**given, "decision": '{"rule": {"discard": "all"}}'}
            assert analyst.post(f"{BULK}/do", data=rule).status_code == 403


def test_forms_that_make_no_sense(box: BoxProcess) -> None:
    email = new_user(box, *PEOPLE)
    with at_the_api(box, email) as client, window(box, email=email) as browser:
        job = without_company(client, "wrong")
        assert browser.get(BULK).status_code == 400
        assert browser.post(BULK, data={}).status_code == 400
        assert browser.get(f"{BULK}?job=nowhere").status_code == 404
        for given, says in (
            ({}, "Choose what is to happen first."),
            ({"kind": "other"}, "Choose what is to happen first."),
            ({"kind": "clean"}, "Tick how the text is to be tidied up"),
            ({"kind": "clean", "trim": "on"}, "in which fields: 50 of them at most."),
            ({"kind": "clean", "fields": "company"}, "Tick how the text is to be tidied up"),
        ):
            page = browser.post(f"{BULK}/preview", data={**chosen(job), **given})
            assert (page.status_code, "Decide about many at once" in page.text) == (422, True), given
            assert says in page.text, given
        page = browser.post(f"{BULK}/preview", data={**fill(job), "value": "x" * 1_001})
        assert (page.status_code, 'value="xxx' in page.text) == (422, True)
        for text in ("", "[]", "{", '{"rule": {}}', '{"rule": {"discard": "all"}, "dry_run": 1}'):
            assert browser.post(f"{BULK}/do", data={**chosen(job), "decision": text}).status_code in (
                400,
                422,
            )
        many = "&".join(f"issue={number}" for number in range(1, 502))
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert browser.post(BULK, content=many, headers=form).status_code == 400
        away = {"Origin": "http://evil.example"}
        assert browser.post(f"{BULK}/do", data=preview(browser, fill(job)), headers=away).status_code == 403
        assert cells(client, job, "company") == ["Acme", "", "", ""]
        nothing = browser.post(f"{BULK}/preview", data={**fill(job), "value": ""})
        assert "This would change nothing." in nothing.text
        post(client, f"/v1/jobs/{job['id']}/reprocess")
