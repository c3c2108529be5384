"""Knowledge at the console: articles, how they are found, their sources, and what waits for a person."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from typing import Any

import httpx2
import pytest
from playwright.sync_api import expect

from ingestbox.console import show
from ingestbox.families.knowledge.shapes import PATH
from tests.console.conftest import Visit
from tests.console.repairs import at_the_api
from tests.console.support import Person, inspect, new_user, signed_in
from tests.console.test_issues import message
from tests.families.knowledge.deciding import issue, poor, told
from tests.families.knowledge.support import UNLIMITED, article, bulk, text, upload, wait
from tests.harness import BoxProcess, running, until

HOSTILE = "<script>window.bad=1</script>\"'><img src=x onerror=bad()> {{7*7}}"
SAID = text(1, "en", 30)
PAGE = (
    '<nav><a href="/">Home</a> <a href="/news">News</a></nav><h1>Dengue fever</h1><p>'
    "Dengue fever is a disease that mosquitoes carry. </p><p>"
    + SAID.replace("\n\n", "</p><p>")
    + "</p><footer>Follow us</footer>"
)


class Desk:
    """A person's browser without pages, and their program."""

    def __init__(self, box: BoxProcess, client: httpx2.Client, email: str) -> None:
        self.api = client
        self.email = email
        self.console = signed_in(box, email=email)

    def page(self, path: str, **query: str) -> httpx2.Response:
        return self.console.get(f"/console/{path}", params=query)

    def sent(self, path: str, **given: str) -> httpx2.Response:
        return self.console.post(f"/console/{path}", data=given)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A box that counts no calls."""
    config = f'{UNLIMITED}login = 0\n[outbound]\nallow_hosts = ["127.0.0.1"]\n'
    with running(tmp_path_factory.mktemp("box"), config=config) as started:
        yield started


@pytest.fixture(scope="module")
def desk(box: BoxProcess) -> Iterator[Desk]:
    """An administrator of a workspace with articles: a long one, its newer version, one in which everything
    is hostile, one that waits for a person, and some more."""
    email = new_user(box, workspace="knowledge")
    with at_the_api(box, email) as client:
        more: list[dict[str, object]] = [article(n, language="en" if n % 2 else "vi") for n in range(10, 20)]
        items = [
            article(
                1,
                title="Dengue fever at home",
                content=PAGE,
                language="en",
                content_type="guideline",
                crawled_at="2026-01-01T00:00:00Z",
                extracted_entities=[
                    {"text": "Dengue fever", "type": "disease", "confidence": 0.97},
                    {"text": "not in the text", "type": "symptom", "confidence": 0.5},
                ],
            ),
            article(
                1,
                title="Dengue fever at home, again",
                content=f"{PAGE}<p>Call your doctor after three days.</p>",
                language="en",
                content_type="guideline",
                crawled_at="2026-02-01T00:00:00Z",
            ),
            article(
                3,
                title=HOSTILE,
                content=f"{text(3, 'en')} {HOSTILE.replace('<', '&lt;')} \u202eevil",
                source_id="blog",
                source_url="https://example.org/?a='b'&c=\"d\"",
                language="en",
                metadata={HOSTILE: HOSTILE, "tags": ["a", "b"]},
                extracted_entities=[{"text": "The clinic", "type": HOSTILE, "confidence": 1}],
            ),
            article(4, title="Nothing much", content="x " * 70, source_id="blog", metadata=None),
            article(5, title="A long one", content=text(5, "en", 300), language="en", source_id="long"),
            *more,
        ]
        bulk(client, "all", items)
        wait(client, batch_id="all")
        desk = Desk(box, client, email)
        with closing(desk.console):
            yield desk


@pytest.fixture(scope="module")
def ids(desk: Desk) -> dict[str, str]:
    """The articles by their titles."""
    found = desk.api.get(f"{PATH}/content", params={"limit": 100}).json()["items"]
    return {each["title"]: each["content_id"] for each in found}


def main_of(reply: httpx2.Response) -> str:
    assert reply.status_code == 200, reply.text
    return reply.text.partition("<main")[2].partition("</main>")[0]


def plain(html: str) -> str:
    """The text of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def window(visit: Visit, desk: Desk, **options: Any) -> Person:
    person = visit(None, **options)
    person.email = desk.email
    return person.enter()


# Articles.


