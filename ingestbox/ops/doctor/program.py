"""What the doctor says of the program: its SQLite, its vectors, how many files it may open."""

from __future__ import annotations

import resource

from ingestbox.config import Settings
from ingestbox.store.engine import has_wal_reset_bug, sqlite3, version
from ingestbox.store.nearest import FALLBACK, learn
from ingestbox.web.v1.reports import Finding, SqliteReport

SPARE_DESCRIPTORS = 64
"""What the box opens besides connections: the store, its readers, children and their pipes, lanes."""


def sqlite_report() -> SqliteReport:
    """Which SQLite runs."""
    return SqliteReport(version(), "pysqlite3" if sqlite3.__name__.startswith("pysqlite3") else "system")


def sqlite() -> Finding:
    """Whether it is one that damages no stores."""
    if has_wal_reset_bug(version()):
        return Finding(
            "sqlite",
            False,
            f"SQLite {version()} has the WAL-reset bug, which can damage a store",
            "Install pysqlite3 0.6.1 or later beside ingestbox, or use the released binary.",
        )
    return Finding("sqlite", True, f"SQLite {version()}")


def descriptors(settings: Settings) -> Finding:
    """Whether all the connections that are allowed can be open at once."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)  # a start raises the soft limit as far as it goes
    if most == resource.RLIM_INFINITY:
        return Finding("descriptors", True, "this process may open any number of files")
    wanted = settings.limits.connections + SPARE_DESCRIPTORS
    seen = f"this process may open {most} files; {settings.limits.connections} connections take {wanted}"
    if most >= wanted:
        return Finding("descriptors", True, seen)
    remedy = (
        f"Raise the limit to {wanted} or more (ulimit -n, LimitNOFILE= of the service), "
        "or lower limits.connections."
    )
    return Finding("descriptors", False, seen, remedy)


def nearness() -> Finding:
    """What compares vectors."""
    connection = sqlite3.connect(":memory:")
    try:
        found = learn(connection)
    finally:
        connection.close()
    if found == FALLBACK:
        return Finding("vectors", True, "compared without sqlite-vec, which does not load; that is slower")
    return Finding("vectors", True, f"compared by sqlite-vec {found}")
