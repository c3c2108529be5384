"""Every page that a person can reach by links, for each role: it is there and inert, whatever the data; so
are the pieces that it asks for, and its forms lead to what the person may do.

The box holds names, texts and cells that try to be markup, scripts and marks that turn the direction.
"""

from __future__ import annotations

import ast
import re
from collections import deque
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

import httpx2
import pytest
from starlette.routing import compile_path

from ingestbox.model import Role
from ingestbox.web.binding import BoundRoute
from tests.console.support import PASSWORD, new_user, signed_in
from tests.harness import PATIENCE, BoxProcess, post_tickets, ticket, until, wait_job
from tests.table import described, pages

HOSTILE = "<script>window.bad=1</script>\"'><img src=x onerror=bad()>\u202egnp.exe {{7*7}} ${7*7}"
WORD = "x" * 10_000
MOST_PAGES = 400
UNSAID = re.compile(r"\bNone\b|\bUndefined\b|jinja2|bound method|object at 0x|\{\{(?!7\*7)|\{%")
"""What a template says that was given the wrong thing."""


class Link(NamedTuple):
    """An address in a page, and what is done with it: GET it, PIECE (htmx gets it), or POST."""

    how: str
    address: str


class Page(HTMLParser):
    """What a page leads to, and what it holds that the console's pages may not."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[Link] = []
        self.headings = 0
        self.wrong: list[str] = []
        self.text: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("a", "link") and given.get("href") and not self._safely_elsewhere(given):
            self.links.append(Link("GET", given["href"] or ""))
        if tag in ("script", "img") and given.get("src"):
            self.links.append(Link("GET", given["src"] or ""))
        if tag == "form" and given.get("action"):
            self.links.append(Link((given.get("method") or "get").upper(), given["action"] or ""))
        if given.get("formaction"):
            self.links.append(Link("POST", given["formaction"] or ""))
        if given.get("hx-get"):
            self.links.append(Link("PIECE", given["hx-get"] or ""))
        if given.get("hx-post"):
            self.links.append(Link("POST", given["hx-post"] or ""))
        self.headings += tag == "h1"
        self._inside = tag
        if tag == "script" and "src" not in given and given.get("type") != "application/json":
            self.wrong.append("a script in the page")
        if tag == "style" or "style" in given:
            self.wrong.append(f"a style in the page: {tag}")
        if tag == "img" and given.get("src") == "x":
            self.wrong.append("an image of the data's")
        self.wrong += [f"{tag} {name}" for name in given if name.startswith("on")]

    def _safely_elsewhere(self, given: dict[str, str | None]) -> bool:
        """Whether a link of the data's leads to another site on the web, which is told of no visitor."""
        rel = (given.get("rel") or "").split()
        return {"noopener", "noreferrer", "external"} <= set(rel) and bool(
            re.match(r"https?://[^/]", given["href"] or "")
        )

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "code", "textarea", "template"):
            self.text.append(data)


SENDERS = ("admin", "uploader")


class Filled(NamedTuple):
    """A box with hostile data, and the people who sent it by their role."""

    box: BoxProcess
    people: dict[str, str]


def files(person: str) -> dict[str, str]:
    """By name: a file of which all is right, and one with an issue of each kind."""
    cell = '"' + HOSTILE.replace('"', '""') + '"'
    head = f"email,first_name,last_name,company,{cell}\n"
    good = "".join(f"{person}{n}@example.com,{cell},Lee,{WORD},{cell}\n" for n in range(3))
    bad = (
        f"b@example.com,A,{cell},,x\n{cell},A,B,C,x\na,b\n"
        f"c@x.org,{cell},B,C,1\nC@x.org,A,B,C,2\n{person}1@example.com,A,B,C,1\n"
    )
    return {"good.csv": head + good, f"{HOSTILE[:90].replace('/', '')}.csv": head + bad}


