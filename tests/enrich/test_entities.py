"""What is named in texts of two languages, with exact places, whatever the text holds."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import FrameType
from typing import Any, Literal, get_args
from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import ingestbox.enrich.entities as package
from ingestbox.enrich.entities import MOST_CHARS, entities
from ingestbox.enrich.entities.figures import FIGURES
from ingestbox.enrich.entities.found import Found, settle
from ingestbox.enrich.entities.numerals import counts
from ingestbox.enrich.entities.pattern import Pattern
from ingestbox.enrich.entities.pieces import PIECES
from ingestbox.enrich.entities.rule import RULES, Rule
from ingestbox.enrich.entities.scan import Scan
from ingestbox.enrich.facts import EntityLabel, LanguageCode

PARSER: Any = import_module("re._parser")
SAMPLES = Path(__file__).parent / "samples"
MARK = re.compile(r"\[([^\[\]]+)\]\(([A-Z]+)\)")
Spans = set[tuple[int, int, str]]


def parse(marked: str) -> tuple[str, Spans]:
    """The text without its marks, and what they mark."""
    text, last, spans = "", 0, set()
    for mark in MARK.finditer(marked):
        text += marked[last : mark.start()]
        spans.add((len(text), len(text) + len(mark[1]), mark[2]))
        text += mark[1]
        last = mark.end()
    return text + marked[last:], spans


def found(text: str, language: LanguageCode) -> Spans:
    return {(each.start, each.end, each.label) for each in entities(text, language)}


ENGLISH = [
    "write to [a.b+c@mail.example.co.uk](EMAIL), please.",
    "(see [https://en.example.org/wiki/A_(b)?x=1](URL)).",
    "go to [www.example.com](URL)! or [shop.example.com/sale](URL).",
    "e.g. this is no address. And.so is this",
    "call [+1 (415) 555-0132](PHONE) or [020 7946 0958](PHONE), order 4520098812",
    "paid [$1,200.50](MONEY), [VND 300,000](MONEY), [20 euros](MONEY) and [fifty dollars](MONEY)",
    "jeans at [$20-30](MONEY), from [$15](MONEY) to [$22](MONEY) and [£3k](MONEY)",
    "[$5](MONEY) a month, [A$50](MONEY) for [a few hours](TIME)",
    "up [15%](PERCENT), [10-15%](PERCENT), [fifteen percent](PERCENT)",
    "on [March 3rd, 2024](DATE), [3 Mar](DATE), [2024-02-14](DATE) and [31.12.2024](DATE)",
    "since [last Tuesday](DATE), [two weeks ago](DATE), for [three months](DATE), in [2019](DATE)",
    "closed [on](X) [Christmas Eve](DATE) and in [winter](DATE), open in the [1990s](DATE)",
    "at [3pm](TIME), [10:30](TIME), [half past six](TIME), [noon](TIME), [last night](TIME), after [20 minutes](TIME)",  # noqa: E501
    "rated 5/5, version 4.2.1, 3 of 5 items, size 42, error 403",
    "drawing 31/31/2024, drawing 25.30.2023",
    "You may march on, it may fall in spring-like weather.",
    "Mr. [Harold Finch](PERSON) and Dr. [Patel](PERSON) met [Sarah](PERSON) from support.",
    "Thanks to [Will](PERSON) and [Grace](PERSON). I hope it will grace the room.",
    "the technician, [Mike O'Brien](PERSON), was late",
    "in [New York](LOCATION), on [5th Avenue](LOCATION), near [Lake Tahoe](LOCATION), at [221 Baker Street](LOCATION)",  # noqa: E501
    "i flew to [doha](LOCATION) with [qatar airways](ORGANIZATION)",
    "from [Samsung](ORGANIZATION) came my [Samsung TV](PRODUCT)",
    "sold by [Acme Tools Ltd](ORGANIZATION), then eaten at [Golden Dragon Restaurant](ORGANIZATION) near the [University of Melbourne](ORGANIZATION)",  # noqa: E501
    "my [iPhone 15 Pro Max](PRODUCT), [galaxy s24](PRODUCT) and [Windows 11](PRODUCT)",
    "the [Sony WH-1000XM5](PRODUCT) and the [Dell XPS 13](PRODUCT)",
    "Best wishes,\n[Katherine Johnson](PERSON)\n[k.johnson@outlook.com](EMAIL)",
    "an apple a day, a target, the amazon of complaints",
    "drinks at [The Rusty Anchor](ORGANIZATION), open until [nine](TIME)",
    "lunch at [Nonna's Table](ORGANIZATION).",
    "I worked for [Quantlo](ORGANIZATION), now she is the director of [Meridian Water](ORGANIZATION).",
    "[Ferrano](ORGANIZATION) makes jam on [Lake Como](LOCATION), open from the [15th](DATE).",
    "i spoke with [jessica](PERSON) from [comcast](ORGANIZATION)",
    "on the 15th floor, at one of the tables, took [a day](DATE), twice a day",
    "Very Bad Service. Do Not Buy From Here. Total Waste Of Money.",
]
VIETNAMESE = [
    "gửi [hotro@shop.vn](EMAIL) hoặc xem [https://shop.vn/tro-giup](URL), nhé",
    "gọi [0912 345 678](PHONE), [1900 6092](PHONE), [18001091](PHONE) hay [+84 24 3825 1234](PHONE)",
    "mã đơn 0912345678123, số tài khoản 0071001234567",
    "hết [1.200.000đ](MONEY), [2 triệu đồng](MONEY), [500k](MONEY), [50 nghìn](MONEY), [1tr5](MONEY), [1 triệu rưỡi](MONEY)",  # noqa: E501
    "giá [hai trăm nghìn đồng](MONEY), [150-200k](MONEY), [25 đô](MONEY), [1,8 tỷ đồng](MONEY)",
    "[500 nghìn](MONEY) một đêm, 3 nghìn người xem, tivi 4K",
    "giảm [20%](PERCENT) rồi [mười phần trăm](PERCENT)",
    "[ngày 12 tháng 5 năm 2024](DATE), từ [12/5](DATE), [thứ hai](DATE), [hôm qua](DATE), [tuần trước](DATE), [tháng này](DATE)",  # noqa: E501
    "chấm 4/5, lần thứ hai, phòng 305",
    "dịp [Tết](DATE), [mùa hè năm ngoái](DATE), [cuối tuần](DATE), [2 ngày 1 đêm](DATE), [ba năm trước](DATE)",  # noqa: E501
    "lúc [10h30](TIME), [3 giờ chiều](TIME), [sáng nay](TIME), [tối qua](TIME), mất [15 phút](TIME)",
    "anh [Tuấn](PERSON), chị [Lan](PERSON), bạn [Minh](PERSON) và bà [Nguyễn Thị Bình](PERSON)",
    "Tôi tên là [Vũ Đức Thắng](PERSON).",
    "Long trọng khai trương. May mà có bảo hiểm. Hà cớ gì?",
    "ở [Quận 1](LOCATION), [TP.HCM](LOCATION), [đường Lê Lợi](LOCATION), [sân bay Tân Sơn Nhất](LOCATION)",
    "tu [ha noi](LOCATION) ve [da nang](LOCATION), [hà nội](LOCATION), [Hoà Bình](LOCATION)",
    "khám ở [Bệnh viện Bạch Mai](ORGANIZATION), hỏi [Sở Y tế TP.HCM](ORGANIZATION), mua của [Công ty TNHH Minh Long](ORGANIZATION)",  # noqa: E501
    "mua ở [Thế Giới Di Động](ORGANIZATION), rút ở [vietcombank](ORGANIZATION)",
    "Mỹ phẩm giả, pháp luật, nhật ký",
    "app [Grab](PRODUCT), [Zalo](PRODUCT), xe [Honda SH](PRODUCT), [iphone 11](PRODUCT)",
    "chờ từ sáng đến [trưa](TIME), họp [chiều 12/6](TIME), [Nhà hàng Hải Sản Biển Xanh](ORGANIZATION)",
    "đầu tư vào [Chu Lai](LOCATION), [Bảo hiểm PVI](ORGANIZATION) ở [TP Thủ Đức](LOCATION), tủ đông [Alaska](ORGANIZATION)",  # noqa: E501
    "hỏi [Bộ Công Thương](ORGANIZATION) và [Sở Du lịch Đà Nẵng](ORGANIZATION) mãi mà không ai trả lời, mệt quá",  # noqa: E501
    "nhà tôi ở [chung cư Vinhomes Central Park](LOCATION), mất nước [ba hôm](DATE) rồi",
    "nhan vien rat nhiet tinh, se quay lai",
    "NHÂN VIÊN THÁI ĐỘ, KHÔNG BAO GIỜ QUAY LẠI",
]


@pytest.mark.parametrize("marked", ENGLISH)
def test_english(marked: str) -> None:
    text, spans = parse(marked.replace("[on](X)", "on"))
    assert found(text, "en") == spans


@pytest.mark.parametrize("marked", VIETNAMESE)
def test_vietnamese(marked: str) -> None:
    text, spans = parse(marked)
    assert found(text, "vi") == spans


def test_another_language_gets_patterns_and_known_names() -> None:
    marked = "Ich war am [12.03.2024](DATE) um [10:30](TIME) in [Berlin](LOCATION), zahlte [€20](MONEY) an Herrn Krause."  # noqa: E501
    text, spans = parse(marked)
    assert found(text, "other") == spans


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_places_are_those_of_the_text_as_it_was_sent(form: Literal["NFC", "NFD"]) -> None:
    text = normalize(form, "😡😡 Chị Hương ở Đà Nẵng\r\ntrả ５００k, gặp chị Ánh, anh Dũng!")
    named = [(each.text, each.label) for each in entities(text, "vi")]
    assert named == [
        (normalize(form, "Hương"), "PERSON"),
        (normalize(form, "Đà Nẵng"), "LOCATION"),
        ("５００k", "MONEY"),
        (normalize(form, "Ánh"), "PERSON"),
        (normalize(form, "Dũng"), "PERSON"),
    ]
    assert all(each.text == text[each.start : each.end] for each in entities(text, "vi"))


@pytest.mark.parametrize("split", ["dev", "held"])
def test_composed_and_decomposed_texts_name_the_same(split: str) -> None:
    for text, _ in samples("vi", split):
        apart = normalize("NFD", text)
        named = [(normalize("NFD", each.text), each.label) for each in entities(text, "vi")]
        assert [(apart[each.start : each.end], each.label) for each in entities(apart, "vi")] == named


WORDS = st.sampled_from(
    [
        "anh",
        "Tuấn",
        "Nguyễn",
        "Văn",
        "$",
        "5",
        "000",
        ".",
        ",",
        "12",
        "/",
        "5",
        "giờ",
        "tháng",
        "ngày",
        "triệu",
        "đ",
        "%",
        "@",
        "http://",
        ".com",
        "Samsung",
        "TV",
        "Bank",
        "of",
        "New",
        "York",
        "Mr",
        "last",
        "week",
        "pm",
        ":",
        "-",
        "(",
        ")",
        "'",
        "́",
        "é",
        "İ",
        "\n",
        "\r",
        "😡",
        "５",
        "TP",
        "HCM",
        "quận",
        "1",
        "công",
        "ty",
        "iPhone",
        "Pro",
        "two",
        "hundred",
        "the",
        "A",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=80),
    st.lists(WORDS, max_size=30).map(" ".join),
    st.lists(WORDS, max_size=30).map("".join),
)
LANGUAGES = st.sampled_from(get_args(LanguageCode))


@settings(max_examples=400, deadline=None)
@given(TEXTS, LANGUAGES)
def test_any_text_has_entities_in_order_apart_and_as_they_stand(text: str, language: LanguageCode) -> None:
    last = 0
    for each in entities(text, language):
        assert last <= each.start < each.end <= len(text)
        assert each.text == text[each.start : each.end]
        assert each.text == each.text.strip()
        assert each.label in get_args(EntityLabel)
        last = each.end


@settings(max_examples=200, deadline=None)
@given(TEXTS.filter(lambda text: text[:1].isalnum()), LANGUAGES)
def test_a_line_before_moves_the_places_and_nothing_else(text: str, language: LanguageCode) -> None:
    line = "…\n"
    assert found(line + text, language) == {(a + 2, b + 2, label) for a, b, label in found(text, language)}


def samples(language: str, split: str) -> Iterator[tuple[str, Spans]]:
    for line in (SAMPLES / f"entities_{language}.txt").read_text("utf-8").splitlines():
        this, _, marked = line.split("\t")
        if this == split:
            yield parse(marked)


@pytest.mark.parametrize(
    ("language", "split", "floor"),
    [("en", "dev", 0.985), ("en", "held", 0.94), ("vi", "dev", 0.975), ("vi", "held", 0.955)],
)
def test_the_samples_are_read_as_well_as_before(language: LanguageCode, split: str, floor: float) -> None:
    right = missed = wrong = 0
    for text, spans in samples(language, split):
        here = found(text, language)
        right += len(here & spans)
        missed += len(spans - here)
        wrong += len(here - spans)
    assert right > 100
    assert 2 * right / (2 * right + missed + wrong) >= floor


def test_the_better_candidate_stays_then_the_longer() -> None:
    assert settle([Found(5, 0, 4, "PERSON"), Found(6, 2, 9, "LOCATION"), Found(3, 8, 12, "PRODUCT")]) == [
        Found(6, 2, 9, "LOCATION")
    ]
    assert settle([Found(5, 0, 4, "PERSON"), Found(5, 2, 9, "LOCATION")]) == [Found(5, 2, 9, "LOCATION")]


def expressions() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Every expression of the package with its name."""
    for module in iter_modules(package.__path__):
        members = vars(import_module(f"{package.__name__}.{module.name}"))
        for name, member in members.items():
            if isinstance(member, re.Pattern):
                yield f"{module.name}.{name}", member
            elif isinstance(member, Pattern):
                yield f"{module.name}.{name}", re.compile(member._source)
            elif isinstance(member, Rule):
                yield f"{module.name}.{name}", re.compile(member.pattern._source)
    for name, rule in every_rule():
        yield name, re.compile(rule.pattern._source)


