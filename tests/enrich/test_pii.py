"""Personal data in texts: what is found, what is left alone, and what stands in its place."""

from __future__ import annotations

import json
import time

import pytest

from ingestbox.enrich.pii import finds
from ingestbox.enrich.pii.cards import luhn
from ingestbox.enrich.pii.marking import counted, hidden, hidden_in_json


def found(text: str, hint: str = "") -> list[tuple[str, str, str]]:
    """Kind, place and form of what is found, as one can read it."""
    return [(each.kind, text[each.start : each.end], each.value) for each in finds(text, hint)]


@pytest.mark.parametrize(
    ("text", "kind", "place", "value"),
    [
        ("Gọi 0912345678 ngay", "phone", "0912345678", "+84912345678"),
        ("Di động 09 12 34 56 78", "phone", "09 12 34 56 78", "+84912345678"),
        ("+84 912 345 678", "phone", "+84 912 345 678", "+84912345678"),
        ("(+84) 912.345.678", "phone", "(+84) 912.345.678", "+84912345678"),
        ("ĐT:+84(0)912345678.", "phone", "+84(0)912345678", "+84912345678"),
        ("0084 912 345 678", "phone", "0084 912 345 678", "+84912345678"),
        ("84912345678", "phone", "84912345678", "+84912345678"),
        ("Tel.0912345678", "phone", "0912345678", "+84912345678"),
        ("https://zalo.me/0912345678", "phone", "0912345678", "+84912345678"),
        ("０９１２ ３４５ ６７８", "phone", "０９１２ ３４５ ６７８", "+84912345678"),
        ("0912\u00a0345\u00a0678", "phone", "0912\u00a0345\u00a0678", "+84912345678"),
        ("(024) 3825 1234", "phone", "(024) 3825 1234", "+842438251234"),
        ("0236 3821 118", "phone", "0236 3821 118", "+842363821118"),
        ("+1 (212) 555-0123", "phone", "+1 (212) 555-0123", "+12125550123"),
        ("212-555-0123", "phone", "212-555-0123", "+12125550123"),
        ("+44 20 7946 0958", "phone", "+44 20 7946 0958", "+442079460958"),
        ("(11) 98765-4321", "phone", "(11) 98765-4321", "+5511987654321"),
        ("4111 1111 1111 1111", "card", "4111 1111 1111 1111", "4111111111111111"),
        ("card 5555555555554444.", "card", "5555555555554444", "5555555555554444"),
        ("3782-822463-10005", "card", "3782-822463-10005", "378282246310005"),
        ("9704 0000 0000 0018", "card", "9704 0000 0000 0018", "9704000000000018"),
        ("CCCD 001090123456", "id", "001090123456", "VN:001090123456"),
        ("079 203 001 234", "id", "079 203 001 234", "VN:079203001234"),
        ("Số CMND: 123456789", "id", "123456789", "VN:123456789"),
        ("529.982.247-25", "id", "529.982.247-25", "BR:52998224725"),
        ("CPF 52998224725 ok", "id", "52998224725", "BR:52998224725"),
        ("SSN: 123-45-6789", "id", "123-45-6789", "US:123456789"),
        ("mailto:Anna.B+x@Example.co.vn?to", "email", "Anna.B+x@Example.co.vn", "anna.b+x@example.co.vn"),
        ("/?email=anna%40x.com&b=1", "email", "anna%40x.com", "anna@x.com"),
        ("<nguyễn@bệnhviện.vn>,", "email", "nguyễn@bệnhviện.vn", "nguyễn@bệnhviện.vn"),
        ("0912345678@zalo.example", "email", "0912345678@zalo.example", "0912345678@zalo.example"),
        ("请联系anna@x.com谢谢", "email", "anna@x.com", "anna@x.com"),
    ],
)
def test_what_is_found(text: str, kind: str, place: str, value: str) -> None:
    assert found(text) == [(kind, place, value)]


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-06 10:20:30, 06/05/2024 - 07/05/2024, 10-12-2020 11-12-2021",
        "1.200.000 VND, 10 000 000 000, $1,234,567,890, 5 000 000 - 7 000 000 đồng",
        "ISBN 978-3-16-148410-0, 9783161484100, EAN 4006381333931",
        "https://x.example/bai-viet-0912345678.html https://x.example/0912345678?id=0912345678",
        "km_content_16777216 abc0912345678 0912345678abc 0912345678.50 0.0912345678 5+12345678",
        "1715000000000 1715000000 20240506123456 12345678901234567890",
        "4111111111111112 and 1234 5678 9012 3456",
        "123456789, 123-45-6789 and 52998224725 have no word before them",
        "SSN 000-12-3456, CPF 11111111111, CPF 52998224726, 099090123456, 001590123456",
        "hotline 1900 1234, 192.168.100.200, 10.762622, 106.660172, v1.2.3.4567.8901",
        "logo@2x.png pkg@1.2.3 @handle a@b root@localhost anna@ @example.com",
        "+1234567 +10000000000 +999999999999999999",
    ],
)
def test_what_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_several_in_one_text_are_apart_and_in_order() -> None:
    text = "0912345678/0987.654.321, anna@example.com; (028) 3822 1234 - 4111111111111111"
    assert [kind for kind, _, _ in found(text)] == ["phone", "phone", "email", "phone", "card"]
    assert hidden(text) == ("[phone•••]/[phone•••••], [email•••••••••]; [phone••••••••] - [card••••••••••]")
    assert len(hidden(text)) == len(text)