def test_from_the_list_to_an_article_and_back_by_what_is_nearly_the_same(
    visit: Visit, desk: Desk, ids: dict[str, str]
) -> None:
    person = window(visit, desk)
    page = person.page
    page.get_by_role("link", name="Articles", exact=True).click()
    expect(page.get_by_text("15 articles", exact=True)).to_be_visible()
    inspect(person, "knowledge-articles")
    page.get_by_role("combobox", name="Type").select_option("Guideline")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("2 articles", exact=True)).to_be_visible()
    page.get_by_role("link", name="Dengue fever at home", exact=True).click()
    expect(page.get_by_role("heading", name="Dengue fever at home")).to_be_visible()
    inspect(person, "knowledge-article")
    # A passage is there without scripts: the browser opens it.
    page.locator(".passages summary").nth(1).click()
    expect(page.locator("#passage-2")).to_be_visible()
    expect(page.locator("#passage-1")).to_be_hidden()
    page.get_by_role("link", name="Dengue fever at home, again").click()
    expect(page.get_by_role("heading", name="Dengue fever at home, again")).to_be_visible()
    expect(page.get_by_text("Newer version")).to_be_hidden()
    page.get_by_role("link", name="Dengue fever at home", exact=True).click()
    expect(page.get_by_text("Newer version")).to_be_visible()
    page.get_by_role("link", name=re.compile("^Row 1 of the import")).click()
    expect(page.get_by_text('<nav><a href="/">Home</a>').first).to_be_visible()  # as it was sent


def test_an_article_is_told_with_all_that_was_found(desk: Desk, ids: dict[str, str]) -> None:
    key = ids["Dengue fever at home"]
    found = desk.api.get(f"{PATH}/content/{key}").json()
    result, main = found["result"], main_of(desk.page(f"browse/articles/{key}"))
    said = plain(main)
    address = "https://moh.gov.vn/article/1"
    assert f'<a href="{address}" rel="noopener noreferrer external">' in main
    for part in result["quality"].values():
        assert " ".join(part["why"].split()) in said
    for each in result["warnings"]:
        assert each["message"] in said
    for why, count in result["cleaning"]["removed"].items():
        assert f"{count:,}" in said, why
    marked = re.findall(r"<mark>([^<]+)</mark>", main)
    placed = [each["text"] for each in result["entities"] if each["start"] is not None]
    assert marked
    assert set(marked) <= set(placed)
    assert "Dengue fever" in marked
    assert "not in the text" not in marked
    assert "not in the text" in said  # it is named all the same
    assert "Menus and what else is around a page" in said
    assert "Home News" not in said
    assert f"Passages {len(result['passages'])}" in said


def test_passages_come_in_parts_and_say_what_they_share(desk: Desk, ids: dict[str, str]) -> None:
    key = ids["A long one"]
    result = desk.api.get(f"{PATH}/content/{key}").json()["result"]
    passages, whole = result["passages"], result["text"]
    assert len(passages) > 20  # more than one part

    def shown(**query: str) -> list[int]:
        main = main_of(desk.page(f"browse/articles/{key}", **query))
        return [int(each) for each in re.findall(r'id="passage-(\d+)"', main)]

    assert shown() == list(range(1, 21))
    for wrong in ("0", "99999", "-1", "x", "１", ""):
        assert shown(passage=wrong) == list(range(1, 21)), wrong
    last = len(passages)
    assert shown(passage=str(last))[-1] == last
    main = main_of(desk.page(f"browse/articles/{key}", passage="21"))
    assert re.search(r"<details open>\s*<summary><span class=\"nth\">21</span>", main)
    assert main.count("<details open>") == 1
    first, second = passages[20]["start"], passages[19]["end"]
    shared = re.search(r'id="passage-21".*?class="shared"[^>]*>([^<]*)<', main, re.DOTALL)
    assert shared is not None
    assert unescape(shared[1]) == whole[first:second]
    assert "passage=1#passages" in main
    assert f"passage={last + 1}#" not in main


def test_what_waits_for_a_person_says_why_and_is_forwarded_by_a_button_or_with_others(
    visit: Visit, desk: Desk, ids: dict[str, str]
) -> None:
    key = ids["Nothing much"]
    person = window(visit, desk)
    page = person.page
    person.goto("/browse/articles?status=held")
    expect(page.get_by_text("1 article", exact=True)).to_be_visible()
    page.get_by_role("link", name="Nothing much").click()
    expect(page.get_by_text("This article waits for a person.")).to_be_visible()
    page.get_by_role("link", name="Decide about it").click()
    expect(page.get_by_role("heading", name="The quality is low")).to_be_visible()
    expect(page.locator("#main")).to_contain_text("is below 0.50")
    inspect(person, "issue-held")
    page.get_by_role("button", name="Forward it as it is").click()
    expect(message(page)).to_contain_text("is forwarded as it is.")
    until(lambda: told(desk.api, key), "it is told")
    assert "waits for a person" not in plain(main_of(desk.page(f"browse/articles/{key}")))
    assert "There are no" not in plain(main_of(desk.page("browse/articles", status="held")))
    others = [upload(desk.api, poor(number)) for number in (1, 2)]
    found = [issue(desk.api, each)["id"] for each in others]
    person.goto(f"/issues/bulk?ids={','.join(found)}")
    page.get_by_label("Forward them as they are").check()
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#main")).to_contain_text("Forward them as they are")
    page.locator(".commit button").first.click()
    until(lambda: all(told(desk.api, each) for each in others), "both are told")


