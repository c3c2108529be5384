"""The language of texts, on labelled samples (`samples/language.tsv`) and on what is no text at all."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestbox.enrich.folding import fold
from ingestbox.enrich.language import SAMPLED, language
from ingestbox.enrich.syllables import is_plain_syllable, is_syllable

SAMPLES = Path(__file__).parent / "samples" / "language.tsv"


def samples(split: str) -> Iterator[tuple[str, str]]:
    """Label and text. Rules and lists were made looking at `dev`; `held` was written after them."""
    for line in SAMPLES.read_text("utf-8").splitlines()[1:]:
        of, label, text = line.split("\t")
        if of == split:
            yield label, text


@pytest.mark.parametrize(("split", "least"), [("dev", 0.98), ("held", 0.97)])
def test_samples(split: str, least: float) -> None:
    judged = [(label, language(text)) for label, text in samples(split)]
    right = sum(label == found.code for label, found in judged)
    assert right / len(judged) >= least
    # Confidence is a share of right answers: where it says nine of ten, it is.
    sure = [label == found.code for label, found in judged if found.confidence >= 0.9]
    assert len(sure) > len(judged) * 0.7
    assert sum(sure) / len(sure) >= 0.97
    if split == "dev":  # the other has too few that are unsure
        unsure = [label == found.code for label, found in judged if 0.35 < found.confidence < 0.6]
        assert 0.4 < sum(unsure) / len(unsure) < 0.9


def test_marks_may_be_composed_or_not() -> None:
    for label, text in samples("dev"):
        if label == "vi":
            assert language(unicodedata.normalize("NFD", text)) == language(
                unicodedata.normalize("NFC", text)
            )


def test_vietnamese_is_known_without_its_marks() -> None:
    marked = [text for label, text in samples("held") if label == "vi" and not text.isascii()]
    right = sum(language(fold(text)).code == "vi" for text in marked)
    assert right / len(marked) >= 0.9


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("I met Nguyễn Văn An in Đà Nẵng and he was very helpful", "en"),
        ("Great app nhưng hay bị lỗi lắm", "vi"),
        ("app lag, cần fix bug login, shop check inbox giúp em với ạ", "vi"),
        ("The support was fine but 客服很差劲，等了很久很久，没有人回答我的问题", "other"),
        ("xem tại https://www.example.com/this/is/the/page/that/you/want nhé", "vi"),
        ("Liên hệ the.best.service@example.com", "vi"),
        ("soooo gooood, loooove it", "en"),
        ("đẹppppp quáaaaaa", "vi"),
        ("RẤT HÀI LÒNG", "vi"),
        ("GREAT PRODUCT", "en"),
        ("Great Product And Very Fast Delivery", "en"),
        ("Tốt.Giao hàng nhanh.Cảm ơn", "vi"),
    ],
)
def test_mixed_and_noisy(text: str, code: str) -> None:
    assert language(text).code == code


@pytest.mark.parametrize("text", ["ok", "ban", "he", "me", "so", "hi"])
def test_what_could_be_either_is_not_sure(text: str) -> None:
    assert language(text).confidence < 0.6


@pytest.mark.parametrize(
    "text", ["", " \n", "12,5", "😀", "5/5 ★★★★★", "a@b.com", "https://example.com/the", "...", "\ud800"]
)
def test_no_words_are_no_language(text: str) -> None:
    found = language(text)
    assert found.code == "other"
    assert found.confidence < 0.5


def test_a_long_text_is_judged_by_samples_of_all_of_it() -> None:
    english = "We waited for a very long time and nobody came. "
    vietnamese = "Chúng tôi chờ rất lâu mà không ai đến cả. "
    length = SAMPLED * 20
    begins = english * (length // len(english) // 10) + vietnamese * (length // len(vietnamese))
    assert language(begins).code == "vi"
    assert language(english * (length // len(english))).code == "en"


@given(st.text())
def test_anything_has_a_language(text: str) -> None:
    found = language(text)
    assert found.code in ("vi", "en", "other")
    assert 0 < found.confidence < 1
    assert language(text) == found


def test_syllables() -> None:
    good = "nghiêng khuỷu quyển giếng gì được người ăn yêu oán tuyệt quốc thuở xoong bướu hươu giữa ý kỹ quý"
    assert all(is_syllable(word) and is_plain_syllable(fold(word)) for word in good.split())
    bad = "très même été größe niño ção kă cê ngế stốt fă jà đượcc bl ngi gha qa ă"
    assert not any(is_syllable(word) for word in bad.split())


def test_the_capital_of_the_first_word_says_nothing() -> None:
    assert language("Great") == language("great") == language("“Great!”")
    assert language("Hay, rất hay") == language("hay, rất hay")
    assert language("the Great").confidence < language("the great").confidence


def test_words_that_can_all_be_syllables_are_likelier_vietnamese() -> None:
    assert language("ban on hang").code == "vi"
    assert language("ban on hangs").code == "en"
