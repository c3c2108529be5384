"""What these tests need of the machine. Where it is missing they fail and say so; they never skip."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def need_root() -> None:
    """Fails unless the tests run as root."""
    if os.geteuid() != 0:
        pytest.fail("make faults needs root: it mounts file systems")


def need(*commands: str) -> None:
    """Fails when a command is not installed."""
    missing = [command for command in commands if shutil.which(command) is None]
    if missing:
        pytest.fail(
            f"make faults needs {', '.join(missing)}; install it (apt-get install strace gcc e2fsprogs)"
        )


def run(*command: str, may_fail: bool = False) -> subprocess.CompletedProcess[str]:
    """Runs a command; fails the test with what it said, unless it may fail."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and not may_fail:
        pytest.fail(f"this machine cannot `{' '.join(command)}`: {done.stderr.strip() or done.returncode}")
    return done


def report(sentence: str) -> None:
    """Prints the numbers that a person runs `make faults` for (`pytest -s`)."""
    print(f"\n{sentence}")  # noqa: T201
