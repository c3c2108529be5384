"""Every page that a person can reach by links, for each role: it is there and inert, whatever the data.

The box holds names, texts and cells that try to be markup, scripts and marks that turn the direction.
"""

from __future__ import annotations

import re
from collections import deque
from contextlib import closing
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest

from tests.console.support import PASSWORD, new_user, signed_in
from tests.harness import BoxProcess, post_tickets, ticket, until, wait_job

HOSTILE = "<script>window.bad=1</script>\"'><img src=x onerror=bad()>\u202egnp.exe {{7*7}} ${7*7}"
WORD = "x" * 10_000
MOST_PAGES = 400
UNSAID = re.compile(r"\bNone\b|\bUndefined\b|jinja2|bound method|object at 0x|\{\{(?!7\*7)|\{%")
"""What a template says that was given the wrong thing."""


class Page(HTMLParser):
    """What a page links to, and what it holds that the console's pages may not."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.headings = 0
        self.wrong: list[str] = []
        self.text: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")
        self.headings += tag == "h1"
        self._inside = tag
        if tag == "script" and "src" not in given and given.get("type") != "application/json":
            self.wrong.append("a script in the page")
        if tag == "style" or "style" in given:
            self.wrong.append(f"a style in the page: {tag}")
        if tag == "img" and given.get("src") == "x":
            self.wrong.append("an image of the data's")
        self.wrong += [f"{tag} {name}" for name in given if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "code", "textarea", "template"):
            self.text.append(data)


@pytest.fixture(scope="module")
def filled(box: BoxProcess) -> BoxProcess:
    """The box with hostile data that one person has sent: an import that waits, one that is done, tickets."""
    email = new_user(box, "admin")
    with box.client(workspace="*") as client:
        answer = client.post("/api/auth/login", json={"email": email, "password": PASSWORD})
        token = answer.raise_for_status().json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=box.url, headers=headers, trust_env=False, timeout=30) as client:
        cell = '"' + HOSTILE.replace('"', '""') + '"'
        head = f"email,first_name,last_name,company,{cell}\n"
        good = "".join(f"a{n}@example.com,{cell},Lee,{WORD},{cell}\n" for n in range(3))
        bad = (
            f"b@example.com,A,{cell},,x\n{cell},A,B,C,x\na,b\n"
            f"c@x.org,{cell},B,C,1\nC@x.org,A,B,C,2\na1@example.com,A,B,C,1\n"
        )
        for name, rows in (("good.csv", good), (f"{HOSTILE[:90].replace('/', '')}.csv", bad)):
            client.post("/jobs/upload", files={"file": (name, (head + rows).encode())}).raise_for_status()
        states = lambda: {job["state"] for job in client.get("/v1/jobs").json()["jobs"]}  # noqa: E731
        until(lambda: states() == {"completed", "review"}, "both imports stand still")
        records: list[dict[str, object]] = [
            ticket(1, id=HOSTILE, summary=HOSTILE, description=WORD, comments=[HOSTILE]),
            ticket(2, summary="Giao hàng chậm, hộp bị móp ở Hà Nội"),
            {"id": "T-3", "summary": ""},
        ]
        job = post_tickets(client, records, params={"mode": "partial"}, headers={"X-Request-ID": "<b>"})
        wait_job(client, job["job_id"])
        made = client.post("/v1/keys", json={"name": HOSTILE.replace("\u202e", ""), "roles": ["ingest"]})
        made.raise_for_status()
    box_email[box.url] = email
    return box


box_email: dict[str, str] = {}


def shape(path: str) -> str:
    """The address with its numbers, names and query's values left out: pages of one shape are one page."""
    parts = urlsplit(path)
    names = sorted(pair.partition("=")[0] for pair in parts.query.split("&"))
    plain = re.sub(r"/[0-9a-f-]{20,}|/\d+|(?<=tickets/).+", "/#", parts.path)
    return f"{plain}?{'&'.join(names)}"


@pytest.mark.parametrize("roles", [("admin",), ("editor",), ("uploader",), ("analyst",)], ids=lambda r: r[0])
def test_no_link_leads_nowhere_and_no_page_runs_what_data_says(filled: BoxProcess, roles: tuple[str]) -> None:
    email = box_email[filled.url] if roles == ("admin",) else ""
    seen: dict[str, int] = {}
    wrong: list[str] = []
    with closing(signed_in(filled, *roles, email=email)) as client:
        ahead = deque([("/console", "")])
        while ahead and len(seen) < MOST_PAGES:
            path, origin = ahead.popleft()
            reply = client.get(path)
            if reply.status_code >= 400:
                wrong.append(f"{reply.status_code} {path} linked from {origin}")
            if not reply.headers.get("content-type", "").startswith("text/html"):
                continue
            page = Page(reply.text)
            wrong += [f"{path}: {each}" for each in page.wrong]
            wrong += [f"{path} says {each}" for each in UNSAID.findall("".join(page.text))]
            wrong += [f"{path} has {page.headings} first headings"] if page.headings != 1 else []
            for link in page.links:
                target = urlsplit(urljoin(f"{filled.url}{path}", link))
                inner = f"{target.path}{'?' + target.query if target.query else ''}"
                if target.netloc != urlsplit(filled.url).netloc:
                    wrong.append(f"{path} leads elsewhere: {link}")
                elif shape(inner) not in seen and target.path.startswith("/console"):
                    seen[shape(inner)] = len(page.links)
                    ahead.append((inner, path))
    assert not wrong, "\n".join(sorted(set(wrong)))
    assert len(seen) > {"admin": 40, "editor": 20, "uploader": 12, "analyst": 15}[roles[0]], sorted(seen)
