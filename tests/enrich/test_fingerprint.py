"""How alike texts are, by their fingerprints."""

from __future__ import annotations

import random
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestbox.enrich.fingerprint import (
    BAND_DIGITS,
    BANDS,
    MOST_WORDS,
    NEAR,
    VERSION,
    Fingerprint,
    checked,
    fingerprint,
    similarity,
)

_ONSETS = "b c d g h kh l m n ng nh ph s t th tr v x ch đ".split()  # noqa: SIM905
_SYLLABLES = [
    f"{a}{b}{c}" for a in _ONSETS for b in "aăâeêioôơuư" for c in ("", "n", "ng", "t", "c", "m", "i")
]


class Corpus:
    """Articles on a few subjects: words by how often they are used, phrases of each, notices of sites."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        common = self.random.sample(_SYLLABLES, 200)
        self.subjects = [self._subject(common) for _ in range(5)]
        self.notices = [self.words(self.subjects[0], 30) for _ in range(20)]

    def _subject(self, common: list[str]) -> list[str]:
        words = [*common, *self.random.sample(_SYLLABLES, 300)]
        self.random.shuffle(words)
        pool = [word for place, word in enumerate(words) for _ in range(1 + 300 // (place + 3))]
        phrases = [" ".join(self.random.choices(pool, k=6)) for _ in range(60)]
        return [*pool, *phrases * (len(pool) // 400 + 1)]

    def words(self, subject: list[str], count: int) -> str:
        return " ".join(self.random.choices(subject, k=count))

    def article(self, subject: int, length: int) -> list[str]:
        """Ten paragraphs."""
        return [f"{self.words(self.subjects[subject], max(4, length // 50))}." for _ in range(10)]

    def typos(self, text: str) -> str:
        return " ".join(
            word[:-1] + self.random.choice("aghnt") if self.random.random() < 0.02 else word
            for word in text.split(" ")
        )


def found(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether one is found by the other: they share a band, and are alike."""
    shared = any(mine == theirs for mine, theirs in zip(one.bands, other.bands, strict=True))
    return shared and similarity(one, other) >= NEAR


@pytest.mark.parametrize("what", ["a paragraph of ten changed", "header and footer added", "typos corrected"])
def test_what_was_changed_a_little_is_found(what: str) -> None:
    corpus, hits, count = Corpus(1), 0, 200
    for number in range(count):
        subject = number % 5
        paragraphs = corpus.article(subject, (600, 1_200, 2_500, 5_000)[number % 4])
        one = fingerprint("\n\n".join(paragraphs))
        if what.startswith("a paragraph"):
            paragraphs[number % 10] = corpus.article(subject, sum(map(len, paragraphs)))[0]
        elif what.startswith("header"):
            paragraphs = [corpus.notices[number % 20], *paragraphs, corpus.notices[-number % 20][:60]]
        text = "\n\n".join(paragraphs)
        hits += found(one, fingerprint(corpus.typos(text) if what.startswith("typos") else text))
    assert hits >= 0.95 * count


def test_articles_on_the_same_subject_are_not_near() -> None:
    corpus = Corpus(2)
    made = [
        fingerprint("\n".join([*corpus.article(0, 600 + 20 * number), corpus.notices[0]]))
        for number in range(150)
    ]
    pairs = [(one, other) for place, one in enumerate(made) for other in made[:place]]
    assert not [True for one, other in pairs if similarity(one, other) >= NEAR]


def test_the_same_words_have_the_same_fingerprint() -> None:
    text = "Tăng huyết áp là bệnh lý mạn tính, thường gặp ở người lớn tuổi; xem “Khuyến cáo 2024”."
    same = fingerprint(text)
    assert len(same.hex) == 130
    assert same.hex.startswith(VERSION)
    assert similarity(same, same) == 1.0
    assert (
        fingerprint(unicodedata.normalize("NFD", text.upper()).replace(" ", "\n ").replace(",", "")) == same
    )
    assert fingerprint("Một bài khác hẳn, nói về chuyện khác, không giống gì ở trên cả.") != same
    # It is stored and told to other boxes: another answer needs another version.
    assert fingerprint("một hai ba bốn năm sáu bảy").hex[:20] == "01dbdb124626bf1212db"


def test_bands_are_parts_of_it() -> None:
    one = fingerprint("một hai ba bốn năm sáu bảy tám chín mười " * 3)
    assert len(one.bands) == BANDS
    assert "".join(one.bands) == one.hex[len(VERSION) : len(VERSION) + BANDS * BAND_DIGITS]


@pytest.mark.parametrize("text", ["", " \n", "... --- !!!"])
def test_texts_without_words_are_like_none(text: str) -> None:
    nothing = fingerprint(text)
    assert nothing == Fingerprint("")
    assert nothing.bands == []
    assert similarity(nothing, nothing) == 0.0
    assert similarity(nothing, fingerprint("một hai ba")) == 0.0


def test_what_other_boxes_tell_is_checked() -> None:
    good = fingerprint("một hai ba").hex
    assert checked(good) == good
    for bad in (None, 5, "", good[:-1], good.upper() + "0", "ff" + good[2:], good + "\n", "zz" * 65):
        assert checked(bad) == ""
    assert similarity(Fingerprint(good), Fingerprint("02" + good[2:])) == 0.0


def test_texts_without_blanks_are_taken_by_their_letters() -> None:
    text = (
        "高血圧は動脈の血圧が持続的に高くなる慢性的な病気であり、生活習慣の改善と薬による治療が必要です。" * 2
    )
    changed = text.replace("慢性的な", "慢性の", 1)
    assert found(fingerprint(text), fingerprint(changed))
    assert (
        similarity(
            fingerprint(text),
            fingerprint("全く別の話をする文章で、上のものとは何も共通していないものです。" * 2),
        )
        < NEAR
    )


def test_of_very_long_texts_the_beginning_counts() -> None:
    words = [f"w{number}" for number in range(MOST_WORDS + 10)]
    assert fingerprint(" ".join(words)) == fingerprint(" ".join(words[:MOST_WORDS]))
    start = time.process_time()
    for unit in ("a", "a ", "日", "a\u0301", ". ", "\u0301"):
        fingerprint(unit * (300_000 // len(unit)))
    assert time.process_time() - start < 4


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_similarity_is_symmetrical(one: str, other: str) -> None:
    first, second = fingerprint(one), fingerprint(other)
    assert similarity(first, second) == similarity(second, first)
    assert 0.0 <= similarity(first, second) <= 1.0
    assert checked(first.hex) == first.hex
