"""What becomes of a ticket: a sentiment for each text, an aggregate, columns, and a hash to check."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import pytest

from ingestbox.enrich.embedding.vector import Vector
from ingestbox.enrich.facts import Entity, Language, LanguageCode, Sentiment
from ingestbox.enrich.steps import MODULES, Answers, builtin
from ingestbox.errors import IngestError
from ingestbox.families.feedback.excerpt import MOST, excerpt
from ingestbox.families.feedback.process import process, project
from ingestbox.families.feedback.read.ticket import ticket_body
from ingestbox.model import Chunk, Item, checksum


def test_each_text_is_analysed_by_itself() -> None:
    record = {
        "id": "T-1",
        "summary": "I love this product!",
        "description": "",
        "comments": ["This is terrible.", " ", "The box is on the table."],
    }
    payload = json.dumps(record).encode()
    (outcome,) = process(Chunk("feedback", [Item(3, "T-1", payload)]))
    assert outcome.index == 3
    assert outcome.put is not None
    assert (outcome.put.kind, outcome.put.id) == ("ticket", "T-1")
    result = json.loads(outcome.put.result)
    assert [
        (field["field"], field.get("comment_number"), field["sentiment"]) for field in result["fields"]
    ] == [
        ("summary", None, "positive"),
        ("comment", 1, "negative"),
        ("comment", 3, "neutral"),
    ]
    assert all(0 <= field["confidence"] <= 1 for field in result["fields"])
    assert outcome.put.columns["summary"] == "I love this product!"
    assert outcome.put.columns["sentiment"] == result["sentiment"]
    assert outcome.tallies["sentiment_records"] == 1
    expected = hashlib.sha256(payload + b"\n" + outcome.put.result).hexdigest()
    assert outcome.put.digest == f"sha256:{expected}"


def test_a_central_box_gets_the_same_columns_from_record_and_result() -> None:
    payload = b'{"id":"T-1","description":"I hate it"}'
    (outcome,) = process(Chunk("feedback", [Item(0, "T-1", payload)]))
    assert outcome.put is not None
    assert project("ticket", payload, outcome.put.result) == outcome.put.columns


def test_outcomes_are_in_the_order_of_the_items() -> None:
    items = [Item(index, str(index), b'{"id":"x","summary":"fine"}') for index in range(20)]
    assert [outcome.index for outcome in process(Chunk("feedback", items))] == list(range(20))


def test_a_damaged_ticket_is_not_served() -> None:
    result, record = b'{"fields":[]}', b'{"id":"T-1","summary":"x"}'
    head = ("T-1", "", "x", "neutral", 0.0, "stable", 0, "job", result)
    own = (*head, None, crc32(result), record, checksum(b"T-1", record), 7)
    foreign = (*head, record, crc32(result + record), None, None, 7)
    for row in (own, foreign):
        assert ticket_body(row).job_id == "job"
        for place, value in enumerate(row):
            if isinstance(value, bytes):
                damaged = value.replace(b"x", b"y").replace(b"[]", b"{}")
                with pytest.raises(IngestError) as caught:
                    ticket_body((*row[:place], damaged, *row[place + 1 :]))
                assert caught.value.code == "damaged"


class Told:
    """Steps that write down what they were asked, and answer as they are told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str], list[str]]] = []
        self.language: dict[str, Language] = {}
        self.find = ""

    def languages(self, texts: Sequence[str]) -> Answers[Language]:
        self.asked.append(("language", list(texts), []))
        return Answers([self.language.get(text, Language("en", 0.9)) for text in texts], self._by(texts))

    def sentiments(self, texts: Sequence[str], languages: Sequence[LanguageCode]) -> Answers[Sentiment]:
        self.asked.append(("sentiment", list(texts), list(languages)))
        return Answers([Sentiment("negative", 0.5)] * len(texts), self._by(texts))

    def entities(self, texts: Sequence[str], languages: Sequence[LanguageCode]) -> Answers[list[Entity]]:
        self.asked.append(("entities", list(texts), list(languages)))
        return Answers([self._found(text) for text in texts], self._by(texts))

    def keywords(self, texts: Sequence[str], languages: Sequence[LanguageCode]) -> Answers[list[str]]:
        self.asked.append(("keywords", list(texts), list(languages)))
        return Answers([["word"] for _ in texts], self._by(texts))

    def embeddings(self, texts: Sequence[str]) -> Answers[Vector]:
        raise AssertionError("tickets have no vectors")

    def _found(self, text: str) -> list[Entity]:
        found, start = [], text.find(self.find) if self.find else -1
        while start >= 0:
            found.append(Entity(self.find, "PERSON", start, start + len(self.find)))
            start = text.find(self.find, start + 1)
        return found

    def _by(self, texts: Sequence[str]) -> list[str]:
        return ["first" if "first" in text else "second" for text in texts]


def analysed(steps: Told | None, *records: dict[str, Any]) -> list[dict[str, Any]]:
    items = [
        Item(number, str(record.get("id")), json.dumps(record).encode())
        for number, record in enumerate(records)
    ]
    chunk = Chunk("feedback", items)
    found = []
    for outcome in process(chunk) if steps is None else process(chunk, steps):
        assert outcome.put is not None
        found.append({**json.loads(outcome.put.result), "tallies": outcome.tallies})
    return found


COMMENT = "15/Mar/25 10:30 PM;anna;Now it works; thank you."


