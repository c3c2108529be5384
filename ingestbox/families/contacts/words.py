"""Errors in contacts' words: a file that is refused is a bad request, told as its clients know it (contract:
contacts, Upload)."""

from __future__ import annotations

from ingestbox.config import MIB
from ingestbox.errors import IngestError, TooLargeError
from ingestbox.sheet import NO_ROWS

REFUSED = 400
"""The status of a file that is no file of contacts."""

_SENTENCES = {"file_type_not_supported": "File must be a CSV file (.csv extension required)"}
_BAD_FILES = frozenset(
    {"file_type_not_supported", "file_empty", "file_required", "file_unreadable", "too_many_rows"}
)


def reworded(error: IngestError) -> IngestError:
    """The error as contacts' routes answer it; most are as they are."""
    if isinstance(error, TooLargeError):
        return IngestError(error.code, _too_large(error.limit, error.size))
    if error.code not in _BAD_FILES:
        return error
    sentence = _SENTENCES.get(error.code, error.detail)
    if error.code == "file_empty":
        sentence = "CSV file has no data rows (only header)" if error.detail == NO_ROWS else "File is empty"
    return IngestError(error.code, sentence, status=REFUSED)


def already_imported(name: str) -> IngestError:
    """The caller has a live import of a file of this name, or of this content."""
    sentence = f"File '{name}' has already been imported. Please use a different filename."
    return IngestError("already_imported", sentence)


def _too_large(limit: int, size: int | None) -> str:
    most = f"{limit // MIB}MB"
    # A byte too many is not shown as the very limit.
    least = limit / MIB + 0.01
    told = f"more than {most}" if size is None else f"{max(size / MIB, least):.2f}MB"
    return f"File size ({told}) exceeds maximum allowed size ({most})"
