"""Journeys that the source goes, gone by the built program: all four families, two boxes, commands.

They are the tests of other rooms as they stand, with TESTS_PROGRAM set. Most run from the folder form, which
starts sooner; what the single file could break by being unpacked runs from that.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.binary.support import ROOT

FROM_THE_FOLDER = (
    "tests/journeys/test_feedback.py::test_a_batch_is_taken_analysed_and_read_back",
    "tests/journeys/test_feedback.py::test_records_reach_a_second_box_once",
    "tests/journeys/test_contacts.py::test_from_an_edge_box_to_a_central_box_and_back",
    "tests/journeys/test_audience.py",
    "tests/journeys/test_knowledge_examples.py",
    "tests/web/test_tls.py::test_a_box_with_tls_and_its_command_line",
    "tests/cli/test_openapi.py::test_it_prints_what_a_box_serves_and_leaves_nothing_behind",
    "tests/cli/test_completion.py::test_bash_completes_with_the_script",
)
FROM_THE_FILE = (
    "tests/cli/test_demo.py::test_once_everything_arrives_is_shown_and_kept_where_it_was_asked_for",
    "tests/journeys/test_contacts.py::test_the_whole_way_as_the_documented_client_goes",
)


def run(program: Path, tests: tuple[str, ...], folder: Path) -> None:
    """Runs these tests against the built program, in a pytest of their own."""
    given = {**os.environ, "TESTS_PROGRAM": str(program), "TMPDIR": str(folder)}
    pytest_itself = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command = [*pytest_itself, f"--basetemp={folder / 'tests'}", "--durations=10", *tests]
    environ = {name: value for name, value in given.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr


def test_from_the_folder(folder_form: Path, tmp_path: Path) -> None:
    run(folder_form, FROM_THE_FOLDER, tmp_path)


def test_from_the_single_file(program: Path, tmp_path: Path) -> None:
    run(program, FROM_THE_FILE, tmp_path)
