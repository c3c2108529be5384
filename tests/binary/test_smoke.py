"""The single file that `make binary` builds runs the whole journey, without Python or the source near it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.store.lock import is_held, read_holder
from tests.harness import post_tickets, ticket, until, wait_job
from tests.tabular.support import workbook

ROOT = Path(__file__).parents[2]
ENDED = 60.0


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The binary of this very source: `make` builds it again when a file is newer."""
    subprocess.run(["make", "--silent", "binary"], cwd=ROOT, check=True, timeout=900)
    # Away from the source, so that nothing of it can be picked up.
    copy = tmp_path_factory.mktemp("program") / "ingestbox"
    copy.write_bytes((ROOT / "dist" / "ingestbox").read_bytes())
    copy.chmod(0o755)
    return copy


class Frozen:
    """A box that runs from the binary, in a process group of its own as on a terminal."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "log"
        self.unpacked = folder / "tmp"
        self.unpacked.mkdir()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [program, "serve", "--data", self.data, "--port", "0"],
                cwd=folder,
                env=self._environ(),
                stdin=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        self.url = until(self._address, "the box listens", ENDED)
        holder = read_holder(self.data)
        assert holder is not None
        self.inner = holder.pid
        """The program itself, which the boot-loader (`process`) runs."""

    def _address(self) -> str:
        assert self.process.poll() is None, self.log.read_text()
        holder = read_holder(self.data) if is_held(self.data) else None
        return holder.url if holder else ""

    def _environ(self) -> dict[str, str]:
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("INGESTBOX_", "PYTHON"))
        }
        return {**kept, "TMPDIR": str(self.unpacked)}

    def run(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [self.program, *arguments, "--data", self.data],
            cwd=self.folder,
            env=self._environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ENDED,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    def client(self, role: str) -> httpx2.Client:
        token = self.run("token", "create", "--user", "me", "--role", role).strip()
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=ENDED, trust_env=False)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(ENDED)


@pytest.fixture
def frozen(program: Path, tmp_path: Path) -> Iterator[Frozen]:
    started = Frozen(program, tmp_path)
    yield started
    started.close()


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"  # dead; whoever adopted it has not looked yet


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


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
    assert json.loads(frozen.run("status", "--json"))["live"]["children"] >= 1
    assert frozen.run("key", "create", "--name", "x", "--role", "ingest").startswith("ibk_")

    file = frozen.folder / "more.ndjson"
    file.write_text("".join(json.dumps(ticket(number)) + "\n" for number in range(10, 2_510)))
    sent: dict[str, Any] = json.loads(frozen.run("send", str(file), "--wait", "--json"))
    assert (sent["ok"], sent["records"], sent["completed_jobs"]) == (True, 2_500, 3)

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


def test_ctrl_c_finishes_what_is_in_hand(frozen: Frozen) -> None:
    """A terminal signals boot-loader and program alike, and the boot-loader passes its own on: the program
    must not take this for two signals, the second of which means not to wait. (Two that come at the same
    moment count as one, so that the group is asserted, too.)"""
    assert os.getpgid(frozen.inner) != os.getpgid(frozen.process.pid)
    body = json.dumps({"records": [ticket(1)]}).encode()
    with frozen.client("analyst") as client:
        authorization = client.headers["Authorization"]
    host, _, port = frozen.url.removeprefix("http://").partition(":")
    head = (
        f"POST /api/data-ingest HTTP/1.1\r\nHost: box\r\nAuthorization: {authorization}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=ENDED) as connection:
        connection.sendall(head.encode() + body[:10])
        until(lambda: client_bytes_read(frozen.inner, int(port)), "the box has read the first part")
        os.killpg(frozen.process.pid, signal.SIGINT)
        until(lambda: "Stopping." in frozen.log.read_text(), "the box stops")
        connection.sendall(body[10:])
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    assert frozen.process.wait(ENDED) == 0


def client_bytes_read(pid: int, port: int) -> bool:
    """Whether every byte sent to the port has been read by the process."""
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    mine = [row for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"]
    return bool(mine) and all(row[4].endswith(":00000000") for row in mine)


def test_killing_the_boot_loader_leaves_no_orphan(frozen: Frozen) -> None:
    with frozen.client("analyst") as client:
        wait_job(client, post_tickets(client, [ticket(1)])["job_id"])
    workers = children(frozen.inner)
    assert workers, "the box has a child that analyses"
    frozen.process.kill()
    frozen.process.wait(ENDED)
    until(lambda: gone(frozen.inner) and all(map(gone, workers)), "program and children are gone")
    until(lambda: not is_held(frozen.data), "the data folder is free")
    until(lambda: not any(frozen.unpacked.iterdir()), "what was unpacked is removed")


def test_killing_the_program_ends_its_boot_loader_and_children(frozen: Frozen) -> None:
    with frozen.client("analyst") as client:
        wait_job(client, post_tickets(client, [ticket(1)])["job_id"])
    workers = children(frozen.inner)
    os.kill(frozen.inner, signal.SIGKILL)
    assert frozen.process.wait(ENDED) != 0
    until(lambda: all(map(gone, workers)), "the children are gone")


def test_it_brings_what_delivering_to_postgresql_needs(program: Path, tmp_path: Path) -> None:
    settings = tmp_path / "box.toml"
    lane = 'name = "warehouse"\nurl = "postgresql://box@db.example/box"\ntoken = "x"\n'
    settings.write_text(f"[[lanes]]\n{lane}")
    settings.chmod(0o600)
    command: list[str | Path] = [program, "check-config", "--config", settings, "--data", tmp_path / "data"]
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=ENDED)
    assert done.returncode == 0, done.stdout
    assert "lane warehouse" in done.stdout
