"""Articles without what is around them."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestbox.enrich.cleaning import clean
from ingestbox.enrich.duplicates import text_hash
from ingestbox.enrich.markup import is_html, plain

PARAGRAPHS = (
    (
        "Tăng huyết áp là bệnh lý mạn tính khi áp lực của máu tác động lên thành động mạch tăng cao kéo dài. "
        "Theo TS. BS. Nguyễn Văn An, người bệnh nên đo huyết áp hai lần mỗi ngày."
    ),
    (
        "Người trưởng thành nên ăn dưới 5 g muối mỗi ngày, tập thể dục đều đặn và không hút thuốc lá. "
        "Không tự ý ngừng thuốc khi huyết áp đã ổn định."
    ),
)
ARTICLE = "\n\n".join(("Tăng huyết áp: nguyên nhân và cách phòng ngừa", *PARAGRAPHS))

PAGE = f"""<!DOCTYPE html>
<html lang="vi"><head><title>Tăng huyết áp</title>
<script>if (a < b) {{ document.write("<p>quảng cáo</p>") }}</script>
<style>p {{ color: red }}</style></head>
<body class="a > b"><nav><ul><li><a href="/">Trang chủ</a><li>Tin tức<nav>Sức khỏe</nav></ul></nav>
<!-- <p>ghi chú</p> -->
<header><h1>Cổng thông tin</h1></header>
<main><h2>Tăng huyết áp: nguyên nhân và cách phòng ngừa</h2>
<p>{PARAGRAPHS[0].replace("ế", "&#7871;")}</p><p>{PARAGRAPHS[1].replace(" muối", "&nbsp;<b>muối</b>")}</p>
<form action="/gui"><input name=email><button>Gửi</button></form></main>
<aside>Tin khác</aside><footer>© Bộ Y tế</footer></body></html>"""


def test_of_a_page_the_article_stays() -> None:
    cleaned = clean(PAGE.replace("<title>Tăng huyết áp</title>", ""))
    assert cleaned.text == ARTICLE
    assert not cleaned.spared
    assert cleaned.removed["navigation"] > 20
    assert cleaned.removed["markup"] > 300


@pytest.mark.parametrize(
    "text",
    [
        "Nếu huyết áp a < b thì bình thường, <3 là yêu thích, viết thư tới <an@example.vn> hoặc x<y và y>z.",
        "Chỉ số HbA1c > 6.5% & đường huyết < 7 mmol/l; &lt; là dấu bé hơn.",
        "Generic types: List<String> and Map<Key, Value> are no markup, nor is 1<p and p>2.",
    ],
)
def test_signs_in_a_text_are_no_markup(text: str) -> None:
    assert not is_html(text)
    assert clean(text).text == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("một<br>hai<br/>ba", "một\nhai\nba"),
        ("<p>a &amp; b &lt; c &#x1EC7; &eacute; &nosuch; &#0;</p>", "a & b < c ệ é &nosuch; \ufffd"),
        ("<p>một\n   dòng</p><p>hai</p>", "một dòng\n\nhai"),
        ("<p title='a > b' data-x=\"</p>\">giữ</p>", "giữ"),
        ("<p>giữ</p><script>bỏ", "giữ"),
        ("<p>giữ</p><!-- không đóng", "giữ\n\n<!-- không đóng"),
        ("<p>giữ<nav>không đóng</p>", "giữ\n\nkhông đóng"),
        ("<P>giữ</P><SCRIPT>bỏ</Script >sau", "giữ\n\nsau"),
        ("<table><tr><td>một</td><td>hai</td></tr><tr><td>ba</td></tr></table>", "một hai\nba"),
        ("<ul>\n <li>một</li>\n <li>hai<li>ba</ul>bốn<br><br>năm", "một\nhai\nba\n\nbốn\n\nnăm"),
        ("<div><o:p>Word</o:p> <my-tag>riêng</my-tag></div>", "Word riêng"),
        ("<svg><script>bỏ</svg></script>trong</svg><p>giữ</p>", "giữ"),
        ("<p>it's <a b'c href=x>here</a> isn't it</p>", "it's here isn't it"),
    ],
)
def test_markup(html: str, text: str) -> None:
    assert clean(html).text == text


def test_a_page_within_a_form_is_kept_and_navigation_in_it_is_not() -> None:
    body = "".join(f"<p>{each}</p>" for each in PARAGRAPHS)
    kept = plain(f"<form id='aspnetForm'><nav>Trang chủ</nav>{body}</form>").text
    assert PARAGRAPHS[0] in kept
    assert PARAGRAPHS[1] in kept
    assert "Trang chủ" not in kept


def test_where_next_to_nothing_would_stay_all_of_it_stays() -> None:
    page = clean(f"<nav>{PARAGRAPHS[0]}</nav><p>ngắn</p>")
    assert page.spared
    assert PARAGRAPHS[0] in page.text
    cookies = clean("Accept all cookies\n" * 10 + "Hết")
    assert cookies.spared
    assert cookies.text.startswith("Accept all cookies")
    assert clean("<script>all of it</script>").text


AROUND_VI = """Trang chủ
Giới thiệu
Tin tức
Dịch vụ
Liên hệ
Trang chủ > Tin tức > Tim mạch
{0}
Chia sẻ
Facebook (12)
Lượt xem: 1234
{1}
Xem thêm: 10 loại rau tốt cho tim
{2}
Bài viết liên quan
Đột quỵ não có chữa được không?
5 điều cần biết về mỡ máu

