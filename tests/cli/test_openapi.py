"""`ingestbox openapi`: the document without a box."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.harness import running
from tests.program import command


def openapi(
    *arguments: str, folder: Path, seed: str = "0", **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command(), "openapi", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": seed, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_prints_what_a_box_serves_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    done = openapi(folder=folder, TMPDIR=str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert list(folder.iterdir()) == []
    with running(tmp_path / "box") as box, box.client() as client:
        assert json.loads(done.stdout) == client.get("/openapi.json").json()


def test_it_is_the_same_every_time(tmp_path: Path) -> None:
    one, other = (openapi(folder=tmp_path, seed=seed).stdout for seed in ("1", "2"))
    assert one == other != ""


def test_it_goes_to_a_file_and_shows_the_settings(tmp_path: Path) -> None:
    (tmp_path / "box.toml").write_text('[server]\nprefix = "/in"\n[limits]\nfeedback_json_mb = 2\n')
    done = openapi("--config", "box.toml", "--output", "openapi.json", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    document = json.loads((tmp_path / "openapi.json").read_text("utf-8"))
    assert document["servers"][0]["url"] == "/in"
    assert document["paths"]["/api/data-ingest"]["post"]["requestBody"]["x-limit-bytes"] == 2 * 1_048_576


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--output", "there/is/no/such/folder.json"), 1, "Cannot write"),
        (("--config", "missing.toml"), 1, "missing.toml"),
        (("--no-such-option",), 2, "--no-such-option"),
    ],
)
def test_what_goes_wrong_is_said(tmp_path: Path, arguments: tuple[str, ...], code: int, says: str) -> None:
    done = openapi(*arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
