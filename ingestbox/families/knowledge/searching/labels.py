"""What articles are told apart by besides their words: tags, category, specialty. Light: children import
it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ingestbox.enrich.folding import fold

MOST = 100
LONGEST = 200
"""Labels of one article, and characters of one, that count."""

KINDS = ("tags", "category", "medical_specialty")
"""Members of an item's metadata that are labels: texts, or lists of them."""


def label(kind: str, text: str) -> str:
    """A label as it stands in the column `labels`: without regard to case, diacritics and blanks."""
    return f"\n{kind}:{' '.join(fold(text[:LONGEST]).split())}\n"


def labels_of(metadata: object) -> str:
    """The labels that an item's metadata gives it, each between line ends; empty for one without."""
    if not isinstance(metadata, Mapping):
        return ""
    found = dict.fromkeys(
        label(kind, text) for kind in KINDS for text in _texts(metadata.get(kind)) if text.strip()
    )
    return "".join(list(found)[:MOST])


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
