"""How many connections the process may hold, which each take a descriptor."""

from __future__ import annotations

import logging
import resource
from pathlib import Path

from ingestbox.errors import StartupError
from ingestbox.web.http.connections import MOST_REFUSALS

SPARE_DESCRIPTORS = 48
"""For what comes and goes beside connections: files, lanes, alarms, children that start anew."""

LEAST_CONNECTIONS = 8

IN_USE = 64
"""Descriptors taken to be in use where the system does not tell."""

log = logging.getLogger("ingestbox.web")


def most_connections(wanted: int) -> int:
    """How many connections the process can hold of those wanted; raises its limit of descriptors for them.

    Raises StartupError when there would be next to none.
    """
    needed = _in_use() + SPARE_DESCRIPTORS + MOST_REFUSALS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted + needed:
        soft = wanted + needed if hard == resource.RLIM_INFINITY else min(hard, wanted + needed)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted + needed:
        return wanted
    most = soft - needed
    if most < min(LEAST_CONNECTIONS, wanted):
        raise StartupError(
            f"The process may open {soft} files, which leaves none for connections. Allow it at least "
            f"{needed + 2 * LEAST_CONNECTIONS} (ulimit -n, or LimitNOFILE in the unit)."
        )
    log.warning(
        "Only %d connections are taken at once, not the %d of limits.connections: the process may open %d "
        "files (ulimit -n, or LimitNOFILE in the unit).",
        most,
        wanted,
        soft,
    )
    return most


def _in_use() -> int:
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        return IN_USE
