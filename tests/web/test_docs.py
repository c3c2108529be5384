"""The pages of the documentation: served by the box alone, kept by browsers, bound to it by their policy."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx2
import pytest

from ingestbox.web.assets import Content, takes_gzip
from ingestbox.web.openapi.pages import FILES, MAX_DOCUMENTS, POLICY, REDOC_POLICY, STATIC
from tests.harness import PATIENCE, BoxProcess, running

PAGES = ("/docs", "/redoc")
PAGE = pytest.mark.parametrize("page", PAGES)


class Loads(HTMLParser):
    """What a page loads, and whether any of its script is in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.own: list[str] = []
        self.inline = False
        self._in_script = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        found = named.get("src") or (named.get("href") if tag == "link" else None)
        if found:
            self.addresses.append(found)
        self._in_script = tag in ("script", "style")
        self.inline = self.inline or any(name.startswith("on") or name == "style" for name in named)

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        self.inline = self.inline or (self._in_script and bool(data.strip()))


@pytest.fixture(scope="module")
def browser(box: BoxProcess) -> Iterator[httpx2.Client]:
    """Nobody in particular, with the headers of a browser."""
    headers = {"Accept-Encoding": "gzip, deflate, br"}
    with httpx2.Client(
        base_url=box.url, headers=headers, timeout=PATIENCE, trust_env=False, verify=False
    ) as client:
        yield client


def test_the_roots_links_lead_somewhere(browser: httpx2.Client) -> None:
    for link in browser.get("/").json()["links"].values():
        assert browser.get(link).status_code == 200, link


@PAGE
def test_a_page_loads_all_it_needs_from_the_box(browser: httpx2.Client, page: str) -> None:
    reply = browser.get(page)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    loads = Loads(reply.text)
    assert len(loads.addresses) >= 3
    assert not loads.inline
    types = set()
    for address in loads.addresses:
        assert re.match(r"docs/assets/[a-z0-9.-]+\?v=[0-9a-f]{16}$", address), (
            "relative, and with its version"
        )
        asset = browser.get(f"/{address}")
        assert asset.status_code == 200
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert asset.headers["content-encoding"] == "gzip"
        assert asset.headers["x-content-type-options"] == "nosniff"
        assert asset.content
        types.add(asset.headers["content-type"])
    assert "text/javascript; charset=utf-8" in types
    assert "text/css; charset=utf-8" in types


@PAGE
def test_a_page_may_load_nothing_from_elsewhere(browser: httpx2.Client, page: str) -> None:
    given = browser.get(page).headers["content-security-policy"]
    policy = dict(each.split(" ", 1) for each in given.split("; "))
    assert policy == {"/docs": POLICY, "/redoc": REDOC_POLICY}[page]
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    sources = {source for each in policy.values() for source in each.split()}
    assert sources <= {"'none'", "'self'", "'unsafe-inline'", "data:", "blob:"}
    assert "'unsafe-inline'" not in policy["script-src"]


def test_our_own_scripts_name_no_address_and_keep_no_credentials() -> None:
    for name in ("docs.js", "redoc.js", "docs.html", "redoc.html", "docs.css"):
        text = (STATIC / name).read_text("utf-8")
        assert not re.search(r"https?:|//[a-z]", text.replace("// ", "")), name
    swagger = (STATIC / "docs.js").read_text("utf-8")
    assert "persistAuthorization: false" in swagger
    assert "validatorUrl: null" in swagger


@PAGE
def test_behind_a_proxy_the_addresses_are_below_its_prefix(tmp_path: Path, page: str) -> None:
    config = '[server]\nprefix = "/ingest/one"\n'
    with (
        running(tmp_path / "box", config=config) as box,
        httpx2.Client(base_url=box.url, trust_env=False, verify=False) as client,
    ):
        reply = client.get(f"/ingest/one{page}")
        for address in Loads(reply.text).addresses:
            assert client.get(str(reply.url.join(address))).status_code == 200
        document = client.get(str(reply.url.join("openapi.json")))
        assert document.json()["servers"][0]["url"] == "/ingest/one"


