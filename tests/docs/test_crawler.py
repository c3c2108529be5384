"""docs/crawler.md: its program at a real box, through a rate limit and an answer that gets lost."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator

import pytest

from ingestbox.model import Role
from tests.docs.support import Page, Shell
from tests.families.knowledge.crawling import losing
from tests.families.knowledge.support import article, text
from tests.harness import BoxProcess

PAGE = Page("crawler.md")
RATE = 60
"""Bulk calls a minute that the box allows here: then one comes free each second."""


@pytest.fixture(scope="module")
def page_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    environ = {"INGESTBOX_RATES_KNOWLEDGE_BULK": str(RATE)}
    folder = tmp_path_factory.mktemp("box")
    made = BoxProcess(folder, config=f'data = "{folder}/data"\n', environ=environ).start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, page_box: BoxProcess) -> Shell:
    """Somebody who has the page's program and its key."""
    made = Shell(
        tmp_path_factory.mktemp("crawler"),
        environ={"BOX": page_box.url},
        places={"/etc/ingestbox/ingestbox.toml": page_box.folder / "ingestbox.toml"},
    )
    made.program("chown", ["sh", "-c", f'echo "$@" >> {made.folder}/owners', "chown"])
    made.program("python3", [sys.executable])
    made.put("crawl.py", PAGE.file("crawl.py"))
    for command in PAGE.commands()[:2]:
        made.type(command)
    return made


def test_nobody_else_reads_the_key(shell: Shell) -> None:
    assert (shell.folder / "crawler.key").stat().st_mode & 0o777 == 0o600
    assert (shell.folder / "owners").read_text() == "crawler: crawler.key\n"


def test_the_page_prints_what_it_says(shell: Shell, page_box: BoxProcess) -> None:
    (shown,) = PAGE.of("text")
    printed = shell.type(PAGE.commands()[2])
    assert re.fullmatch(".+".join(map(re.escape, shown.split("…"))), printed), printed
    with page_box.client() as client:
        issues = client.get("/v1/issues?state=open").raise_for_status().json()["issues"]
    assert "too_short" in [each["code"] for each in issues], "what was rejected waits for a person"


def test_a_batch_in_parts_arrives_once_through_limits_and_lost_answers(
    shell: Shell, page_box: BoxProcess
) -> None:
    given = [article(number, content=text(number, sentences=5)) for number in range(120)]
    lines = "".join(json.dumps({**each, "source_id": "ministry"}) + "\n" for each in given)
    (shell.folder / "many.ndjson").write_text(lines)
    key = (shell.folder / "crawler.key").read_text().strip()
    with page_box.client() as client:
        client.headers["Authorization"] = f"Bearer {key}"
        while client.post("/knowledge-management/content/bulk-upload", json={}).status_code != 429:
            pass  # others of its calls use up what a minute has
    with losing(page_box.url, b'"many_chunk_2"') as lossy:
        said = shell.type(f"BOX={lossy} python3 crawl.py ministry many < many.ndjson 2>&1")
    assert re.search(r"^again in \d+ s: 429$", said, re.M)
    assert re.search(r"^again in \d+ s: .*[Cc]onnection", said, re.M)
    assert said.splitlines()[-1] == "many 120 completed, 0 failed"
    with page_box.client(Role.ADMIN) as client:
        jobs = client.get("/v1/jobs").raise_for_status().json()["jobs"]
    assert sorted(job["name"] for job in jobs if job["name"].startswith("many")) == [
        f"many_chunk_{number}" for number in (1, 2, 3)
    ]


def test_a_key_that_is_revoked_ends_the_program(shell: Shell, page_box: BoxProcess) -> None:
    with page_box.client() as client:
        made = client.post("/v1/keys", json={"name": "gone", "roles": ["ingest"]}).raise_for_status().json()
        client.delete(f"/v1/keys/{made['id']}").raise_for_status()
    (shell.folder / "gone.key").write_text(made["key"])
    said = shell.type("KEY_FILE=gone.key python3 crawl.py clinic again < articles.ndjson 2>&1", codes=(1,))
    assert said.startswith("401: ")


def test_the_line_for_cron_does_the_same(shell: Shell) -> None:
    line = PAGE.file("/etc/cron.d/crawl").splitlines()[-1]
    schedule = re.fullmatch(r"(\d+) (\d+) \* \* \* crawler (.+)", line)
    assert schedule is not None
    command = schedule[3].replace("/srv/crawler", str(shell.folder)).replace(r"\%", "%")
    assert "_chunk_1 1 accepted" in shell.type(command), "a repeat counts as accepted"