def every_rule() -> Iterator[tuple[str, Rule]]:
    """The rules for dates and times, with what their matches begin with."""
    for i, rule in enumerate(FIGURES):
        yield f"figures {i} {rule.label}", rule
    for word, rules in RULES.items():
        for rule in rules:
            yield f"{word} {rule.label}", rule


SEARCHED_ONCE = {"scan._PIECE", "pieces._WORD", "gazetteer._SPLIT"}
"""These cut a whole text or name into words, each character once."""


def longest(tree: Any) -> int:
    """The most characters that what was parsed can look at, alternatives tried one by one left aside."""
    return int(tree.getwidth()[1])


def test_every_expression_looks_at_a_bounded_number_of_characters() -> None:
    sources = dict(expressions())
    assert len(sources) > 30
    unbounded = {
        name
        for name, source in sources.items()
        if longest(PARSER.parse(source.pattern, source.flags)) >= 10_000 and name not in SEARCHED_ONCE
    }
    assert not unbounded
    assert longest(PARSER.parse("a*")) >= 10_000


HOSTILE = [
    "@",
    "a@",
    "a.",
    "www.",
    ".com",
    "http://",
    "1",
    "1,",
    "1.000.",
    "12/",
    "5-",
    "(",
    "$",
    "$1",
    "triệu",
    "một",
    "hai_trăm_",
    "two_hundred_",
    "A_",
    "Bank_",
    "Nguyễn_",
    "Nguyễn_Văn_",
    "tháng_",
    "last_",
    "O'",
    "A.B.",
    "TP.",
    "công_ty_",
    "Samsung_",
    "iPhone_15_Pro_",
    "Mr._",
    "anh_Tuấn_",
    "é",
    "́",
    "😡",
    "10h",
    "University_of_",
    "A-",
    "A&",
    "11:11:",
    "đ",
    "http://a)(",
    "street_",
    "12_Main_Street_",
    "1%",
    "9_to_",
]


