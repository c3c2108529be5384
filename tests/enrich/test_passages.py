"""Texts in passages."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestbox.enrich.passages import LEAST, LENGTH, LONGEST, OVERLAP, Passage, passages

SENTENCES = (
    "Tăng huyết áp là bệnh lý mạn tính khi áp lực của máu tác động lên thành động mạch tăng cao kéo dài.",
    "Theo TS. BS. Nguyễn Văn An ở Bệnh viện Tim TP. HCM, người bệnh nên đo huyết áp mỗi ngày.",
    "Nồng độ tăng 3.5 lần… nhưng chưa đáng lo!",
    "Dr. Smith said: “Eat less salt, e.g. Below 5 g a day.” Then he left.",
    "Có nên ăn nhạt không?",
)


def held(text: str) -> list[str]:
    return [text[each.start : each.end] for each in passages(text)]


def test_a_short_text_is_one_passage() -> None:
    assert passages("") == []
    assert passages(" \n ") == []
    assert passages("  Ngắn thôi.\n") == [Passage(2, 12)]
    text = "a" * (LONGEST - 1)
    assert passages(text) == [Passage(0, len(text))]


def test_passages_end_where_sentences_do_and_overlap() -> None:
    text = " ".join(SENTENCES * 30)
    found = passages(text)
    assert len(found) > 8
    starts = ("Tăng", "Theo", "Nồng", "Dr.", "Then", "Có")
    for each in found:
        assert text[each.start :].startswith(starts), text[each.start : each.start + 20]
        assert text[each.start : each.end].endswith((".", "!", "?", "”"))
    for one, other in pairwise(found):
        assert OVERLAP // 4 <= one.end - other.start <= OVERLAP * 3 // 2
    overlaps = [one.end - other.start for one, other in pairwise(found)]
    assert abs(sum(overlaps) / len(overlaps) - OVERLAP) < OVERLAP / 4


@pytest.mark.parametrize(
    "before",
    [
        "theo TS.",
        "ở TP.",
        "the late Dr.",
        "fruit, e.g.",
        "ThS.",
        "gặp PGS.TS.",
        "Nguyễn A.",
        "tăng 3…",
        "tại Q.",
        "dòng\n1.",
    ],
)
def test_no_passage_ends_behind_an_abbreviation(before: str) -> None:
    after = "bằng chữ thường" if before.endswith("…") else "Nguyễn Văn An"
    filler = "từ " * 150 + "đây. " + "Chữ " * 60
    text = f"{filler}{before} {after} " + "nữa " * 300
    first = held(text)[0]
    assert not first.endswith(before)
    assert passages(text.replace(before, "hết rồi."))[0].end != passages(text)[0].end


def test_lines_end_sentences() -> None:
    text = "\n\n".join(["Tiêu đề không có dấu chấm " * 8] * 12)
    assert all(each.endswith("chấm") for each in held(text))


@pytest.mark.parametrize("unit", ["a", "日", "a\u0301", "x. ", ". ", "\n", " ", "ab\n\n", "。", "A.B. ", "…"])
def test_texts_without_sentences_or_blanks_have_bounded_passages(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    start = time.process_time()
    found = passages(text)
    assert time.process_time() - start < 4
    assert len(found) <= 1_000
    covers(text, found)


def test_a_letter_keeps_its_marks() -> None:
    text = "e\u0323\u0302" * 2_000
    for each in passages(text):
        assert text[each.start] == "e"
        assert each.end == len(text) or text[each.end] == "e"


def covers(text: str, found: list[Passage]) -> None:
    place = 0
    for each in found:
        assert each.start < each.end <= each.start + LONGEST
        assert not text[each.start].isspace()
        assert not text[each.end - 1].isspace()
        assert not text[place : each.start].strip()
        place = max(place, each.end)
    assert not text[place:].strip()
    for one, other in pairwise(found):
        assert one.start < other.start
        assert one.end < other.end


WORDS = st.sampled_from(
    ["từ", "word", "TS.", "hết.", "A.", "hết!”", "3.5", "x" * 300, "…", "e\u0323", "\n", "\n\n", "Dr.", "1."]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, max_size=40), st.text("aB. \n…?\u0301”", max_size=60), st.integers(1, 60))
def test_together_they_have_all_of_the_text(words: list[str], signs: str, times: int) -> None:
    text = (" ".join(words) + signs) * times
    found = passages(text)
    covers(text, found)
    assert found == passages(text)
    tidy = " ".join(text.split())
    spans = passages(tidy)
    covers(tidy, spans)
    assert len(spans) < 2 or all(LEAST <= each.end - each.start <= LENGTH + LEAST for each in spans)
