"""What tests of the console drive: a real browser on a real box, as a person who is signed in."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx2
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
    sync_playwright,
)

from tests.harness import PATIENCE, BoxProcess

AXE = gzip.decompress((Path(__file__).parent / "vendor" / "axe.min.js.gz").read_bytes()).decode()
PASSWORD = "a long enough password"
SHOTS = os.environ.get("INGESTBOX_TEST_SHOTS", "")
"""The folder where pictures of pages go; without one none are taken, for painting them takes long."""

Theme = Literal["light", "dark"]

NARROW: ViewportSize = {"width": 360, "height": 740}
WIDE: ViewportSize = {"width": 1280, "height": 900}

_numbers = itertools.count(1)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's browser, for as long as one module's tests run: Playwright's loop is in the way of others'.

    The one without windows opens a page with less than half of the work.
    """
    program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert program is not None, "the console is tested in a browser: apt-get install chromium-headless-shell"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--num-raster-threads=1"],
        )
        try:
            yield browser
        finally:
            browser.close()


class Person:
    """Somebody at a browser of their own. `page` is their tab; `errors` is what it complained of."""

    def __init__(self, browser: Browser, box: BoxProcess, **options: Any) -> None:
        """`options` are those of a Playwright context: viewport, color_scheme, java_script_enabled …"""
        self.box = box
        self.email = ""
        options.setdefault("viewport", WIDE)
        options.setdefault("locale", "en-GB")
        options.setdefault("timezone_id", "Europe/Paris")
        options.setdefault("reduced_motion", "reduce")  # a colour on its way to another is neither
        self.context: BrowserContext = browser.new_context(base_url=box.url, **options)
        self.context.set_default_timeout(20_000)
        self.errors: list[str] = []
        self.page: Page = self.context.new_page()
        self.watch(self.page)

    def watch(self, page: Page) -> None:
        """Notes what a tab complains of: exceptions, errors in the console, requests to elsewhere."""

        def said(message: ConsoleMessage) -> None:
            # A status is what the box answered, and tests look at it; the browser notes each in its console.
            if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
                self.errors.append(message.text)

        page.on("console", said)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((self.box.url, "data:", "blob:"))
                else self.errors.append(f"asked {request.url}")
            ),
        )

    def sign_in(self, *roles: str, workspace: str = "default") -> Person:
        """Makes a user with these roles (admin unless given) and signs in as them."""
        self.email = self.email or new_user(self.box, *roles, workspace=workspace)
        self.page.goto("/console/login")
        self.page.get_by_label("E-mail").fill(self.email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(lambda url: "/console/login" not in url)
        return self

    def enter(self, *roles: str, workspace: str = "default") -> Person:
        """The same without the form: a page less to load for each test that is about something else."""
        self.email = self.email or new_user(self.box, *roles, workspace=workspace)
        given: dict[str, str | float | bool] = {"email": self.email, "password": PASSWORD}
        here = {"Origin": self.box.url}
        answer = self.context.request.post("/console/login", form=given, headers=here, max_redirects=0)
        assert answer.status == 303, answer.text()
        self.page.goto("/console")
        return self

    def goto(self, path: str) -> int:
        """Opens a page of the console; its status."""
        answer = self.page.goto(f"/console{path}")
        assert answer is not None
        return answer.status

    def shot(self, name: str) -> None:
        """Keeps a picture of the whole page, to be looked at, if a folder is named for them."""
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            # To hide the caret it would add attributes, which the page's policy forbids htmx to carry on.
            self.page.screenshot(path=Path(SHOTS, f"{name}.png"), full_page=True, caret="initial")

    def close(self) -> None:
        """Closes the browser's window; fails when its console had complaints."""
        self.context.close()
        assert not self.errors, self.errors


def new_user(box: BoxProcess, *roles: str, workspace: str = "default") -> str:
    """Makes a user with `PASSWORD`; their address."""
    email = f"person-{os.getpid()}-{next(_numbers)}@example.com"
    with box.client(workspace="*") as client:
        wanted = {"email": email, "roles": roles or ["admin"], "workspace": workspace, "password": PASSWORD}
        client.post("/v1/users", json=wanted).raise_for_status()
    return email


def visitor(box: BoxProcess, **headers: str) -> httpx2.Client:
    """A browser without pages: sends what one would say of a form, keeps cookies, follows no redirects."""
    return httpx2.Client(
        base_url=box.url,
        headers={"Origin": box.url, **headers},
        timeout=PATIENCE,
        trust_env=False,
        verify=False,
    )


def signed_in(box: BoxProcess, *roles: str, workspace: str = "default", email: str = "") -> httpx2.Client:
    """The same with a session, of a new user with these roles (admin unless given) or of who has `email`; to
    be closed (`contextlib.closing`)."""
    client = visitor(box)
    given = {"email": email or new_user(box, *roles, workspace=workspace), "password": PASSWORD}
    assert client.post("/console/login", data=given).status_code == 303
    return client


COLOURS = ("color-contrast", "link-in-text-block")
"""The rules of axe-core that a theme makes a difference to."""


def violations(page: Page, *rules: str) -> list[str]:
    """What axe-core finds on the page that is serious or critical; with `rules` by these alone."""
    # Evaluated, not put into the page: the page's own policy lets no script of others in.
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    wanted: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        wanted["runOnly"] = {"type": "rule", "values": list(rules)}
    found = page.evaluate("async (w) => JSON.stringify((await axe.run(document, w)).violations)", wanted)
    return [
        f"{each['id']}: {each['help']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for each in json.loads(found)
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def overflow(page: Page) -> int:
    """How many pixels the page is wider than its window."""
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width


def inspect(person: Person, name: str) -> None:
    """What holds for every page: in both themes axe-core finds nothing serious, at 360 px nothing is cut off.
    Keeps a picture of each, if they are wanted."""
    page = person.page
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        found = violations(page, *(() if theme == "light" else COLOURS))
        assert not found, (name, theme, found)
        person.shot(f"{name}-{theme}")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(NARROW)
    assert overflow(page) <= 0, f"{name} is wider than 360 px"
    found = violations(page)
    assert not found, (name, "narrow", found)
    person.shot(f"{name}-narrow")
    page.set_viewport_size(WIDE)
