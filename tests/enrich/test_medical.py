"""Health terms that texts name."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestbox.enrich.folding import fold, nfc
from ingestbox.enrich.medical import MEDICAL_TYPES, medical
from ingestbox.enrich.wordlists import phraselist


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        (
            "Tăng huyết áp và đái tháo đường tuýp 2 gây đau đầu, SỐT CAO; nên chụp X-quang.",
            "vi",
            ["disease:Tăng huyết áp", "disease:đái tháo đường tuýp 2", "symptom:đau đầu", "symptom:SỐT CAO",
             "procedure:chụp X-quang"],
        ),
        ("Đo huyết áp mỗi sáng vì huyết áp thay đổi", "vi",
         ["procedure:Đo huyết áp", "medical_condition:huyết áp"]),
        ("Uống Paracetamol khi sốt, thoái hoá khớp thì không", "vi",
         ["medication:Paracetamol", "symptom:sốt", "disease:thoái hoá khớp"]),
        ("benh tang huyet ap gay dau dau, sot va ho", "vi", ["disease:tang huyet ap", "symptom:dau dau"]),
        ("Phiên bản mới của sốt ruột? Hồ Hoàn Kiếm, họ và tên", "vi", ["symptom:sốt"]),
        (
            "Patients with type 2 diabetes, headaches and Crohn's disease take metformin after a CT scan.",
            "en",
            ["disease:type 2 diabetes", "symptom:headaches", "disease:Crohn's disease",
             "medication:metformin", "procedure:CT scan"],
        ),
        ("COVID-19, covid 19 and hand, foot and mouth disease", "en",
         ["disease:COVID-19", "disease:covid 19", "disease:hand, foot and mouth disease"]),
        ("The strokes of a brush; coughing; influential people", "en", ["disease:strokes"]),
        ("tăng huyết\n\náp", "vi", []),
        ("tăng huyết. Áp dụng", "vi", []),
        ("", "vi", []),
    ],
)  # fmt: skip
def test_terms(text: str, language: str, expected: list[str]) -> None:
    assert [f"{each.type}:{each.text}" for each in medical(text, language)] == expected


def test_offsets_are_right_behind_letters_that_grow_in_lower_case() -> None:
    text = "İİİ Ǆ İstanbul: đau đầu và SỐT XUẤT HUYẾT İ ho"
    assert [(each.text, text[each.start : each.end]) for each in medical(text, "vi")] == [
        ("đau đầu", "đau đầu"),
        ("SỐT XUẤT HUYẾT", "SỐT XUẤT HUYẾT"),
        ("ho", "ho"),
    ]


@pytest.mark.parametrize("name", ["medical_vi", "medical_en"])
def test_the_lists_are_whole_and_found(name: str) -> None:
    lists = phraselist(name)
    assert set(lists) == set(MEDICAL_TYPES)
    terms = [(term, kind) for kind in lists for term in lists[kind]]
    assert len(terms) > 300
    assert len({term for term, _ in terms}) == len(terms), "a term has one type"
    for term, kind in terms:
        assert term == nfc(term).lower().strip()
        (found,) = medical(f"Ở đây ({term})", name[-2:])
        assert (found.text, found.type, found.start) == (term, kind, 7)


def test_phrases_of_boilerplate_are_folded() -> None:
    for section in phraselist("boilerplate").values():
        assert all(phrase == fold(phrase).strip() for phrase in section)


def test_long_texts_are_read_in_one_go() -> None:
    start = time.process_time()
    for unit in ("viêm ", "đau đầu ", "a", "ung thư đại trực ", "x1 ", "hand, foot and mouth "):
        medical(unit * (60_000 // len(unit)), "vi")
    assert time.process_time() - start < 3


WORDS = st.sampled_from(
    ["đau", "đầu", "tăng", "huyết", "áp", "sốt", "cao", "İ", ",", "covid", "-19", "ung thư", "phổi", "x"]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(WORDS, max_size=40), st.sampled_from(["", " ", "\n"]), st.sampled_from(["vi", "en"]))
def test_no_two_overlap(words: list[str], between: str, language: str) -> None:
    text = nfc(between.join(words))
    beyond = 0
    for each in medical(text, language):
        assert text[each.start : each.end] == each.text
        assert beyond <= each.start < each.end
        assert not text[: each.start][-1:].isalnum()
        assert not text[each.end : each.end + 1].isalnum()
        beyond = each.end
