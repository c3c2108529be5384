"""What is found out about an article, as a child makes it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from ingestbox.enrich.duplicates import text_hash
from ingestbox.enrich.facts import Language, LanguageCode
from ingestbox.enrich.steps import Answers, BuiltIn
from ingestbox.families.knowledge.context import Known
from ingestbox.families.knowledge.entities import MOST
from ingestbox.families.knowledge.process import KIND, process, project
from ingestbox.families.knowledge.result import Found
from ingestbox.model import Chunk, Item, Outcome, delivery_digest
from tests.families.knowledge.support import article, text

JOB = 5
ID = f"km_content_{JOB << 24}"


def outcome(item: object, low: float = 0.0, source: str = "", steps: BuiltIn | None = None) -> Outcome:
    known = msgspec.msgpack.encode(Known(low, {0: source} if source else {}))
    chunk = Chunk("knowledge", [Item(0, "u", json.dumps(item).encode())], JOB, "p", known)
    (made,) = process(chunk) if steps is None else process(chunk, steps)
    return made


def found(item: object, **options: Any) -> Found:
    """The result, all of whose places are right."""
    made = outcome(item, **options)
    assert made.put is not None
    whole = msgspec.json.decode(made.put.result, type=Found)
    for each in whole.entities:
        if each.start is not None:
            assert whole.text[each.start : each.end].casefold() == each.text.casefold()
    for span in whole.passages:
        assert 0 <= span.start < span.end <= len(whole.text)
    return whole


def entities(item: dict[str, object]) -> list[tuple[str, str, int | None]]:
    """Those that came with it: text, type, where."""
    return [(each.text, each.type, each.start) for each in found(item).entities if each.given]


def test_a_put_says_everything() -> None:
    item = article(1, language="en")
    made = outcome(item, source="government")
    assert made.put is not None
    assert (made.put.kind, made.put.id, made.fault_code) == (KIND, ID, None)
    whole = found(item, source="government")
    assert whole.text == item["content"]
    assert bytes.fromhex(whole.text_hash) == text_hash(str(item["content"]))
    assert (whole.language.code, whole.language.declared, whole.language.matches) == ("en", "en", True)
    assert whole.keywords
    assert whole.warnings == []
    assert whole.quality_score == pytest.approx(
        sum(part.score * part.weight for part in whole.quality.values()), abs=0.011
    )
    assert whole.quality["authority"].score > found(item).quality["authority"].score
    assert {"language", "keywords", "entities", "cleaning", "passages", "quality"} <= set(whole.steps)
    payload = json.dumps(item).encode()
    assert made.put.digest == delivery_digest(payload, made.put.result)
    columns = project(KIND, payload, made.put.result)
    own = {**made.put.columns, "text_hash": None}
    assert {**columns, "model": own["model"], "dimension": own["dimension"]} == own
    assert made.put.columns["text_hash"] == whole.text_hash


def test_given_entities_are_kept_each_at_its_place() -> None:
    body = f"<p>Cao <b>huyết áp</b> là bệnh.</p><p>Người bị huyết áp cao nên giảm muối.</p> {text(3)}"
    at = body.index("huyết áp cao")
    given = [
        {"text": "huyết áp", "type": "medical_condition", "confidence": 0.95},
        {"text": "huyết áp", "type": "medical_condition", "confidence": 0.2},  # the same once more
        {"text": "huyết áp cao", "type": "disease", "start": at, "end": at + 12},  # of the page, not the text
        {"text": "GIẢM MUỐI", "type": "procedure", "confidence": 7, "start": "x"},
        {"text": "không có", "type": "symptom"},
        {"text": "áp", "type": "symptom"},
        {"text": "", "type": "symptom"},
        "huyết áp",
        {"text": ["huyết áp"], "type": None},
    ]
    item = article(3, content=body, extracted_entities=given)
    whole = found(item)
    plain = whole.text
    assert entities(item) == [
        ("huyết áp", "medical_condition", plain.index("huyết áp")),
        ("huyết áp cao", "disease", plain.index("huyết áp cao")),
        ("GIẢM MUỐI", "procedure", plain.index("giảm muối")),
        ("không có", "symptom", None),
        ("áp", "symptom", plain.index("áp là")),
    ]
    assert [each.confidence for each in whole.entities if each.given] == [0.95, None, None, None, None]
    assert {each.code for each in whole.warnings} == {"entities_unreadable", "entities_not_found"}
    places = [(each.text.casefold(), each.start) for each in whole.entities]
    assert len(places) == len(set(places))


def test_a_given_place_that_is_right_counts() -> None:
    body = f"ho, sốt. Lại ho. {text(4)}"
    second = body.index("ho", 5)
    given = [{"text": "ho", "type": "symptom", "start": second, "end": second + 2}]
    assert entities(article(4, content=body, entities=given)) == [("ho", "symptom", second)]
    near = [{"text": "ho", "type": "symptom", "start": second + 3, "end": second + 5}]
    assert entities(article(4, content=body, entities=near)) == [("ho", "symptom", second)]


def test_a_term_within_a_word_is_not_there() -> None:
    body = f"Cho tho sho. Lại ho. {text(4)}"
    given = [{"text": "ho", "type": "symptom"}, {"text": "th", "type": "symptom"}]
    item = article(4, content=body, entities=given)
    assert entities(item) == [("ho", "symptom", body.index(" ho.") + 1), ("th", "symptom", None)]


def test_places_people_and_days_are_found() -> None:
    body = f"Ông Nguyễn Văn An đến Hà Nội ngày 12/3/2024. {text(5)}"
    types = {each.type: each.text for each in reversed(found(article(5, content=body)).entities)}
    assert (types["location"], types["date"]) == ("Hà Nội", "ngày 12/3/2024")


def test_there_are_not_more_entities_than_are_kept() -> None:
    words = [f"từ{number}" for number in range(MOST + 50)]
    given = [{"text": word, "type": "x"} for word in words]
    whole = found(article(6, content=" ".join(words), extracted_entities=given))
    assert len(whole.entities) == MOST
    assert "entities_capped" in {each.code for each in whole.warnings}


def test_another_language_than_was_declared_is_a_warning() -> None:
    whole = found(article(7, content=text(7, "en"), language="vi"))
    assert (whole.language.code, whole.language.matches) == ("en", False)
    assert [each.code for each in whole.warnings] == ["language_mismatch"]
    assert found(article(7, content=text(7), language=None)).warnings == []


def test_another_hash_is_a_warning() -> None:
    wrong = found(article(8, metadata={"content_hash": f"sha256:{'0' * 64}"}))
    assert [each.code for each in wrong.warnings] == ["content_hash_mismatch"]


def test_a_text_that_is_not_sure_is_read_in_what_was_declared() -> None:
    class Unsure(BuiltIn):
        asked: Sequence[LanguageCode] = ()

        def languages(self, texts: Sequence[str]) -> Answers[Language]:
            return Answers([Language("other", 0.3)] * len(texts), ["elsewhere/1"] * len(texts))

        def keywords(self, texts: Sequence[str], languages: Sequence[LanguageCode]) -> Answers[list[str]]:
            self.asked = languages
            return Answers([["one"]] * len(texts), ["elsewhere/2"] * len(texts))

    steps = Unsure()
    whole = found(article(9), steps=steps)
    assert steps.asked == ["vi"]
    assert (whole.steps["language"], whole.steps["keywords"], whole.keywords) == (
        "elsewhere/1",
        "elsewhere/2",
        ["one"],
    )
    assert whole.warnings == []


def test_low_quality_is_held_with_what_costs_most() -> None:
    item = article(10, content="một hai ba bốn " * 8, title="x", metadata=None)
    made = outcome(item, low=0.5)
    assert made.put is not None
    whole = msgspec.json.decode(made.put.result, type=Found)
    assert (made.fault_code, made.fault_field) == ("low_quality", "content")
    message = made.fault_message or ""
    assert message.startswith(f"Quality {whole.quality_score:.2f} is below 0.50. ")
    costs = {name: part.weight * (1 - part.score) for name, part in whole.quality.items()}
    dearest = sorted(costs, key=lambda name: -costs[name])
    assert [name.capitalize() in message for name in dearest[:2]] == [True, True]
    assert outcome(item, low=whole.quality_score).fault_code is None
    assert outcome(item).fault_code is None


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": None, "published_at": None, "extracted_entities": None, "language": None},
        {"metadata": [], "entities": {"text": "x"}, "published_at": 12, "content_type": "news"},
        {"metadata": {"tags": [1, None, {"a": []}], "authority_score": "95", "content_hash": 5}},
        {"metadata": {"authority_score": 10**400}, "chunks": [[[]]], "quality_score": {}, "keywords": 1e300},
        {"extracted_entities": [None, 1, [], {}, {"text": "a", "type": "b", "start": -1, "end": 10**30}]},
        {"content": "1" * 200},
        {"content": "…" * 100},
        {"content": "\u200b" * 150},
        {"content": "<p></p>" * 30},
        {"content": "😀" * 120, "title": "😀"},
        {"content": "e\u0301" * 300, "title": "e\u0301"},
    ],
)
def test_whatever_is_let_in_becomes_an_article(fields: dict[str, object]) -> None:
    made = outcome(article(11, **fields), low=0.5)
    assert made.put is not None
    found(article(11, **fields))


@pytest.mark.parametrize(
    "body",
    [
        "1" * 1_000_000,
        pytest.param("a. " * 333_333, marks=pytest.mark.soak),
        pytest.param(text(12, sentences=15_500)[:1_000_000], marks=pytest.mark.soak),
    ],
)
def test_a_book_is_done_within_its_time(body: str) -> None:
    began = time.perf_counter()
    whole = found(article(12, content=body, extracted_entities=[{"text": body[:400], "type": "x"}] * 200))
    assert time.perf_counter() - began < 30
    assert len(whole.passages) > 1_000


@pytest.mark.parametrize("result", [b"{}", b"[]", b"null", b'{"text":"x"}'])
def test_what_is_no_article_is_refused(result: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        project(KIND, json.dumps(article(13)).encode(), result)
    good = outcome(article(13)).put
    assert good is not None
    with pytest.raises(msgspec.DecodeError):
        project(KIND, b'{"source_id":"x","source_url":5,"title":"x"}', good.result)
