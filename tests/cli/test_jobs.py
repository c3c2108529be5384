"""`ingestbox jobs`: what people and scripts are told, with and without a box."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import httpx2
import pytest

from ingestbox.cli import following as cli_following
from ingestbox.config import Settings
from tests.cli.support import environment, ingestbox
from tests.harness import BoxProcess, post_tickets, running, ticket, wait_job
from tests.web.v1.support import get, held, post, under_way

SLOWLY = "[work]\nchunk_records = 1\nchildren = 1\n[server]\nstop_seconds = 1\n"


@dataclass(frozen=True)
class Jobs:
    """A data folder with some jobs in it."""

    data: Path
    partial: str
    done: str
    elsewhere: str


def fill(box: BoxProcess) -> Jobs:
    with box.client() as client, box.client(workspace="elsewhere") as other:
        bad: list[dict[str, object]] = [{"id": f"bad-{number}"} for number in range(7)]
        records = [*bad, *(ticket(number) for number in range(3))]
        partial = post_tickets(client, records, params={"mode": "partial"})["job_id"]
        done = post_tickets(client, [ticket(1), ticket(1)])["job_id"]
        far = post_tickets(other, [ticket(1)])["job_id"]
        for job in (partial, done):
            wait_job(client, job)
        wait_job(other, far)
        return Jobs(box.data, partial, done, far)


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    with running(tmp_path_factory.mktemp("jobs")) as box:
        yield fill(box)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Jobs:
    with running(tmp_path_factory.mktemp("stopped")) as box:
        found = fill(box)
        assert box.stop() == 0
    return found


@pytest.fixture(params=["running", "stopped"])
def either(request: pytest.FixtureRequest, jobs: Jobs, stopped: Jobs) -> Jobs:
    return jobs if request.param == "running" else stopped


def test_the_list(either: Jobs, tmp_path: Path) -> None:
    ran = ingestbox("jobs", "--data", either.data, cwd=tmp_path)
    head, *lines = ran.out.splitlines()
    assert ran.code == 0, ran
    assert head.split() == [
        *("id", "family", "name", "state", "records", "processed", "issues", "submitted", "workspace"),
    ]
    assert [line.split()[0] for line in lines] == [either.elsewhere, either.done, either.partial]
    assert lines[2].split()[3:7] == ["completed", "10", "10", "7"]
    one = ingestbox("jobs", "--data", either.data, "--limit", "1", "--json", cwd=tmp_path).json()
    assert [job["id"] for job in one["jobs"]] == [either.elsewhere]
    none = ingestbox("jobs", "--data", either.data, "--state", "failed", "--family", "feedback", cwd=tmp_path)
    assert (none.code, none.out, none.err) == (0, "", "There are no such jobs.\n")
    every = ingestbox("jobs", "--data", either.data, "--state", "completed", "--json", cwd=tmp_path).json()
    assert len(every["jobs"]) == 3


def test_one_job(either: Jobs, tmp_path: Path) -> None:
    ran = ingestbox("jobs", either.partial, "--data", either.data, cwd=tmp_path)
    assert ran.code == 0, ran
    assert "records      10: 3 finished, 7 issue" in ran.out
    assert ran.out.count("summary or description required") == 5
    assert "and 2 more" in ran.out
    assert f"GET /v1/issues?job={either.partial}&state=open" in ran.out
    assert "--follow" not in ran.out
    warned = ingestbox("jobs", either.done, "--data", either.data, cwd=tmp_path)
    assert "sent again" in warned.out
    found = ingestbox("jobs", either.elsewhere, "--data", either.data, "--json", cwd=tmp_path).json()
    assert (found["id"], found["workspace"]) == (either.elsewhere, "elsewhere")


@pytest.mark.parametrize("follow", [(), ("--follow",)])
@pytest.mark.parametrize("job_id", ["none", "a/b?c", "é"])
def test_a_job_that_is_not_there(either: Jobs, tmp_path: Path, job_id: str, follow: tuple[str, ...]) -> None:
    ran = ingestbox("jobs", job_id, *follow, "--data", either.data, cwd=tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"Error: There is no job {job_id}. See the ids with: ingestbox jobs\n"


@pytest.mark.parametrize(
    "arguments", [("--follow",), ("x", "--state", "failed"), ("--state", "done"), ("--limit", "0")]
)
def test_a_mistake_in_the_call(jobs: Jobs, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert ingestbox("jobs", *arguments, "--data", jobs.data, cwd=tmp_path).code == 2


def test_following_what_is_over(either: Jobs, tmp_path: Path) -> None:
    ran = ingestbox("jobs", either.done, "--follow", "--data", either.data, cwd=tmp_path)
    assert ran.code == 0, ran
    assert "state        completed" in ran.out


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[BoxProcess]:
    with running(tmp_path / "slow", config=SLOWLY) as box:
        yield box


def send(client: httpx2.Client, count: int = 1_000) -> str:
    job: str = post_tickets(client, [ticket(number) for number in range(count)])["job_id"]
    return job


def following(box: BoxProcess, job: str, folder: Path) -> subprocess.Popen[bytes]:
    """The command, once it has shown something."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ingestbox", "jobs", job, "--follow", "--data", box.data],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
    )
    assert process.stdout is not None
    assert b"records" in process.stdout.readline()
    return process


