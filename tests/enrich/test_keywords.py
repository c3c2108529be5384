"""What texts are about."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestbox.enrich.keywords import MOST_CHARACTERS, READ, keywords


@pytest.mark.parametrize(
    ("text", "language", "expected", "unexpected"),
    [
        (
            "The battery drains fast and the phone gets hot. Battery life is terrible, the battery is old.",
            "en",
            {"Battery life", "phone"},
            {"the", "fast", "terrible", "is"},
        ),
        (
            "Staff were friendly, but the delivery was late and the customer support never answered",
            "en",
            {"Staff", "delivery", "customer support"},
            {"late", "friendly", "never"},
        ),
        (
            "Giao hàng chậm quá, nhân viên tư vấn không nhiệt tình, chất lượng sản phẩm kém",
            "vi",
            {"nhân viên", "chất lượng"},
            {"quá", "không", "giao", "hàng"},
        ),
        (
            "giao hang nhanh, nhan vien khong nhiet tinh, chat luong tot",
            "vi",
            {"nhan vien", "nhiet tinh"},
            {"khong", "tot"},
        ),
        ("Chờ ở ngân hàng Vietcombank cả buổi", "vi", {"ngân hàng", "Vietcombank"}, {"ở", "cả"}),
        ("El servicio técnico nunca responde", "other", {"servicio técnico"}, {"El"}),
        ("We stayed in Da Nang last week", "en", {"Da Nang"}, {"We", "week", "last"}),
        (
            "See https://example.com/refund or mail refund@example.com about my parcel",
            "en",
            {"parcel"},
            {"https"},
        ),
        ("My TV and the PC", "en", {"TV", "PC"}, {"My"}),
        ("đã mua robot Xiaomi hôm qua", "vi", {"robot", "Xiaomi"}, {"robot Xiaomi"}),
        ("@airline your flight attendant is the best, a@b.example", "en", {"flight attendant"}, {"airline"}),
        ("Giao hàng chậm, xem\nhttps://a.example nhé", "vi", {"Giao hàng chậm"}, {"https"}),
    ],
)
def test_keywords(text: str, language: Any, expected: set[str], unexpected: set[str]) -> None:
    found = set(keywords(text, language))
    assert expected <= found, found
    assert not found & unexpected


def test_they_are_few_ordered_and_always_the_same() -> None:
    text = "Red apples, green pears, blue plums, black grapes, white peaches, brown figs, dates, limes, tea"
    found = keywords(text, "en")
    assert len(found) == 8
    assert keywords(text, "en") == found
    assert keywords(text, "en", most=3) == found[:3]
    assert keywords("tea. parcel. tea. tea.", "en") == ["tea", "parcel"]  # what returns is first
    assert keywords("parcel. tea.", "en") == ["parcel", "tea"]  # else what is first


def test_what_is_said_by_a_phrase_is_not_said_again() -> None:
    assert keywords("battery life. battery life. battery", "en") == ["battery life"]
    assert keywords("refund. battery. battery life", "en") == ["battery life", "refund"]


def test_the_first_spelling_is_kept() -> None:
    assert keywords("it is DELIVERY here, delivery there, Deliveries", "en") == ["DELIVERY"]
    assert keywords("GIAO HÀNG và giao hàng", "vi") == ["GIAO HÀNG"]


def test_marks_may_be_composed_or_not() -> None:
    text = "Nhân viên ở khách sạn rất nhiệt tình"
    assert keywords(unicodedata.normalize("NFD", text), "vi") == keywords(text, "vi") != []


@pytest.mark.parametrize("text", ["", " ", "the and of", "!!! 123 😀", "https://example.com/x", "\ud800"])
@pytest.mark.parametrize("language", ["vi", "en", "other"])
def test_of_nothing_there_are_none(text: str, language: Any) -> None:
    assert keywords(text, language) == []


@given(st.text(), st.sampled_from(["vi", "en", "other"]))
def test_any_text_goes_in(text: str, language: Any) -> None:
    found = keywords(text, language)
    assert len(found) == len(set(found)) <= 8
    assert all(each.strip() and len(each) <= MOST_CHARACTERS for each in found)


@pytest.mark.parametrize("piece", ["a", "battery ", "giao hàng ", "é", "@", "x.y ", "-", "a-", "'"])
def test_of_a_long_text_both_ends_are_read(piece: str) -> None:
    text = "parcel. " + piece * (2_000_000 // len(piece)) + " .refund"
    assert len(text) > READ
    for language in ("vi", "en"):
        assert {"parcel", "refund"} <= set(keywords(text, language))
