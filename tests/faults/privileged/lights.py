"""What a fault must look like from outside: a red light, and never a yes that does not hold."""

from __future__ import annotations

import time

import httpx2

from tests.harness import BoxProcess, until

RED_SECONDS = 1.0
"""quality, Faults: red health within a second."""


def light(client: httpx2.Client) -> int:
    """The status of /health; a box that does not answer has no light at all."""
    return client.get("/health").status_code


def seconds_to_red(client: httpx2.Client) -> float:
    """How long /health takes from now until it says 503."""
    begun = time.monotonic()
    until(lambda: light(client) == 503, "the light is red", 10)
    return time.monotonic() - begun


def turns_green(client: httpx2.Client, box: BoxProcess) -> None:
    """Waits for the light; the process must still be the same."""
    until(lambda: light(client) == 200, "the light is green again")
    assert box.process is not None
    assert box.process.poll() is None