def calls(text: str, language: LanguageCode) -> int:
    """How many functions are called while `text` is read."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event.endswith("call")

    sys.setprofile(note)
    try:
        entities(text, language)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("piece", [piece.replace("_", " ") for piece in HOSTILE])
def test_twice_the_text_is_no_more_than_twice_the_work(piece: str) -> None:
    for language in get_args(LanguageCode):
        short = piece * (1_000 // len(piece))
        entities(short, language)
        assert calls(short * 2, language) <= 2.3 * calls(short, language) + 200


def test_a_field_of_a_megabyte_is_searched_up_to_its_limit() -> None:
    text = "lorem ipsum " * 90_000
    assert entities(text + "Hà Nội", "vi") == []
    at = MOST_CHARS - 20
    assert found(text[:at].rstrip() + " Hà Nội", "vi")


QUICK = {id(rule): rule for _, rule in every_rule() if rule.after is not None or rule.counted}


@pytest.mark.parametrize("rule", QUICK.values(), ids=lambda rule: rule.pattern._source[:24])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_quick_look_lets_through_all_that_its_rule_matches(rule: Rule, data: st.DataObject) -> None:
    # What a look-around asks for is left out of what is drawn, and asked of it afterwards.
    source = re.sub(r"\(\?[!=](?:\[[^\]]*\]|[^()\[\]]|\([^()]*\))*\)", "", rule.pattern._source)
    text = data.draw(st.from_regex(source, fullmatch=True))
    match = re.compile(rule.pattern._source).match(text, 0)
    assume(match is not None and text.lower() == text)
    scan = Scan(text)
    assume(scan.text == text and (rule in FIGURES or rule in RULES.get(scan.lows[0], ())))
    if rule.after is not None:
        assert scan.lower(1) in rule.after
    if rule.counted and (" " in text or "-" in text):
        assert counts(scan, 0)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_the_words_of_a_text_are_where_they_stand(text: str) -> None:
    scan = Scan(text)
    word = re.compile(r"[^\W\d_]+|[0-9]+|\S|\n")
    assert scan.words == word.findall(scan.text)
    assert [scan.text[start:end] for start, end in zip(scan.starts, scan.ends, strict=False)] == scan.words
    assert [scan.low[start:end] for start, end in zip(scan.starts, scan.ends, strict=False)] == scan.lows


def test_spellings_without_end_take_no_memory_without_end() -> None:
    known = "Hà Nội"
    PIECES.clear()
    for start in range(0, 60_000, 1_000):
        entities(" ".join(f"w{i}x" for i in range(start, start + 1_000)), "vi")
    assert 0 < len(PIECES) <= 8_192
    entities("y" * 25 + " z", "vi")
    assert "y" * 25 not in PIECES
    entities("?!?!?! why", "en")
    assert "?!?!?!" not in PIECES
    assert "why" in PIECES
    assert "z" in PIECES
    assert [each.text for each in entities(known, "vi")] == [known]
