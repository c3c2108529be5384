"""Vectors of texts: built in, and from a file of vectors of words."""

from __future__ import annotations

import math
import os
import random
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestbox.enrich.embedding import hashed, wordvectors
from ingestbox.enrich.embedding.vector import BITS, WIDTH, cosine, packed, signs, unpacked
from ingestbox.enrich.embedding.wordvectors import NoVectorsError, WordVectors, compile_words, prepared
from ingestbox.enrich.folding import fold
from ingestbox.enrich.steps import BUILT_IN, LookedUp

DIABETES = (
    "Bệnh tiểu đường là một bệnh mãn tính xảy ra khi tuyến tụy không sản xuất đủ insulin, hoặc khi cơ thể "
    "không thể sử dụng hiệu quả insulin mà nó sản xuất."
)
GOLD = (
    "Giá vàng hôm nay tăng mạnh do nhu cầu đầu tư trên thị trường thế giới, các chuyên gia kinh tế nhận định "
    "trong phiên giao dịch cuối tuần."
)
HEART = (
    "High blood pressure makes the heart work harder and is a common cause of stroke; treatment begins with "
    "less salt and regular exercise."
)


def near(one: str, other: str) -> float:
    return cosine(unpacked(hashed.embed(one)), unpacked(hashed.embed(other)))


def length(numbers: bytes) -> float:
    return math.sqrt(sum(value * value for value in unpacked(numbers)))


