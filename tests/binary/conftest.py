"""The program as `make binary` builds it, in both forms, away from the source."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.binary.support import FOLDER_FORM, ROOT, Frozen


@pytest.fixture(scope="session")
def dist() -> Path:
    """Where the forms of this very source are: `make` builds them again when a file is newer."""
    subprocess.run(["make", "--silent", "binary"], cwd=ROOT, check=True, timeout=900)
    return ROOT / "dist"


@pytest.fixture(scope="session")
def program(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The single file."""
    copy = tmp_path_factory.mktemp("program") / "ingestbox"
    shutil.copy(dist / "ingestbox", copy)
    return copy


@pytest.fixture(scope="session")
def folder_form(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program in the folder form, from its archive."""
    folder = tmp_path_factory.mktemp("folder")
    archive = max(dist.glob(FOLDER_FORM), key=lambda each: each.stat().st_mtime)
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "tar_filter", None)  # Python 3.11.4
        tar.extractall(folder)
    (found,) = (each for each in folder.glob("*/ingestbox") if each.is_file())
    return found


@pytest.fixture(params=["file", "folder"])
def form(request: pytest.FixtureRequest) -> Path:
    """The program, once in each form."""
    found: Path = request.getfixturevalue({"file": "program", "folder": "folder_form"}[request.param])
    return found


@pytest.fixture
def frozen(program: Path, tmp_path: Path) -> Iterator[Frozen]:
    """A box that runs from the single file."""
    with Frozen(program, tmp_path) as started:
        yield started


@pytest.fixture
def either(form: Path, tmp_path: Path) -> Iterator[Frozen]:
    """A box that runs from the one form, then from the other."""
    with Frozen(form, tmp_path) as started:
        yield started
