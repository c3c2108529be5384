"""Comments of trackers, taken apart; and those that only look like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestbox.families.feedback.comments import MAX_AUTHOR, Comment, parse

TEXT = "It has arrived; thank you."


@pytest.mark.parametrize(
    ("time", "at"),
    [
        ("15/Mar/25 10:30 AM", "2025-03-15T10:30:00"),
        ("15/Mar/25 10:30 PM", "2025-03-15T22:30:00"),
        ("15/Mar/25 12:05 AM", "2025-03-15T00:05:00"),
        ("15/Mar/25 12:05 PM", "2025-03-15T12:05:00"),
        ("1/mar/2025 9:05am", "2025-03-01T09:05:00"),
        ("01/MARCH/25 9:05 a.m.", "2025-03-01T09:05:00"),
        ("15/Mar/25 22:30", "2025-03-15T22:30:00"),
        ("15/Mar/25 22:30:59", "2025-03-15T22:30:59"),
        ("15-Sept-25 08:00", "2025-09-15T08:00:00"),
        ("15 March 2025, 10:30 AM", "2025-03-15T10:30:00"),
        ("15.03.2025 10:30", "2025-03-15T10:30:00"),
        ("05/03/2025 10:30", "2025-03-05T10:30:00"),
        ("03/15/25 10:30 AM", "2025-03-15T10:30:00"),
        ("15/thg 3/25 10:30 SA", "2025-03-15T10:30:00"),
        ("15/Tháng 12/25 3:30 CH", "2025-12-15T15:30:00"),
        ("15/Th03/25 3:30 CH", "2025-03-15T15:30:00"),
        ("15/Mar/25 14:30 PM", "2025-03-15T14:30:00"),
        ("2025-03-15 10:30", "2025-03-15T10:30:00"),
        ("2025-03-15T10:30:00.000+0700", "2025-03-15T10:30:00+07:00"),
        ("2025-03-15T10:30:00Z", "2025-03-15T10:30:00Z"),
        ("29/Feb/24 00:00", "2024-02-29T00:00:00"),
    ],
)
def test_time_author_and_text(time: str, at: str) -> None:
    assert parse(f"{time};anna.nguyen;{TEXT}") == Comment(TEXT, at, "anna.nguyen")
    assert parse(f"{time}; ;{TEXT}") == Comment(TEXT, at, None)
    assert parse(f" {time} ;Trần Thị Bình; {TEXT}\nmore\n") == Comment(f"{TEXT}\nmore", at, "Trần Thị Bình")


@pytest.mark.parametrize(
    "comment",
    [
        TEXT,
        "good; fast; cheap",
        "",
        ";",
        ";;",
        "15/Mar/25 10:30 AM",
        "15/Mar/25;anna;text",
        "10:30 AM;anna;text",
        "32/Mar/25 10:30 AM;anna;text",
        "29/Feb/25 10:30;anna;text",
        "15/Mrz/25 10:30 AM;anna;text",
        "15/Mar/25 25:30;anna;text",
        "15/Mar/25 0:30 PM;anna;text",
        "15/Mar/25 14:30 AM;anna;text",
        "15/Mar/25 10:60;anna;text",
        "On 15/Mar/25 10:30 AM;anna;text",
        "00/00/0000 00:00;anna;text",
        "15/Mar/0000 10:30 AM;anna;text",
    ],
)
def test_anything_else_is_text_as_a_whole(comment: str) -> None:
    assert parse(comment) == Comment(comment)


def test_without_an_author_what_follows_is_text() -> None:
    assert parse("15/Mar/25 10:30 AM;It has arrived") == Comment("It has arrived", "2025-03-15T10:30:00")
    long = "very long " * (MAX_AUTHOR // 5)
    assert parse(f"15/Mar/25 10:30 AM;{long};and more").text == f"{long};and more"
    lines = "two\nlines;here"
    assert parse(f"15/Mar/25 10:30 AM;{lines}") == Comment(lines, "2025-03-15T10:30:00")


@given(st.text())
def test_any_text_goes_in(text: str) -> None:
    assert parse(text).text in text
    assert parse("15/Mar/25 10:30 AM;a;" + text).text == text.strip()