def test_each_step_is_asked_once_about_all_texts_of_the_chunk() -> None:
    steps = Told()
    steps.language = {"Xin chào": Language("vi", 0.9)}
    analysed(steps, {"summary": "a", "description": "b", "comments": ["c"]}, {"summary": "Xin chào"})
    assert steps.asked == [
        ("language", ["a", "b", "c", "Xin chào"], []),
        ("sentiment", ["a", "b", "c", "Xin chào"], ["en", "en", "en", "vi"]),
        ("entities", ["a", "b", "Xin chào"], ["en", "en", "vi"]),
        ("keywords", ["a\nb\nc", "Xin chào"], ["en", "vi"]),
    ]


def test_who_did_a_step_is_said_for_each_ticket() -> None:
    one, both, other = analysed(
        Told(), {"summary": "first"}, {"summary": "first", "description": "x"}, {"summary": "x"}
    )
    assert one["steps"] == dict.fromkeys(MODULES, "first")
    assert both["steps"] == {**dict.fromkeys(MODULES, "first+second"), "keywords": "first"}
    assert other["steps"] == dict.fromkeys(MODULES, "second")
    assert analysed(None, {"summary": "x"})[0]["steps"] == builtin()


def test_a_ticket_has_the_language_of_most_letters_and_doubtful_texts_have_it_too() -> None:
    steps = Told()
    steps.language = {
        "Giao hàng chậm quá, mãi không thấy ai gọi": Language("vi", 0.99),
        "ok": Language("other", 0.4),
        "5/5": Language("other", 0.34),
        "Good": Language("en", 0.8),
        "zxcv " * 15: Language("other", 0.4),
    }
    texts = list(steps.language)
    (found,) = analysed(steps, {"summary": texts[0], "comments": texts[1:]})
    assert found["language"] == "vi"
    assert [field["language"] for field in found["fields"]] == ["vi", "vi", "other", "en", "vi"]
    assert steps.asked[1][2] == ["vi", "vi", "other", "en", "vi"]


@pytest.mark.parametrize(
    ("record", "language"),
    [
        ({"summary": "Giao hàng chậm", "description": "shop không trả lời tin nhắn"}, "vi"),
        ({"summary": "giao hang cham", "description": "shop khong tra loi tin nhan"}, "vi"),
        ({"summary": "Slow delivery", "description": "and nobody answers my messages"}, "en"),
        ({"summary": "Livraison trop lente", "description": "et personne ne répond"}, "other"),
    ],
)
def test_languages_of_tickets(record: dict[str, Any], language: str) -> None:
    (found,) = analysed(None, record)
    assert found["language"] == language
    assert [field["language"] for field in found["fields"]] == [language, language]


def test_of_a_comment_its_text_is_analysed_and_the_rest_is_told() -> None:
    steps = Told()
    (found,) = analysed(
        steps, {"summary": "x", "comments": ["plain; text", None, COMMENT, "15/Mar/25 10:30 PM;anna; "]}
    )
    assert steps.asked[0][1] == ["x", "plain; text", "Now it works; thank you."]
    plain, parsed = found["fields"][1:]
    assert (plain["comment_number"], "author" in plain, "at" in plain) == (1, False, False)
    assert (parsed["comment_number"], parsed["author"], parsed["at"]) == (3, "anna", "2025-03-15T22:30:00")


def test_entities_are_at_their_places_in_their_field() -> None:
    steps = Told()
    steps.find = "Hà Nội"
    summary, description = "😀 ở Hà Nội", "e\u0301 Hà Nội và Hà Nội"
    found, none = analysed(
        steps, {"summary": summary, "description": description, "comments": ["Hà Nội"]}, {"summary": "x"}
    )
    fields = {"summary": summary, "description": description}
    assert [entity["field"] for entity in found["entities"]] == ["summary", "description", "description"]
    for entity in found["entities"]:
        assert fields[entity["field"]][entity["start"] : entity["end"]] == entity["text"] == "Hà Nội"
    assert (found["tallies"], none["tallies"]) == (
        {"sentiment_records": 1, "entity_records": 1},
        {"sentiment_records": 1, "entity_records": 0},
    )


def test_of_a_very_long_text_both_ends_are_analysed_and_places_are_those_of_the_whole() -> None:
    steps = Told()
    steps.find = "Ana"
    text = "Ana " + "." * MOST + " Ana" + "." * MOST + " Ana"
    assert len(text) > 2 * MOST
    (found,) = analysed(steps, {"summary": text})
    assert found["fields"][0]["analysed_characters"] == MOST
    assert len(steps.asked[0][1][0]) == MOST + 1
    places = [(entity["start"], entity["end"]) for entity in found["entities"]]
    assert places == [(0, 3), (len(text) - 3, len(text))]
    assert all(text[start:end] == "Ana" for start, end in places)
    (found,) = analysed(steps, {"summary": "x" * MOST})
    assert "analysed_characters" not in found["fields"][0]


def test_what_only_the_cut_has_brought_together_is_no_entity() -> None:
    whole = excerpt("a" * MOST + "b" * MOST)
    assert whole.cut and whole.text[whole.cut] == "\n"
    across = Entity("a\nb", "PERSON", whole.cut - 1, whole.cut + 2)
    before = Entity("a", "PERSON", whole.cut - 1, whole.cut)
    after = Entity("b", "PERSON", whole.cut + 1, whole.cut + 2)
    (kept, moved) = whole.in_whole([before, across, after])
    assert kept == before
    assert ("a" * MOST + "b" * MOST)[moved.start : moved.end] == "b"


def test_long_and_hostile_texts_are_analysed_within_seconds() -> None:
    texts = ["a" * 1_000_000, "ab " * 300_000, "😀" * 300_000, "((" * 300_000, "á" * 500_000, "1." * 300_000]
    for found in analysed(None, *({"summary": text} for text in texts)):
        assert found["fields"][0]["analysed_characters"] == MOST
