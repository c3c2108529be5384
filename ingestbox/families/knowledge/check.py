"""What is wrong with one article by itself (contract: knowledge, Item). Light: children import it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ingestbox.errors import Fault

LEAST_CHARACTERS = 100
MOST_CHARACTERS = 1_000_000
MOST_TITLE = 500

TYPES = (
    "article",
    "regulation",
    "guideline",
    "news",
    "research",
    "policy",
    "advice",
    "prevention",
    "service",
    "department",
    "guide",
    "medical_info",
    "doctor_profile",
    "specialty",
    "health_guide",
    "medical_article",
    "symptoms",
    "treatment",
)
"""What `content_type` may be, unless the settings say otherwise."""


def check(value: object, index: int | None, types: Collection[str]) -> tuple[str, list[Fault]]:
    """The article's key (its address), and everything that is wrong with it; `types` are those there are."""
    if not isinstance(value, dict):
        return "", [Fault("wrong_type", "An item must be an object", index)]
    faults = [
        Fault("missing_required", f"{name} is required", index, name)
        for name in ("source_id", "source_url", "title", "content")
        if not isinstance(value.get(name), str) or not value[name].strip()
    ]
    if not faults:
        _lengths(value, index, faults)
    kind = value.get("content_type", "article")
    if kind not in types:
        faults.append(
            Fault("unknown_type", f"content_type must be one of {', '.join(types)}", index, "content_type")
        )
    return value["source_url"].strip() if not faults else "", faults


def _lengths(value: dict[str, Any], index: int | None, faults: list[Fault]) -> None:
    if len(value["content"]) < LEAST_CHARACTERS:
        message = f"Content too short (minimum {LEAST_CHARACTERS} characters)"
        faults.append(Fault("too_short", message, index, "content"))
    if len(value["content"]) > MOST_CHARACTERS:
        message = f"Content too long (maximum {MOST_CHARACTERS:,} characters)"
        faults.append(Fault("content_too_large", message, index, "content"))
    if len(value["title"]) > MOST_TITLE:
        faults.append(Fault("too_long", f"title must have 1 to {MOST_TITLE} characters", index, "title"))