def test_what_data_says_is_text(desk: Desk, ids: dict[str, str]) -> None:
    main = main_of(desk.page(f"browse/articles/{ids[HOSTILE]}"))
    assert "<script" not in main
    assert "<img" not in main
    assert "{{7*7}}" in plain(main)
    assert "U+202E" in main
    assert 'href="https://example.org/?a=&#39;b&#39;&amp;c=&#34;d&#34;"' in main


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "http:evil",
        "https://",
        "http://[",
        "\tjavascript:x",
    ],
)
def test_an_address_that_is_none_of_the_webs_is_text(address: str) -> None:
    """Another box may send such an address; here they are refused."""
    assert "<a" not in show.link(address)
    assert show.link("HTTPS://moh.gov.vn/<b>").startswith(
        '<a href="HTTPS://moh.gov.vn/&lt;b&gt;" rel="noopener'
    )


def test_who_may_not_read_articles_has_no_page_of_them(desk: Desk, box: BoxProcess) -> None:
    with closing(signed_in(box, "analyst", workspace="knowledge")) as client:
        assert client.get("/console/browse/articles").status_code == 403
        assert 'href="/console/browse/articles"' not in client.get("/console").text
    with closing(signed_in(box, "uploader", workspace="knowledge")) as client:
        assert client.get("/console/browse/articles").status_code == 200


def test_an_empty_page_says_how_the_first_one_comes(box: BoxProcess) -> None:
    with closing(signed_in(box, workspace="empty")) as client:
        said = plain(main_of(client.get("/console/browse/articles")))
    assert "There are no articles yet" in said
    assert f"{PATH}/content/upload" in said


# The search.


def test_a_search_leads_to_the_passage_that_says_it(visit: Visit, desk: Desk, ids: dict[str, str]) -> None:
    key = ids["Dengue fever at home, again"]
    result = desk.api.get(f"{PATH}/content/{key}").json()["result"]
    person = window(visit, desk)
    page = person.page
    page.goto("/console/browse/articles")
    page.get_by_role("button", name="Search the articles").click()
    page.get_by_label("What to look for").fill('"Call your doctor" three days')
    page.get_by_label("What to look for").press("Enter")
    expect(page.locator(".hits li")).to_have_count(1)
    expect(page.locator(".hits mark").first).to_have_text("Call your doctor")
    inspect(person, "knowledge-search")
    page.keyboard.press("j")
    expect(page.locator("[data-row] h2 a")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"/{key}\?passage=\d+#passage-{len(result['passages'])}$"))
    shown = page.locator(f"#passage-{len(result['passages'])}")
    expect(shown).to_contain_text("Call your doctor after three days.")
    expect(shown).to_be_in_viewport()


def test_a_search_is_narrowed_and_says_what_is_wrong(desk: Desk) -> None:
    def heads(**query: str) -> list[str]:
        return re.findall(
            r'<h2><a [^>]*><bdi class="text">([^<]+)', main_of(desk.page("find/articles", **query))
        )

    assert len(heads(q="dengue")) > 2
    assert heads(q="dengue", content_type="guideline") == [
        "Dengue fever at home, again"
    ]  # the newer one alone
    assert heads(q="dengue", published_after="2030-01-01") == []
    hostile = heads(q="the", source_id="blog", quality_min="0.4")
    assert [unescape(each) for each in hostile] == [HOSTILE]
    assert heads(q="the", source_id="blog", quality_min="1") == []
    for wrong in ({"q": "-dengue"}, {"q": "dengue", "quality_min": "much"}, {"q": "x" * 5_000}):
        reply = desk.page("find/articles", **wrong)
        assert reply.status_code == 400, wrong
        assert 'class="message bad"' in reply.text
    echo = desk.page("find/articles", q=f'"{HOSTILE}"')
    assert "<script>window" not in echo.text
    assert desk.page("find/tickets").status_code == 404
    assert desk.page("find/nothing").status_code == 404


# Sources.


