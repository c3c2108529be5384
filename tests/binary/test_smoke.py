"""The built program runs the whole journey, without Python or the source near it."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import unicodedata
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
import pytest

from ingestbox.store.lock import is_held
from tests.binary.support import ENDED, Frozen
from tests.harness import post_tickets, running, ticket, until, wait_job
from tests.postgres.support import PASSWORD, Server
from tests.tabular.support import workbook
from tests.web.test_tls import Files, Paper


def test_the_journey(frozen: Frozen) -> None:
    with frozen.client("analyst") as client:
        answer = post_tickets(client, [ticket(number) for number in range(10)])
        job = wait_job(client, answer["job_id"])
        assert (job["status"], job["records_processed"], job["errors"]) == ("completed", 10, [])
        found = client.get("/api/tickets/T-3").raise_for_status().json()
        assert found["sentiment"] == "negative"
    report = json.loads(frozen.run("doctor", "--json"))
    assert report["ok"], report
    assert report["sqlite"]["source"] == "pysqlite3"
    assert tuple(map(int, report["sqlite"]["version"].split("."))) >= (3, 51, 3)
    said = {each["check"]: each["message"] for each in report["findings"]}
    assert said["vectors"].startswith("compared by sqlite-vec "), "SQLite loads an extension"
    assert json.loads(frozen.run("status", "--json"))["live"]["children"] >= 1
    assert frozen.run("key", "create", "--name", "x", "--role", "ingest").startswith("ibk_")

    file = frozen.folder / "more.ndjson"
    file.write_text("".join(json.dumps(ticket(number)) + "\n" for number in range(10, 2_510)))
    sent: dict[str, Any] = json.loads(frozen.run("send", str(file), "--wait", "--json"))
    assert (sent["ok"], sent["records"], sent["completed_jobs"]) == (True, 2_500, 3)

    kept = str(frozen.folder / "kept.tar.zst")
    frozen.run("backup", "--to", kept)
    frozen.run("backup", "verify", kept, data=False)

    frozen.process.send_signal(signal.SIGTERM)
    assert frozen.process.wait(ENDED) == 0
    assert not is_held(frozen.data)
    assert list(frozen.unpacked.iterdir()) == [], "it leaves what it unpacked"
    assert json.loads(frozen.run("status", "--json"))["records"] == 2_510


def test_the_console_came_along(frozen: Frozen) -> None:
    """Its templates, texts and assets: from the link of the first start to what the first page loads."""
    link = until(lambda: re.search(r"/console/setup/\S+?(?=[\s\"])", frozen.log.read_text()), "the link")[0]
    given = {
        "email": "ann@example.com",
        "new_password": "a long password",
        "again_password": "a long password",
    }
    with httpx2.Client(base_url=frozen.url, headers={"Origin": frozen.url}, trust_env=False) as client:
        assert 'name="new_password"' in client.get(link).raise_for_status().text
        assert client.post(link, data=given).status_code == 303
        home = client.get("/console").raise_for_status().text
        assert "<h1>" in home
        for asset in re.findall(r'(?:href|src)="(/console/assets/[^"]+)"', home):
            assert client.get(asset).status_code == 200, asset


def test_files_of_all_kinds(frozen: Frozen) -> None:
    """What reads them (calamine, charset-normalizer, the lexicons) came along into the file."""
    review = "id;nội dung\n1;Giao hàng chậm, nhân viên không nhiệt tình, rất thất vọng\n"
    cells = '<row r="1"><c t="inlineStr"><is><t>feedback</t></is></c></row>'
    cells += '<row r="2"><c t="inlineStr"><is><t>It broke after two days.</t></is></c></row>'
    unheard_of = "comment\nБұл өте жақсы дүкен, рахмет сіздерге\n"
    files = {
        "vn.csv": unicodedata.normalize("NFD", review).encode("cp1258", "ignore"),
        "book.xlsx": workbook([("Feedback", cells)]),
        "kz.csv": unheard_of.encode("kz1048"),
    }
    with frozen.client("analyst") as client:
        for name, content in files.items():
            answer = client.post("/api/upload", files={"file": (name, content)})
            assert answer.status_code == 200, (name, answer.text)
            job = wait_job(client, answer.json()["job_id"])
            assert (job["status"], job["total_rows"], job["errors"]) == ("completed", 1, []), name
        texts = [each["sentiment"] for each in client.get("/api/tickets").json()["results"]]
    assert texts[1:] == ["negative", "negative"]


def test_what_is_loaded_by_its_name_came_along(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS, the lane to a database and its driver, the loop, the vectors, the pages of the interface."""
    monkeypatch.setenv("TESTS_PROGRAM", str(program))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    files = Files(tmp_path / "tls")
    files.put(Paper("box", files.authority))
    with contextlib.closing(Server()) as server:
        lane = f'[[lanes]]\nname = "warehouse"\nurl = "{server.url()}"\ntoken = "{PASSWORD}"\ntable = "box"\n'
        with running(tmp_path / "box", config=files.config() + lane) as box:
            with box.client() as client:
                wait_job(client, post_tickets(client, [ticket(1)])["job_id"])
                until(lambda: client.get("/v1/stats").json()["lanes"][0]["delivered"] == 1, "it is delivered")
                for page in ("/docs", "/redoc", "/openapi.json"):
                    shown = client.get(page).raise_for_status().text
                    for asset in re.findall(r'(?:href|src)="([^":]+)"', shown):
                        client.get(urljoin(page, asset)).raise_for_status()
            assert server.rows("box", "id") == [["T-1"]]
            maps = Path(f"/proc/{box.pid}/maps").read_text()
            for name in ("asyncpg/", "httptools/", "pysqlite3/", "sqlite_vec/vec0", "uvloop/"):
                assert f"/{name}" in maps, name
