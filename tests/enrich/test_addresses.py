"""E-mail addresses in texts: every spelling of the one, and nothing of any other."""

from __future__ import annotations

import time
import unicodedata

import msgspec
import pytest

from ingestbox.enrich.addresses import MARK, Spellings, key_of

ANNA = Spellings("Anna@X.com")
NFD = unicodedata.normalize("NFD", "Jürgen@Bücher.example")


@pytest.mark.parametrize(
    ("text", "erased"),
    [
        ("anna@x.com", MARK),
        ("ANNA@X.COM.", f"{MARK}."),
        ("<anna@x.com>, mailto:Anna@x.com?subject=x", f"<{MARK}>, mailto:{MARK}?subject=x"),
        ("'anna@x.com' *anna@x.com* (anna@x.com)", f"'{MARK}' *{MARK}* ({MARK})"),
        ("mail me...anna@x.com...thanks", f"mail me...{MARK}...thanks"),
        ("?to=anna%40x.com&a=1 q%3Danna%40x.com", f"?to={MARK}&a=1 q%3D{MARK}"),
        ("anna&#64;x.com anna&#x40;x.com", f"{MARK} {MARK}"),
        (r'{"mail":"\nanna@x.com"}', r'{"mail":"\n' + MARK + '"}'),
        ("an\u00adna@\u200bx.com", MARK),
        ("gửi anna@x.com ạ", f"gửi {MARK} ạ"),
        ("anna@x.com.csv, File 'anna@x.com.xlsx'", f"{MARK}.csv, File '{MARK}.xlsx'"),
        ("a,anna@x.com;b anna@x.com", f"a,{MARK};b {MARK}"),
        ("请联系anna@x.com谢谢 anna@x.com으로 anna@x.com.谢谢", f"请联系{MARK}谢谢 {MARK}으로 {MARK}.谢谢"),
        ("anna&commat;x.com anna&#064;x.com =?utf-8?Q?anna=40x.com?=", f"{MARK} {MARK} =?utf-8?Q?{MARK}?="),
        (r'{"mail":"anna\u0040x.com"} anna＠x.com', f'{{"mail":"{MARK}"}} {MARK}'),
    ],
)
def test_every_spelling_is_found(text: str, erased: str) -> None:
    assert ANNA.replace(text) == erased
    assert ANNA.may_be_in(text.encode())
    assert ANNA.may_be_in(msgspec.json.encode(text))


@pytest.mark.parametrize(
    "text",
    [
        *("joanna@x.com", "anna@x.com.vn", "mary-anna@x.com", "o'anna@x.com", "x.anna@x.com", "_anna@x.com"),
        *("anna+1@x.com", "anna@x.comx", "anna@x.com-shop.de", "anna@y.x.com", "anna@x.com.csv.vn"),
        *("éanna@x.com", "e\u0301anna@x.com", "anna @x.com", "anna.x.com", "ạanna@x.com", ""),
    ],
)
def test_other_addresses_are_not_touched(text: str) -> None:
    assert ANNA.replace(text) == text
    assert ANNA.in_json(msgspec.json.encode({"a": [text]})) is None


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("anna+news@x.com", "https://y.example/?to=anna%2Bnews%40x.com&a"),
        ("jürgen@x.com", "https://y.example/?to=J%C3%BCrgen%40x.com&a"),
        ("weiß@x.com", "é WEISS@x.com é"),
        ("weiss@x.com", "weiß@x.com"),
        ("anna@straße.example", "anna@straße.example"),
        ("fink@x.com", "\ufb01nk@x.com"),
        ("用户@例子.example", "é 用户@例子.example"),
    ],
)
def test_other_spellings_of_other_addresses(address: str, text: str) -> None:
    spelt = Spellings(address)
    assert MARK in spelt.replace(text)
    for data in (msgspec.json.encode(text), ascii_json(text)):
        assert (spelt.in_json(data) or b"").count(MARK.encode()) == 1


def test_an_address_in_a_script_without_blanks_is_whole_as_well() -> None:
    text = "我用户@例子.example 用户@例子.examples"
    assert Spellings("用户@例子.example").replace(text) == text


@pytest.mark.parametrize("folds", ["漢", "é", "e\u0301", "ß", "\u200b", "가", "\u1112\u1161\u11ab"])
def test_places_in_a_long_text_without_blanks(folds: str) -> None:
    """One that is cut into pieces to be folded, in time that grows with it."""
    for before in (0, 1, 127, 255, 256, 1_000):
        text = folds * before + ",Anna@x.com," + folds * 300 + ",anna@x.com"
        assert ANNA.replace(text) == folds * before + f",{MARK}," + folds * 300 + f",{MARK}"
    began = time.process_time()
    assert len(ANNA.spans(folds * 500_000 + ",anna@x.com")) == 1
    assert time.process_time() - began < 1.5


@pytest.mark.parametrize("text", ["JÜRGEN@bücher.example", NFD, "jürgen@xn--bcher-kva.example"])
def test_letters_beyond_ascii_in_every_form(text: str) -> None:
    jurgen = Spellings("jürgen@bücher.example")
    assert jurgen.replace(f"ü {text} ü") == f"ü {MARK} ü"
    for data in (msgspec.json.encode(text), ascii_json(text)):
        assert jurgen.in_json(data) == msgspec.json.encode(MARK)


def ascii_json(text: str) -> bytes:
    return b'"' + "".join(f"\\u{ord(each):04x}" for each in text).encode() + b'"'


def test_escapes_of_json_hide_nothing() -> None:
    assert ANNA.in_json(ascii_json("ANNA@x.com")) == msgspec.json.encode(MARK)
    kim = Spellings("kim@x.com")
    assert kim.in_json('["\u212aim@x.com","\\u212aim@x.com"]'.encode()) == f'["{MARK}","{MARK}"]'.encode()


def test_json_is_left_byte_for_byte_but_for_the_address() -> None:
    data = b'{ "n":1.50,"big":1e2 , "anna@x.com":"\\u00e9 <Anna@X.com>\\n","half":"\\ud83d", "a":"\\/" }'
    assert ANNA.in_json(data) == data.replace(b'"anna@x.com"', b'"[erased]"').replace(
        b'"\\u00e9 <Anna@X.com>\\n"', '"é <[erased]>\\n"'.encode()
    )


def test_what_an_address_is_compared_by() -> None:
    assert key_of(" Anna@EXAMPLE.com ") == "anna@example.com"
    assert key_of(NFD) == "jürgen@bücher.example"
    assert ANNA.is_all_of(" ANNA@x.com ")
    assert not ANNA.is_all_of("anna@x.com; bob@x.com")
    assert not ANNA.is_all_of(None)
