"""What a ticket is listed, counted and found by."""

from __future__ import annotations

import json
import unicodedata

import msgspec
import pytest

from ingestbox.families.feedback.columns import (
    LABELS,
    MOST_CHARACTERS,
    MOST_ENTITIES,
    MOST_LOOKED_AT,
    arrived,
    columns,
    counted,
    entity_key,
)

RECORD = {"id": "T-1", "summary": "Hà Nội", "description": None, "comments": [None, "x"]}
RESULT = {
    "sentiment": "neutral",
    "score": 0.25,
    "trend": "stable",
    "language": "vi",
    "fields": [{"field": "summary", "sentiment": "neutral", "confidence": 0.5, "language": "vi"}],
    "entities": [{"text": "Hà Nội", "label": "LOCATION", "field": "summary", "start": 0, "end": 6}],
    "keywords": ["Hà Nội"],
    "steps": {"sentiment": "builtin/1"},
}
OLD = {name: RESULT[name] for name in ("sentiment", "score", "trend", "fields")}


def named(*texts: str, label: str = "LOCATION") -> list[dict[str, str]]:
    return [{"label": label, "text": text} for text in texts]


def test_the_columns_of_a_ticket() -> None:
    found = columns(RECORD, RESULT)
    entities = found.pop("entities")
    assert isinstance(entities, str)
    assert json.loads(entities) == {"LOCATION ha noi": "Hà Nội"}
    assert {name: found[name] for name in ("summary", "sentiment", "score", "trend", "language")} == {
        "summary": "Hà Nội",
        "sentiment": "neutral",
        "score": 0.25,
        "trend": "stable",
        "language": "vi",
    }


def test_a_result_of_an_older_version_has_neither_language_nor_entities() -> None:
    found = columns({"id": "T-1", "description": "x"}, OLD)
    assert (found["summary"], found["language"], found["entities"]) == (None, None, "{}")


@pytest.mark.parametrize("result", [RESULT, OLD])
def test_a_central_box_gets_the_columns_that_the_edge_has(result: dict[str, object]) -> None:
    sent = arrived(msgspec.json.encode(RECORD), msgspec.json.encode(result))
    assert sent == columns(RECORD, result)


def test_a_language_of_a_later_version_is_another_one() -> None:
    assert columns(RECORD, {**RESULT, "language": "fr"})["language"] == "other"


@pytest.mark.parametrize(
    ("record", "result"),
    [
        *(({}, {name: RESULT[name] for name in RESULT if name != missing}) for missing in OLD),
        ({"summary": ["x"]}, RESULT),
        ({"description": 5}, RESULT),
        ({"comments": [5]}, RESULT),
        ({}, {**RESULT, "entities": [{"text": "x"}]}),
        ({}, {**RESULT, "fields": [{"field": "comment", "comment_number": 0}]}),
    ],
)
def test_what_nobody_could_be_shown_is_refused(record: object, result: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        arrived(msgspec.json.encode(record), msgspec.json.encode(result))


@pytest.mark.parametrize(
    "texts",
    [
        ("ha noi", "Hà Nội"),
        ("HÀ NỘI", "Ha Noi"),
        ("Hà Nội", unicodedata.normalize("NFD", "HÀ NỘI")),
        (" Hà \n Nội ", "ha\tnoi"),
        ("Đà Nẵng", "DA NANG"),
    ],
)
def test_spellings_of_a_name_are_one(texts: tuple[str, ...]) -> None:
    (key,) = counted(named(*texts))
    assert {entity_key("LOCATION", text) for text in texts} == {key}


def test_the_spelling_with_the_most_marks_is_shown_of_equals_the_first() -> None:
    assert counted(named("Ha Noi", "HÀ NỘI", "Hà Nội"))["LOCATION ha noi"] == "HÀ NỘI"
    assert counted(named("Hà Nội", "ha noi"))["LOCATION ha noi"] == "Hà Nội"


def test_the_same_name_under_two_labels_is_two_entities() -> None:
    assert set(counted([*named("Lan"), *named("Lan", label="PERSON")])) == {"LOCATION lan", "PERSON lan"}


def test_labels_that_this_version_does_not_know_are_not_counted() -> None:
    assert counted(named("x", label="EVENT")) == {}
    assert len(counted([each for label in LABELS for each in named("x", label=label)])) == len(LABELS)


@pytest.mark.parametrize("text", ["", " ", "\0", "\u200b\n"])
def test_what_cannot_be_seen_is_no_entity(text: str) -> None:
    assert counted(named(text)) == {}


def test_a_name_is_shown_on_one_line_and_cut() -> None:
    assert counted(named("A\0B\u202e  C\nD"))["LOCATION a b c d"] == "A B C D"
    (shown,) = counted(named("x" * 1_000_000)).values()
    assert shown == "x" * MOST_CHARACTERS


def test_only_so_many_entities_of_a_ticket_count_the_first_ones() -> None:
    texts = [f"name {number}" for number in range(MOST_ENTITIES + 10)]
    found = counted(named(*texts, "NAME 0", "Nàme 1"))
    assert list(found.values()) == ["name 0", "Nàme 1", *texts[2:MOST_ENTITIES]]


def test_so_many_entities_that_they_would_take_long_are_not_all_looked_at() -> None:
    texts = [f"name {number}" for number in range(MOST_LOOKED_AT)]
    found = counted(named(*texts, "NÀME 1"))
    assert list(found.values()) == texts[:MOST_ENTITIES]
