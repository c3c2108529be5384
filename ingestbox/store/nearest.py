"""How far apart the signs of two vectors are, in SQL: by sqlite-vec where it loads, else by Python.

Both know the same two functions, and give the same answers: `vec_bit(bytes)` says that bytes are bits, and
`vec_distance_hamming(bits, bits)` counts those that differ.
"""

from __future__ import annotations

import logging
from typing import Any, Final

FALLBACK: Final = "built in"
"""What `learn` says where sqlite-vec does not load."""

_log = logging.getLogger(__name__)


def learn(connection: Any, *, extension: bool = True) -> str:
    """Teaches a connection of SQLite's both functions; gives the version of sqlite-vec, or FALLBACK.

    Without `extension` it is not even tried. No other extension can be loaded afterwards.
    """
    version = _load(connection) if extension else None
    if version is not None:
        return version
    connection.create_function("vec_bit", 1, _bits, deterministic=True)
    connection.create_function("vec_distance_hamming", 2, _distance, deterministic=True)
    return FALLBACK


def _load(connection: Any) -> str | None:
    try:
        import sqlite_vec
    except ImportError:
        return None
    try:
        connection.enable_load_extension(True)
    except AttributeError:  # a Python that was built without it
        return None
    try:
        sqlite_vec.load(connection)
        ((version,),) = connection.execute("SELECT vec_version()").fetchall()
        ((apart,),) = connection.execute(
            "SELECT vec_distance_hamming(vec_bit(x'ff0f'), vec_bit(x'0f00'))"
        ).fetchall()
    except Exception as error:  # noqa: BLE001 - a library of another machine, a file that is not there
        _log.debug("sqlite-vec does not load.", extra={"error": str(error)})
        return None
    finally:
        connection.enable_load_extension(False)
    return str(version) if apart == 8 else None


def _bits(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError
    return value


def _distance(one: bytes, other: bytes) -> float:
    if len(one) != len(other):
        raise ValueError
    return float((int.from_bytes(one) ^ int.from_bytes(other)).bit_count())
