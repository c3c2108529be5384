"""The command line. This file is all that a CPU child imports of it."""

from __future__ import annotations

import sys
from typing import NoReturn

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the number of SIGINT."""


def main() -> NoReturn:
    """The program's entry: a command for people, or `_child`, with which a frozen box starts its children."""
    if sys.argv[1:2] == ["_child"]:  # which watches its pipe
        from ingestbox.pipeline.child import main as work

        work()
    if getattr(sys, "frozen", False):
        from ingestbox.cli.frozen import follow_boot_loader

        follow_boot_loader()
    try:
        from ingestbox.cli import streams

        streams.prepare()
        from ingestbox.cli.commands import run

        code = run()
    except KeyboardInterrupt:  # while all of that was loaded
        code = INTERRUPTED
    sys.exit(code)