class Site(http.server.BaseHTTPRequestHandler):
    """A site with one article, and rules for robots."""

    def do_GET(self) -> None:
        if self.path == "/robots.txt":
            body, kind = b"User-agent: *\nCrawl-delay: 7\n", "text/plain"
        else:
            body = (
                b"<html><body><h1>News</h1><div class='text'>"
                + b"Said at length. " * 40
                + b"</div></body></html>"
            )
            kind = "text/html"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The address of such a site."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/news"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_source_is_tried_made_changed_and_removed(visit: Visit, desk: Desk, site: str) -> None:
    person = window(visit, desk)
    page = person.page
    page.goto("/console/browse/sources")
    page.get_by_role("button", name="Add a source").click()
    page.get_by_label("Source", exact=True).fill("new/hospital 1")
    page.get_by_label("Name").fill("Bạch Mai")
    page.get_by_label("Type").select_option("Hospital")
    page.get_by_label("Address").fill(site)
    page.get_by_label("Selectors of the content").fill(".text\nmain >")
    page.get_by_role("button", name="Validate").click()
    tried = page.locator(".tried")
    expect(tried).to_contain_text("The page can be had")
    expect(tried.get_by_role("row", name=re.compile("^content"))).to_contain_text("No")
    expect(tried).to_contain_text("7.00 s")
    inspect(person, "knowledge-source-tried")
    assert desk.api.get(f"{PATH}/sources/new/hospital 1").status_code == 404  # nothing is saved
    expect(page.get_by_label("Type")).to_have_value("hospital")  # and nothing that was typed is lost
    page.get_by_label("Selectors of the content").fill(".text")
    page.get_by_label("How often it is crawled").fill("every now and then")
    page.get_by_role("button", name="Save").click()
    wrong = page.get_by_label("How often it is crawled")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    wrong.fill("daily")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Bạch Mai")).to_be_visible()
    made = desk.api.get(f"{PATH}/sources/new/hospital 1").json()["source"]
    assert (made["type"], made["crawl_frequency"]) == ("hospital", "daily")
    assert (made["base_url"], made["selectors"]) == (site, {"content": [".text"]})
    page.get_by_role("button", name="Change", exact=True).click()
    page.get_by_label("Selectors of the content").fill("")
    page.get_by_label("Address").fill("")
    page.get_by_label("Status").select_option("Disabled")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Disabled", exact=True).first).to_be_visible()
    made = desk.api.get(f"{PATH}/sources/new/hospital 1").json()["source"]
    assert (made["status"], made["base_url"], made["selectors"]) == ("disabled", None, {})
    assert made["name"] == "Bạch Mai"
    page.get_by_role("button", name="Change", exact=True).click()
    page.get_by_text("Remove this source").first.click()
    page.get_by_role("button", name="Remove this source").click()
    page.wait_for_url(re.compile("/browse/sources$"))
    assert desk.api.get(f"{PATH}/sources/new/hospital 1").status_code == 404


def test_a_source_with_articles_stays_and_leads_to_them(desk: Desk) -> None:
    reply = desk.sent("edit/sources/blog", do="remove")
    assert reply.status_code == 409
    assert "disable" in plain(reply.text)
    assert "browse/articles?source_id=blog" in main_of(desk.page("browse/sources/blog"))
    assert main_of(desk.page("browse/articles", source_id="blog")).count("data-row") == 2


def test_forms_are_for_who_may_send_them(box: BoxProcess) -> None:
    with closing(signed_in(box, "uploader", workspace="knowledge")) as client:
        page = client.get("/console/browse/sources")
        assert page.status_code == 200
        assert "/console/edit/" not in page.text + client.get("/console/browse/sources/blog").text
        for path in ("edit/sources", "edit/sources/blog"):
            assert client.get(f"/console/{path}").status_code == 403
            assert client.post(f"/console/{path}", data={"do": "remove"}).status_code == 403
    with closing(signed_in(box, workspace="knowledge")) as client:
        for path in ("edit/articles", "edit/nothing", "edit/articles/x", "edit/sources/nothing"):
            assert client.get(f"/console/{path}").status_code == 404


def test_one_form_makes_one_source(desk: Desk) -> None:
    given = {
        "id": "twice",
        "name": "Twice",
        "type": "news",
        "status": "active",
        "once": "a-form-of-this-test",
    }
    for _ in range(2):
        reply = desk.sent("edit/sources", **given)
        assert (reply.status_code, reply.headers["location"]) == (303, "/console/browse/sources/twice")
        # What somebody does to it in between is not undone by the form that is sent again.
        desk.api.put(f"{PATH}/sources/twice", json={"name": "Once"}).raise_for_status()
    again = desk.sent("edit/sources", **{**given, "once": "another-form-of-this-test"})
    assert again.status_code == 409
    assert 'value="Twice"' in again.text  # nothing that was typed is lost
    lines = desk.api.get("/v1/audit", params={"object": "source", "object_id": "twice"}).json()["audit"]
    assert [line["action"] for line in lines] == ["source.change", "source.create"]
