"""What children do for the index of passages, over `Box.compute`. Light and pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from ingestbox.enrich.embedding.vector import Vector, signs
from ingestbox.enrich.steps import BUILT_IN, Steps
from ingestbox.families.knowledge.searching.words import words_of

PROBE: Final = "Bệnh viện. Hospital."
"""What a model is asked to see whether it answers."""


class Wanted(msgspec.Struct, frozen=True, array_like=True):
    """An article of which passages wait: its result (JSON), and the places of those that are to be written
    (`rows`), to be embedded (`places`), and to be embedded here, by the model that is built in (`old`)."""

    title: str
    result: bytes
    rows: Sequence[int]
    places: Sequence[int]
    old: Sequence[int]


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A passage as it is written, with its words."""

    place: int
    first: int
    beyond: int
    title: str
    body: str
    exact: str


class Made(msgspec.Struct, frozen=True, array_like=True):
    """A vector of the passage at a place, with its signs."""

    place: int
    model: str
    numbers: bytes
    bits: bytes


class Indexed(msgspec.Struct, frozen=True, array_like=True):
    """What became of an article; nothing of one whose result is none."""

    rows: list[Row]
    vectors: list[Made]


class Probed(msgspec.Struct, frozen=True, array_like=True):
    """What the model that was asked first answered: its name, and its dimension."""

    model: str
    dimension: int


class _Span(msgspec.Struct):
    start: int
    end: int


class _Result(msgspec.Struct):
    text: str
    passages: list[_Span] = []


_result = msgspec.json.Decoder(_Result)
_wanted = msgspec.msgpack.Decoder(list[Wanted])
_encode = msgspec.msgpack.Encoder().encode
_done = msgspec.msgpack.Decoder(tuple[Probed, list[Indexed]])
_vector = msgspec.msgpack.Decoder(Vector)


def ask_index(wanted: Sequence[Wanted]) -> bytes:
    """What `index` is given."""
    return _encode(wanted)


def told(answer: bytes) -> tuple[Probed, list[Indexed]]:
    """What `index` gave back."""
    return _done.decode(answer)


def index(data: bytes, steps: Steps = BUILT_IN) -> bytes:
    """Passages, words and vectors of articles. What cannot be made is left out. The model is asked about
    PROBE first, so that what it does not answer then is known to be a text's fault."""
    (probe,) = steps.embeddings([PROBE]).found
    articles = _wanted.decode(data)
    texts: list[str] = []
    found: list[Indexed] = []
    open_: list[tuple[list[Made], int]] = []
    for each in articles:
        made: list[Made] = []
        try:
            result = _result.decode(each.result)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # of another version of the program
            found.append(Indexed([], []))
            continue
        spans = [(span.start, span.end) for span in result.passages]
        rows = [
            Row(place, *spans[place], *words_of(result.text[slice(*spans[place])], each.title))
            for place in each.rows
            if place < len(spans)
        ]
        for place in each.places:
            if place < len(spans):
                texts.append(result.text[slice(*spans[place])])
                open_.append((made, place))
        old = [place for place in each.old if place < len(spans)]
        here = BUILT_IN.embeddings([result.text[slice(*spans[place])] for place in old]).found
        made += [_made(place, vector) for place, vector in zip(old, here, strict=True)]
        found.append(Indexed(rows, made))
    for (list_, place), vector in zip(open_, steps.embeddings(texts).found, strict=True):
        list_.append(_made(place, vector))
    return _encode((Probed(probe.model, probe.dimension), found))


def _made(place: int, vector: Vector) -> Made:
    return Made(place, vector.model, vector.numbers, signs(vector.numbers))


def question(data: bytes, steps: Steps = BUILT_IN) -> bytes:
    """The vector of a question (UTF-8)."""
    (vector,) = steps.embeddings([data.decode("utf-8", "surrogatepass")]).found
    return _encode(vector)


def answered(answer: bytes) -> Vector:
    """What `question` gave back."""
    return _vector.decode(answer)
