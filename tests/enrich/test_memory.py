"""What is remembered of pieces of text, within its bounds."""

from __future__ import annotations

from ingestbox.enrich.keywords import keywords
from ingestbox.enrich.language import language
from ingestbox.enrich.memory import LONGEST, PIECES, Memory
from ingestbox.enrich.searched import folded, written


def test_a_piece_is_learnt_once_unless_it_is_long() -> None:
    asked: list[str] = []

    def learn(piece: str) -> int:
        asked.append(piece)
        return len(piece)

    memory = Memory(learn)
    long = "x" * (LONGEST + 1)
    assert [memory[piece] for piece in ("a", "bb", "a", long, long)] == [1, 2, 1, LONGEST + 1, LONGEST + 1]
    assert asked == ["a", "bb", long, long]


def test_what_is_not_asked_for_again_is_forgotten_and_junk_with_it() -> None:
    asked: list[str] = []

    def learn(piece: str) -> str:
        asked.append(piece)
        return piece.upper()

    memory = Memory(learn, most=200)
    for number in range(1_000):
        assert memory[f"n{number}"] == f"N{number}"
        assert memory["often"] == "OFTEN"
        assert len(memory) <= 100
    assert asked.count("often") == 1
    del asked[:]
    assert [memory[f"n{number}"] for number in range(1_000)] == [f"N{number}" for number in range(1_000)]
    assert 800 <= len(asked) <= 1_000


def test_no_more_are_remembered_than_it_is_told() -> None:
    asked: list[str] = []
    memory = Memory(lambda piece: asked.append(piece))
    for number in range(3 * PIECES):
        memory[f"n{number}"]
    del asked[:]
    for number in reversed(range(3 * PIECES)):
        memory[f"n{number}"]
    assert 2 * PIECES <= len(asked) < 3 * PIECES


def test_what_is_remembered_does_not_depend_on_the_texts_before() -> None:
    text = "Giao hàng chậm; the Battery of my NEW phone is dead. Hòa thuận"
    before = (language(text), keywords(text, "vi"), keywords(text, "en"), folded(written(text)))
    for start in range(0, 3 * PIECES, 100):
        junk = " ".join(f"w{number}ă." for number in range(start, start + 100))
        language(junk), keywords(junk, "vi"), keywords(junk, "en"), folded(written(junk))
    assert (language(text), keywords(text, "vi"), keywords(text, "en"), folded(written(text))) == before


def test_of_one_word_there_may_be_more_when_it_is_folded() -> None:
    assert folded(written("Mất ½ giờ, ﬁne")) == ["mat", "1", "2", "gio", "fine"]