def asking(box: BoxProcess, email: str) -> httpx2.Client:
    """A program that asks the API as this user."""
    with box.client(workspace="*") as client:
        answer = client.post("/api/auth/login", json={"email": email, "password": PASSWORD})
    headers = {"Authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}
    return httpx2.Client(base_url=box.url, headers=headers, trust_env=False, timeout=PATIENCE)


@pytest.fixture(scope="module")
def filled(box: BoxProcess) -> Filled:
    """Of each sender: an import that waits, one that is done; of the administrator tickets and a key, too."""
    people = {role: new_user(box, role) for role in ("admin", "editor", "uploader", "analyst")}
    for person in SENDERS:
        with asking(box, people[person]) as client:
            for name, rows in files(person).items():
                client.post("/jobs/upload", files={"file": (name, rows.encode())}).raise_for_status()
    with asking(box, people["admin"]) as client:

        def states() -> list[str]:
            return sorted(job["state"] for job in client.get("/v1/jobs?all=true").json()["jobs"])

        until(lambda: states() == ["completed"] * 2 + ["review"] * 2, "all imports stand still")
        records: list[dict[str, object]] = [
            ticket(1, id=HOSTILE, summary=HOSTILE, description=WORD, comments=[HOSTILE]),
            ticket(2, summary="Giao hàng chậm, hộp bị móp ở Hà Nội"),
            {"id": "T-3", "summary": ""},
        ]
        job = post_tickets(client, records, params={"mode": "partial"}, headers={"X-Request-ID": "<b>"})
        wait_job(client, job["job_id"])
        human = {"email": "a@example.com", HOSTILE: HOSTILE, "long": WORD}
        batch = {"upload_name": HOSTILE[:60], "records": [human, {"email": "A@example.com"}, {"x": 1}]}
        sent = client.post("/api/audience/batch-upload", json=batch, params={"mode": "partial"})
        upload = sent.raise_for_status().json()["upload_id"]
        until(lambda: client.get(f"/v1/jobs/{upload}").json()["state"] == "completed", "it is done")
        kept = {"name": HOSTILE[:60].replace("\u202e", ""), "filter": {"field": "long", "op": "exists"}}
        client.post(f"/api/audience/batch-upload/{upload}/segments", json=kept).raise_for_status()
        send_articles(client)
        made = client.post("/v1/keys", json={"name": HOSTILE.replace("\u202e", ""), "roles": ["ingest"]})
        made.raise_for_status()
    return Filled(box, people)


def send_articles(client: httpx2.Client) -> None:
    """One that is good, one that waits for a person, and one of markup and marks, nearly the same as it."""
    said = "Dengue fever is carried by mosquitoes. Drink enough and see a doctor in time. "
    filling = " ".join(f"In year {n} there were {n * 37} cases in district {n}." for n in range(40))
    named = [{"text": "Dengue fever", "type": HOSTILE[:60], "confidence": 0.5}]
    for number, (title, content, source) in enumerate(
        (
            ("Dengue fever", said + filling, "moh"),
            (HOSTILE[:90], said + filling + f" {HOSTILE} {WORD[:300]}", HOSTILE[:40]),
            (WORD[:400], "x " * 70, "moh"),
        )
    ):
        item: dict[str, object] = {
            "source_id": source,
            "source_url": f"https://example.org/{number}?a='b'&c=<d>",
        }
        item |= {"title": title, "content": content, "language": "en"}
        item |= {"metadata": {HOSTILE: HOSTILE}, "extracted_entities": named}
        client.post("/knowledge-management/content/upload", json=item).raise_for_status()

    def settled() -> bool:
        return len(client.get("/knowledge-management/content").json()["items"]) == 3

    until(settled, "all articles are processed")


def shape(path: str) -> str:
    """The address with its numbers, names and query's values left out: pages of one shape are one page."""
    parts = urlsplit(path)
    names = sorted(pair.partition("=")[0] for pair in parts.query.split("&"))
    plain = re.sub(r"/[0-9a-f-]{20,}|/\d+|/(upl|seg|km_content)_\w+|(?<=tickets/).+", "/#", parts.path)
    return f"{plain}?{'&'.join(names)}"


def route_of(path: str) -> BoundRoute | None:
    """The console's route that takes a form's address."""
    for bound in pages():
        if bound.route.method == "POST" and compile_path(bound.route.path)[0].fullmatch(unquote(path)):
            return bound
    return None


def may(role: str, bound: BoundRoute) -> bool:
    return role == "admin" or not bound.route.roles or Role(role) in bound.route.roles


def unguarded(reply: httpx2.Response) -> list[str]:
    """What an answer's headers do not forbid."""
    missing = [] if reply.headers.get("x-content-type-options") == "nosniff" else ["nosniff"]
    policy = reply.headers.get("content-security-policy", "")
    kind = reply.headers.get("content-type", "")
    if (kind.startswith("text/html") or not kind) and not (
        "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy
    ):
        missing.append("a policy")
    return missing


class Crawl:
    """Follows what a person's pages lead to, each shape of an address once."""

    def __init__(self, client: httpx2.Client, role: str, site: str) -> None:
        self._client = client
        self._role = role
        self._site = urlsplit(site).netloc
        self._ahead = deque([(Link("GET", "/console"), "the beginning")])
        self.seen: set[tuple[str, str]] = set()
        self.wrong: set[str] = set()

    def run(self) -> None:
        while self._ahead and len(self.seen) < MOST_PAGES:
            link, origin = self._ahead.popleft()
            self._look(link, origin)
        assert not self._ahead, "there are more pages"

    def _look(self, link: Link, origin: str) -> None:
        path = link.address
        headers = {"HX-Request": "true"} if link.how == "PIECE" else {}
        reply = self._client.get(path, headers=headers)
        self.wrong |= {f"{path}: without {each}" for each in unguarded(reply)}
        if reply.status_code >= 400:
            self.wrong.add(f"{reply.status_code} {path} linked from {origin}")
        if reply.is_redirect:
            self._meet(Link("GET", reply.headers["location"]), path)
        if not reply.headers.get("content-type", "").startswith("text/html"):
            return
        page = Page(reply.text)
        self.wrong |= {f"{path}: {each}" for each in page.wrong}
        self.wrong |= {f"{path} says {each}" for each in UNSAID.findall("".join(page.text))}
        # A piece may be taken out of a whole page.
        if page.headings not in ((0, 1) if link.how == "PIECE" else (1,)) and path.startswith("/console"):
            self.wrong.add(f"{path} has {page.headings} first headings")
        for each in page.links:
            self._meet(each, path)

    def _meet(self, link: Link, origin: str) -> None:
        target = urlsplit(urljoin(f"http://{self._site}{origin}", link.address))
        if target.netloc != self._site:
            self.wrong.add(f"{origin} leads elsewhere: {link.address}")
            return
        inner = f"{target.path}{'?' + target.query if target.query else ''}"
        known = (link.how, shape(inner))
        if known in self.seen:
            return
        self.seen.add(known)
        if link.how == "POST":
            bound = route_of(target.path)
            if bound is None or not may(self._role, bound):
                self.wrong.add(f"{origin} has a form for nobody: {inner}")
        else:
            self._ahead.append((Link(link.how, inner), origin))


LEAST = {"admin": 110, "editor": 50, "uploader": 45, "analyst": 60}
"""Addresses that each finds at least."""


@pytest.mark.parametrize("role", LEAST)
def test_no_link_leads_nowhere_and_no_page_runs_what_data_says(filled: Filled, role: str) -> None:
    with closing(signed_in(filled.box, email=filled.people[role])) as client:
        crawl = Crawl(client, role, filled.box.url)
        crawl.run()
    assert not crawl.wrong, "\n".join(sorted(crawl.wrong))
    assert len(crawl.seen) > LEAST[role], (len(crawl.seen), sorted(crawl.seen))


def test_errors_and_redirects_are_guarded_as_pages_are(filled: Filled) -> None:
    with closing(signed_in(filled.box, email=filled.people["uploader"])) as client:
        assert {
            (status, tuple(unguarded(reply)))
            for status, reply in (
                (404, client.get("/console/nowhere")),
                (403, client.get("/console/keys")),
                (403, client.get("/console/keys", headers={"HX-Request": "true"})),
                (403, client.post("/console/keys", headers={"Origin": "https://elsewhere.example"})),
                (404, client.get("/console/jobs/none")),
                (400, client.get("/console/jobs?state=none")),
                (405, client.delete("/console/jobs")),
                (303, client.get("/console/jobs?q=")),
            )
            if reply.status_code == status
        } == {(status, ()) for status in (404, 403, 400, 405, 303)}
    anybody = httpx2.Client(base_url=filled.box.url, trust_env=False)
    with anybody as client:
        for path in ("/console", "/console/login", "/console/keys"):
            assert unguarded(client.get(path)) == []


NO_CALLS = ("/console/assets", "/console/{rest", "/console/setup", "/console/account")
"""Pages with a parameter that ask nothing of the API."""


def values(known: str) -> list[str]:
    """What could be more than a value, as it is sent."""
    calls = ("cancel", "reprocess", "undo", "resolve", "invitation", "history", "..%2F", "")
    tails = (*(f"%2F{call}" for call in calls), "%3Fall=true", "%23x", "%00")
    return [*(f"{known}{tail}" for tail in tails), "..%2F..", "%2E%2E"]


def test_a_value_of_an_address_reaches_no_other_call(filled: Filled) -> None:
    """Real ids with a tail that would make another call of them: nothing is found, nothing is changed."""
    with closing(signed_in(filled.box, email=filled.people["admin"])) as client:
        ids = real_ids(filled.box, filled.people["admin"])
        before = trail(filled.box)
        wrong = []
        for bound in pages():
            route = bound.route
            found = re.findall(r"\{(\w+)", route.path)
            if not found or found in (["view"], ["grid"]) or route.path.startswith(NO_CALLS):
                continue
            for known in ids:
                for value in values(known):
                    path = re.sub(r"\{view\}", "tickets", route.path)
                    path = re.sub(r"\{grid\}", "audience", path)
                    path = re.sub(r"\{deed\}", "cancel", path)
                    path = re.sub(r"\{[^}]*\}", value, path)
                    reply = client.request(route.method, path, data={} if route.method == "POST" else None)
                    if reply.status_code < 400 or reply.status_code >= 500:
                        wrong.append(f"{reply.status_code} {route.method} {path}")
        assert not wrong, "\n".join(wrong)
        assert trail(filled.box) == before


def real_ids(box: BoxProcess, email: str) -> list[str]:
    """One id of a job, of an issue, and of a user."""
    with asking(box, email) as client:
        job = next(each for each in client.get("/v1/jobs").json()["jobs"] if each["state"] == "review")
        issue = client.get("/v1/issues").json()["issues"][0]
        return [job["id"], issue["id"], client.get("/v1/users").json()["users"][0]["id"]]


def trail(box: BoxProcess) -> object:
    with box.client(workspace="*") as client:
        return client.get("/v1/audit").json()["audit"]


def test_pages_name_calls_that_there_are() -> None:
    """Each address of the API in the console's code is that of a route, as it is written there."""
    known = {re.sub(r":\w+\}", "}", bound.route.path) for bound in described()[0]}
    named: set[str] = set()
    for file in Path("ingestbox/console").glob("*.py"):
        nodes = ast.walk(ast.parse(file.read_text()))
        texts = (node.value for node in nodes if isinstance(node, ast.Constant))
        named |= {text for text in texts if isinstance(text, str) and text.startswith("/v1/")}
    assert {each for each in named if not each.endswith("/")} - known == set()
    assert len(named) > 20
