"""The same as tests/journeys/test_schemathesis.py with more examples, and others every time."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.faults.privileged.tools import report
from tests.harness import running
from tests.journeys.explorer import ENVIRON, explore

pytestmark = pytest.mark.privileged

EXAMPLES = 100


def test_the_box_does_what_its_document_says_however_long_it_is_tried(tmp_path: Path) -> None:
    seed = secrets.randbelow(2**32)
    report(f"schemathesis with --seed {seed}")
    with running(tmp_path / "box", environ=ENVIRON) as box:
        explore(box, tmp_path / "report", "--seed", str(seed), "--max-examples", str(EXAMPLES))
