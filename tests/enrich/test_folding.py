"""Texts without their diacritics."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestbox.enrich.folding import fold, nfc

VOWELS = "aăâeêioôơuưy"
TONES = ("", "\u0300", "\u0301", "\u0309", "\u0303", "\u0323")


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("", ""),
        ("Plain TEXT 123", "plain text 123"),
        ("Đơn hàng ĐƯỢC giao", "don hang duoc giao"),
        ("Sản phẩm rất TỐT", "san pham rat tot"),
        ("ưu điểm, ƯƠNG", "uu diem, uong"),
        ("Straße GROẞ", "strasse gross"),
        ("Ångström façade ÑANDÚ", "angstrom facade nandu"),
        ("Łódź øre Ærø ısı İstanbul", "lodz ore aero isi istanbul"),
        ("ｆｕｌｌ ① ﬁ", "full 1 fi"),
        ("Привет ёлка", "привет елка"),
        ("\ud800", "\ud800"),
        ("😀 tốt", "😀 tot"),
    ],
)
def test_folded(text: str, folded: str) -> None:
    assert fold(text) == folded
    assert fold(unicodedata.normalize("NFD", text)) == folded


def test_every_vietnamese_vowel_with_every_tone_folds_to_its_letter() -> None:
    for vowel in VOWELS:
        plain = unicodedata.normalize("NFD", vowel)[0]
        for tone in TONES:
            for form in ("NFC", "NFD"):
                letter = unicodedata.normalize(form, vowel + tone)
                assert (fold(letter), fold(letter.upper())) == (plain, plain)


def test_every_character_folds_once_and_for_all_composed_or_not() -> None:
    wrong = [
        hex(code)
        for code in (*range(0x20000), sys.maxunicode)
        if fold(folded := fold(chr(code))) != folded
        or fold(unicodedata.normalize("NFD", chr(code))) != folded
    ]
    assert wrong == []


@given(st.text())
def test_composing_changes_no_fold(text: str) -> None:
    assert fold(nfc(text)) == fold(text)
    assert nfc(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("marks", ["\u0301\u0323", "\u0f73", "\u0301"])
def test_of_a_letter_with_very_many_marks_some_are_kept(marks: str) -> None:
    """Putting them in order takes time by the square of their number: a record could stop the box."""
    text = "xy" * 100 + "a" + marks * 300_000 + "b"
    found = nfc(text)
    assert found.startswith("xy" * 100 + "a"[: marks == "\u0f73"])
    assert found.endswith("b")
    assert len(found) < 300


def test_of_a_letter_with_many_marks_none_is_lost() -> None:
    text = "a" + "\u0323\u0301" * 20
    assert nfc(text) == unicodedata.normalize("NFC", text)
