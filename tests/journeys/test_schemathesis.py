"""The document against the box: requests made up from it, every answer held against it, for half a minute."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.harness import running
from tests.journeys.explorer import ENVIRON, explore
from tests.table import described

EVERY = ("Examples", "Coverage", "Fuzzing", "Stateful")


@pytest.mark.parametrize(
    ("phases", "most"),
    [
        pytest.param(("Examples", "Fuzzing", "Stateful"), 3, id="most"),
        pytest.param(EVERY, 5, id="every", marks=pytest.mark.soak),
    ],
)
def test_the_box_does_what_its_document_says(tmp_path: Path, phases: tuple[str, ...], most: int) -> None:
    names = ",".join(phases).lower()
    with running(tmp_path / "box", environ=ENVIRON) as box:
        said = explore(
            box, tmp_path / "report", "--seed", "1", "--max-examples", str(most), "--phases", names
        )
    operations = len(described()[0]) - 1  # it leaves out the one that it has the document from
    assert re.search(rf"Tested: +{operations}\b", said), said
    for phase in phases:
        assert f"✅ {phase}" in said, said