def test_the_document_says_where_its_reader_sees_the_box(tmp_path: Path) -> None:
    config = '[server]\nprefix = "/ingest"\ntrusted_proxies = ["127.0.0.1"]\n'
    with (
        running(tmp_path / "box", config=config) as box,
        httpx2.Client(base_url=box.url, trust_env=False, verify=False) as client,
    ):

        def told(**headers: str) -> str:
            reply = client.get("/openapi.json", headers=headers)
            url: str = reply.raise_for_status().json()["servers"][0]["url"]
            return url

        plain = client.get("/openapi.json")
        for number in range(20):
            seen = told(**{"X-Forwarded-Prefix": f"/pub{number}"})
            assert seen == (f"/pub{number}" if number < MAX_DOCUMENTS - 1 else "/ingest"), "few are made"
        assert told(**{"X-Forwarded-Prefix": "/pub0"}) == "/pub0"
        assert told(**{"X-Forwarded-Prefix": "//evil"}) == told() == "/ingest"
        tag = {"If-None-Match": plain.headers["etag"]}
        assert client.get("/openapi.json", headers=tag).status_code == 304
        assert client.get("/openapi.json", headers={**tag, "X-Forwarded-Prefix": "/pub0"}).status_code == 200


@pytest.mark.parametrize("path", [*PAGES, "/openapi.json", "/docs/assets/swagger-ui.css"])
def test_what_a_client_has_is_not_sent_again(browser: httpx2.Client, path: str) -> None:
    first = browser.get(path)
    tag = first.headers["etag"]
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        reply = browser.get(path, headers={"If-None-Match": known})
        assert (reply.status_code, reply.content) == (304, b""), known
        assert reply.headers["etag"] == tag
        assert reply.headers["vary"] == "Accept-Encoding"
    for other in ('"other"', "", tag.strip('W/"')):
        assert browser.get(path, headers={"If-None-Match": other}).status_code == 200


@pytest.mark.parametrize(
    "path", [*PAGES, "/openapi.json", *(f"/docs/assets/{n}" for n in ("docs.js", "favicon-32x32.png"))]
)
def test_packed_and_plain_are_the_same(browser: httpx2.Client, path: str) -> None:
    packed = browser.get(path)
    plain = browser.get(path, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert packed.headers["etag"] == plain.headers["etag"]
    head = browser.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == packed.headers["content-length"]


def test_an_address_without_the_right_version_is_asked_for_anew(browser: httpx2.Client) -> None:
    for version in ("", "?v=", "?v=0123456789abcdef"):
        assert browser.get(f"/docs/assets/docs.js{version}").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "name",
    ["README.md", "docs.html", "LICENSE.txt", "swagger-ui-bundle.js.gz", "..%2Fdocs.html", "%2e%2e", "a%00b"],
)
def test_only_files_of_the_pages_are_served(browser: httpx2.Client, name: str) -> None:
    reply = browser.get(f"/docs/assets/{name}")
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("given", "takes"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip ; q=1.0, br", True),
        ("*", True),
        ("", False),
        ("br", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, br", False),
        ("x-gzipped", False),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("gzip;q=high", False),
    ],
)
def test_gzip_is_sent_to_those_who_take_it(given: str, takes: bool) -> None:
    assert takes_gzip({"accept-encoding": given}) is takes


def test_nobody_is_sent_gzip_unasked() -> None:
    assert not takes_gzip({})


def test_equal_content_has_one_version() -> None:
    assert Content.of(b"a", "text/css") == Content.of(b"a", "text/css")
    assert Content.of(b"a", "text/css").digest != Content.of(b"b", "text/css").digest


def test_vendored_files_are_those_that_the_readme_names() -> None:
    told = dict(
        re.findall(
            r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", (STATIC / "README.md").read_text("utf-8"), re.M
        )
    )
    assert set(told) == {place for place in FILES if "/" in place}
    for place, digest in told.items():
        body = (STATIC / place).read_bytes()
        plain = gzip.decompress(body) if place.endswith(".gz") else body
        assert hashlib.sha256(plain).hexdigest() == digest, place
    for folder in {Path(place).parent for place in told}:
        assert (STATIC / folder / "LICENSE.txt").is_file()
