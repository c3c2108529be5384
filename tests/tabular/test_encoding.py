"""Encodings: the exact text, or said to be uncertain, or refused; never silent nonsense."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from ingestbox.tabular import Given, NotTabular, Row, Survey, Unreadable, survey
from tests.tabular.support import all_rows, cells, cp1258, where, written

VIETNAMESE = ["Giao hàng chậm, nhân viên không thân thiện", "Sản phẩm rất tốt, tôi rất hài lòng", "Được"]
PORTUGUESE = ["A entrega não chegou no prazo, atenção péssima", "Ótimo produto, São João é aqui"]
GERMAN = ["Die Lieferung war schnell, aber die Qualität ließ zu wünschen übrig", "Größe passt nicht"]
FRENCH = ["Très déçu du service, la livraison était en retard", "L’équipe est géniale – merci", "20 €"]
SPANISH = ["El envío llegó tarde y la atención fue pésima", "¿Cuándo llegará mi pedido? ¡Qué año!"]
POLISH = ["Przesyłka dotarła z opóźnieniem, bardzo słaba obsługa", "Świetny produkt, żółć"]
CZECH = ["Doručení bylo příliš pomalé, ale kvalita je skvělá", "Děkuji za rychlé vyřízení"]
HUNGARIAN = ["Rossz minőségű termék, nem ajánlom senkinek", "A szállítás gyors volt, köszönöm"]
TURKISH = ["Kargo çok geç geldi, müşteri hizmetleri ilgisiz", "Ürün güzel ama kutusu kırıktı"]
RUSSIAN = ["Доставка была очень быстрой, спасибо", "Плохое качество"]
GREEK = ["Η παράδοση ήταν πολύ αργή", "Πολύ καλό"]
JAPANESE = ["配送がとても遅かったです。", "商品の品質は良いですが、箱が壊れていました。", "サービスが悪い"]
CHINESE = ["物流太慢了，客服态度也不好。", "质量很好，下次还会再来购买"]
TAIWANESE = ["物流太慢了，客服態度也不好。", "品質很好，下次還會再來購買"]
KOREAN = ["배송이 너무 느리고 서비스가 별로예요.", "품질은 좋지만 가격이 비쌉니다"]
DECOMPOSED = [unicodedata.normalize("NFD", text) for text in VIETNAMESE]


def table(texts: list[str]) -> str:
    return "id;text\r\n" + "".join(f"{number};{text}\r\n" for number, text in enumerate(texts, 1))


# Name: texts, the codec they are written in, bytes before them, how the encoding is told.
CASES: dict[str, tuple[list[str], str, bytes, str]] = {
    "ascii": (["good", "bad"], "ascii", b"", "ascii"),
    "utf-8 vi": (VIETNAMESE, "utf-8", b"", "utf-8"),
    "utf-8 vi decomposed": (DECOMPOSED, "utf-8", b"", "utf-8"),
    "utf-8 with mark": (VIETNAMESE, "utf-8", b"\xef\xbb\xbf", "bom"),
    "utf-8 mark, ascii": (["good"], "utf-8", b"\xef\xbb\xbf", "bom"),
    "utf-8 ja": (JAPANESE, "utf-8", b"", "utf-8"),
    "utf-8 de": (GERMAN, "utf-8", b"", "utf-8"),
    "utf-8 emoji": (["tốt 😀👍🏽", "❤️"], "utf-8", b"", "utf-8"),
    "utf-16-le vi": (VIETNAMESE, "utf-16-le", b"\xff\xfe", "bom"),
    "utf-16-be vi": (VIETNAMESE, "utf-16-be", b"\xfe\xff", "bom"),
    "utf-16-le ja": (JAPANESE, "utf-16-le", b"\xff\xfe", "bom"),
    "utf-32-le vi": (VIETNAMESE, "utf-32-le", b"\xff\xfe\0\0", "bom"),
    "utf-32-be vi": (VIETNAMESE, "utf-32-be", b"\0\0\xfe\xff", "bom"),
    "utf-16-le without mark": (VIETNAMESE, "utf-16-le", b"", "pattern"),
    "utf-16-be without mark": (VIETNAMESE, "utf-16-be", b"", "pattern"),
    "utf-16-le decomposed": (DECOMPOSED, "utf-16-le", b"", "pattern"),
    "utf-16-le zh without mark": (CHINESE, "utf-16-le", b"", "pattern"),
    "utf-16-be ko without mark": (KOREAN, "utf-16-be", b"", "pattern"),
    "utf-32-le without mark": (VIETNAMESE, "utf-32-le", b"", "pattern"),
    "utf-32-be without mark": (POLISH, "utf-32-be", b"", "pattern"),
    "cp1258 vi": (VIETNAMESE, "cp1258", b"", "detected"),
    "cp1258 vi, a word": (VIETNAMESE[2:], "cp1258", b"", "detected"),
    "cp1252 pt": (PORTUGUESE, "cp1252", b"", "detected"),
    "cp1252 de": (GERMAN, "cp1252", b"", "detected"),
    "cp1252 fr": (FRENCH, "cp1252", b"", "detected"),
    "cp1252 es": (SPANISH, "cp1252", b"", "detected"),
    "latin-1 pt": (PORTUGUESE, "latin-1", b"", "detected"),
    "cp1250 pl": (POLISH, "cp1250", b"", "detected"),
    "cp1250 cs": (CZECH, "cp1250", b"", "detected"),
    "cp1250 hu": (HUNGARIAN, "cp1250", b"", "detected"),
    "iso-8859-2 pl": (POLISH, "iso8859-2", b"", "detected"),
    "cp1254 tr": (TURKISH, "cp1254", b"", "detected"),
    "cp1251 ru": (RUSSIAN, "cp1251", b"", "detected"),
    "koi8-r ru": (RUSSIAN, "koi8-r", b"", "detected"),
    "cp1253 el": (GREEK, "cp1253", b"", "detected"),
    "cp850 de": (GERMAN, "cp850", b"", "detected"),
    "mac fr": (FRENCH[:2], "mac_roman", b"", "detected"),
    "shift-jis": (JAPANESE, "shift_jis", b"", "detected"),
    "shift-jis half-width": (["ｱｲｳｴｵ の配送", "ﾃﾞｰﾀ がありません"], "shift_jis", b"", "detected"),
    "euc-jp": (JAPANESE, "euc_jp", b"", "detected"),
    "iso-2022-jp": (JAPANESE, "iso2022_jp", b"", "detected"),
    "gb18030": (CHINESE, "gb18030", b"", "detected"),
    "big5": (TAIWANESE, "big5", b"", "detected"),
    "euc-kr": (KOREAN, "euc_kr", b"", "detected"),
}


@pytest.mark.parametrize("case", CASES)
def test_text_is_exact(tmp_path: Path, case: str) -> None:
    texts, codec, mark, evidence = CASES[case]
    text = table(texts)
    data = cp1258(text) if codec == "cp1258" else text.encode(codec)
    path = written(tmp_path, mark + data)
    found = survey(path)
    expected = [unicodedata.normalize("NFC", each) if codec == "cp1258" else each for each in texts]
    rows = all_rows(where(found, path), found.format)
    assert [row.cells[1] for row in rows if isinstance(row, Row)] == expected
    assert found.format.evidence == evidence
    assert found.total == len(texts)
    assert found.format.header == ["id", "text"]
    if evidence == "detected":
        assert found.format.confidence > 0.6 or "encoding_uncertain" in codes(found)
        assert "encoding_detected" in codes(found)


def codes(found: Survey) -> set[str]:
    return {notice.code for notice in found.notices}


def test_tone_marks_are_put_together_and_it_is_said(tmp_path: Path) -> None:
    found = survey(written(tmp_path, cp1258(table(VIETNAMESE))))
    assert found.format.encoding == "cp1258"
    assert "composed" in codes(found)
    assert found.format.alternatives


def test_one_letter_that_all_code_pages_share_is_sure(tmp_path: Path) -> None:
    found = survey(written(tmp_path, table(["un café bien chaud"]).encode("cp1252")))
    assert found.format.encoding == "cp1252"
    assert found.format.confidence > 0.8


def test_the_places_outside_ascii_may_be_far_away(tmp_path: Path) -> None:
    data = table(["nothing to see"] * 90_000 + POLISH).encode("cp1250")
    found = survey(written(tmp_path, data))
    assert found.format.encoding == "cp1250"
    assert found.total == 90_002


def test_noise_is_uncertain(tmp_path: Path) -> None:
    noise = bytes(byte for number in range(400) for byte in (128 + number * 37 % 128, 97 + number % 20))
    found = survey(written(tmp_path, b"id;text\n1;" + noise.replace(b"\n", b"") + b"\n"))
    assert found.format.confidence < 0.6
    assert "encoding_uncertain" in codes(found)


MOSTLY_UTF8 = table(VIETNAMESE * 10).encode()


def test_rows_of_another_encoding_are_read_in_theirs_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path, MOSTLY_UTF8 + table(FRENCH).encode("cp1252").partition(b"\n")[2])
    found = survey(path)
    assert (found.format.encoding, found.format.second) == ("utf-8", "cp1252")
    rows = all_rows(path, found.format)
    assert [row.cells[1] for row in rows if isinstance(row, Row)] == VIETNAMESE * 10 + FRENCH
    notice = next(each for each in found.notices if each.code == "second_encoding")
    assert (notice.count, notice.lines) == (3, [32, 33, 34])
    assert found.format.confidence < 1


def test_rows_of_an_unknown_encoding_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, MOSTLY_UTF8 + b"31;\x81\x8d \xfe\xe5q\n")
    found = survey(path)
    assert found.refused == 1
    (refused,) = [row for row in all_rows(path, found.format) if isinstance(row, Unreadable)]
    assert (refused.code, refused.line, refused.raw) == ("undecodable", 32, "31;\\x81\\x8d \\xfe\\xe5q")
    assert "mixed_encodings" in codes(found)


def test_utf8_with_a_character_cut_is_not_read_as_something_else(tmp_path: Path) -> None:
    cut = "31;Giao hàng chậm, nhân viên không thân thiệ".encode()[:-1] + b"\n"
    path = written(tmp_path, MOSTLY_UTF8 + cut + table(FRENCH).encode("cp1252").partition(b"\n")[2])
    found = survey(path)
    assert found.format.second == "cp1252"
    assert [row.code for row in all_rows(path, found.format) if isinstance(row, Unreadable)] == [
        "undecodable"
    ]


def test_utf8_rows_in_a_latin1_table(tmp_path: Path) -> None:
    texts = GERMAN * 40
    data = table(texts).encode("cp1252") + "81;Größe später\r\n".encode()
    found = survey(written(tmp_path, data))
    assert (found.format.encoding, found.format.second) == ("cp1252", "utf-8")
    rows = all_rows(tmp_path / "table.csv", found.format)
    assert [row.cells[1] for row in rows if isinstance(row, Row)] == [*texts, "Größe später"]
    assert "mixed_encodings" in codes(found)


@pytest.mark.parametrize("text", ["Très déçu", "Được không", "It’s", "Größe"])
def test_text_encoded_twice_is_noticed_and_left(tmp_path: Path, text: str) -> None:
    twice = text.encode().decode("cp1252", "replace").replace("\ufffd", "")
    path = written(tmp_path, table(["good", twice]).encode())
    found = survey(path)
    (notice,) = [each for each in found.notices if each.code == "encoded_twice"]
    assert notice.lines == [3]
    assert [row.cells[1] for row in found.preview if isinstance(row, Row)] == ["good", twice]


@pytest.mark.parametrize("texts", [VIETNAMESE, ["ĐÃ NHẬN", "está «aquí», «está»", "Âm thanh", "ÃO"]])
def test_good_text_is_not_said_to_be_encoded_twice(tmp_path: Path, texts: list[str]) -> None:
    assert "encoded_twice" not in codes(survey(written(tmp_path, table(texts).encode())))


def test_what_a_person_says_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path, table(["Größe"]).encode("cp1252"))
    found = survey(path, given=Given(encoding="Windows-1250"))
    assert (found.format.encoding, found.format.evidence) == ("cp1250", "given")
    found = survey(path, given=Given(encoding="utf-8"))
    assert [row.code for row in found.preview if isinstance(row, Unreadable)] == ["undecodable"]


@pytest.mark.parametrize("name", ["utf-16", "UTF-16LE", "utf16"])
def test_utf16_can_be_said(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, table(VIETNAMESE).encode("utf-16-le"))
    found = survey(path, given=Given(encoding=name))
    assert found.total == 3
    assert found.format.header == ["id", "text"]


@pytest.mark.parametrize("name", ["", "no-such", "base64", "utf-7", "cp037", "idna", "x" * 500, "a\0b"])
def test_no_such_encoding(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotTabular) as caught:
        survey(written(tmp_path, b"id\n1\n"), given=Given(encoding=name or " "))
    assert caught.value.code == "bad_given"


def test_broken_utf16_is_refused_by_the_row(tmp_path: Path) -> None:
    data = (
        "id,text\n1,ok\n2,".encode("utf-16-le") + b"\x00\xd8" + "x\n3,fine\n4,end".encode("utf-16-le") + b"z"
    )
    path = written(tmp_path, b"\xff\xfe" + data)
    found = survey(path)
    rows = all_rows(where(found, path), found.format)
    assert [row.cells if isinstance(row, Row) else row.code for row in rows] == [
        ["1", "ok"],
        "undecodable",
        ["3", "fine"],
        "undecodable",
    ]


def test_katakana_trap(tmp_path: Path) -> None:
    texts = ["±5°, naïve café", "£20 ½ price, señor", "déjà vu à Zürich"]
    assert [row[1] for row in cells(tmp_path, table(texts).encode("cp1252"))[1:]] == texts
