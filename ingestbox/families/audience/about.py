"""What is said of an upload beside its records, its name and its fields; and how many records it may have."""

from __future__ import annotations

from collections.abc import Sequence

from ingestbox.errors import Fault, IngestError

MAX_NAME = 100
"""Characters of an upload's name (contract: audience, Errors)."""

NO_RECORD = "At least one record is required"


def name_of(value: object) -> tuple[str, list[Fault]]:
    """The upload's name, and what is wrong with it; `value` is None where there is none."""
    if value is not None and not isinstance(value, str):
        return "", [Fault("wrong_type", "Upload name must be text", field="upload_name")]
    if value is None or not value.strip():
        return "", [Fault("name_required", "Upload name is required", field="upload_name")]
    if len(value) > MAX_NAME:
        return "", [Fault("name_too_long", "Upload name too long", field="upload_name")]
    return value, []


def fields_of(value: object) -> tuple[list[str] | None, list[Fault]]:
    """The fields as they are given, None without; and what is wrong with them."""
    if value is None:
        return None, []
    if not isinstance(value, list):
        return None, [Fault("wrong_type", "fields must be a list of names", field="fields")]
    wrong = [
        Fault("wrong_type", "a field must be a name", field=f"fields[{number}]")
        for number, name in enumerate(value)
        if not isinstance(name, str)
    ]
    return (None, wrong) if wrong else (value, [])


def too_many(most: int) -> Fault:
    """There are more records than one request may have."""
    sentence = f"Batch size too large. Maximum {most} records per request."
    return Fault("batch_too_large", sentence, field="records")


def invalid(faults: Sequence[Fault], sentence: str | None = None) -> IngestError:
    """A batch that is refused; it is the first fault that is told, unless a sentence is given."""
    return IngestError("validation_failed", sentence or faults[0].message, faults=faults, status=400)
