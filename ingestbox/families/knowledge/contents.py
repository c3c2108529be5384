"""What content is called: `km_content_<n>`, by the record that it came as; and what its vectors are."""

from __future__ import annotations

import re

from ingestbox.model import MAX_RECORDS_PER_JOB

_ID = re.compile(r"km_content_([1-9][0-9]{0,17})")


def content_id(record_id: int) -> str:
    """The id of the content of a record of this box."""
    return f"km_content_{record_id}"


def record_of(content: str) -> int | None:
    """The id of the record that content of this box came as; None for what is no such id."""
    found = _ID.fullmatch(content)
    number = int(found[1]) if found else 0
    return number if MAX_RECORDS_PER_JOB <= number < 1 << 62 else None


def vector_id(article: int) -> str:
    """The id of an article's vectors, by its row."""
    return f"vec_{article}"
