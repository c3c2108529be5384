"""What a PostgreSQL server's errors mean for a lane, by SQLSTATE (PostgreSQL manual, appendix A); pure."""

from __future__ import annotations

import socket
import ssl

import asyncpg

from ingestbox.forward.sink import Pause, Refused, Retry
from ingestbox.forward.sinks import tls
from ingestbox.forward.words import MOST_MESSAGE, clean

RECORD_INVALID = "record_invalid"

UNDEFINED_TABLE = "42P01"

MOST_REASON = 300
"""Characters kept of a reason that holds the server's words."""

_RECORDS = ("22", "23", "44", "54", "P0")
"""About what is in a row: data exceptions (JSON that jsonb cannot hold), constraints and views of the
operator's, limits of the server's (nesting, length of a key), exceptions of the operator's triggers."""

_RETRIED = {
    "25006": "read_only",
    "40": "conflict",
    "53100": "disk_full",
    "53300": "too_many_connections",
    "53": "database",
    "55P03": "conflict",
    "57014": "timeout",
    "57P03": "database_starting",
    "57P04": "database_stopping",
    "57": "database_stopping",
    "58": "database",
    "08": "cut",
    "25": "cut",
    "26": "cut",
    "XX": "database",
}
_PAUSED = {
    "28": "unauthorized",
    "3D": "no_such_database",
    "3F": "no_table",
    "42501": "not_allowed",
    UNDEFINED_TABLE: "no_table",
    "42": "table_differs",
}


def about_record(error: BaseException) -> bool:
    """Whether an error is about the rows of a statement, so that the same without one of them may pass."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate).startswith(_RECORDS)
    # The driver's own: a text or a time that the protocol cannot carry.
    return isinstance(error, asyncpg.exceptions._base.DataError)  # noqa: SLF001 - it has no other name


def words(error: BaseException) -> str:
    """What the server says about a row. Not its detail where that could be the whole row, or another one."""
    if not isinstance(error, asyncpg.PostgresError):
        return "It holds a value that the protocol cannot carry."
    said = str(error.message)
    if error.detail and str(error.sqlstate).startswith("22"):
        said = f"{said}: {error.detail}"
    return clean(f"{said} ({error.sqlstate})", MOST_MESSAGE)


def refused(error: BaseException) -> Refused:
    """The answer for a batch that cannot go as it is, for an error that is about its records."""
    return Refused(RECORD_INVALID, words(error))


def meaning(error: BaseException, *, connecting: bool) -> Retry | Pause | None:
    """The decision after an error that is not about records; None for one that is this program's fault.

    A reason holds the SQLSTATE, and for what a person has to put right the server's own words.
    """
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate:
        return _said(str(error.sqlstate), str(error.message), connecting)
    if (certificate := tls.refused(error)) is not None:
        return Pause(certificate)
    if isinstance(error, TimeoutError):
        return Retry("timeout")
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return Retry("read_only")
    if isinstance(error, asyncpg.ClientConfigurationError):
        return Pause(clean(f"refused: {error}", MOST_REASON))
    if isinstance(error, socket.gaierror):
        return Retry("dns")
    if isinstance(error, ssl.SSLError) or "rejected SSL upgrade" in str(error):
        return Retry("tls")
    if isinstance(error, OSError):
        return Retry("connect" if connecting else "cut")
    if isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresError)):
        return Retry("cut")
    return None


def _said(state: str, message: str, connecting: bool) -> Retry | Pause:
    if about := next((word for key, word in _RETRIED.items() if state.startswith(key)), None):
        return Retry("timeout" if about == "timeout" else f"{about}: {state}")
    word = next((word for key, word in _PAUSED.items() if state.startswith(key)), "refused")
    if connecting and state.startswith("42"):  # no table was spoken of: a parameter of the URL
        word = "refused"
    return Pause(clean(f"{word}: {message} ({state})", MOST_REASON))
