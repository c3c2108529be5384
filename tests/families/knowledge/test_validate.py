"""`POST …/sources/validate` on a real box, against sites of this machine."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest

from tests.families.knowledge.support import UNLIMITED, article, refused
from tests.families.knowledge.test_sources import SOURCES
from tests.harness import BoxProcess, running

CONFIG = f"""\
{UNLIMITED}
[outbound]
allow_hosts = ["127.0.0.1"]
"""

TEXT = str(article(1)["content"])

PAGE = f"""<!DOCTYPE html><html><head><title>Trang</title><meta name="author" content="BS. Lan">
<script>var no = "text";</script></head><body><h1 class="title">Sốt xuất huyết</h1>
<time datetime="2026-01-05">hôm qua</time><div class="article-content"><p>{TEXT}</p></div></body></html>"""

SELECTORS = {
    "content": ".article-content, #main",
    "title": ["h1.title", ".none"],
    "date": "time",
    "author": 'meta[name="author"]',
}

Answers = dict[str, tuple[int, dict[str, str], bytes]]


class Site:
    """What a site answers, by path, and the paths and agents that it was asked with."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://{server.server_address[0]!s}:{server.server_port}"
        self.answers: Answers = {}
        self.asked: list[tuple[str, str]] = []

    def page(self, text: str | bytes = PAGE, path: str = "/", status: int = 200, **headers: str) -> str:
        """Puts a page, and gives its URL."""
        body = text.encode() if isinstance(text, str) else text
        told = {
            "Content-Type": "text/html",
            **{name.replace("_", "-"): each for name, each in headers.items()},
        }
        self.answers[path] = (status, told, body)
        return self.url + path

    def robots(self, text: str, status: int = 200) -> None:
        self.page(text, "/robots.txt", status, Content_Type="text/plain")