def test_it_is_the_same_in_every_process() -> None:
    """Whatever the seed of Python's own hashes, and without any network."""
    code = (
        "from ingestbox.enrich.embedding import hashed; from ingestbox.enrich.embedding.vector import signs;"
        f"v = hashed.embed({DIABETES!r}); print(v.hex(), signs(v).hex())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    here = hashed.embed(DIABETES)
    assert told == {f"{here.hex()} {signs(here).hex()}\n"}


def test_a_text_with_and_without_its_marks_is_one() -> None:
    assert hashed.embed(DIABETES) == hashed.embed(fold(DIABETES)) == hashed.embed(DIABETES.upper())


@pytest.mark.parametrize(
    ("query", "right", "wrong"),
    [
        ("bệnh tiểu đường", DIABETES, GOLD),
        ("benh tieu duong", DIABETES, GOLD),
        ("bệnh tiểu đuờng insuline", DIABETES, HEART),
        ("gia vang tang", GOLD, DIABETES),
        ("high blod presure", HEART, DIABETES),
        ("exercises for the heart", HEART, GOLD),
    ],
)
def test_what_is_asked_is_nearest_to_what_is_about_it(query: str, right: str, wrong: str) -> None:
    assert near(query, right) > near(query, wrong) + 0.05


def test_function_words_say_little() -> None:
    assert near("và là của những các trong khi", DIABETES) < near("insulin", DIABETES)


@given(st.text(max_size=300))
def test_any_text_has_a_vector_of_length_one_or_of_zeros(text: str) -> None:
    found = hashed.embed(text)
    assert len(found) == WIDTH * hashed.DIMENSION
    assert length(found) == pytest.approx(1, abs=1e-5) or not any(found)
    assert len(signs(found)) == BITS // 8


@given(st.lists(st.floats(-1e15, 1e15), min_size=2, max_size=70))
def test_numbers_are_packed_as_a_vector_of_length_one(values: list[float]) -> None:
    found = packed(values)
    assert len(unpacked(found)) == len(values)
    assert all(map(math.isfinite, unpacked(found)))
    assert length(found) == pytest.approx(1, abs=1e-4) or not any(values) or max(map(abs, values)) < 1e-30


def test_signs_tell_the_angle() -> None:
    """The share of bits that differ is the angle's share of a half turn, as far as so many bits can tell."""
    chance = random.Random(3)
    for size in (48, 256, 300, 1536):
        one = [chance.gauss(0, 1) for _ in range(size)]
        other = [chance.gauss(0, 1) for _ in range(size)]
        for mixed in (0.0, 0.5, 1.0, 3.0):
            third = [a * mixed + b for a, b in zip(one, other, strict=True)]
            left, right = packed(one), packed(third)
            angle = math.acos(max(-1.0, min(1.0, cosine(unpacked(left), unpacked(right)))))
            bits = 8 * len(signs(left))
            apart = (int.from_bytes(signs(left)) ^ int.from_bytes(signs(right))).bit_count()
            assert abs(apart / bits - angle / math.pi) < 4 * 0.5 / math.sqrt(bits)


def test_a_long_text_takes_time_by_its_length_alone() -> None:
    chance = random.Random(4)

    def seconds(characters: int) -> float:
        """The least of three, of processor time; every word is new."""
        found = []
        for _ in range(3):
            text = " ".join("".join(chance.choices("abcdefghij", k=7)) for _ in range(characters // 8))
            began = time.process_time()
            hashed.embed(text)
            found.append(time.process_time() - began)
        return min(found)

    assert seconds(40_000) < 40 * seconds(4_000)
    began = time.process_time()
    hashed.embed("a" * 1_000_000)
    assert time.process_time() - began < 1


def test_the_step_says_which_model_it_was() -> None:
    answers = BUILT_IN.embeddings([DIABETES, ""])
    assert [each.model for each in answers.found] == list(answers.by) == [hashed.MODEL] * 2
    assert answers.found[0].numbers == hashed.embed(DIABETES)
    assert answers.found[0].dimension == hashed.DIMENSION


WORDS = {
    "bệnh_viện": [1.0, 0.0, 0.0, 0.0],
    "bác": [0.9, 0.1, 0.0, 0.0],
    "vàng": [0.0, 1.0, 0.0, 0.0],
    "The": [0.0, 0.0, 5.0, 0.0],
    "hospital": [0.95, 0.0, 0.0, 0.1],
}


def written(path: Path, head: str = "", words: dict[str, list[float]] | None = None, more: str = "") -> Path:
    rows = (words or WORDS).items()
    lines = [f"{word} {' '.join(map(str, values))}\n" for word, values in rows]
    path.write_text(head + "".join(lines) + more)
    return path


def test_a_text_is_the_mean_of_its_words(tmp_path: Path) -> None:
    compiled = compile_words(written(tmp_path / "a.vec", "5 4\n"), tmp_path / "a.bin")
    assert compiled.dimension == 4
    words = WordVectors(compiled)
    assert unpacked(words.embed("Bệnh viện")) == pytest.approx((1, 0, 0, 0), abs=1e-3)
    assert unpacked(words.embed("BỆNH  VIỆN!")) == unpacked(words.embed("bệnh viện"))
    assert unpacked(words.embed("the")) == pytest.approx((0, 0, 1, 0), abs=1e-3)
    assert words.embed("nobody knows this") == bytes(16)
    mixed = unpacked(words.embed("bệnh viện vàng"))
    assert mixed[0] > 0.2
    assert mixed[1] > mixed[0]  # the rarer of two counts for more
    vector = LookedUp(compiled).embeddings(["hospital"]).found[0]
    assert (vector.model, vector.dimension) == (compiled.model, 4)


def test_formats_differ_in_their_first_line_and_bad_lines_are_passed_over(tmp_path: Path) -> None:
    plain = compile_words(written(tmp_path / "a.txt"), tmp_path / "a.bin")
    headed = compile_words(written(tmp_path / "b.vec", "5 4\n"), tmp_path / "b.bin")
    bad = "short 1 2\nlong 1 2 3 4 5\nnumber 1 2 x 4\nhuge 1 2 1e30 4\ninfinite 1 2 inf 4\n\n"
    spoilt = compile_words(written(tmp_path / "c.vec", "9 4\n", more=bad), tmp_path / "c.bin")
    assert plain.model == headed.model == spoilt.model


def test_another_file_is_another_model_and_the_same_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = written(tmp_path / "a.vec")
    first = prepared(source, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(wordvectors, "_write", lambda *_: pytest.fail("it was read again"))
        assert prepared(source, tmp_path) == first
        source.rename(tmp_path / "elsewhere")
        assert prepared(source, tmp_path) == first
    written(source, words={**WORDS, "vàng": [0.0, 0.5, 0.5, 0.0]})
    os.utime(source, ns=(1, 1))
    second = prepared(source, tmp_path)
    assert second.model != first.model
    with pytest.raises(NoVectorsError):
        WordVectors(first)
    other = written(tmp_path / "b.vec")
    prepared(other, tmp_path)
    assert len(list(tmp_path.glob("words-*"))) == 1


@pytest.mark.parametrize("text", ["", "5 4\n", "a b c\n", "\x00\x01\x02", "word 1\n"])
def test_a_file_without_vectors_is_none(tmp_path: Path, text: str) -> None:
    source = tmp_path / "a.vec"
    source.write_text(text)
    with pytest.raises(NoVectorsError):
        compile_words(source, tmp_path / "a.bin")
    assert list(tmp_path.glob("a.bin*")) == []


def test_a_file_that_is_not_there_or_was_cut_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoVectorsError, match="No such file"):
        prepared(tmp_path / "none.vec", tmp_path)
    source = written(tmp_path / "a.vec")
    target = tmp_path / "a.bin"
    compiled = compile_words(source, target)
    target.write_bytes(target.read_bytes()[:-3])
    with pytest.raises(NoVectorsError):
        WordVectors(compiled)
    answers = LookedUp(compiled).embeddings(["hospital"])
    assert answers.by == [BUILT_IN.embeddings(["x"]).by[0]]  # so a chunk never fails for it
    assert compile_words(source, target) == compiled
    assert struct.calcsize("<e") == 2
