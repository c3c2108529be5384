"""JSON that breaks parsers: refused with 400 and a reason, or read as it stands; never anything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from ingestbox import strictjson
from ingestbox.errors import IngestError

REFUSED = [
    b"",
    b"  ",
    b"\xef\xbb\xbf{}",
    b"{",
    b"{}{}",
    b"{} x",
    b"[1,]",
    b'{"a":1,}',
    b"{'a':1}",
    b"NaN",
    b"[NaN]",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"-1e999",
    b'{"deep":{"down":[1e999]}}',
    b"01",
    b"+1",
    b".5",
    b"1.",
    b"0x10",
    b"1" * 5000,
    b'"\\ud800"',
    b'"\\udc00"',
    b'{"a":"x\\ud83dzz"}',
    b'{"\\ud800":1}',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'"\xc0\xaf"',
    b'{"\xff":1}',
    b'"\x01"',
    b'"\n"',
    b'"\\x41"',
    b"[" * 65 + b"]" * 65,
    b'{"a":' * 65 + b"1" + b"}" * 65,
    b"[" * 1000 + b"]" * 1000,
    b"[" * 1_000_000,
    b"[" * 100_000 + b"]" * 100_000,
    b"tru",
    b"\x00",
    "{}".encode("utf-16"),
]


@pytest.mark.parametrize("body", REFUSED, ids=[repr(each[:24]) + str(len(each)) for each in REFUSED])
def test_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(IngestError) as caught:
        strictjson.decode(body)
    assert (caught.value.code, caught.value.status) == ("malformed_json", 400)
    assert len(caught.value.detail) > len("The body is not valid JSON: .")


READ: list[tuple[bytes, object]] = [
    (b"{}", {}),
    (b'{"a":1,"a":2}', {"a": 2}),
    (b'"\\ud83d\\ude00"', "😀"),
    (b'"\\u0000"', "\x00"),
    (b"1e-999", 0.0),
    (b"-0", 0),
    (b"123456789012345678901234567890", 123456789012345678901234567890),
    (b" [1 , 2 ] ", [1, 2]),
]


@pytest.mark.parametrize(("body", "value"), READ)
def test_read_as_it_stands(body: bytes, value: object) -> None:
    assert strictjson.decode(body) == value


@pytest.mark.parametrize("opening, closing", [(b"[", b"]"), (b'{"a":', b"}")])
def test_the_deepest_that_is_allowed(opening: bytes, closing: bytes) -> None:
    inner = b"" if opening == b"[" else b"1"
    strictjson.decode(opening * 64 + inner + closing * 64)
    with pytest.raises(IngestError):
        strictjson.decode(opening * 65 + inner + closing * 65)


def test_many_containers_side_by_side_are_not_deep() -> None:
    strictjson.decode(b"[" + b",".join([b'{"a":[{}]}'] * 1000) + b"]")


def test_containers_without_measure_are_refused_before_they_are_made() -> None:
    most = strictjson.MAX_CONTAINERS
    nested = b"[[],[]]"
    with pytest.raises(IngestError) as caught:
        strictjson.decode(b"[" + b",".join([nested] * (most // 3)) + b",[]]")
    assert caught.value.code == "malformed_json"
    assert "too many lists and objects" in caught.value.detail
    strictjson.decode(b"[" + b",".join([nested] * (most // 3)) + b"]")


def member(number: int) -> bytes:
    return b'"%d":%d' % (number, number)


@pytest.mark.parametrize(
    ("opening", "each", "closing"),
    [(b"{", member, b"}"), (b"[", lambda _: b"1", b"]"), (b"[", lambda _: b'"a"', b"]")],
    ids=["members", "numbers", "texts"],
)
def test_members_and_elements_without_measure_are_refused_before_they_are_made(
    opening: bytes, each: Callable[[int], bytes], closing: bytes
) -> None:
    most = strictjson.MAX_VALUES
    strictjson.decode(opening + b",".join(each(n) for n in range(most)) + closing)
    for many in (most + 1, 20 * most):
        with pytest.raises(IngestError) as caught:
            strictjson.decode(opening + b",".join(each(n) for n in range(many)) + closing)
        assert caught.value.code == "malformed_json"
        assert "too many members and elements" in caught.value.detail


@pytest.mark.parametrize(
    "text", [b", " * 200_000, rb"\"," * 600_000, b"[{" * 200_000, rb"\"[" * 200_000, rb"\\[" * 200_000]
)
def test_brackets_in_a_text_are_no_containers(text: bytes) -> None:
    strictjson.decode(b'{"text":"' + text + b'"}')


class Turns:
    """How often others got their turn."""

    def __init__(self) -> None:
        self.taken = 0

    async def take(self) -> None:
        while True:
            self.taken += 1
            await asyncio.sleep(0)


def in_turns(text: bytes) -> tuple[object, int]:
    async def main() -> tuple[object, int]:
        turns = Turns()
        taking = asyncio.create_task(turns.take())
        value = await strictjson.decode_in_turns(text)
        taking.cancel()
        return value, turns.taken

    return asyncio.run(main())


@pytest.mark.parametrize("mark", [b",", rb"\",", rb"\\,", rb"\\\",", rb"\u0041,"])
@pytest.mark.parametrize("shift", range(4))
def test_what_looks_like_structure_in_a_large_text_is_told_apart_in_steps(mark: bytes, shift: int) -> None:
    """Escapes fall on every place, also across two steps."""
    text = b'{"a":"' + b"x" * shift + mark * 150_000 + b'","b":["' + mark * 150_000 + b'"]}'
    value, turns = in_turns(text)
    assert value == strictjson.decode(text)
    assert turns >= len(text) // strictjson.MEASURED_BYTES
    most = strictjson.MAX_VALUES
    for many, is_refused in ((most - 10, False), (most + 10, True)):
        longer = text[:-1] + b',"c":[' + b"1," * many + b"1]}"
        try:
            in_turns(longer)
        except IngestError as error:
            assert is_refused and "too many members and elements" in error.detail
        else:
            assert not is_refused