def test_following_into_a_pipe(slow: BoxProcess, tmp_path: Path) -> None:
    with slow.client() as client:
        job = send(client)
        ran = ingestbox("jobs", job, "--follow", "--json", "--data", slow.data, cwd=tmp_path)
        assert ran.code == 0, ran
        seen = [json.loads(line) for line in ran.out.splitlines()]
        assert {each["id"] for each in seen} == {job}
        assert seen[-1] == get(client, f"/v1/jobs/{job}")
        text = ingestbox("jobs", job, "--follow", "--data", slow.data, cwd=tmp_path)
        assert "completed: 1,000 of 1,000 records" in text.out


def test_following_a_job_that_is_cancelled(slow: BoxProcess, tmp_path: Path) -> None:
    with slow.client() as client:
        job = send(client)
        under_way(client, job)
        with held(slow):
            process = following(slow, job, tmp_path)
            post(client, f"/v1/jobs/{job}/cancel")
            out, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert b"error        The job was cancelled." in out


def test_following_on_a_terminal(slow: BoxProcess, tmp_path: Path) -> None:
    with slow.client() as client:
        job = send(client, 200)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ingestbox", "jobs", job, "--follow", "--data", slow.data],
        env=environment({"TERM": "xterm", "COLUMNS": "120"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
    )
    os.close(theirs)
    shown = bytearray()

    def read() -> None:
        try:
            while data := os.read(ours, 4096):
                shown.extend(data)
        except OSError:
            pass  # the other end is closed

    reading = threading.Thread(target=read)
    reading.start()
    assert process.wait(60) == 0
    reading.join()
    os.close(ours)
    assert b"200/200 records" in shown


def test_following_when_the_box_stops(slow: BoxProcess, tmp_path: Path) -> None:
    with slow.client() as client:
        job = send(client)
        under_way(client, job)
    with held(slow):
        process = following(slow, job, tmp_path)
        assert slow.stop() == 0
    assert process.stderr is not None
    told = process.stderr.readline()
    assert told.startswith(b"The box has stopped (")
    with pytest.raises(click.ClickException, match="when it runs again: ingestbox serve"):
        asyncio.run(_back_at_once(slow))
    ran = ingestbox("jobs", job, "--follow", "--data", slow.data, cwd=tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert "nothing works on it. Start it with: ingestbox serve" in ran.err
    again = ingestbox("jobs", job, "--data", slow.data, cwd=tmp_path)
    assert f"Follow it with: ingestbox jobs {job} --follow" in again.out
    slow.start()  # at another address
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    assert b"completed: 1,000 of 1,000 records" in out


async def _back_at_once(box: BoxProcess) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli_following, "RESTART_SECONDS", 0.1)
        return await cli_following._back(Settings(data=str(box.data)), "test")


def test_an_empty_box(own_box: BoxProcess, tmp_path: Path) -> None:
    own_box.start()
    ran = ingestbox("jobs", "--data", own_box.data, cwd=tmp_path)
    assert (ran.code, ran.out, ran.err) == (0, "", "There are no jobs yet.\n")
