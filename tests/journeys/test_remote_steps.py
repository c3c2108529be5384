"""Tickets that are analysed by a server: the one of the documentation, and when it is gone."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestbox.enrich.steps import builtin
from ingestbox.model import Role
from tests.harness import BoxProcess, post_tickets, running, until, wait_job

PAGE = Path(__file__).parents[2] / "docs" / "enrichment.md"
TOKEN = "token-of-the-analysis"


def example(folder: Path, port: int) -> Path:
    """The server that the documentation shows, at this port."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert code.count("9000") == 1
    file = folder / "example.py"
    file.write_text(code.replace("9000", str(port)), "utf-8")
    return file


@contextlib.contextmanager
def serving(file: Path, port: int) -> Iterator[None]:
    def answers() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    with (file.parent / "example.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, str(file)], stdout=log, stderr=log)
    try:
        until(answers, "the example server answers")
        yield
    finally:
        process.kill()
        process.wait()


def server_of_sentiment(box: BoxProcess) -> tuple[float, float, float, bool]:
    """Whether it answers, how many texts it and the box in its place have done, as metrics say; and whether
    the doctor finds nothing wrong with it."""
    with box.client(Role.ADMIN) as admin:
        lines = dict(line.rsplit(" ", 1) for line in admin.get("/metrics").text.splitlines())
        (finding,) = [
            each for each in admin.get("/v1/doctor").json()["findings"] if each["check"] == "enrich"
        ]
    texts = 'ingestbox_analysis_server_texts_total{by="%s",step="sentiment"}'
    assert finding["message"].startswith("sentiment: ")
    return (
        float(lines['ingestbox_analysis_server_up{step="sentiment"}']),
        float(lines[texts % "server"]),
        float(lines[texts % "box"]),
        finding["ok"],
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.mark.parametrize("by_environment", [False, True])
def test_the_documented_server_does_a_step_and_the_box_when_it_is_gone(
    tmp_path: Path, by_environment: bool
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    secret = tmp_path / "secret"
    secret.write_text(TOKEN)
    config = ""
    environ = {"PYTHONNOUSERSITE": "1"}  # so it is not forked: what its children are called with is looked at
    if by_environment:
        prefix = "INGESTBOX_ENRICH_SENTIMENT"
        environ |= {f"{prefix}_URL": url, f"{prefix}_TOKEN_FILE": str(secret)}
    else:
        config = f'[enrich.sentiment]\nurl = "{url}"\ntoken_file = "{secret}"\n'
    with running(tmp_path / "box", config=config, environ=environ) as box, box.client(Role.ANALYST) as client:
        with serving(example(tmp_path, port), port):
            records = [
                {"id": f"T-{number}", "summary": "Great!", "comments": ["ok"]} for number in range(300)
            ]
            assert wait_job(client, post_tickets(client, records)["job_id"])["status"] == "completed"
            for pid in box.children():
                arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
                assert b"ingestbox" in arguments
                assert TOKEN.encode() not in arguments
        found = client.get("/api/tickets/T-299").json()
        assert [field["sentiment"] for field in found["fields"]] == ["negative", "neutral"]
        assert found["steps"] == {**builtin(), "sentiment": "http/example-1"}
        assert server_of_sentiment(box) == (1.0, 600.0, 0.0, True)

        job = wait_job(client, post_tickets(client, records)["job_id"])  # nobody listens there now
        assert (job["status"], job["errors"]) == ("completed", [])
        found = client.get("/api/tickets/T-299").json()
        assert found["fields"][0]["sentiment"] == "positive"
        assert found["steps"] == builtin()
        log = box.log.read_text()
        assert TOKEN not in log
        said = [line for line in log.splitlines() if "does not answer as it should" in line]
        assert 1 <= len(said) <= len(box.children())
        assert TOKEN not in client.get("/api/tickets/T-299").text
        assert server_of_sentiment(box) == (0.0, 600.0, 600.0, False)


def test_an_endpoint_that_cannot_be_asked_stops_the_start(tmp_path: Path) -> None:
    config = f'[enrich.entities]\nurl = "http://127.0.0.1:1/"\ntoken = "{TOKEN} two"\n'
    with pytest.raises(AssertionError, match=r"\[enrich\.entities\]: its token has characters") as caught:  # noqa: SIM117
        with running(tmp_path / "box", config=config):
            pass
    assert TOKEN not in str(caught.value)


def test_a_server_that_never_answers_costs_no_chunk(tmp_path: Path) -> None:
    """Its own time-out is longer than a chunk may take; the chunks are not stopped for it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        steps = "".join(f'[enrich.{step}]\nurl = "{url}"\ntimeout_seconds = 60\n' for step in builtin())
        config = f"[work]\nchunk_seconds = 10\nchildren = 1\n{steps}"
        with running(tmp_path / "box", config=config) as box, box.client(Role.ANALYST) as client:
            records = [{"id": f"T-{number}", "summary": "Great!"} for number in range(150)]
            job = wait_job(client, post_tickets(client, records)["job_id"])
            assert (job["status"], job["errors"]) == ("completed", [])
            assert client.get("/api/tickets/T-1").json()["steps"] == builtin()
            log = box.log.read_text()
            assert '"reason":"timeout"' in log
            assert "A child ended" not in log