Đăng ký nhận tin
Trang web này sử dụng cookie. Bấm "Đồng ý" để tiếp tục.
Bản quyền © 2024 thuộc về Bộ Y tế.
"""
AROUND_EN = """Skip to main content
Home | About us | Contact | Log in
Home » Health » Heart
{0}
Share this article:
{1}
Advertisement
{2}
Related articles
Ten foods that are good for your heart
Can a stroke be treated?
Was this article helpful?
We use cookies to improve your experience. By continuing you agree to our use of cookies.
© 2024 Example Health. All rights reserved.
"""


@pytest.mark.parametrize("around", [AROUND_VI, AROUND_EN])
def test_what_stands_around_an_article_goes(around: str) -> None:
    title = "Tăng huyết áp: nguyên nhân và cách phòng ngừa"
    cleaned = clean(around.format(title, *PARAGRAPHS))
    assert cleaned.text.split("\n") == [title, *PARAGRAPHS]
    assert cleaned.removed["boilerplate"] > 200


@pytest.mark.parametrize(
    "line",
    [
        "Chia sẻ với bác sĩ mọi thuốc đang dùng là điều quan trọng nhất khi đi khám.",
        "Cookies and cakes have a lot of sugar.",
        "Home care is better than hospital > many say so.",
        "Bản quyền là gì?",
        "Liều dùng: 5 mg / ngày",
        "| Tuổi | Huyết áp |",
        "Contact lenses should be cleaned daily.",
    ],
)
def test_sentences_that_look_like_it_stay(line: str) -> None:
    text = f"{PARAGRAPHS[0]}\n{line}\n{PARAGRAPHS[1]}"
    assert clean(text).text == text


def test_headings_and_lists_of_the_article_stay() -> None:
    text = (
        f"Triệu chứng\nĐau đầu\nChóng mặt\nSốt\n{PARAGRAPHS[0]}\n"
        "Xem thêm\nCách giảm muối trong bữa ăn\nĐiều trị tăng huyết áp\n" + PARAGRAPHS[1]
    )
    assert clean(text).text == (
        f"Triệu chứng\nĐau đầu\nChóng mặt\nSốt\n{PARAGRAPHS[0]}\nĐiều trị tăng huyết áp\n{PARAGRAPHS[1]}"
    )


def test_lines_that_return_are_kept_once() -> None:
    lines = (line for each in (*PARAGRAPHS, ARTICLE) for line in ("Bệnh viện Trung ương", each))
    assert clean("\n".join(lines)).text.count("Bệnh viện Trung ương") == 1


def test_letters_are_composed_and_what_takes_no_room_goes() -> None:
    marked = unicodedata.normalize("NFD", ARTICLE).replace(" ", "\u200b \t \u00a0") + "\ufeff\x00\r\n\r\n\r\n"
    cleaned = clean(marked)
    assert cleaned.text == ARTICLE
    assert cleaned.removed["unseen"] == ARTICLE.count(" ") + 2
    assert set(cleaned.removed) == {"unseen", "white_space"}


def test_one_article_has_one_hash_however_it_is_written() -> None:
    same = text_hash(ARTICLE)
    assert len(same) == 32
    for other in (
        unicodedata.normalize("NFD", ARTICLE),
        ARTICLE.upper(),
        ARTICLE.replace("\n", "\r\n ").replace(" ", "\u200b\u00a0 "),
        "<div class='x'>" + "".join(f"<p>{line}</p>" for line in ARTICLE.split("\n\n")) + "</div>",
        PAGE.replace("<title>Tăng huyết áp</title>", ""),
        f"\ufeff{ARTICLE}\n",
    ):
        assert text_hash(other) == same, other
    assert text_hash(ARTICLE.replace("5 g", "6 g")) != same
    assert text_hash("Straße ﬁx") == text_hash("STRASSE FIX")
    assert text_hash(f"{ARTICLE}\nBài viết liên quan") != same, "lists of boilerplate change, hashes do not"
    assert text_hash("<script>one</script>") != text_hash("<script>two</script>")


HOSTILE = {
    "nested": "<div>",
    "lists": "<ul><li>",
    "formatting": "<b></p>",
    "closings": "<div></b>",
    "left out": "<nav><form>x</nav>",
    "comments": "<br><!--",
    "quotes": "<a \"<a '<br>",
    "script": "<script></SCRIPT",
    "entities": "<br>&lt;",
    "numbers": "<br>&#" + "9" * 5000,
    "attributes": "<p a=1 ",
    "attribute": "<br>a=b ",
    "marks": "\u0301",
    "word": "a",
    "blanks": " ",
    "lines": "\n",
    "links": "Tin khác\nabc\n",
    "buttons": "Xem thêm\n",
    "cookies": "cookie ",
    "path": " > ab",
    "unseen": "\u200b",
}


@pytest.mark.parametrize("size", [100_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("name", HOSTILE)
def test_anything_is_read_in_time_that_goes_by_its_length(name: str, size: int) -> None:
    unit = HOSTILE[name]
    text = ("<p>x</p>" + unit * (size // len(unit) + 1))[:size]
    start = time.process_time()
    for content in (text, text[8:]):
        assert len(clean(content).text) <= size
        text_hash(content)
    # Four readings, of which each takes half a second at most where nothing else is going on. Quadratic time
    # would be minutes.
    assert time.process_time() - start < 20 * size / 1_000_000


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=400)
    | st.lists(st.sampled_from([*HOSTILE.values(), "x", "</nav>", ">", "'"])).map("".join)
)
def test_whatever_comes_is_cleaned(content: str) -> None:
    cleaned = clean(content)
    assert clean(content) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned.text)
    assert cleaned.text == cleaned.text.strip()
    assert "\n\n\n" not in cleaned.text
    assert "  " not in cleaned.text
    assert all(count > 0 for count in cleaned.removed.values())
    assert len(text_hash(content)) == 32
