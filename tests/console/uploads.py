"""Files of rows as people choose them on the upload page, and what page and box say of them then."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import FilePayload, Locator, expect

from tests.console.support import Person
from tests.harness import BoxProcess

PLAIN = "E-Mail;Vorname;Name;Firma;Ort\n"
PEOPLE = [("Jürgen", "Groß", "Bäckerei"), ("Zoë", "Müller", "Käse"), ("Ann", "Weiß", "Öle")]


def contacts(prefix: str, count: int = 3, header: str = PLAIN, encoding: str = "utf-8") -> bytes:
    """A file of contacts, each with an address of their own."""
    rows = [";".join((f"{prefix}{n}@firma.example", *PEOPLE[n % len(PEOPLE)], "Köln")) for n in range(count)]
    return (header + "\n".join(rows) + "\n").encode(encoding)


def payload(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "text/csv", "buffer": content}


def choose(person: Person, *files: FilePayload) -> Locator:
    """Chooses files; the line of the last."""
    lines = person.page.locator("#lines > ol > li")
    before = lines.count()
    person.page.get_by_label(re.compile("Choose")).set_input_files(list(files))
    return lines.nth(before + len(files) - 1)


def ready(line: Locator) -> Locator:
    """The button that imports a line's file, once its preview is there."""
    expect(line).to_have_attribute("data-state", "ready")
    return line.get_by_role("button", name=re.compile("^Import"))


def state(line: Locator, wanted: str) -> None:
    expect(line).to_have_attribute("data-state", wanted, timeout=30_000)


def jobs(person: Person) -> list[dict[str, Any]]:
    """The jobs that a person made, newest first."""
    with person.box.client(workspace="default") as client:
        found = client.get("/v1/jobs", params={"all": "true", "limit": 500}).raise_for_status().json()["jobs"]
        mine = client.get("/v1/users").raise_for_status().json()["users"]
    (user,) = [each["id"] for each in mine if each["email"] == person.email]
    return [each for each in found if each["created_by"].endswith(f":{user}")]


def on_disk(box: BoxProcess) -> list[Path]:
    return [path for name in ("incoming", "files") for path in (box.data / name).iterdir()]


def send(
    client: httpx2.Client, path: str, content: bytes, name: str = "a.csv", **fields: str
) -> httpx2.Response:
    return client.post(f"/console/upload/{path}", files={"file": (name, content, "text/csv")}, data=fields)
