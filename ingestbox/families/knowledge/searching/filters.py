"""Which articles a search is for: `filter` of its body."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.errors import Fault
from ingestbox.families.knowledge.searching.labels import label
from ingestbox.families.knowledge.times import millis

MOST = 100
"""Values of one member."""

LONGEST = 2_000
"""Characters of a value."""

_Text = Annotated[str, Meta(min_length=1, max_length=LONGEST)]
_Some = _Text | Annotated[list[_Text], Meta(min_length=1, max_length=MOST)]


class SearchFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which articles are searched: those that have all of this. Of a list, one has to be right."""

    source_id: _Some | UnsetType = UNSET
    content_type: _Some | UnsetType = UNSET
    language: Annotated[
        _Some | UnsetType, Meta(description="What was found in the text: `vi`, `en` or `other`.")
    ] = UNSET
    published_after: Annotated[
        str | UnsetType,
        Meta(
            description="Published then or later (ISO 8601; without a zone it is UTC). Articles that do not "
            "say when are left out."
        ),
    ] = UNSET
    published_before: Annotated[str | UnsetType, Meta(description="Published before then.")] = UNSET
    quality_min: (
        Annotated[float, Meta(ge=0, le=1, description="The quality score is at least this.")] | UnsetType
    ) = UNSET
    url_prefix: Annotated[
        _Text | UnsetType, Meta(description="How the address begins, such as `https://example.org/news/`.")
    ] = UNSET
    tags: Annotated[
        _Some | UnsetType,
        Meta(description="Of the item's metadata, whatever the case and with or without diacritics."),
    ] = UNSET
    category: Annotated[_Some | UnsetType, Meta(description="As `tags`.")] = UNSET
    medical_specialty: Annotated[_Some | UnsetType, Meta(description="As `tags`.")] = UNSET


Params = dict[str, str | float | int | None]

_NOTHING: Params = dict.fromkeys(
    (
        *("sources", "types", "languages", "quality", "after", "before", "prefix"),
        *("tags", "categories", "specialties"),
    )
)


def params_of(value: object, faults: list[Fault]) -> Params:
    """The named values that the statements take; `filtered` is 1 if anything is narrowed. What is wrong with
    the filter is added to the faults."""
    found = {**_NOTHING, "filtered": 0}
    if value is None:
        return found
    if not isinstance(value, Mapping):
        faults.append(Fault("wrong_type", "filter must be an object", field="filter"))
        return found
    for name, given in value.items():
        if name not in _READERS:
            told = f"There is no filter.{name}; there are {', '.join(_READERS)}"
            faults.append(Fault("unknown", told[:1000], field=f"filter.{name}"[:200]))
        elif given is not None:
            param, read, sentence = _READERS[name]
            parameter = read(given)
            if parameter is None:
                faults.append(Fault("invalid", f"filter.{name} {sentence}", field=f"filter.{name}"))
            else:
                found[param] = parameter
                found["filtered"] = 1
    return found


def _texts(value: object) -> list[str] | None:
    some = [value] if isinstance(value, str) else value
    if not isinstance(some, list) or not 1 <= len(some) <= MOST:
        return None
    return some if all(isinstance(each, str) and 1 <= len(each) <= LONGEST for each in some) else None


def _json(values: Collection[str] | None) -> str | None:
    return None if values is None else msgspec.json.encode(list(values)).decode()


def _some(value: object) -> str | None:
    return _json(_texts(value))


def _labels(kind: str) -> Callable[[object], str | None]:
    def read(value: object) -> str | None:
        texts = _texts(value)
        return None if texts is None else _json([label(kind, text) for text in texts])

    return read


def _share(value: object) -> float | None:
    right = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return float(value) if right else None  # type: ignore[arg-type]


def _prefix(value: object) -> str | None:
    return value if isinstance(value, str) and 1 <= len(value) <= LONGEST else None


_SOME = f"must be a text, or a list of up to {MOST} of them, each of 1 to {LONGEST:,} characters"
_TIME = "must be a time as ISO 8601 has it, such as 2024-05-01 or 2024-05-01T08:00:00Z"

_READERS: dict[str, tuple[str, Callable[[Any], str | float | int | None], str]] = {
    "source_id": ("sources", _some, _SOME),
    "content_type": ("types", _some, _SOME),
    "language": ("languages", _some, _SOME),
    "published_after": ("after", millis, _TIME),
    "published_before": ("before", millis, _TIME),
    "quality_min": ("quality", _share, "must be a number from 0 to 1"),
    "url_prefix": ("prefix", _prefix, f"must be a text of 1 to {LONGEST:,} characters"),
    "tags": ("tags", _labels("tags"), _SOME),
    "category": ("categories", _labels("category"), _SOME),
    "medical_specialty": ("specialties", _labels("medical_specialty"), _SOME),
}
"""For each member the statements' name for it, how it is read, and what it has to be."""
