"""Vietnamese sentiment: the language, spellings that are alike, samples, and hostile texts."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestbox.enrich import vietnamese
from ingestbox.enrich.facts import SENTIMENTS
from ingestbox.enrich.folding import fold
from ingestbox.enrich.sentiment import sentiment as dispatched
from ingestbox.enrich.tones import place_tones
from ingestbox.enrich.vietnamese import lexicon, sentiment, tokens

SAMPLES = Path(__file__).parent / "samples" / "sentiment_vi.tsv"
PACKAGE = str(Path(vietnamese.__file__).parent)

CASES = {
    "plain": """
        + Hàng đẹp, giao nhanh
        + nhân viên thân thiện, nhiệt tình
        - thái độ nhân viên quá tệ
        - máy nóng, pin tụt nhanh
        0 Đơn hàng 12345 giao ngày 12/5, nặng 2,3 kg.
        0 Hồ sơ nộp tại phòng số 3 tầng 2
    """,
    "negation": """
        - không tốt
        - chẳng ngon gì cả
        - chưa hài lòng với cách phục vụ
        - không được kỹ lắm
        - không có nhân viên nào nhiệt tình
        + không chê vào đâu được
        + không có gì để chê
        + không có gì phải phàn nàn
        + không hề hối hận
        + không chậm, không hỏng
        + hết lỗi rồi
        - hết hạn sử dụng
        - thiếu nhiệt tình
        - không thể đăng nhập được
        + chưa bao giờ thất vọng
        - chưa bao giờ ở chỗ nào tệ như vậy
        + chưa thấy chỗ nào phục vụ tốt như vậy
        + không những đẹp mà còn rẻ
        - tốt gì mà tốt
        - không thấy phục vụ tốt chút nào
        - không ai trong quán niềm nở
        - chẳng có nhân viên nào tận tâm
        - tài liệu chưa được cập nhật
        - màn hình bị chớp liên tục
        - xài hoài không được
        + xài hoài không chán
        - dùng chưa được hai tuần đã hư
        - chưa tới 3 ngày đã hỏng
        - chưa ngày nào được vui
        0 không ngon không dở
        0 không quá khó cũng không quá dễ
        0 thầy không điểm danh gắt
        - ai chưa mua thì đừng mua
        - máy không chạy
        0 phòng không hút thuốc
        - đồng hồ không quay
        0 lớp mình chưa nộp bài?
        0 quán đổi chủ chưa mọi người?
    """,
    "degree": """
        + ngon kinh khủng
        + đẹp dã man
        - tệ kinh khủng
        + hơi bị ngon
        - quá nhanh, sinh viên không theo kịp
    """,
    "contrast": """
        - Đồ ăn ngon nhưng nhân viên thô lỗ, không bao giờ quay lại
        + tuy hơi xa nhưng phòng đẹp, nhân viên chu đáo
        + Phòng tuyệt vời, dù đi hơi xa
        - tưởng hàng xịn ai ngờ toàn lỗi
        + tưởng hàng dởm ai ngờ đẹp xuất sắc
        - trước đây ngon lắm, giờ dở tệ
        - đồ ăn ngon nhưng phục vụ quá tệ
        + phục vụ hơi kém nhưng đồ ăn ngon
        - nhìn ảnh rất đẹp ai ngờ xấu
        - thất vọng thật, tưởng sao ai dè
        - thầy giỏi nhưng abc xyz
        + quán nhỏ xíu mà ngon
        - thầy chỉ dạy bạn giỏi, còn bạn khác thì bỏ mặc
        - rep nhanh lúc bán, còn lúc đổi trả thì im lặng
    """,
    "comparison": """
        + ngon hơn mấy quán khác
        - không bằng quán khác
        - quán khác ngon hơn
        - thua cái máy cũ 2 triệu
        + không thua gì hàng hiệu
    """,
    "aspect": """
        - giá quá cao
        + chất lượng cao
        + pin dùng lâu
        - giao hàng lâu
        - pin nhanh hết
        + giao nhanh
        - phòng nóng
        - chờ 3 tiếng mới được khám
        - đợi hơn một tiếng
        0 mở cửa từ 7 giờ, thời gian khám 3 tiếng
        0 quán mở từ 6h sáng đến 10h tối
    """,
    "wish and request": """
        - giảng viên cần cho thêm bài tập
        - thầy nên giảng chậm lại
        - shop nên xem lại khâu đóng gói
        0 nên thêm chế độ tối
        + giảng viên cho nhiều hình ảnh minh họa nên dễ hiểu
        + mong kỳ sau lại được học với thầy
        0 thẻ bị khóa thì mở thế nào
        + môn học giúp em hiểu rõ về lập trình
        0 kiểm tra đơn giúp em
        0 cho hỏi sản phẩm này có tốt không
        0 Shop ơi còn màu đỏ không ạ?
        0 nhờ shop kiểm tra giúp đơn hàng, cảm ơn
        0 màn hình có bị lỗi không mọi người
    """,
    "middle": """
        0 hàng tạm được
        0 cũng bình thường
        0 không tốt cũng không tệ
        0 chưa dùng thử nên chưa biết thế nào
    """,
    "irony": """
        - Tuyệt vời, mở hộp ra thì vỡ nát, gọi shop thì bị chặn
        - shop "uy tín" bán hàng nhái
        - chuyên nghiệp ghê, hẹn rồi hủy, gọi không nghe máy
    """,
    "rating": """
        + 10/10
        + 5 sao
        + cho shop 5*
        - 1 sao
        - 2/10
        - ★☆☆☆☆
        + ⭐⭐⭐⭐⭐
        0 3/5
        0 đơn 12/5 và đơn 24/10 của tôi
        0 làm việc từ 4/5
        0 khách sạn 5 sao ở trung tâm quận 1
    """,
    "signs": """
        + 😍😍😍
        - 😡
        - :((
        + đẹp ^^
        + <3
    """,
    "chat": """
        + sp ok lắm, iu shop nhìu
        - k giống hình j hết, thất zọng
        - ko đc như qc, chán
        + đẹppppp quáaaaa
        + xịn vãi
        - lag vl
        + RẤT HÀI LÒNG
        + ngon.rẻ,phục vụ tốt!!
    """,
    "without diacritics": """
        + hang dep, giao hang nhanh
        - giao hang cham, that vong
        - khong tot
        + rat hai long voi dich vu
        - nhan vien thai do khong tot
        + Nhân viên dễ thương. phong sach, view dep, se quay lai
        0 cho hoi gia bao nhieu
    """,
    "english words": """
        + service rất good, staff nice
        - app crash liên tục
        - quá bad, never come back
    """,
}


def cases() -> Iterator[tuple[str, str, str]]:
    meanings = dict(zip("+0-", SENTIMENTS, strict=True))
    for name, lines in CASES.items():
        for line in lines.strip().split("\n"):
            mark, _, text = line.strip().partition(" ")
            yield name, meanings[mark], text


def samples(split: str) -> list[tuple[str, str]]:
    rows = [line.split("\t") for line in SAMPLES.read_text("utf-8").strip().split("\n")[1:]]
    return [(text, label) for where, label, _, text in rows if where == split]


@pytest.mark.parametrize(("name", "label", "text"), list(cases()))
def test_the_language(name: str, label: str, text: str) -> None:
    assert sentiment(text).label == label, name


@pytest.mark.parametrize(("split", "floor"), [("dev", 0.94), ("held", 0.9)])
def test_most_samples_are_labelled_as_a_person_would(split: str, floor: float) -> None:
    found = samples(split)
    assert len(found) > 190
    right = sum(sentiment(text).label == label for text, label in found)
    assert right / len(found) >= floor


def test_samples_hold_each_label_and_text_once() -> None:
    found = samples("dev") + samples("held")
    assert len(found) >= 900
    assert len({text for text, _ in found}) == len(found)
    assert {label for _, label in found} == set(SENTIMENTS)


def test_confidence_rises_with_the_share_that_is_right() -> None:
    found = [(sentiment(text), label) for text, label in samples("dev") + samples("held")]
    sure = [got.label == label for got, label in found if got.confidence >= 0.8]
    unsure = [got.label == label for got, label in found if got.confidence < 0.7]
    assert sum(sure) / len(sure) >= 0.9
    assert sum(sure) / len(sure) > sum(unsure) / len(unsure) + 0.1


def test_composed_and_decomposed_texts_are_alike() -> None:
    for text, _ in samples("dev"):
        assert sentiment(unicodedata.normalize("NFD", text)) == sentiment(text), text


@pytest.mark.parametrize(
    ("old", "new"),
    [("máy khỏe, hòa nhã", "máy khoẻ, hoà nhã"), ("Xóa app, tùy tiện", "Xoá app, tuỳ tiện"), ("QÚY", "QUÝ")],
)
def test_the_tone_may_stand_on_either_vowel(old: str, new: str) -> None:
    assert sentiment(old) == sentiment(new)


def test_most_texts_keep_their_label_without_diacritics() -> None:
    found = [text for text, _ in samples("dev")]
    alike = sum(sentiment(fold(text)).label == sentiment(text).label for text in found)
    assert alike / len(found) >= 0.9


def test_a_text_is_judged_by_the_analyser_of_its_language() -> None:
    assert dispatched("không chê vào đâu được", "vi") == sentiment("không chê vào đâu được")


def test_all_strengths_are_within_bounds() -> None:
    assert len(lexicon.ENTRIES) > 5000
    for phrase, entry in lexicon.ENTRIES.items():
        assert -4 <= entry.value <= 4, phrase
        assert phrase == place_tones(phrase.lower()), phrase
        assert phrase == unicodedata.normalize("NFC", phrase), phrase
        assert phrase.strip() == phrase, phrase
        assert "  " not in phrase, phrase


VOCABULARY = sorted({word for phrase in lexicon.ENTRIES for word in phrase.split()})
VOCABULARY += [",", ".", "?", "\n", '"', "5 sao", "😡", "3/5", "2 giờ"]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.lists(st.sampled_from(VOCABULARY)).map(" ".join))
def test_any_text_has_a_label(text: str) -> None:
    got = sentiment(text)
    assert got.label in SENTIMENTS
    assert 0 <= got.confidence <= 1
    assert sentiment(text) == got


NOTHING = ["", " ", "\n\n", "\ud800", "\x00", "không", "?", "5", "/5", "1/", "...", "nhưng nhưng", "quá"]


@pytest.mark.parametrize("text", NOTHING)
def test_texts_of_next_to_nothing_are_neutral(text: str) -> None:
    assert sentiment(text).label == "neutral"


def lines_run(text: str) -> int:
    """How many lines of the package run for `text`, its spellings not remembered."""
    tokens.forget()
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        sentiment(text)
    finally:
        sys.settrace(None)
    return count


UNITS = 'không |nhưng |không có gì để |đẹp,|quáaa|😡|5 sao |1/5|"|:(|? |\n|x|a.|rất |chờ 3 tiếng |giá cao '


@pytest.mark.parametrize("unit", UNITS.split("|"))
def test_the_work_is_linear_in_the_text(unit: str) -> None:
    for text in ("a", "á"):
        sentiment(text)  # The tables are read.
    few, many = lines_run(unit * 300), lines_run(unit * 2400)
    assert many <= 8 * few + 500


def test_what_is_remembered_is_bounded() -> None:
    tokens.forget()
    for start in range(0, 3 * tokens.CACHE_ENTRIES, 1000):
        sentiment("đẹp " + " ".join(f"q{n}" for n in range(start, start + 1000)))
    assert tokens.remembered() <= 2 * tokens.CACHE_ENTRIES
    sentiment("đ" * 100_000)
    assert max(map(len, tokens._spellers[False])) <= tokens.CACHE_CHARS
