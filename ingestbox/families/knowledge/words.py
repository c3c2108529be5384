"""Errors in the words and with the status of the original (contract: knowledge, Item)."""

from __future__ import annotations

from ingestbox.errors import IngestError

_CODES = {
    "not_authenticated": "authentication_failed",
    "token_expired": "authentication_failed",
    "token_invalid": "authentication_failed",
    "rate_limited": "rate_limit_exceeded",
    "payload_too_large": "content_too_large",
    "malformed_json": "validation_failed",
    "malformed_encoding": "validation_failed",
    "bad_parameter": "validation_failed",
    "internal": "processing_failed",
}
"""What the original calls errors that are called otherwise here."""


def code_of(error: IngestError) -> str:
    """What clients of this family know an error as."""
    return _CODES.get(error.code, error.code)


def reworded(error: IngestError) -> IngestError:
    """An error with the status that it has here: what is wrong with a body is 400."""
    if code_of(error) == "validation_failed":
        error.status = 400
    return error