def test_a_member_s_name_tells_what_its_value_is() -> None:
    record = b'{"ssn":"123-45-6789","n":"123-45-6789","cpf":["52998224725"],"cmnd":"123456789"}'
    assert hidden_in_json(record) == (
        '{"ssn":"[id•••••••]","n":"123-45-6789","cpf":["[id•••••••]"],"cmnd":"[id•••••]"}'.encode()
    )


def test_json_is_byte_for_byte_as_it_was_but_for_what_is_hidden() -> None:
    before = '{ "n" : 1.0e3, "big":123456789012345678901234567890 ,"tel":912345678,"caf\\u00e9":"é\\n" ,'
    record = before + '"deep":[{"anna\\u0040x.com":["a\\"b 0912345678"]}],"half":"\\ud800 a@b.example"}'
    after = before + '"deep":[{"[email•••]":["a\\"b [phone•••]"]}],"half":"\\ud800 a@b.example"}'
    assert hidden_in_json(record.encode()) == after.encode()
    assert hidden_in_json(before.encode() + b'"":1}') is None


def test_what_is_printed_has_no_value() -> None:
    (one,) = finds("anna@example.com")
    assert "anna" not in repr(one)


def test_places_are_told_of_the_result_s_own_text() -> None:
    record = json.dumps({"content": "Bác sĩ: 0912345678 hoặc a@b.example", "tel": "0912345678"}).encode()
    result = json.dumps({"text": "Bác sĩ: 0912345678 hoặc a@b.example"}).encode()
    email, phone = counted(record, result)
    assert (email.kind, email.count, email.spans) == ("email", 1, [(24, 35)])
    assert (phone.kind, phone.count, phone.spans) == ("phone", 2, [(8, 18)])
    assert counted(record, b'{"text":5}')[1].spans == []
    assert counted(b'{"a":"nothing 1234 here @"}', result) == []


def test_the_check_digit_of_a_card_sees_each_digit_and_each_exchange() -> None:
    good = "4556737586899855"
    assert luhn(good)
    for place in range(len(good)):
        wrong = good[:place] + str((int(good[place]) + 1) % 10) + good[place + 1 :]
        assert not luhn(wrong)


@pytest.mark.parametrize(
    "piece", ["1", "@", "+84", "+84 ", "1 ", "a@", "0912-", "(", "a@b.c.d.e.", "123456789 "]
)
def test_time_is_linear_in_the_length(piece: str) -> None:
    """Four times as much takes no more than about four times as long, and is never slow."""

    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        best = 1e9
        for _ in range(2):
            start = time.process_time()
            finds(text)
            best = min(best, time.process_time() - start)
        return best

    short, long = seconds(25_000), seconds(100_000)
    assert long < 12 * short + 0.05
    assert long < 2
