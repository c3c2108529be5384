"""The program that tests start: this source, or what was built of it and TESTS_PROGRAM names."""

from __future__ import annotations

import os
import sys


def built() -> str:
    """The path of the built program; empty when it is the source that is tested."""
    return os.environ.get("TESTS_PROGRAM", "")


def command() -> list[str]:
    """What the program's own arguments follow."""
    return [built()] if built() else [sys.executable, "-m", "ingestbox"]
