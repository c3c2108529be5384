"""Errors in audience's words (contract: audience, Errors)."""

from __future__ import annotations

from ingestbox.config import MIB
from ingestbox.errors import BodyTooLargeError, IngestError, TooLargeError

INVALID = 400
"""The status of a body that is not as it has to be."""


def reworded(error: IngestError) -> IngestError:
    """The error as audience's routes answer it; most are as they are."""
    if isinstance(error, BodyTooLargeError | TooLargeError):
        return IngestError(error.code, f"Payload too large. Maximum size is {error.limit // MIB}MB.")
    if error.code == "validation_failed":
        return IngestError(error.code, error.detail, faults=error.faults, status=INVALID, extra=error.extra)
    return error