@contextlib.contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found.asked.append((self.path, self.headers["User-Agent"]))
            status, headers, body = found.answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((host, 0), Handler)
    found = Site(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    with running(tmp_path_factory.mktemp("box"), config=CONFIG) as started:
        yield started


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as found:
        yield found


def validated(client: httpx2.Client, base_url: str, **config: Any) -> tuple[dict[str, Any], list[str]]:
    """What was found, and what is recommended."""
    reply = client.post(f"{SOURCES}/validate", json={"source_config": {"base_url": base_url, **config}})
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert body["success"] is True
    return body["validation_result"], body["recommendations"]


def test_a_source_that_is_well_is_told_so(crawler: httpx2.Client, site: Site) -> None:
    site.page()
    site.robots("User-agent: CareCircle-Crawler\nCrawl-delay: 1\nDisallow: /admin\n")
    found, advice = validated(crawler, site.url, language="vi", selectors=SELECTORS)
    assert {name: found[name] for name in ("accessible", "content_found", "selectors_valid")} == {
        "accessible": True,
        "content_found": True,
        "selectors_valid": True,
    }
    assert found["robots_txt_compliant"] is True
    assert 0 < found["response_time"] < 10
    assert (found["reason"], found["status"], found["language"], found["crawl_delay"]) == (
        None,
        200,
        "vi",
        1.0,
    )
    samples = {kind: each["sample"] for kind, each in found["selectors"].items()}
    assert samples["title"] == "Sốt xuất huyết"
    assert (samples["date"], samples["author"]) == ("hôm qua", "BS. Lan")
    assert samples["content"] == TEXT[:200]
    assert advice == [
        "The page comes without encryption: use https if the site has it",
        "Robots.txt allows crawling with 1 second delay",
    ]
    assert sorted(site.asked) == [(path, "CareCircle-Crawler/1.0") for path in ("/", "/robots.txt")]


def test_selectors_are_told_apart(crawler: httpx2.Client, site: Site) -> None:
    site.page()
    wrong = {"content": ["p", "p[", "h1"], "title": ".none", "date": "title:empty, body > i"}
    found, advice = validated(crawler, site.url, selectors=wrong)
    assert (found["selectors_valid"], found["content_found"]) == (False, False)
    assert "`p[`" in found["selectors"]["content"]["error"]
    assert (found["selectors"]["title"]["valid"], found["selectors"]["title"]["found"]) == (True, 0)
    assert advice[0] == "Give selectors for author, so that they are not guessed"
    assert "The selector of title finds nothing on this page" in advice
    assert any(each.startswith("Correct the selector of content") for each in advice)
    found, _ = validated(crawler, site.url)
    assert (found["content_found"], found["selectors_valid"], found["selectors"]) == (True, True, {})


def test_robots_txt_is_kept_to(crawler: httpx2.Client, site: Site) -> None:
    url = site.page(path="/news/1.pdf?x")

    def allowed(**config: str) -> tuple[bool, str]:
        found, advice = validated(crawler, url, **config)
        assert found["accessible"] is True
        return found["robots_txt_compliant"], "; ".join(advice)

    assert allowed()[0] is True  # 404
    site.robots("User-agent: *\nDisallow: /*.pdf$\nAllow: /news\n")
    assert allowed()[0] is True
    site.robots("User-agent: *\nAllow: /\n\nUser-agent: carecircle-crawler\nDisallow: /news/*.pdf\n")
    assert allowed()[0] is False
    assert allowed(user_agent="OtherBot/2.0 (x)")[0] is True
    assert site.asked[-1][1] == "OtherBot/2.0 (x)"
    site.robots("", status=503)
    assert allowed()[0] is False
    site.robots("nothing sensible \0 \xff")
    assert allowed()[0] is True
    site.answers["/robots.txt"] = (302, {"Location": "/robots.txt"}, b"")
    assert allowed()[0] is True
    site.answers["/robots.txt"] = (302, {"Location": "http://127.0.0.2/robots.txt"}, b"")
    told = allowed()
    assert (told[0], "cannot be had" in told[1]) == (False, True)
    site.robots("User-agent: *\nRequest-rate: 1/7\n")
    assert "7 second delay" in allowed()[1]
    site.robots("User-agent: *\nDisallow: /" + "*a" * 400 + "\n" + "x" * 600_000)
    assert allowed()[0] in (True, False)  # it is read, or given up; it hangs nobody


def test_what_a_page_says_of_itself_is_told(crawler: httpx2.Client, site: Site) -> None:
    english = "<p>" + "The ministry of health reports that the number of patients is falling again. " * 5
    _, advice = validated(crawler, site.page(f'<meta name=ROBOTS content="NoIndex">{english}'), language="vi")
    told = "; ".join(advice)
    assert "noindex" in told
    assert "seems to be in en, and not in vi" in told
    assert "limiting of 2 seconds" in told
    assert "There is no robots.txt" in told
    _, advice = validated(crawler, site.page("x", X_Robots_Tag="noindex, nofollow"))
    assert "noindex" in "; ".join(advice)
    assert "hardly any text" in "; ".join(advice)
    _, advice = validated(crawler, site.page(b"%PDF-1.7", Content_Type="application/pdf"))
    assert "no HTML, but application/pdf" in "; ".join(advice)


@pytest.mark.parametrize("label", ["utf-8", "windows-1258", "utf-16le", "nonsense"])
def test_pages_are_read_in_their_encoding(crawler: httpx2.Client, site: Site, label: str) -> None:
    body = "<h1>Sức khoẻ ở đâu</h1>"
    if label == "windows-1258":
        import unicodedata

        # It has letters with their hats, and the tones apart.
        parts = (unicodedata.normalize("NFD", each) for each in body)
        text = "".join(
            unicodedata.normalize("NFC", p[:2]) + p[2:] if "\u0302" in p or "\u031b" in p else p
            for p in parts
        )
        coded = f'<meta http-equiv="Content-Type" content="text/html; charset={label}">{text}'.encode(
            "cp1258"
        )
        url = site.page(coded)
    else:
        codec = "utf-8" if label == "nonsense" else label
        url = site.page(body.encode(codec), Content_Type=f"text/html; charset={label}")
    found, _ = validated(crawler, url, selectors={"title": "h1"})
    import unicodedata

    assert unicodedata.normalize("NFC", found["selectors"]["title"]["sample"]) == "Sức khoẻ ở đâu"


def test_what_cannot_be_had_is_no_error(crawler: httpx2.Client, site: Site) -> None:
    site.page(path="/broken", status=500)
    found, _ = validated(crawler, site.url + "/broken", selectors={"content": "p"})
    assert (found["accessible"], found["status"], found["reason"]) == (False, 500, "The site answered 500.")
    assert (found["content_found"], found["selectors_valid"]) == (False, True)
    with serving("127.0.0.2") as inside:
        inside.page("<p>secret")
        port = inside.url.rpartition(":")[2]
        site.answers["/away"] = (301, {"Location": f"http://2130706434:{port}/"}, b"")
        for url, reason in (
            *((inside.url, "a loopback address"), (f"{site.url}/away", "a loopback address")),
            *(("http://169.254.169.254/latest/", "clouds keep"), ("http://[64:ff9b::7f00:1]/", "NAT64")),
            *(("http://localhost/", "this machine"), ("http://nobody.invalid/", "not known")),
            *(("http://a:b@127.0.0.1/", "password"), ("ftp://127.0.0.1/", "http"), ("nonsense", "http")),
        ):
            found, advice = validated(crawler, url, selectors={"content": "p["})
            assert (found["accessible"], found["status"], found["content_found"]) == (False, None, False), url
            assert (found["selectors_valid"], found["robots_txt_compliant"]) == (False, url.endswith("/away"))
            assert reason in found["reason"], url
            assert advice
        assert inside.asked == []


def test_another_site_it_leads_on_to_is_named_and_its_robots_txt_counts(
    crawler: httpx2.Client, site: Site
) -> None:
    with serving() as other:
        site.answers["/"] = (302, {"Location": f"{other.url}/there"}, b"")
        other.page(path="/there")
        other.robots("User-agent: *\nDisallow: /there")
        found, advice = validated(crawler, f"{site.url}/")
        assert (found["accessible"], found["final_url"]) == (True, f"{other.url}/there")
        assert found["robots_txt_compliant"] is False
        assert f"The site leads on to another one: use {other.url} for base_url" in advice


def test_a_page_that_is_too_long_is_looked_at_as_far_as_it_goes(crawler: httpx2.Client, site: Site) -> None:
    long = "<div class=article-content>" + "x" * 3_000_000
    found, advice = validated(crawler, site.page(long), selectors={"content": ".article-content"})
    assert (found["accessible"], found["content_found"]) == (True, True)
    assert any("Only the first 2 MB" in each for each in advice)


@pytest.mark.soak
def test_hostile_pages_are_bounded(crawler: httpx2.Client, site: Site) -> None:
    bomb = gzip.compress(b"<p>" + b"\0" * 50_000_000)
    assert validated(crawler, site.page(bomb, Content_Encoding="gzip"))[0]["accessible"] is True
    deep = "<div>" * 400_000
    found, _ = validated(crawler, site.page(deep), selectors={"content": "div div div p"})
    assert (found["accessible"], found["content_found"]) == (True, False)
    site.page()
    assert validated(crawler, site.url, selectors=SELECTORS)[0]["content_found"] is True, "it goes on"


def test_a_body_that_says_nothing_is_refused(crawler: httpx2.Client) -> None:
    def post(body: object) -> httpx2.Response:
        return crawler.post(f"{SOURCES}/validate", json=body)

    config = {"selectors": {"content": 3}, "user_agent": "a\nb", "id": ""}
    told = refused(post({"source_config": config}), 400, "validation_failed")
    assert [each["field"] for each in told["details"]] == [
        f"source_config.{name}" for name in ("base_url", "id", "selectors.content", "user_agent")
    ]
    bodies: list[object] = [{}, [], {"source_config": []}, {"source_config": None}, 3]
    for body in bodies:
        refused(post(body), 400, "validation_failed")
    refused(crawler.post(f"{SOURCES}/validate", content=b"{"), 400, "validation_failed")
