"""What README and the pages on audience and knowledge say works: their shell commands run, in order, in a
fresh copy of the source, and what they show comes back. Only the port is another one, so that a box on this
machine is in nobody's way."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from ingestbox import config
from ingestbox.cli.commands import cli
from ingestbox.clock import SystemClock
from ingestbox.identity.secretfile import load_secret
from ingestbox.identity.tokens import mint
from ingestbox.model import Role
from tests.docs.support import alike, blocks
from tests.harness import PATIENCE, until

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
AUDIENCE = (ROOT / "docs" / "audience.md").read_text("utf-8")
KNOWLEDGE = (ROOT / "docs" / "knowledge.md").read_text("utf-8")
PORT = str(config.Server().port)

INSTALLED = 600.0
"""Seconds for `make run` in a copy that has no .venv yet."""

DOCS = sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md"))

NOT_COPIED = (
    ".git",
    ".venv*",
    "dist",
    "build",
    "ingestbox-data",
    "*.egg-info",
    ".*_cache",
    ".hypothesis",
    "tests",
    "benchmarks",
)


class Reader:
    """Somebody who follows README: one shell that serves, one for everything else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ARGS", "INGESTBOX_", "MAKE"))
        }
        self.environ = {**kept, "INGESTBOX_SERVER_PORT": self.port}
        self.log = folder / "serving.log"
        self._serving: subprocess.Popen[bytes] | None = None
        self._client: httpx2.Client | None = None

    def serve(self, command: str) -> None:
        with self.log.open("wb") as log:
            self._serving = serving = subprocess.Popen(
                command,
                shell=True,
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

        def listens() -> bool:
            assert serving.poll() is None, self.log.read_text()
            return f"listens on http://127.0.0.1:{self.port}" in self.log.read_text()

        until(listens, f"`{command.strip()}` listens", INSTALLED)

    def type(self, command: str) -> str:
        """Runs a command after all those before it, whose variables it may use; what it prints."""
        command = command.replace(f"127.0.0.1:{PORT}", f"127.0.0.1:{self.port}")
        kept = self.folder / "shell-variables"
        restore = f"source {kept}; " if kept.exists() else ""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"set -a; {restore}\n{command}\nexport -p > {kept}"],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALLED,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        self._idle()
        return done.stdout

    def _idle(self) -> None:
        """Waits until every job is done, as a reader does who takes a moment to read on."""

        if self._client is None:  # asked over HTTP, for each command would load the program anew
            data = self.folder / "ingestbox-data"
            token = mint(
                load_secret(data),
                subject="reader",
                roles=(Role.ADMIN,),
                workspace="default",
                ttl_seconds=3600,
                clock=SystemClock(),
            )
            self._client = httpx2.Client(
                base_url=f"http://127.0.0.1:{self.port}",
                headers={"Authorization": f"Bearer {token}"},
                timeout=PATIENCE,
                trust_env=False,
                verify=False,
            )

        def idle() -> bool:
            assert self._client is not None
            jobs = self._client.get("/v1/stats?all=true").raise_for_status().json()["jobs"]
            return bool(jobs["queued"] == jobs["running"] == 0)

        until(idle, "every job is done")

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        if self._serving is not None:
            os.killpg(self._serving.pid, signal.SIGTERM)
            self._serving.wait(30)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
    somebody = Reader(copy)
    yield somebody
    somebody.close()


def followed(reader: Reader, page: str) -> int:
    """Types a page's commands, and compares what they print with what is shown; how often that was."""
    shown = 0
    shell = [(kind, body) for kind, body in blocks(page) if kind in ("sh", "json")]
    for (kind, body), (following, answer) in itertools.pairwise([*shell, ("", "")]):
        if kind != "sh":
            continue
        if body.startswith("make run"):
            reader.serve(body)
            continue
        printed = reader.type(body)
        if following == "json":
            real = json.loads(printed)
            assert alike(json.loads(answer), real), f"{body}\ngave {json.dumps(real, indent=1)}"
            shown += 1
    return shown


def test_every_command_runs_and_gives_what_is_shown(reader: Reader) -> None:
    shell = [(kind, body) for kind, body in blocks(README) if kind in ("sh", "json")]
    assert [kind for kind, _ in shell[:4]] == ["sh", "sh", "sh", "json"], "the first screen"
    assert shell[0][1] == "make run\n"
    assert followed(reader, README) == 2
    assert followed(reader, AUDIENCE) == 1
    assert followed(reader, KNOWLEDGE) == 1
    assert (reader.folder / "ingestbox-data" / "ingestbox.db").exists()


@pytest.mark.parametrize(
    ("shown", "real"), [("a…", "b"), ({"a": 1}, {}), ([1], [1, 2]), (0.5, 0.6), ("…", "")]
)
def test_what_is_not_alike_is_noticed(shown: object, real: object) -> None:
    assert not alike(shown, real)


def test_every_configuration_shown_can_be_loaded(tmp_path: Path) -> None:
    pages = [README, (ROOT / "docs" / "configuration.md").read_text("utf-8")]
    examples = [body for page in pages for kind, body in blocks(page) if kind == "toml"]
    assert len(examples) == len(pages)
    for example in examples:
        assert tomllib.loads(example)
        file = tmp_path / "example.toml"
        file.write_text(example, "utf-8")
        assert not config.load(environ={}, file=file).warnings


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    pages = (README, AUDIENCE, KNOWLEDGE)
    assert {kind for page in pages for kind, _ in blocks(page)} <= {"sh", "json", "toml"}


def test_every_target_named_exists() -> None:
    named = set(re.findall(r"`make ([a-z]+)", README))
    listed = subprocess.run(["make", "--silent"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^ *make ([a-z]+) ", listed, re.MULTILINE)) - {"help"}
    assert named == targets


def test_the_commands_listed_are_those_there_are() -> None:
    table = README.partition("| command |")[2].partition("\n\n")[0]
    listed = set(re.findall(r"`([a-z][a-z-]*)(?: [^`]*)?`", table))
    assert listed == set(cli.commands)


def test_the_build_runs_the_test_command_that_readme_names() -> None:
    (command,) = re.findall(r"`(make [a-z]+)` is the test command", README)
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *DOCS])
def test_every_file_linked_or_named_exists(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    named = re.findall(r"`((?:ingestbox|tests|docs)/[\w./]+)`", text)
    missing = [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]
    missing += [name for name in named if not (ROOT / name).exists()]
    assert not missing
