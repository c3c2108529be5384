"""How good articles are, and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestbox.config import Knowledge
from ingestbox.enrich.quality import Quality, quality

PARAGRAPH = (
    "Tăng huyết áp là bệnh lý mạn tính khi áp lực của máu lên thành động mạch tăng cao kéo dài. "
    "Người bệnh nên đo huyết áp mỗi ngày và ghi lại kết quả. Ăn nhạt và vận động giúp kiểm soát bệnh. "
    "Không tự ý ngừng thuốc khi thấy trong người đã khỏe hơn trước."
)
TITLE = "Tăng huyết áp: cách phòng ngừa"
GOOD = "\n\n".join(["Nguyên nhân của bệnh", *[PARAGRAPH] * 4, "Cách phòng ngừa", *[PARAGRAPH] * 2])
MENU = "\n".join(
    ["Trang chủ", "Giới thiệu", "Tin tức", "Dịch vụ", "Liên hệ", "Đặt lịch khám", "Bảng giá"] * 2
)[:150]
COOKIES = "Trang web này sử dụng cookie để cải thiện trải nghiệm. Bấm đồng ý để tiếp tục sử dụng trang web."


def rated(text: str, title: str = TITLE, **other: object) -> Quality:
    told: dict[str, object] = {"entities": 4, "source_type": "government", "declared": "vi", "detected": "vi"}
    return quality(text, title, **{**told, **other})  # type: ignore[arg-type]


def test_a_good_article_of_a_ministry() -> None:
    assert rated(GOOD).score >= 0.95
    assert 0.85 <= rated("\n\n".join([PARAGRAPH] * 6), entities=3).score <= 0.93
    assert 0.8 <= rated(GOOD, source_type="news").score < rated(GOOD, source_type="hospital").score


@pytest.mark.parametrize("text", [MENU, COOKIES])
@pytest.mark.parametrize("source", ["government", "news", ""])
def test_menus_and_notices_are_of_low_quality(text: str, source: str) -> None:
    title = "TRANG CHỦ" if source else "Chính sách"
    assert rated(text, title, entities=0, source_type=source).score < Knowledge().low_quality - 0.05


def test_every_part_says_why() -> None:
    parts = rated(GOOD).parts
    assert list(parts) == ["length", "structure", "authority", "entities", "title", "language"]
    assert sum(part.weight for part in parts.values()) == pytest.approx(1)
    assert parts["length"].why == f"{len(GOOD):,} characters; 1,500 or more count fully"
    assert parts["structure"].why.startswith("24 sentences, 6 paragraphs, 2 headings, 0 list items; ")
    assert parts["authority"].why == "A source of type government counts 1"
    assert parts["entities"].why == "4 different entities; 5 or more count fully"
    assert parts["title"].why == "The title fits the text"
    assert parts["language"].why == "The text is in the language that was declared, vi"


@pytest.mark.parametrize(
    ("name", "change", "score", "why"),
    [
        ("authority", {"source_type": "hospital"}, 0.9, "A source of type hospital counts 0.9"),
        ("authority", {"source_type": "News"}, 0.6, "A source of type news counts 0.6"),
        ("authority", {"source_type": "blog"}, 0.3, "An unknown source counts 0.3"),
        ("authority", {"source_type": "", "authority_score": 95}, 0.62,
         "An unknown source counts 0.3; the crawler's authority score of 95 of 100 counts as much"),
        ("authority", {"authority_score": 900}, 1.0,
         "A source of type government counts 1; the crawler's authority score of 100 of 100 counts as much"),
        ("language", {"detected": "en", "confidence": 0.9}, 0.05,
         "Declared as vi, but the text looks like en (confidence 0.90)"),
        ("title", {"title": "TĂNG HUYẾT ÁP: CÁCH PHÒNG NGỪA"}, 0.7,
         "The title is not as it should be: it is all in capitals"),
        ("title", {"title": "Huyết áp"}, 0.6,
         "The title is not as it should be: it has 8 characters, not 10 to 200"),
        ("title", {"title": "Completely different"}, 0.5,
         "The title is not as it should be: 0% of its words are in the text"),
        ("entities", {"entities": 1}, 0.2, "1 different entity; 5 or more count fully"),
    ],
)  # fmt: skip
def test_parts(name: str, change: dict[str, object], score: float, why: str) -> None:
    part = rated(GOOD, **change).parts[name]  # type: ignore[arg-type]
    assert part.score == pytest.approx(score, abs=0.011)
    assert part.why == why


@given(
    st.text(max_size=2_000),
    st.text(max_size=500),
    st.integers(0, 10_000),
    st.none() | st.floats(allow_nan=False),
    st.floats(0, 1),
)
def test_scores_are_between_0_and_1(
    text: str, title: str, entities: int, authority: float | None, confidence: float
) -> None:
    found = quality(
        text,
        title,
        entities=entities,
        authority_score=authority,
        declared="vi",
        detected="en",
        confidence=confidence,
    )
    assert 0 <= found.score <= 1
    assert all(0 <= part.score <= 1 for part in found.parts.values())
    assert found.score == pytest.approx(
        sum(part.score * part.weight for part in found.parts.values()), abs=0.006
    )
